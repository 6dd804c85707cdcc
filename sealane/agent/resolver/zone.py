"""From ports to names to answers. Pure: values in, values out.

A port named `web` on the network `blue` is known to its network's members as

    web    web.blue    web.blue.sealane.internal    and, with dns_domain `corp.example`, web.corp.example

and each of its aliases likewise.  A View is what one sandbox sees: its networks, in the order in which
they were joined, and those beyond a router, whose names need more than one label there.  The first network
that knows a name answers, as Docker's resolver does it: two containers of the same name on two networks
are two containers, and their addresses are never mixed.
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
    beyond: tuple[str, ...] = ()
    """Networks that a router leads to."""
    servers: tuple[str, ...] = ()
    """Who is asked elsewhere, in this order; nobody given: whom the sandbox or the host would ask."""


def merge(views: Iterable[View]) -> View:
    """One view for a sandbox with several attachments: it may ask outside if one of them may."""
    all_views = tuple(views)
    networks = tuple(dict.fromkeys(n for view in all_views for n in view.networks))
    beyond = tuple(dict.fromkeys(n for view in all_views for n in view.beyond if n not in networks))
    servers = tuple(dict.fromkeys(s for view in all_views for s in view.servers))
    suffix = all_views[0].suffix if all_views else View(()).suffix
    return View(networks, suffix, any(view.forward for view in all_views), beyond, servers)


def normal(name: str) -> str | None:
    """The name in lower case without a final dot; None when it can't be a name in DNS (RFC 1035 2.3.4).

    Underscores are let through: Docker allows them in the names of containers.
    """
    lowered = name.lower().rstrip(".")
    return lowered if len(lowered) <= 253 and _NAME.fullmatch(lowered) else None


def names_of(network: Network, port: Port, suffix: str) -> tuple[str, ...]:
    """All names of a port within its network, its own before its aliases."""
    labels = (port.dns_name or port.name, *port.dns_aliases)
    return tuple(dict.fromkeys(name for label in labels for name in _spellings(label, network, suffix)))


def _spellings(label: str, network: Network, suffix: str) -> Iterator[str]:
    if not label:
        return
    spellings = [label, f"{label}.{network.name}", f"{label}.{network.name}.{suffix}"]
    if network.dns_domain:
        spellings += [f"{label}.{network.dns_domain}", f"{label}.{network.name}.{network.dns_domain}"]
    yield from (name for s in spellings if (name := normal(s)))


@dataclass(frozen=True, slots=True)
class _Station:
    order: tuple[str, ...]
    names: tuple[str, ...]
    addresses: tuple[str, ...]


class Zone:
    """The names of one network, station by station: a change of one costs what that one has.

    A name of several stations (a service's alias) has all their addresses, in the stations' order.
    """

    def __init__(self) -> None:
        self._stations: dict[str, _Station] = {}
        self._names: dict[str, dict[str, _Station]] = {}
        self._owners: dict[str, dict[str, _Station]] = {}

    def put(self, key: str, names: Iterable[str], addresses: Iterable[str], order: tuple[str, ...]) -> None:
        """Replace a station. Names that DNS can't carry and bad addresses are left out."""
        self.remove(key)
        clean = dict.fromkeys(good for name in names if (good := normal(name)))
        station = _Station(order, tuple(clean), _addresses(addresses))
        self._stations[key] = station
        for name in station.names:
            self._names.setdefault(name, {})[key] = station
        for address in station.addresses if station.names else ():
            self._owners.setdefault(address, {})[key] = station

    def remove(self, key: str) -> None:
        station = self._stations.pop(key, None)
        if station is not None:
            for name in station.names:
                _take_out(self._names, name, key)
            for address in station.addresses if station.names else ():
                _take_out(self._owners, address, key)

    def lookup(self, name: str) -> tuple[str, ...] | None:
        """None when nobody has the name; () when who has it has no address."""
        found = self._names.get(name)
        if found is None:
            return None
        return tuple(dict.fromkeys(a for station in _in_order(found) for a in station.addresses))

    def reverse(self, address: str) -> str | None:
        """The longest name of an address, the one that says the most about it."""
        found = self._owners.get(address, {})
        names = [name for station in _in_order(found) for name in station.names]
        return max(names, key=lambda name: name.count("."), default=None)


def _in_order(found: Mapping[str, _Station]) -> list[_Station]:
    return sorted(found.values(), key=lambda station: station.order)


def _take_out(index: dict[str, dict[str, _Station]], place: str, key: str) -> None:
    del index[place][key]
    if not index[place]:
        del index[place]


class Zones:
    """The names of all networks of this node; `lookup` and `reverse` answer within a view."""

    def __init__(self) -> None:
        self._zones: dict[str, Zone] = {}

    def of(self, network_id: str) -> Zone:
        """The network's zone; an empty one is made where there is none."""
        return self._zones.setdefault(network_id, Zone())

    def set(self, network_id: str, names: Names) -> None:
        """Replace one network's names."""
        zone = self._zones[network_id] = Zone()
        for number, (name, addresses) in enumerate(names.items()):
            zone.put(name, [name], addresses, (f"{number:09}",))

    def drop(self, network_id: str) -> None:
        self._zones.pop(network_id, None)

    def lookup(self, view: View, name: str) -> tuple[str, ...] | None:
        """Addresses of a name, both families; None when no network of the view knows it."""
        for zone in self._seen(view, beyond="." in name):
            addresses = zone.lookup(name)
            if addresses is not None:
                return addresses
        return None

    def reverse(self, view: View, address: str) -> str | None:
        for zone in self._seen(view, beyond=True):
            name = zone.reverse(address)
            if name is not None:
                return name
        return None

    def _seen(self, view: View, *, beyond: bool) -> Iterator[Zone]:
        networks = (*view.networks, *view.beyond) if beyond else view.networks
        return (self._zones[id] for id in networks if id in self._zones)


def _addresses(raw: Iterable[str]) -> tuple[str, ...]:
    """Canonical spelling, so that an address from a PTR question is found."""
    good = []
    for text in raw:
        try:
            good.append(str(ipaddress.ip_address(text)))
        except ValueError:
            continue
    return tuple(dict.fromkeys(good))
