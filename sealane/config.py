"""Settings: the only reader of the configuration file and of SEALANE_* variables.

Each value comes, in this order of weight, from an option of the command, from a variable
SEALANE_<NAME>, from /etc/sealane/sealane.toml (flat keys of the same name), from joined.toml beside it,
which `sealane node --join` writes, from the default.
"""

import ipaddress
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args, get_origin

from sealane.errors import BadRequest

Datapath = Literal["auto", "kernel", "userspace"]
Switched = Literal["off", "on"]
Hook = Literal["auto", "tcx", "clsact"]
RAFT_ADDRESS = re.compile(r"ssl:([0-9.]+|\[[0-9A-Fa-f:]+\]):[1-9][0-9]{0,4}", re.ASCII)
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
ENTRY_MTU = re.compile(r"[A-Za-z0-9_.-]{1,64}:([0-9]{1,5})", re.ASCII)
MAPPING = re.compile(r"[A-Za-z0-9_.-]{1,64}:[A-Za-z0-9_.-]{1,15}", re.ASCII)
TLS_PORT, SOUTHBOUND_PORT = 9698, 6642
NOWHERE = "none"
LONGEST_LIFE = 10 * 365 * 86400
"""Seconds; as long as an authority lives."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting with its default; the comment is its documentation."""

    etc_dir: Path = Path("/etc/sealane")  # configuration and the admin's token
    state_dir: Path = Path("/var/lib/sealane")  # databases, the agent's memory
    run_dir: Path = Path("/run/sealane")  # sockets, pids, namespaces
    log_dir: Path = Path("/var/log/sealane")  # one file a daemon, when there is no journal
    host_name: str = ""  # name of this node and of its chassis; empty: the machine's name
    encap_ip: str = ""  # this node's address on the underlay; empty: the default route's source
    datapath: Datapath = "auto"  # auto: the kernel's openvswitch where it exists
    fastpath: Switched = "off"  # on: flows within a network go past Open vSwitch; user space only
    fastpath_hook: Hook = "auto"  # where its programs are; auto: tcx if the kernel has it, else clsact
    api_bind: str = "127.0.0.1:9696"  # where the API listens besides the unix socket; empty: nowhere
    api_listen_fd: int = -1  # an inherited listening socket that the API serves as well
    api_socket_extra: str = ""  # a second unix socket of the API
    tls_bind: str = ""  # where other hosts reach the API: ADDRESS:PORT or none; empty: encap_ip:9698
    southbound_bind: str = ""  # the same for the southbound database; empty: encap_ip:6642
    raft_address: str = ""  # ssl:ADDRESS:PORT for further members of the store; counts at its first start
    token_lifetime: int = 900  # seconds for which a token to join with is good
    login_lifetime: int = 3600  # seconds for which a log-in with a password is good
    users_bind: str = ""  # where users reach the API by TLS: ADDRESS:PORT; empty: nowhere
    users_certificate: str = ""  # what is shown there, PEM with its chain; empty: one of our own authority
    users_key: str = ""  # its key, PEM; empty: it is in the same file
    keystone_url: str = ""  # a Keystone whose tokens are good here as well, as https://HOST:5000
    keystone_user: str = "sealane"  # as whom it is asked, in its domain default
    keystone_project: str = "service"  # the project that this user logs in to
    keystone_password_file: Path = Path("/etc/sealane/keystone.password")  # his password
    keystone_ca: str = ""  # the authority of Keystone's certificate, PEM; empty: the machine's
    certificate_lifetime: int = 2592000  # seconds that a node's certificate lives; renewed after two thirds
    server_lifetime: int = 7776000  # the same for the certificate of the central part's listeners
    api_url: str = ""  # what the agent and the command talk to; empty: RUN/api.sock
    ovn_remote: str = ""  # the southbound database that ovn-controller uses; empty: the local one
    docker_socket: Path = Path("/var/run/docker.sock")  # the engine that the agent serves
    docker_plugin_dir: Path = Path("/run/docker/plugins")  # where the engine looks for drivers
    dockerd: bool = False  # run an engine of our own as a part of the node
    dockerd_args: str = ""  # further arguments of that engine, separated by blanks
    projects: tuple[str, ...] = ("default",)  # whose networks are mirrored into this node's engine
    ready_ports: int = 2  # kept ready for each network that CNI or netavark uses here; 0: none
    dns_suffix: str = "sealane.internal"  # container.NETWORK.SUFFIX
    network_pool: str = "10.96.0.0/11"  # where a subnet is taken from when none is given
    network_prefix: int = 24  # and its size
    network_pool6: str = "fd5e:a1a0::/32"  # the same for IPv6
    uplink_pool: str = "169.254.64.0/18"  # addresses between a gateway's namespace and the host
    uplink_pool6: str = "fd5e:a1af:ffff:ffff::/64"  # the same for IPv6
    bridge_mappings: tuple[str, ...] = ()  # PHYSICAL_NETWORK:BRIDGE or :INTERFACE, to reach a LAN
    path_mtu: int = 0  # bytes of an IP packet between hosts, tunnels included; 0: of the underlay's link
    global_physnet_mtu: int = 1500  # bytes that physical networks carry
    physical_network_mtus: tuple[str, ...] = ()  # PHYSICAL_NETWORK:BYTES, of those that carry others
    log_level: str = "info"  # debug, info, warning or error
    log_json: bool = False  # one JSON object a line instead of text

    @property
    def api_socket(self) -> Path:
        return self.run_dir / "api.sock"

    @property
    def agent_socket(self) -> Path:
        return self.run_dir / "agent.sock"

    @property
    def gate_socket(self) -> Path:
        return self.run_dir / "gate.sock"

    @property
    def plugin_socket(self) -> Path:
        """Where the agent answers Docker's calls, which the porter brings."""
        return self.run_dir / "plugin.sock"

    @property
    def supervisor_socket(self) -> Path:
        return self.run_dir / "supervisor.sock"

    @property
    def physical_networks(self) -> dict[str, str]:
        """Name -> the bridge or interface that leads to it."""
        return dict(entry.split(":", 1) for entry in self.bridge_mappings)

    @property
    def physical_mtus(self) -> dict[str, int]:
        """Name -> bytes."""
        return {name: int(mtu) for name, mtu in (e.split(":", 1) for e in self.physical_network_mtus)}

    @property
    def store_remote(self) -> str:
        return f"unix:{self.run_dir}/store.sock"

    @property
    def nb_remote(self) -> str:
        return f"unix:{self.ovn_run_dir}/ovnnb_db.sock"

    @property
    def sb_remote(self) -> str:
        """The local southbound socket; see `ovn_remote` for a node whose central part is elsewhere."""
        return f"unix:{self.ovn_run_dir}/ovnsb_db.sock"

    @property
    def ovs_remote(self) -> str:
        return f"unix:{self.ovs_run_dir}/db.sock"

    @property
    def ovn_run_dir(self) -> Path:
        return self.run_dir / "ovn"

    @property
    def ovs_run_dir(self) -> Path:
        return self.run_dir / "ovs"

    @property
    def netns_dir(self) -> Path:
        return self.run_dir / "netns"

    @property
    def pki_dir(self) -> Path:
        """Authorities and certificates."""
        return self.state_dir / "pki"

    @property
    def tls_endpoint(self) -> tuple[str, int] | None:
        """Address and port; None for nowhere."""
        return _endpoint(self.tls_bind, self.encap_ip, TLS_PORT)

    @property
    def users_endpoint(self) -> tuple[str, int] | None:
        """Address and port; None for nowhere."""
        return _endpoint(self.users_bind, "", 0) if self.users_bind else None

    @property
    def southbound_endpoint(self) -> tuple[str, int] | None:
        """Address and port; None for nowhere."""
        return _endpoint(self.southbound_bind, self.encap_ip, SOUTHBOUND_PORT)

    @property
    def login_key_file(self) -> Path:
        """What log-in tokens are signed with; without it all who have logged in must do so again."""
        return self.state_dir / "login.key"

    @property
    def admin_token_file(self) -> Path:
        return self.etc_dir / "admin.token"


