"""The door for Podman with netavark: create, setup and teardown, behind sealane/shims/netavark.py.

    create              a network of Podman's: checked, and given back as it came
    setup NETNS         a container's interface; answered with its addresses
    teardown NETNS      whatever is gone is success

https://github.com/containers/netavark/blob/main/plugin-API.md
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from sealane import log
from sealane.agent import once
from sealane.agent.asked import AttachRequest
from sealane.agent.attachment import Attachment, PortRequest
from sealane.agent.docker.turns import Turns
from sealane.agent.door import NetnsDoor
from sealane.errors import BadRequest, Conflict, NotFound, SealaneError, Unavailable

OPTIONS = frozenset({"network", "gateway", "mtu", "no_default_route", "isolate", "metric"})
"""Of `podman network create -o`: ours are `network` and `gateway`, the others pass by."""
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$")
_log = log.get("netavark")


class NetavarkRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    verb: str
    netns: str
    config: str


class Network(msgspec.Struct, kw_only=True):
    name: str
    id: str = ""
    driver: str = ""
    options: dict[str, str] | None = None


class PortMapping(msgspec.Struct, kw_only=True):
    container_port: int
    host_port: int
    host_ip: str = ""
    protocol: str = "tcp"
    range: int = 1


class Options(msgspec.Struct, kw_only=True):
    interface_name: str
    aliases: list[str] | None = None
    static_ips: list[str] | None = None
    static_mac: str | None = None


class Container(msgspec.Struct, kw_only=True):
    container_id: str
    container_name: str = ""
    port_mappings: list[PortMapping] | None = None
    network: Network
    network_options: Options

    @property
    def key(self) -> str:
        network = self.network.id or self.network.name
        return f"netavark:{network}:{self.container_id}:{self.network_options.interface_name}"


class NetavarkDoor:
    def __init__(self, door: NetnsDoor) -> None:
        self._door = door
        self._turns = Turns()
        self._verbs: Mapping[str, Callable[[NetavarkRequest], Awaitable[str]]] = {
            "create": self._create,
            "setup": self._setup,
            "teardown": self._teardown,
        }

    async def answer(self, request: NetavarkRequest) -> dict[str, Any]:
        """Exit status and standard output of the plugin."""
        try:
            verb = self._verbs.get(request.verb)
            if verb is None:
                raise BadRequest(f"'{request.verb}' is none of create, setup, teardown and info")
            return {"status": 0, "output": await verb(request)}
        except SealaneError as exc:
            _log.warning("refused", verb=request.verb, error=exc.message)
            return {"status": 1, "output": json.dumps({"error": exc.message})}

    async def _create(self, request: NetavarkRequest) -> str:
        body = _decoded(request.config)
        network = _as(body, Network)
        unknown = (network.options or {}).keys() - OPTIONS
        if unknown:
            raise BadRequest(f"the option {', '.join(sorted(unknown))} is unknown; '-o network=NAME' is ours")
        await self._door.network(_wanted(network))
        return json.dumps(body)

    async def _setup(self, request: NetavarkRequest) -> str:
        container = _as(_decoded(request.config), Container)
        async with self._turns.of(container.key):
            if self._door.known_as(container.key) is not None:
                raise Conflict(
                    f"{container.container_name or container.container_id} has that interface already"
                )
            made = await self._door.attach(_request(container, request.netns))
        return json.dumps(_status(made))

    async def _teardown(self, request: NetavarkRequest) -> str:
        container = _as(_decoded(request.config), Container)
        async with self._turns.of(container.key):
            known = self._door.known_as(container.key)
            if known is not None:
                with suppress(NotFound, Unavailable):  # the port is collected later
                    await self._door.detach(known.id)
        return ""


def _request(container: Container, netns: str) -> AttachRequest:
    for field in ("container_id", "container_name"):
        value = getattr(container, field)
        if not _NAME.fullmatch(value) and (value or field == "container_id"):
            raise BadRequest(f"{field}: {value[:80]!r} is no id or name of a container")
    options, network = container.network_options, container.network
    return AttachRequest(
        target=netns if netns.startswith("/") else f"/{netns}",
        network=_wanted(network),
        ips=tuple(options.static_ips or ()),
        mac=options.static_mac or "",
        ifname=options.interface_name,
        gateway=(network.options or {}).get("gateway", ""),
        aliases=tuple(options.aliases or ()),
        publish=tuple(one for mapping in container.port_mappings or () for one in _published(mapping)),
        name=container.container_name,
        door="podman",
        key=container.key,
    )


def _wanted(network: Network) -> str:
    return (network.options or {}).get("network") or network.name


def _published(mapping: PortMapping) -> list[PortRequest]:
    """Podman listens on them itself, so they are shared."""
    if not 1 <= mapping.range <= 4096:
        raise BadRequest(f"port_mappings: range {mapping.range} is not between 1 and 4096")
    found = []
    for protocol in mapping.protocol.split(","):
        for number in range(mapping.range):
            port, host_port = mapping.container_port + number, mapping.host_port + number
            if protocol not in ("tcp", "udp", "sctp") or not (0 < port < 65536 and 0 < host_port < 65536):
                raise BadRequest(f"port_mappings: {host_port}:{port}/{protocol} is out of range")
            found.append(
                PortRequest(
                    protocol=protocol,  # type: ignore[arg-type]
                    port=port,
                    host_port=host_port,
                    host_ip="" if mapping.host_ip in ("0.0.0.0", "::") else mapping.host_ip,
                    shared=True,
                )
            )
    return found


def _status(made: Attachment) -> dict[str, Any]:
    subnets = [{"ipnet": address, **_gateway(made.gateways, ":" in address)} for address in made.addresses]
    return {
        "dns_search_domains": [],
        "dns_server_ips": list(made.servers()),
        "interfaces": {made.ifname: {"mac_address": made.mac, "subnets": subnets}},
    }


def _gateway(gateways: tuple[str, ...], v6: bool) -> dict[str, str]:
    return next(({"gateway": g} for g in gateways if (":" in g) == v6), {})


def _decoded(text: str) -> dict[str, Any]:
    try:
        return once.decoded(text)
    except ValueError as exc:
        raise BadRequest(f"what came in can't be read: {exc}") from exc


def _as(body: dict[str, Any], kind: type[Any]) -> Any:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as exc:
        raise BadRequest(f"what came in: {exc}") from exc
