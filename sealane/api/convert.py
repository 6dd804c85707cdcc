"""Types of attributes: each checks and normalises one JSON value, and has its JSON schema.

A converter raises ValueError with the reason; the caller names the attribute.  Reasons read as
those of Neutron, since people search for them.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sealane.config import HOST_NAME
from sealane.model import AddressPair, HostRoute, Pool

MAC = re.compile(r"([0-9a-f]{2}[:-]){5}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{12}")
UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
PORT_RANGE = re.compile(r"([0-9]{1,5})(?::([0-9]{1,5}))?")
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
DNS_NAME = re.compile(rf"({LABEL}\.)*{LABEL}\.?")

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Type:
    """How one kind of value is checked (`convert`) and described (`schema`)."""

    convert: Callable[[Any], Any]
    schema: Schema = field(default_factory=dict)


def text(limit: int) -> Type:
    def convert(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"'{value}' is not a valid string")
        if len(value) > limit:
            raise ValueError(f"'{value[:40]}…' exceeds maximum length of {limit}")
        return _storable(value)

    return Type(convert, {"type": "string", "maxLength": limit})


def _storable(value: str) -> str:
    """OVSDB's strings are UTF-8 without NUL (RFC 7047 section 3.1); a lone surrogate is not UTF-8."""
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError("the string holds a character that can't be stored")
    return value


def nullable(inner: Type) -> Type:
    schema: dict[str, Any] = {**inner.schema, "nullable": True}
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return Type(lambda value: None if value is None else inner.convert(value), schema)


def one_of(*choices: object) -> Type:
    def convert(value: Any) -> Any:
        if value not in choices or isinstance(value, bool) != isinstance(choices[0], bool):
            raise ValueError(f"'{value}' is not in {list(choices)}")
        return value

    return Type(convert, {"enum": list(choices)})


def integer(low: int, high: int) -> Type:
    def convert(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"'{value}' is not an integer")
        if not low <= value <= high:
            raise ValueError(f"'{value}' is not between {low} and {high}")
        return value

    return Type(convert, {"type": "integer", "minimum": low, "maximum": high})


_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
"""The words that oslo.utils' strutils.bool_from_string takes."""


def to_boolean(value: Any) -> bool:
    known = _BOOLEANS.get(str(value).lower()) if isinstance(value, bool | int | str) else None
    if known is None:
        raise ValueError(f"'{value}' is not a boolean value")
    return known


def to_uuid(value: Any) -> str:
    if not isinstance(value, str) or not UUID.fullmatch(value.lower()):
        raise ValueError(f"'{value}' is not a valid UUID")
    return value.lower()


def to_address(value: Any) -> str:
    """The canonical text of an IP address without a zone."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f"'{value}' is not a valid IP address") from None


def to_cidr(value: Any) -> str:
    """The canonical text of a network; bits of the host part are refused: the caller may mean another."""
    try:
        if not isinstance(value, str) or "/" not in value or "%" in value:
            raise ValueError
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError(f"'{value}' is not a valid IP subnet") from None


def to_prefix(value: Any) -> str:
    """As `to_cidr`; here Neutron does cut bits of the host part off, and takes one address as its own net."""
    try:
        if not isinstance(value, str) or "%" in value:
            raise ValueError
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"'{value}' is not a valid IP subnet") from None


def to_subnet(value: Any) -> str:
    """Of a subnet.  Neutron cuts bits of the host part off; here they are a slip of the hand: who types
    10.0.0.1/24 for 10.0.1.0/24 gets another network than the wanted one, and cannot change it any more."""
    meant = to_prefix(value)
    if str(ipaddress.ip_interface(value)) != meant:
        raise ValueError(f"'{value}' has bits set behind the prefix; the subnet is probably '{meant}'")
    return meant


def to_mac(value: Any) -> str:
    """Lower case with colons; a multicast or an all-zero address is no station's."""
    given = value.lower() if isinstance(value, str) else ""
    if not MAC.fullmatch(given):
        raise ValueError(f"'{value}' is not a valid MAC address")
    digits = re.sub("[^0-9a-f]", "", given)
    mac = ":".join(digits[i : i + 2] for i in range(0, 12, 2))
    if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise ValueError(f"'{value}' is not a unicast MAC address")
    return mac


