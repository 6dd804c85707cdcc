"""What a runtime says by CNI and what it is answered; pure.

Versions 0.3.0 to 1.1.0 of the specification: https://www.cni.dev/docs/spec/
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sealane.agent import once
from sealane.agent.attachment import MAC, Attachment, PortRequest
from sealane.errors import (
    BadRequest,
    Conflict,
    HostError,
    NotFound,
    SealaneError,
    Unavailable,
)

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
INCOMPATIBLE, UNSUPPORTED, UNKNOWN_CONTAINER, ENVIRONMENT, IO, UNDECODABLE, INVALID = 1, 2, 3, 4, 5, 6, 7
TRY_AGAIN, NOT_AVAILABLE = 11, 50
REFUSED, DIFFERENT = 101, 102
"""Ours: what is asked for is in use or used up; an attachment is not what it was made."""

_CODES: tuple[tuple[type[SealaneError], int], ...] = (
    (Unavailable, TRY_AGAIN),
    (Conflict, REFUSED),
    (BadRequest, INVALID),
    (NotFound, INVALID),
    (HostError, IO),
)
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$")
_IFNAME = re.compile(r"^(?!\.{1,2}$)[^\s/:\x00]{1,15}$")
_SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}
ANNOTATIONS = "io.kubernetes.cri.pod-annotations"
VALID = ("cni.dev/valid-attachments", "cni.dev/attachments")


class Refusal(Exception):
    """An error as CNI has it."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.details = code, message, details


def refusal(exc: SealaneError) -> Refusal:
    return Refusal(next((code for kind, code in _CODES if isinstance(exc, kind)), 100), exc.message)


@dataclass(frozen=True, kw_only=True)
class Call:
    command: str
    version: str
    name: str  # of the network configuration
    config: Mapping[str, Any]
    env: Mapping[str, str]
    container: str = ""
    netns: str = ""
    ifname: str = ""
    args: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.prefix}{self.container}:{self.ifname}"

    @property
    def prefix(self) -> str:
        return f"cni:{self.name}:"

    @property
    def network(self) -> str:
        return _text(self.config, "network") or self.name

    @property
    def runtime(self) -> Mapping[str, Any]:
        return _object(self.config, "runtimeConfig")

    @property
    def ipam(self) -> str:
        """Program of a delegated IPAM; "": ours."""
        kind = _text(_object(self.config, "ipam"), "type")
        return "" if kind == "sealane" else kind


def call(env: Mapping[str, str], text: str) -> Call:
    """Raises Refusal."""
    config = _decoded(text)
    version = config.get("cniVersion")
    if version not in VERSIONS:
        supported = ", ".join(VERSIONS)
        raise Refusal(INCOMPATIBLE, f"cniVersion {version!r} is not supported", f"supported are {supported}")
    command = env.get("CNI_COMMAND", "")
    if command not in ("ADD", "DEL", "CHECK", "GC", "STATUS"):
        raise Refusal(ENVIRONMENT, f"CNI_COMMAND {command!r} is unknown")
    if version < _SINCE.get(command, ""):
        raise Refusal(INCOMPATIBLE, f"{command} is not in version {version}; use {_SINCE[command]} or newer")
    name = config.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refusal(INVALID, f"name {name!r} of the network is missing or malformed")
    found = Call(command=command, version=version, name=name, config=config, env=env)
    return found if command in ("GC", "STATUS") else _of_container(found)


def _of_container(found: Call) -> Call:
    env = found.env
    container, ifname, path = (env.get(f"CNI_{key}", "") for key in ("CONTAINERID", "IFNAME", "NETNS"))
    if not _NAME.fullmatch(container):
        raise Refusal(ENVIRONMENT, f"CNI_CONTAINERID {container[:80]!r} is missing or malformed")
    if not _IFNAME.fullmatch(ifname):
        raise Refusal(ENVIRONMENT, f"CNI_IFNAME {ifname[:80]!r} is no name of an interface")
    if not path and found.command != "DEL":
        raise Refusal(ENVIRONMENT, "CNI_NETNS is missing")
    return Call(
        command=found.command,
        version=found.version,
        name=found.name,
        config=found.config,
        env=env,
        container=container,
        netns=path,
        ifname=ifname,
        args=_arguments(env.get("CNI_ARGS", "")),
    )


def addresses(wanted: Call) -> tuple[str, ...]:
    """Those that the runtime asks for, without prefix lengths."""
    given = wanted.runtime.get("ips") or _object(_object(wanted.config, "args"), "cni").get("ips")
    found = given or [ip for ip in wanted.args.get("IP", "").split(",") if ip]
    if not isinstance(found, list):
        raise Refusal(INVALID, "runtimeConfig.ips is no list of addresses")
    return tuple(_bare(ip) for ip in found)


def mac(wanted: Call) -> str:
    given = wanted.runtime.get("mac") or wanted.args.get("MAC", "")
    if given and (not isinstance(given, str) or not MAC.fullmatch(given.lower())):
        raise Refusal(INVALID, f"runtimeConfig.mac {given!r} is no MAC address")
    return str(given).lower()


def aliases(wanted: Call) -> tuple[str, ...]:
    """A list, or, as Podman has it, one for each network."""
    given = wanted.runtime.get("aliases") or []
    if isinstance(given, Mapping):
        given = given.get(wanted.name) or []
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise Refusal(INVALID, "runtimeConfig.aliases is no list of names")
    return tuple(given)