@dataclass(frozen=True)
class Loaded:
    """The settings, and where each came from (`sealane config show`)."""

    settings: Settings
    sources: Mapping[str, str]


def load(
    options: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
    file: Path | None = None,
) -> Loaded:
    """Read all sources. Raises BadRequest that names the key and its source."""
    path = file or main_file(environ)
    joined = joined_file(path)
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    for source, layer in (
        (str(joined), _read_file(joined)),
        (str(path), _read_file(path)),
        ("environment", _read_environment(environ)),
        ("option", dict(options or {})),
    ):
        for key, raw in layer.items():
            values[key] = _convert(key, raw, source)
            sources[key] = source
    values["host_name"] = values.get("host_name") or socket.gethostname()
    for field in fields(Settings):
        sources.setdefault(field.name, "default")
    settings = Settings(**values)  # type: ignore[arg-type]  # checked one by one in _convert
    _check(settings)
    return Loaded(settings, sources)


def main_file(environ: Mapping[str, str] = os.environ) -> Path:
    return Path(environ.get("SEALANE_CONFIG", "/etc/sealane/sealane.toml"))


def joined_file(main: Path) -> Path:
    """Where a node keeps what it was told when it joined."""
    return main.with_name("joined.toml")


def _read_file(path: Path) -> dict[str, object]:
    try:
        text = path.read_text()
        import tomllib  # 2 ms, which a machine without the file need not spend at each command

        return tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:  # also UnicodeDecodeError, TOMLDecodeError
        raise BadRequest(f"{path}: {exc}; mend the file or remove it") from exc


