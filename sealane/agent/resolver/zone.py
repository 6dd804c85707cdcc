"""From ports to names to answers. Pure: values in, values out.

A port named `web` on the network `blue` is known to its network's members as

    web    web.blue    web.blue.sealane.internal    and, with dns_domain `corp.example`, web.corp.example

and each of its aliases likewise.  A View is what one sandbox sees: its networks, in the order in which
they were joined.  The first network that knows a name answers, as Docker's resolver does it: two
containers of the same name on two networks are two containers, and their addresses are never mixed.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sealane.model import Network, Port

Names = Mapping[str, tuple[str, ...]]
"""Lower-case name without a final dot -> addresses."""

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")


@dataclass(frozen=True)
class View:
    """What one attachment lets its sandbox see. forward: whether other names may be asked elsewhere."""

    networks: tuple[str, ...]
    suffix: str = "sealane.internal"
    forward: bool = True


def merge(views: Iterable[View]) -> View:
    """One view for a sandbox with several attachments: it may ask outside if one of them may."""
    all_views = tuple(views)
    networks = tuple(dict.fromkeys(n for view in all_views for n in view.networks))
    suffix = all_views[0].suffix if all_views else View(()).suffix
    return View(networks, suffix, any(view.forward for view in all_views))


def normal(name: str) -> str | None:
    """The name in lower case without a final dot; None when it can't be a name in DNS (RFC 1035 2.3.4).

    Underscores are let through: Docker allows them in the names of containers.
    """
    lowered = name.lower().rstrip(".")
    return lowered if len(lowered) <= 253 and _NAME.fullmatch(lowered) else None


def names_of(network: Network, ports: Iterable[Port], suffix: str) -> Names:
    """All names of one network. A name of several ports (a service's alias) has all their addresses."""
    found: dict[str, list[str]] = {}
    for port in sorted(ports, key=lambda p: (p.created_at, p.id)):
        for label in (port.dns_name or port.name, *port.dns_aliases):
            for name in _spellings(label, network, suffix):
                found.setdefault(name, []).extend(ip.ip_address for ip in port.fixed_ips)
    return {name: tuple(dict.fromkeys(addresses)) for name, addresses in found.items()}


def _spellings(label: str, network: Network, suffix: str) -> Iterator[str]:
    if not label:
        return
    spellings = [label, f"{label}.{network.name}", f"{label}.{network.name}.{suffix}"]
    if network.dns_domain:
        spellings += [f"{label}.{network.dns_domain}", f"{label}.{network.name}.{network.dns_domain}"]
    yield from dict.fromkeys(name for s in spellings if (name := normal(s)))


class Zones:
    """The names of all networks of this node; `lookup` and `reverse` answer within a view."""

    def __init__(self) -> None:
        self._names: dict[str, Names] = {}
        self._owners: dict[str, dict[str, str]] = {}

    def set(self, network_id: str, names: Names) -> None:
        """Replace one network's names. Names that DNS can't carry and bad addresses are left out."""
        clean = {name: _addresses(raw) for key, raw in names.items() if (name := normal(key))}
        self._names[network_id] = clean
        owners: dict[str, str] = {}
        for name, addresses in clean.items():
            for address in addresses:
                if name.count(".") > owners.get(address, "").count(".") or address not in owners:
                    owners[address] = name
        self._owners[network_id] = owners

    def drop(self, network_id: str) -> None:
        self._names.pop(network_id, None)
        self._owners.pop(network_id, None)

    def lookup(self, view: View, name: str) -> tuple[str, ...] | None:
        """Addresses of a name, both families; None when no network of the view knows it."""
        for network_id in view.networks:
            addresses = self._names.get(network_id, {}).get(name)
            if addresses is not None:
                return addresses
        return None

    def reverse(self, view: View, address: str) -> str | None:
        """The longest name of an address: the one that says the most about it."""
        for network_id in view.networks:
            name = self._owners.get(network_id, {}).get(address)
            if name is not None:
                return name
        return None


def _addresses(raw: Iterable[str]) -> tuple[str, ...]:
    """Canonical spelling, so that an address from a PTR question is found."""
    good = []
    for text in raw:
        try:
            good.append(str(ipaddress.ip_address(text)))
        except ValueError:
            continue
    return tuple(dict.fromkeys(good))
