"""Options of `extra_dhcp_opts` -> what OVN's DHCP server is told, and which it can't be told.

Names are dnsmasq's (`dnsmasq --help dhcp`) or the numbers of RFC 2132, as Neutron takes them; the right side
is ovn-nb(5), DHCP_Options.  OVN copies a value as it is into the text of a flow's action, so nothing goes
there that has not been read by its type and written anew; text is quoted and has neither quotes nor
backslashes (what Neutron's CVE-2021-40085 was for dnsmasq).
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sealane.model import DhcpOption

OFF = "dhcp_disabled"
"""Of Neutron's OVN driver: with the value "true" this port gets no answer."""
BLANK = frozenset({"router", "classless-static-route"})
"""An empty value takes what the subnet says away (Neutron, extra-dhcp-opt)."""

_TEXT = re.compile(r"[ !#-\[\]-~]{1,250}")
_NAME = re.compile(r"(?=.{1,250}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?")


def addresses(value: str) -> str:
    """Raises ValueError, as all of these."""
    found = [str(ipaddress.IPv4Address(word)) for word in _words(value)]
    return braces(found) if len(found) > 1 else found[0]


def braces(members: Iterable[str]) -> str:
    return "{" + ", ".join(members) + "}"


def routes(pairs: Iterable[tuple[str, str]]) -> str:
    """(destination, next hop); 0.0.0.0 as next hop is the link itself (RFC 3442)."""
    return braces(f"{ipaddress.IPv4Network(net)},{ipaddress.IPv4Address(hop)}" for net, hop in pairs)


def quoted(value: str) -> str:
    if not _TEXT.fullmatch(value):
        raise ValueError
    return f'"{value}"'


def names(value: str) -> str:
    if not all(_NAME.fullmatch(word) for word in value.split(",")) or len(value) > 250:
        raise ValueError
    return quoted(value)


def _address(value: str) -> str:
    return str(ipaddress.IPv4Address(value.strip()))


def _host(value: str) -> str:
    try:
        return _address(value)
    except ValueError:
        return names(value)


def _routes(value: str) -> str:
    words = _words(value)
    if len(words) % 2:
        raise ValueError
    return routes(zip(words[::2], words[1::2], strict=True))


def _words(value: str) -> list[str]:
    words = [word.strip() for word in re.split("[,;]", value)]
    if len(words) > 24:
        raise ValueError
    return words


def _flag(value: str) -> str:
    return {"0": "0", "1": "1", "false": "0", "true": "1"}[value.lower()]


def _number(low: int, high: int) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not re.fullmatch("[0-9]{1,10}", value) or not low <= int(value) <= high:
            raise ValueError
        return str(int(value))

    return read


@dataclass(frozen=True)
class _Kind:
    """How a value is read, and what to say when it can't be."""

    read: Callable[[str], str]
    what: str


ADDRESS = _Kind(_address, "an IPv4 address")
ADDRESSES = _Kind(addresses, "IPv4 addresses with commas between them")
ROUTES = _Kind(_routes, "SUBNET,NEXTHOP pairs of IPv4 with commas between them")
TEXT = _Kind(quoted, "1 to 250 printable ASCII characters without quotes and backslashes")
NAMES = _Kind(names, "names of domains with commas between them")
HOST = _Kind(_host, "an IPv4 address or the name of a host")
FLAG = _Kind(_flag, "true or false")
BYTE = _Kind(_number(0, 255), "a number up to 255")
LONG = _Kind(_number(0, 2**32 - 1), "a number of seconds")
SECONDS = _Kind(_number(60, 2**32 - 1), "a number of seconds, 60 at least")
MTU = _Kind(_number(576, 65535), "a number from 576 to 65535")

