"""What users type: -o, --ipam-opt, driver-opt and labels, checked into values.

    -o sealane.network=ID or name      join a network that exists (alias: neutron.net.uuid, of kuryr)
    -o sealane.project=NAME            the project of a new network, and where a name is looked up
    -o sealane.mtu=1400                bytes (alias: com.docker.network.driver.mtu)
    -o sealane.dns-domain=corp.example
    -o sealane.gateway=host|router|docker|none
    -o sealane.router=NAME             a new network is connected to that router, by name or id
    -o sealane.multicast=snooping|flooding          whom a group's packets reach: its members, or everybody
    --ipam-opt sealane.subnetpool=low,low6          with --ipam-driver sealane: a new one is of pools
    -o sealane.qos=slow                what each of its ports may carry; also a driver-opt and a label
    -o sealane.tap=watch,record:in     taps that see what is carried; also a driver-opt and a label
    -o sealane.log=all|accepted|dropped             which packets are logged; also a driver-opt and a label
    -o sealane.metering=shop           labels that count it; also a driver-opt and a label (see watched.py)
    -o sealane.security-groups=web,db               what its containers are in
    -o sealane.security-groups-by-label=true        what is asked of each container's label
    --network name=N,driver-opt=sealane.port=ID     adopt a port made before
    --network name=N,driver-opt=sealane.trunk=NAME  that of a trunk's parent, by the trunk's name or id
    --network name=N,driver-opt=sealane.security-groups=web,db
    --network name=N,driver-opt=sealane.service=web:80:8080
    --network name=N,driver-opt=sealane.tap-port=watch     it is given the copies of that tap; also a label
    --label sealane.security-groups=web,db          of a container

Keys of others pass by; one that begins with `sealane.` and that nobody knows is an error, since a
mistyped policy must not be a missing one.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec

from sealane.agent.attachment import PortRequest, Protocol
from sealane.agent.docker.messages import PortMap
from sealane.agent.docker.watched import KEYS, Watched, watched
from sealane.errors import BadRequest
from sealane.model import GatewayMode
from sealane.names import BY_LABEL, METERING, QOS, ROUTER, SECURITY_GROUPS, SERVICE, SUBNET_POOL, TAP_PORT

GENERIC = "com.docker.network.generic"
INTERNAL = "com.docker.network.internal"
PORTMAP = "com.docker.network.portmap"
ENDPOINT_NAME = "com.docker.network.endpoint.name"
GATEWAY = "com.docker.network.gateway"
ADDRESS_TYPE = "RequestAddressType"

OURS = "sealane."
NETWORK = "sealane.network"
PORT = "sealane.port"
TRUNK = "sealane.trunk"
ALIASES = {
    "neutron.net.uuid": NETWORK,
    "com.docker.network.driver.mtu": "sealane.mtu",
    "sealane.security_groups": SECURITY_GROUPS,
    "sealane.security_groups_by_label": BY_LABEL,
}
NETWORK_KEYS = frozenset(
    {
        *(NETWORK, "sealane.project", "sealane.mtu", "sealane.dns-domain", "sealane.gateway"),
        *(ROUTER, SECURITY_GROUPS, BY_LABEL, QOS, SUBNET_POOL, "sealane.multicast"),
        *KEYS,
    },
)
ENDPOINT_KEYS = frozenset({PORT, TRUNK, SECURITY_GROUPS, QOS, SERVICE, TAP_PORT, *KEYS})
PROTOCOLS: Mapping[int, Protocol] = {6: "tcp", 17: "udp", 132: "sctp"}
"""IANA's protocol numbers, as in PortMap.Proto."""