def _read_environment(environ: Mapping[str, str]) -> dict[str, object]:
    names = {f.name for f in fields(Settings)}
    prefixed = ((k[8:].lower(), v) for k, v in environ.items() if k.startswith("SEALANE_"))
    return {key: value for key, value in prefixed if key in names}


def _convert(key: str, raw: object, source: str) -> object:
    kinds = {f.name: f.type for f in fields(Settings)}
    if key not in kinds:
        raise BadRequest(f"{source}: unknown setting '{key}'; 'sealane config show' lists them")
    kind = kinds[key]
    try:
        return _CONVERT[_kind_name(kind)](raw)
    except (ValueError, TypeError, KeyError) as exc:
        raise BadRequest(f"{source}: setting '{key}' can't be {raw!r}: {exc}") from exc


def _kind_name(kind: object) -> str:
    if kind == Datapath:
        return "datapath"
    if kind == Switched:
        return "switched"
    if kind == Hook:
        return "hook"
    return "tuple" if get_origin(kind) is tuple else getattr(kind, "__name__", str(kind))


def _boolean(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[str(raw).lower()]


def _words(raw: object) -> tuple[str, ...]:
    parts = raw if isinstance(raw, list) else str(raw).split(",")
    return tuple(str(p).strip() for p in parts if str(p).strip())


def _one_of(literal: object) -> Callable[[object], object]:
    def convert(raw: object) -> object:
        if raw not in get_args(literal):
            raise ValueError(f"choose one of {', '.join(get_args(literal))}")
        return str(raw)

    return convert


_CONVERT: Mapping[str, Callable[[object], object]] = {
    "str": str,
    "int": lambda raw: int(str(raw)),
    "bool": _boolean,
    "Path": lambda raw: Path(str(raw)),
    "tuple": _words,
    "datapath": _one_of(Datapath),
    "switched": _one_of(Switched),
    "hook": _one_of(Hook),
}


def _check(settings: Settings) -> None:
    if not HOST_NAME.fullmatch(settings.host_name):
        raise BadRequest(
            f"host_name '{settings.host_name}' is no host name; use letters, digits, '-' and '.'"
        )
    for key in ("tls_bind", "southbound_bind"):
        try:
            _endpoint(getattr(settings, key), settings.encap_ip, 1)
        except ValueError as exc:
            raise BadRequest(f"setting '{key}' can't be '{getattr(settings, key)}': {exc}") from exc
    try:
        if settings.users_bind and settings.users_endpoint is None:
            raise ValueError("give ADDRESS:PORT")
    except ValueError as exc:
        raise BadRequest(f"setting 'users_bind' can't be '{settings.users_bind}': {exc}") from exc
    if settings.keystone_url and not settings.keystone_url.startswith(("https://", "http://")):
        raise BadRequest(f"setting 'keystone_url' can't be '{settings.keystone_url}': give https://HOST:5000")
    if settings.raft_address and not RAFT_ADDRESS.fullmatch(settings.raft_address):
        raise BadRequest(f"setting 'raft_address' can't be '{settings.raft_address}': give ssl:ADDRESS:PORT")
    _check_mappings(settings.bridge_mappings)
    _check_mtus(settings)
    for key in ("token_lifetime", "login_lifetime", "certificate_lifetime", "server_lifetime"):
        if not 1 <= getattr(settings, key) <= LONGEST_LIFE:
            raise BadRequest(f"setting '{key}' is to be 1 to {LONGEST_LIFE} seconds")
    if not 0 <= settings.ready_ports <= 64:
        raise BadRequest("setting 'ready_ports' is to be 0 to 64")
    for key in ("network_pool", "network_pool6", "uplink_pool", "uplink_pool6"):
        value = getattr(settings, key)
        try:
            ipaddress.ip_network(value)
        except ValueError as exc:
            raise BadRequest(f"setting '{key}' can't be '{value}': {exc}") from exc


def _check_mappings(mappings: tuple[str, ...]) -> None:
    if not all(MAPPING.fullmatch(entry) for entry in mappings):
        raise BadRequest("setting 'bridge_mappings': give PHYSICAL_NETWORK:BRIDGE or :INTERFACE, by commas")
    for part, what in ((0, "physical network"), (1, "bridge")):
        named = [entry.split(":", 1)[part] for entry in mappings]
        if len(set(named)) < len(named):
            raise BadRequest(f"setting 'bridge_mappings': each {what} can be there once")


def _check_mtus(settings: Settings) -> None:
    if settings.path_mtu and not 1280 <= settings.path_mtu <= 65535:
        raise BadRequest("setting 'path_mtu' is to be 0 or 1280 to 65535")
    if not 576 <= settings.global_physnet_mtu <= 9000:
        raise BadRequest("setting 'global_physnet_mtu' is to be 576 to 9000")
    entries = [ENTRY_MTU.fullmatch(entry) for entry in settings.physical_network_mtus]
    if not all(entry and 576 <= int(entry[1]) <= 9000 for entry in entries):
        raise BadRequest(
            "setting 'physical_network_mtus': give PHYSICAL_NETWORK:BYTES, 576 to 9000, by commas"
        )
    if len(settings.physical_mtus) < len(entries):
        raise BadRequest("setting 'physical_network_mtus': each physical network can be there once")


def _endpoint(bind: str, host: str, port: int) -> tuple[str, int] | None:
    """`bind` is ADDRESS:PORT, [ADDRESS]:PORT, :PORT, empty or "none"; `host` and `port` fill the gaps.

    Raises ValueError.
    """
    if bind == NOWHERE:
        return None
    if bind:
        given, colon, number = bind.rpartition(":")
        if not colon or not number.isascii() or not number.isdigit() or not 0 < int(number) < 65536:
            raise ValueError("give ADDRESS:PORT, :PORT or none")
        host, port = given.removeprefix("[").removesuffix("]") or host, int(number)
        if given:
            ipaddress.ip_address(host)
    return (host, port) if host else None