def to_port_range(value: Any) -> str:
    """FIRST:LAST; one port is a range of its own."""
    match = PORT_RANGE.fullmatch(str(value)) if isinstance(value, str | int) else None
    if match is None or isinstance(value, bool):
        raise ValueError(f"'{value}' is no range of ports: give it as 8000:8009, or one port")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"'{value}' is no range of ports: from 1 to 65535, the first one first")
    return f"{first}:{last}"


def to_dns_name(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 253 or (value and not DNS_NAME.fullmatch(value)):
        raise ValueError(f"'{value}' is not a valid DNS name")
    return value


def listing(inner: Callable[[Any], Any], schema: Schema, limit: int = 250) -> Type:
    """A list without repeated members, as a tuple."""

    def convert(value: Any) -> tuple[Any, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise ValueError(f"'{value}' is not a list")
        if len(value) > limit:
            raise ValueError(f"more than {limit} members")
        found = tuple(inner(member) for member in value)
        if len(set(found)) != len(found):
            raise ValueError("the list holds the same member twice")
        return found

    return Type(convert, {"type": "array", "items": dict(schema), "maxItems": limit})


def record(value: Any, *keys: str, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """A JSON object that has no key but `keys`, and all of `required`."""
    if not isinstance(value, dict):
        raise ValueError(f"'{value}' is not a dictionary")
    if unknown := sorted(set(value) - set(keys)):
        raise ValueError(f"unknown key '{unknown[0]}'; known are {', '.join(keys)}")
    if missing := [key for key in required if value.get(key) is None]:
        raise ValueError(f"key '{missing[0]}' is missing")
    return value


def _pool(value: Any) -> Pool:
    found = record(value, "start", "end", required=("start", "end"))
    return Pool(start=to_address(found["start"]), end=to_address(found["end"]))


def to_route(value: Any) -> HostRoute:
    found = record(value, "destination", "nexthop", required=("destination", "nexthop"))
    return HostRoute(destination=to_cidr(found["destination"]), nexthop=to_address(found["nexthop"]))


def _pair(value: Any) -> AddressPair:
    """An address or a network, and a MAC; without one it is the port's own (empty here)."""
    found = record(value, "ip_address", "mac_address", required=("ip_address",))
    given = found["ip_address"]
    address = to_cidr(given) if "/" in str(given) else to_address(given)
    mac = found.get("mac_address")
    return AddressPair(ip_address=address, mac_address=to_mac(mac) if mac else "")


@dataclass(frozen=True)
class WantedIP:
    """One element of a port's fixed_ips as the caller gave it; None is for us to choose."""

    subnet_id: str | None
    ip_address: str | None


def _wanted(value: Any) -> WantedIP:
    found = record(value, "subnet_id", "ip_address")
    subnet, address = found.get("subnet_id"), found.get("ip_address")
    if subnet is None and address is None:
        raise ValueError("give 'subnet_id', 'ip_address' or both")
    return WantedIP(
        None if subnet is None else to_uuid(subnet), None if address is None else to_address(address)
    )


def _many(inner: Callable[[Any], Any], value: Any) -> tuple[Any, ...]:
    """A list whose members may repeat: two addresses, both to be chosen, from one subnet."""
    if not isinstance(value, list) or len(value) > 64:
        raise ValueError("it is to be a list of 64 members at most")
    return tuple(inner(member) for member in value)


def _fixed_ips(value: Any) -> tuple[WantedIP, ...]:
    found: tuple[WantedIP, ...] = _many(_wanted, value)
    given = [wish.ip_address for wish in found if wish.ip_address is not None]
    if len(set(given)) != len(given):
        raise ValueError("it holds the same IP address twice")
    return found


def _labels(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 128:
        raise ValueError("it is to be a dictionary of 128 keys at most")
    if not all(isinstance(v, str) and len(v) <= 4096 and len(k) <= 255 for k, v in value.items()):
        raise ValueError("keys are strings of at most 255 characters, values of at most 4096")
    return {_storable(k): _storable(v) for k, v in value.items()}


def _profile(value: Any) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"'{value}' is not a dictionary")
    try:
        raw = msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError, RecursionError) as exc:
        raise ValueError(f"it can't be stored: {exc}") from exc
    if len(raw) > 4095 or b"\\u0000" in raw:
        raise ValueError("it is to be 4095 bytes of JSON at most, without NUL")
    return dict(value)


def _host(value: Any) -> str:
    """A node's name; OVN reads a comma as a list of hosts, so what is none is refused."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not HOST_NAME.fullmatch(value):
        raise ValueError(f"'{value}' is no name of a host")
    return value


def _false(value: Any) -> bool:
    if to_boolean(value):
        raise ValueError("only false is taken here yet")
    return False


def _true(value: Any) -> bool:
    if not to_boolean(value):
        raise ValueError("only true is taken here")
    return True


def _null(value: Any) -> None:
    if value is not None:
        raise ValueError("only null is taken here yet")


def _none(value: Any) -> tuple[()]:
    if value not in (None, []):
        raise ValueError("only the empty list is taken here yet")
    return ()


def to_tag(value: Any) -> str:
    tag = str(text(255).convert(value))
    if not tag or "," in tag:
        raise ValueError(f"'{tag}' is no tag: it is to be 1 to 255 characters without a comma")
    return tag


ADDRESS_SCHEMA: Schema = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}


def _objects(*keys: str) -> Schema:
    return {"type": "object", "properties": {key: {"type": "string"} for key in keys}}


def _physical(value: Any) -> str:
    """It stands between a comma and a colon in `ovn-bridge-mappings` (ovn-controller(8))."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value):
        raise ValueError(f"'{value}' is no name of a physical network: letters, digits and _.- are taken")
    return value


PORTS = Type(to_port_range, {"type": "string", "pattern": "^[0-9]{1,5}(:[0-9]{1,5})?$"})
BOOLEAN = Type(to_boolean, {"type": "boolean"})
ID = Type(to_uuid, {"type": "string", "format": "uuid"})
ADDRESS = Type(to_address, ADDRESS_SCHEMA)
NETWORK_SCHEMA: Schema = {"type": "string", "description": "a network, 192.0.2.0/24 or 2001:db8::/64"}
PREFIX = Type(to_prefix, NETWORK_SCHEMA)
CIDR = Type(to_subnet, {**NETWORK_SCHEMA, "description": "as 192.0.2.0/24, without bits of a host"})
MAC_ADDRESS = Type(to_mac, {"type": "string", "pattern": "^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$"})
PHYSICAL_NETWORK = Type(_physical, {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"})
HOST = Type(_host, {"type": "string", "nullable": True, "maxLength": 63})
NAME = text(255)
DNS = Type(to_dns_name, {"type": "string", "maxLength": 253})
DNS_LIST = listing(to_dns_name, {"type": "string", "maxLength": 253})
TAGS = listing(to_tag, {"type": "string", "maxLength": 255}, 50)
POOLS = listing(_pool, _objects("start", "end"))
ROUTES = listing(to_route, _objects("destination", "nexthop"), 20)
PAIRS = listing(_pair, _objects("ip_address", "mac_address"), 64)
SERVERS = listing(to_address, ADDRESS_SCHEMA, 5)
FIXED_IPS = Type(_fixed_ips, {"type": "array", "items": _objects("subnet_id", "ip_address")})
LABELS = Type(_labels, {"type": "object", "additionalProperties": {"type": "string"}})
PROFILE = Type(_profile, {"type": "object"})
FALSE_YET = Type(_false, {"type": "boolean", "enum": [False]})
TRUE_YET = Type(_true, {"type": "boolean", "enum": [True]})
NULL_YET = Type(_null, {"nullable": True, "enum": [None]})
NOTHING_YET = Type(_none, {"type": "array", "items": {}, "maxItems": 0})
ANY = Type(lambda value: value, {})
INTEGER = integer(0, 2**31 - 1)