KNOWN: Mapping[str, tuple[str, _Kind]] = {
    "router": ("router", ADDRESSES),
    "dns-server": ("dns_server", ADDRESSES),
    "log-server": ("log_server", ADDRESSES),
    "lpr-server": ("lpr_server", ADDRESSES),
    "hostname": ("hostname", NAMES),
    "domain-name": ("domain_name", NAMES),
    "swap-server": ("swap_server", ADDRESSES),
    "ip-forward-enable": ("ip_forward_enable", FLAG),
    "default-ttl": ("default_ttl", BYTE),
    "mtu": ("mtu", MTU),
    "broadcast": ("broadcast_address", ADDRESS),
    "router-discovery": ("router_discovery", FLAG),
    "router-solicitation": ("router_solicitation", ADDRESS),
    "arp-timeout": ("arp_cache_timeout", BYTE),
    "ethernet-encap": ("ethernet_encap", FLAG),
    "tcp-ttl": ("tcp_ttl", BYTE),
    "tcp-keepalive": ("tcp_keepalive_interval", BYTE),
    "nis-server": ("nis_server", ADDRESSES),
    "ntp-server": ("ntp_server", ADDRESSES),
    "netbios-ns": ("netbios_name_server", ADDRESSES),
    "netbios-nodetype": ("netbios_node_type", BYTE),
    "lease-time": ("lease_time", SECONDS),
    "T1": ("T1", LONG),
    "T2": ("T2", LONG),
    "tftp-server": ("tftp_server", HOST),
    "bootfile-name": ("bootfile_name", TEXT),
    "domain-search": ("domain_search_list", NAMES),
    "classless-static-route": ("classless_static_route", ROUTES),
    "tftp-server-address": ("tftp_server_address", ADDRESS),
    "server-ip-address": ("next_server", ADDRESS),
    "path-prefix": ("path_prefix", TEXT),
    "ms-classless-static-route": ("ms_classless_static_route", ROUTES),
    "wpad": ("wpad", TEXT),
}
NUMBERS: Mapping[str, str] = {
    "3": "router",
    "6": "dns-server",
    "7": "log-server",
    "9": "lpr-server",
    "12": "hostname",
    "15": "domain-name",
    "16": "swap-server",
    "19": "ip-forward-enable",
    "23": "default-ttl",
    "26": "mtu",
    "28": "broadcast",
    "31": "router-discovery",
    "32": "router-solicitation",
    "35": "arp-timeout",
    "36": "ethernet-encap",
    "37": "tcp-ttl",
    "38": "tcp-keepalive",
    "41": "nis-server",
    "42": "ntp-server",
    "44": "netbios-ns",
    "46": "netbios-nodetype",
    "51": "lease-time",
    "58": "T1",
    "59": "T2",
    "66": "tftp-server",
    "67": "bootfile-name",
    "119": "domain-search",
    "121": "classless-static-route",
    "150": "tftp-server-address",
    "210": "path-prefix",
    "249": "ms-classless-static-route",
    "252": "wpad",
}
"""RFC 2132 and later -> dnsmasq's name."""


def check(option: DhcpOption) -> None:
    """Raises ValueError that says what would be right."""
    if option.opt_name == OFF:
        if option.opt_value.lower() not in ("true", "false"):
            raise ValueError(f"'{option.opt_value}' is no value of {OFF}; give true or false")
        return
    if option.ip_version == 6:
        raise ValueError(
            "options of DHCPv6 are not served: OVN's server leaks memory there (CVE-2026-5367); "
            "give ip_version 4 or leave it out"
        )
    name = known_name(option)
    if name not in KNOWN:
        known = ", ".join(sorted([*KNOWN, OFF]))
        raise ValueError(f"'{option.opt_name}' is no option that can be served; there are: {known}")
    if option.opt_value or name not in BLANK:
        _read(name, option.opt_value)


def known_name(option: DhcpOption) -> str:
    """dnsmasq's, whatever was given; `option:` before it is dnsmasq's own way to write one."""
    name = option.opt_name.removeprefix("option:")
    return NUMBERS.get(name, name)


def applied(base: Mapping[str, str], options: Iterable[DhcpOption]) -> dict[str, str]:
    """A subnet's options with those of a port in their place. What can't be read is left out."""
    found = dict(base)
    for option in options:
        name = known_name(option)
        if name not in KNOWN or option.ip_version != 4:
            continue
        if not option.opt_value:
            found.pop(KNOWN[name][0], None)
            continue
        try:
            found[KNOWN[name][0]] = _read(name, option.opt_value)
        except ValueError:
            continue
    return found


def off(options: Iterable[DhcpOption]) -> bool:
    return any(o.opt_name == OFF and o.ip_version == 4 and o.opt_value.lower() == "true" for o in options)


def _read(name: str, value: str) -> str:
    kind = KNOWN[name][1]
    try:
        return kind.read(value)
    except (ValueError, KeyError):
        raise ValueError(f"'{value}' is no value of {name}; give {kind.what}") from None