def labels(wanted: Call) -> dict[str, str]:
    """What the runtime itself says: args.cni.labels of the conventions, an object or a list of `key` and
    `value`, and the annotations of a pod, which have a capability of their own."""
    given = _object(_object(wanted.config, "args"), "cni").get("labels") or {}
    if isinstance(given, list) and all(isinstance(one, Mapping) for one in given):
        given = {one.get("key"): one.get("value") for one in given}
    if not isinstance(given, Mapping):
        raise Refusal(INVALID, "args.cni.labels is neither an object nor a list of keys and values")
    found = {**_object(wanted.runtime, ANNOTATIONS), **given}
    if not all(isinstance(word, str) for pair in found.items() for word in pair):
        raise Refusal(INVALID, f"args.cni.labels and {ANNOTATIONS}: keys and values are texts")
    return found


def mappings(wanted: Call) -> tuple[PortRequest, ...]:
    """Shared, unless the configuration says reservePorts: Podman listens on them itself."""
    given = wanted.runtime.get("portMappings") or []
    if not isinstance(given, list):
        raise Refusal(INVALID, "runtimeConfig.portMappings is no list")
    return tuple(_mapping(one, shared=wanted.config.get("reservePorts") is not True) for one in given)


def _mapping(one: Any, *, shared: bool) -> PortRequest:
    try:
        protocol = str(one.get("protocol") or "tcp").lower()
        ports = int(one["hostPort"]), int(one["containerPort"])
        host_ip = str(one.get("hostIP") or "")
        if host_ip:
            ipaddress.ip_address(host_ip)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise Refusal(INVALID, f"runtimeConfig.portMappings: {one!r} is malformed") from exc
    if protocol not in ("tcp", "udp", "sctp") or not all(0 < port < 65536 for port in ports):
        raise Refusal(INVALID, f"runtimeConfig.portMappings: {one!r} is out of range")
    host_ip = "" if host_ip in ("0.0.0.0", "::") else host_ip
    return PortRequest(
        protocol=protocol,  # type: ignore[arg-type]
        port=ports[1],
        host_port=ports[0],
        host_ip=host_ip,
        shared=shared,
    )


def valid(wanted: Call) -> set[str]:
    """Keys of attachments that GC shall keep."""
    listed = next((wanted.config[key] for key in VALID if key in wanted.config), None)
    if not isinstance(listed, list):
        raise Refusal(INVALID, f"{VALID[0]} is missing or no list")
    try:
        return {f"{wanted.prefix}{one['containerID']}:{one['ifname']}" for one in listed}
    except (KeyError, TypeError) as exc:
        raise Refusal(INVALID, f"{VALID[0]}: each has a containerID and an ifname") from exc


def previous(wanted: Call) -> Mapping[str, Any]:
    return _object(wanted.config, "prevResult")


def result(wanted: Call, made: Attachment, host_link: str, servers: tuple[str, ...]) -> dict[str, Any]:
    """In the version that was asked for, with what plugins before us have made."""
    before = previous(wanted)
    interfaces = list(before.get("interfaces") or [])
    inner: dict[str, Any] = {"name": made.ifname, "mac": made.mac, "sandbox": wanted.netns}
    if wanted.version >= "1.1.0":
        inner["mtu"] = made.mtu
    place = len(interfaces) + 1
    ips = [_ip(wanted.version, address, made.gateways, place) for address in made.addresses]
    routes = [{"dst": "::/0" if ":" in hop else "0.0.0.0/0", "gw": hop} for hop in made.defaults or ()]
    routes += [{"dst": r.destination, "gw": r.nexthop} for r in made.routes]
    return {
        "cniVersion": wanted.version,
        "interfaces": [*interfaces, {"name": host_link}, inner],
        "ips": [*(before.get("ips") or []), *ips],
        "routes": [*(before.get("routes") or []), *routes],
        "dns": before.get("dns") or wanted.config.get("dns") or {"nameservers": list(servers)},
    }


def _ip(version: str, address: str, gateways: tuple[str, ...], place: int) -> dict[str, Any]:
    family = ":" in address
    gateway = next((g for g in gateways if (":" in g) == family), "")
    told: dict[str, Any] = {"address": address, "interface": place}
    if version < "1.0.0":
        told["version"] = "6" if family else "4"
    return told | ({"gateway": gateway} if gateway else {})


def _decoded(text: str) -> dict[str, Any]:
    try:
        return once.decoded(text)
    except ValueError as exc:
        raise Refusal(UNDECODABLE, f"the configuration can't be read: {exc}") from exc


def _object(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = body.get(key) or {}
    if not isinstance(found, Mapping):
        raise Refusal(INVALID, f"{key} is no object")
    return found


def _text(body: Mapping[str, Any], key: str) -> str:
    found = body.get(key) or ""
    if not isinstance(found, str):
        raise Refusal(INVALID, f"{key} is no text")
    return found


def _arguments(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(";") if pair]
    if not all(equals for _, equals, _ in pairs):
        raise Refusal(ENVIRONMENT, f"CNI_ARGS {text[:80]!r} is not KEY=VALUE;KEY=VALUE")
    return {key: value for key, _, value in pairs}


def _bare(ip: Any) -> str:
    try:
        return str(ipaddress.ip_interface(str(ip)).ip)
    except ValueError as exc:
        raise Refusal(INVALID, f"{ip!r} is no address") from exc