OFFER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}:[0-9]{1,5}(:[0-9]{1,5})?(/(tcp|udp|sctp))?")
DOMAIN = re.compile(r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?$")
NAME = re.compile(r"^[\w.@-]{1,255}$")
MULTICAST = "sealane.multicast"
SNOOPS: Mapping[str, bool] = {"snooping": True, "flooding": False}
MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Of `docker network create`. None: not given."""

    network: str | None = None
    project: str | None = None
    mtu: int | None = None
    dns_domain: str | None = None
    gateway: GatewayMode | None = None
    router: str | None = None
    internal: bool = False
    security_groups: tuple[str, ...] | None = None
    by_label: bool = False
    qos: str | None = None
    multicast_snooping: bool | None = None
    subnet_pools: tuple[str, ...] = ()
    watched: Watched = field(default_factory=Watched)


@dataclass(frozen=True, kw_only=True)
class EndpointOptions:
    port: str | None = None
    trunk: str | None = None
    security_groups: tuple[str, ...] | None = None
    qos: str | None = None
    service: str = ""
    watched: Watched = field(default_factory=Watched)


def network_options(raw: Mapping[str, Any] | None) -> NetworkOptions:
    """The Options of CreateNetwork. Raises BadRequest that names the option and the cure."""
    raw = raw or {}
    given = _ours(raw.get(GENERIC), NETWORK_KEYS)
    internal = raw.get(INTERNAL) is True
    options = NetworkOptions(
        network=_named(given, NETWORK),
        project=_named(given, "sealane.project"),
        mtu=_mtu(given),
        dns_domain=_domain(given),
        gateway=_gateway(given),
        router=_named(given, ROUTER),
        internal=internal,
        security_groups=_groups(given),
        by_label=_switch(given, BY_LABEL),
        qos=_named(given, QOS),
        multicast_snooping=_snooping(given),
        subnet_pools=_names(given, SUBNET_POOL),
        watched=watched(given),
    )
    if internal and options.gateway not in (None, "none"):
        raise BadRequest(f"--internal and sealane.gateway={options.gateway} exclude each other")
    if options.router and (internal or options.gateway not in (None, "router")):
        other = "--internal" if internal else f"sealane.gateway={options.gateway}"
        raise BadRequest(f"{other} and {ROUTER}={options.router} exclude each other")
    if options.watched.meters and (internal or options.gateway in ("docker", "none")):
        other = "--internal" if internal else f"sealane.gateway={options.gateway}"
        raise BadRequest(f"{other} and {METERING} exclude each other: nothing leaves where it is counted")
    _check_join(options)
    return options


def _check_join(options: NetworkOptions) -> None:
    new = {
        "sealane.mtu": options.mtu,
        "sealane.dns-domain": options.dns_domain,
        "sealane.gateway": options.gateway,
        ROUTER: options.router,
        SECURITY_GROUPS: options.security_groups,
        BY_LABEL: options.by_label or None,
        QOS: options.qos,
        MULTICAST: options.multicast_snooping,
        SUBNET_POOL: options.subnet_pools or None,
        **options.watched.labels(),
    }
    for key, value in new.items():
        if options.network and value is not None:
            raise BadRequest(f"{key} belongs to a new network; '{options.network}' exists: leave it out")


def pool_hint(raw: Mapping[str, str] | None) -> NetworkOptions:
    """The --ipam-opt of RequestPool: which network to join, or of which pools a new one is."""
    given = _ours(raw, frozenset({NETWORK, "sealane.project", SUBNET_POOL}))
    hint = NetworkOptions(
        network=_named(given, NETWORK),
        project=_named(given, "sealane.project"),
        subnet_pools=_names(given, SUBNET_POOL),
    )
    _check_join(hint)
    return hint


def endpoint_options(raw: Mapping[str, Any] | None) -> EndpointOptions:
    """The Options of CreateEndpoint, where `driver-opt` stands at the top level."""
    given = _ours(raw, ENDPOINT_KEYS)
    if PORT in given and TRUNK in given:
        raise BadRequest(f"{TRUNK} says which port it is: leave {PORT} out")
    return EndpointOptions(
        port=_named(given, PORT),
        trunk=_named(given, TRUNK),
        security_groups=_groups(given),
        qos=_named(given, QOS),
        service=_service(given),
        watched=watched(given),
    )


def service_names(text: str) -> tuple[str, ...]:
    """What a container offers, one by one."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _service(given: Mapping[str, str]) -> str:
    text = given.get(SERVICE)
    if text is None:
        return ""
    wrong = [word for word in service_names(text) if not OFFER.fullmatch(word)]
    if wrong or not service_names(text):
        raise BadRequest(
            f"option '{SERVICE}': '{text}' is no list of NAME:PORT[:PORT][/PROTOCOL] as web:80:8080"
        )
    return text


def label_options(labels: Mapping[str, str]) -> dict[str, str]:
    """What a container's labels ask of its ports: the keys of ENDPOINT_KEYS."""
    given = {ALIASES.get(key, key): value for key, value in labels.items()}
    return {key: value for key, value in given.items() if key in ENDPOINT_KEYS}


def group_names(text: str) -> tuple[str, ...]:
    """Of a label. Raises BadRequest."""
    return _groups({SECURITY_GROUPS: text}) or ()


def _groups(given: Mapping[str, str]) -> tuple[str, ...] | None:
    text = given.get(SECURITY_GROUPS)
    if text is None:
        return None
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    if not found or not all(NAME.fullmatch(word) for word in found):
        raise BadRequest(f"option '{SECURITY_GROUPS}': '{text}' is no list of groups as web,db")
    return found


def _names(given: Mapping[str, str], key: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in given.get(key, "").split(",") if word.strip())
    if key in given and not (words and all(NAME.fullmatch(word) for word in words)):
        raise BadRequest(f"option '{key}': '{given[key]}' is no list of pools as low,low6")
    return words


def _switch(given: Mapping[str, str], key: str) -> bool:
    text = given.get(key, "false").lower()
    if text not in ("true", "false"):
        raise BadRequest(f"option '{key}': '{text}' is neither true nor false")
    return text == "true"


def _snooping(given: Mapping[str, str]) -> bool | None:
    text = given.get(MULTICAST)
    if text is not None and text not in SNOOPS:
        raise BadRequest(f"option '{MULTICAST}': '{text}' is neither snooping nor flooding")
    return None if text is None else SNOOPS[text]


def port_requests(raw: Mapping[str, Any] | None) -> tuple[PortRequest, ...]:
    """`-p` and `-P`, as dockerd hands them to Join and ProgramExternalConnectivity."""
    try:
        listed = msgspec.convert((raw or {}).get(PORTMAP) or [], list[PortMap])
    except msgspec.ValidationError as exc:
        raise BadRequest(f"{PORTMAP}: {exc}") from exc
    return tuple(_port_request(item) for item in listed)


def _port_request(item: PortMap) -> PortRequest:
    protocol = PROTOCOLS.get(item.protocol)
    if protocol is None:
        raise BadRequest(f"{PORTMAP}: IP protocol {item.protocol} can't be published; use tcp or udp")
    return PortRequest(
        protocol=protocol,
        port=item.port,
        host_ip=item.host_ip,
        host_port=item.host_port,
        host_port_end=item.host_port_end,
    )


def mac_address(raw: Any) -> str:
    """A MAC address in lower case, from text or from Go's base64 of six bytes; "" stays "".

    Raises BadRequest.
    """
    text = str(raw or "").lower()
    if text and not MAC.fullmatch(text):
        text = _from_base64(str(raw))
    return text


def _from_base64(raw: str) -> str:
    try:
        data = base64.b64decode(raw, validate=True)
    except binascii.Error:
        data = b""
    if len(data) != 6:
        raise BadRequest(f"'{raw}' is no MAC address; write it as 02:42:0a:00:00:05")
    return ":".join(f"{byte:02x}" for byte in data)


def _ours(raw: Any, known: frozenset[str]) -> dict[str, str]:
    """The options that are ours, aliases resolved."""
    if raw is not None and not isinstance(raw, Mapping):
        raise BadRequest("options must be an object of texts")
    given: dict[str, str] = {}
    for key, value in (raw or {}).items():
        name: str = ALIASES.get(key, str(key))
        if name not in known and name.startswith(OURS):
            raise BadRequest(f"unknown option '{key}'; known: {', '.join(sorted(known))}")
        if name in known:
            _put(given, name, key, value)
    return given


def _put(given: dict[str, str], name: str, key: str, value: Any) -> None:
    if not isinstance(value, str) or not value:
        raise BadRequest(f"option '{key}' needs a text as its value")
    if given.setdefault(name, value) != value:
        raise BadRequest(f"option '{key}' says '{value}', but '{name}' says '{given[name]}' too")


def _named(given: Mapping[str, str], key: str) -> str | None:
    value = given.get(key)
    if value is not None and not NAME.fullmatch(value):
        raise BadRequest(f"option '{key}': '{value}' is neither an id nor a name")
    return value


def _mtu(given: Mapping[str, str]) -> int | None:
    text = given.get("sealane.mtu")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 576 <= int(text) <= 65535):
        raise BadRequest(f"option 'sealane.mtu': '{text}' is not a number of bytes from 576 to 65535")
    return int(text)


def _domain(given: Mapping[str, str]) -> str | None:
    text = given.get("sealane.dns-domain")
    if text is None:
        return None
    if len(text) > 253 or not DOMAIN.fullmatch(text.lower()):
        raise BadRequest(f"option 'sealane.dns-domain': '{text}' is no domain name")
    return text.lower().rstrip(".")


def _gateway(given: Mapping[str, str]) -> GatewayMode | None:
    text = given.get("sealane.gateway")
    for mode in get_args(GatewayMode):
        if text == mode:
            return mode  # type: ignore[no-any-return]  # get_args() loses the literal's type
    if text is None:
        return None
    raise BadRequest(f"option 'sealane.gateway': '{text}' is none of {', '.join(get_args(GatewayMode))}")
