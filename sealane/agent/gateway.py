"""A network's gateway on this host: a namespace with one leg in the network and one in the host.

    br-int ── tgw… ═══ slw… ──tc redirect── slg… ═══ gw0 │ gw-<net> │ up0 ═══ slu… ── the host's routing
    br-int ── tgw… ═════════════════════════════════ gw0 │          │            (kernel datapath)

gw0 has the gateway's MAC and addresses (OVN's localport: the same on every host, seen only by the
containers of this one); up0 has an address of the uplink pool that is unique on this host.  Own
namespace, own routing table, own connection tracking: tenants' overlapping addresses never meet.
Where a router is the gateway, gw0 has the resolver's address and MAC, and up0 is there for what is published.
docs/decisions/0002-gateway-namespace.md, 0016-answers-beside-a-router.md and 0021-fast-path-outside.md
tell why it is so.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sealane import names
from sealane.agent.facts import MARK_GATEWAY, Gateway
from sealane.errors import NotFound
from sealane.host import link, netns, offload, route, sysctl, tc
from sealane.host.netlink import Socket

INNER, UPLINK = "gw0", "up0"
_UPLINK_MTU = 65535
"""Nothing on this pair is a wire: the real limits are the container's and the NIC's."""

_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/accept_dad": "0",  # a link-local address at once: neighbours are asked by it
}


@dataclass(frozen=True)
class Where:
    """Where namespaces are on this host, and which datapath it has."""

    netns_dir: Path
    userspace: bool
    first_uplinks: tuple[str, ...]  # the host's own addresses on every uplink, one a family
    farewell: Callable[[str], None] = lambda network_id: None
    """Called before the namespace of a network goes."""

    @property
    def switch(self) -> Path:
        return self.netns_dir / "switch"

    def gateway(self, network_id: str) -> Path:
        return self.netns_dir / names.gateway_namespace(network_id)

    def gateways(self) -> list[str]:
        """Networks that have something of a gateway here."""
        prefix = names.gateway_namespace("")
        return sorted(p.name.removeprefix(prefix) for p in self.netns_dir.glob(f"{prefix}*"))


def find(where: Where, host: Socket, network_id: str) -> Gateway | None:
    """What is there, read back; one that lacks a part has no addresses."""
    path = where.gateway(network_id)
    links = {name: link.find(host, name) for name in _host_links(network_id)}
    there = [one for one in links.values() if one is not None]
    if not there and not path.exists():
        return None
    broken = Gateway(network_id, 0, frozenset(), frozenset(), "")
    if not netns.exists(path) or any(one.alias != MARK_GATEWAY + network_id for one in there):
        return broken
    if where.userspace and None in (links[name] for name in _turn(network_id)):
        return broken
    found = netns.inside(path, lambda: _read(network_id)) or broken
    return replace(found, redirected=_is_redirected(host, *map(links.get, _turn(network_id))))


def ensure(where: Where, host: Socket, gateway: Gateway) -> None:
    """Make the namespace as wanted; what is there and whole is kept, with its connections."""
    found = find(where, host, gateway.network_id)
    if found is None or not found.stays(gateway):
        remove(where, host, gateway.network_id)
        _build(where, host, gateway)
        return
    if found.mtu != gateway.mtu:
        _resize_port(where, host, gateway)
    netns.inside(where.gateway(gateway.network_id), lambda: _adjust(gateway, found))
    if gateway.redirected:
        _redirect(host, gateway)


def resize(namespace: Path, name: str, mtu: int) -> None:
    """A link of another namespace than the host's. Raises NotFound."""
    netns.inside(namespace, lambda: _resize(name, mtu))


def _resize(name: str, mtu: int) -> None:
    with Socket() as socket:
        link.change(socket, _index(socket, name), mtu=mtu)


def _resize_port(where: Where, host: Socket, gateway: Gateway) -> None:
    port = names.gateway_ovs_port(gateway.network_id)
    if where.userspace:
        resize(where.switch, port, gateway.mtu)
    else:
        link.change(host, _index(host, port), mtu=gateway.mtu)


def remove(where: Where, host: Socket, network_id: str) -> None:
    """Remove the links on both sides and the namespace; what is gone already is no error."""
    path = where.gateway(network_id)
    where.farewell(network_id)
    with suppress(NotFound):
        netns.inside(path, _delete_inner)
    there = [link.find(host, name) for name in (*_host_links(network_id), names.gateway_ovs_port(network_id))]
    mark = MARK_GATEWAY + network_id
    link.delete(host, *(one.index for one in there if one is not None and one.alias == mark))
    netns.remove(path)


def _turn(network_id: str) -> tuple[str, str]:
    """The host's two links between which it redirects what the gateway sends and is sent."""
    return names.gateway_link(network_id), names.gateway_switch_link(network_id)


def _host_links(network_id: str) -> tuple[str, ...]:
    return names.uplink(network_id), *_turn(network_id)


def _is_redirected(host: Socket, near: link.Link | None, far: link.Link | None) -> bool:
    if near is None or far is None:
        return False
    both = ((near, far), (far, near))
    return all(one.up and tc.redirected_to(host, one.index) == other.index for one, other in both)


def _redirect(host: Socket, gateway: Gateway) -> None:
    """Nothing that arrives on them is the host's own, not even in the moment after they are up."""
    near, far = (_index(host, name) for name in _turn(gateway.network_id))
    for one, other in ((near, far), (far, near)):
        tc.redirect(host, one, other)
    for one in (near, far):
        link.change(host, one, mtu=gateway.mtu)
        link.set_up(host, one)


def _read(network_id: str) -> Gateway | None:
    with Socket() as socket:
        inner, uplink = link.find(socket, INNER), link.find(socket, UPLINK)
        if inner is None or not inner.up or (uplink is not None and not uplink.up):
            return None
        addresses = route.all_addresses(socket)
        return Gateway(
            network_id=network_id,
            mtu=inner.mtu,
            addresses=frozenset(addresses.get(inner.index, ())),
            uplinks=frozenset(a.split("/")[0] for a in addresses.get(uplink.index if uplink else 0, ())),
            mac=inner.mac,
            routes=frozenset(route.on_link(socket, inner.index)),
        )


def _build(where: Where, host: Socket, gateway: Gateway) -> None:
    path = where.gateway(gateway.network_id)
    netns.create(path)
    if gateway.uplinks:
        netns.inside(path, _set_sysctls)
    with opened(path) as inner:
        _add_links(where, host, gateway, inner)
    netns.inside(path, lambda: _configure(where, gateway))
    if gateway.uplinks:
        _lead_out(where, host, gateway)


def _lead_out(where: Where, host: Socket, gateway: Gateway) -> None:
    outer = link.find(host, names.uplink(gateway.network_id))
    if outer is None:
        raise NotFound(f"the uplink of network {gateway.network_id} vanished")
    for address in where.first_uplinks:
        route.add_address(host, outer.index, _alone(address))
    link.set_up(host, outer.index)
    for address in gateway.uplinks:
        source = next(a for a in where.first_uplinks if (":" in a) == (":" in address))
        route.add_route(host, outer.index, _alone(address), source=source)


def _add_links(where: Where, host: Socket, gateway: Gateway, inner: int) -> None:
    network_id = gateway.network_id
    mark = MARK_GATEWAY + network_id
    if gateway.uplinks:
        link.add_pair(
            host,
            link.End(names.uplink(network_id), _UPLINK_MTU),
            link.End(UPLINK, _UPLINK_MTU, namespace=inner),
            mark,
            silent=False,
        )
    port, mtu = names.gateway_ovs_port(network_id), gateway.mtu
    leg = link.End(INNER, mtu, gateway.mac, inner)
    if not where.userspace:
        link.add_pair(host, link.End(port, mtu), leg, mark, up=True)
        return
    near, far = _turn(network_id)
    link.add_pair(host, link.End(near, mtu), leg, mark)
    with opened(where.switch) as switch:
        link.add_pair(host, link.End(far, mtu), link.End(port, mtu, namespace=switch), mark)
    offload.transmit_checksums_off(host, far)
    _redirect(host, gateway)
    socket = netns.inside(where.switch, Socket)
    try:
        link.set_up(socket, _index(socket, port), silent=True)
    finally:
        socket.close()


def _configure(where: Where, gateway: Gateway) -> None:
    """Addresses and routes, from inside the namespace."""
    with Socket() as socket:
        inner = _index(socket, INNER)
        for address in sorted(gateway.addresses):
            route.add_address(socket, inner, address)
        if not gateway.uplinks:
            for index in (_index(socket, "lo"), inner):
                link.set_up(socket, index)
            _add_routes(socket, inner, gateway.routes)
            return
        uplink = _index(socket, UPLINK)
        for address in sorted(gateway.uplinks):
            route.add_address(socket, uplink, _alone(address))
        for index in (_index(socket, "lo"), inner, uplink):
            link.set_up(socket, index)
        _add_routes(socket, inner, gateway.routes)
        for address in where.first_uplinks:
            route.add_route(socket, uplink, _alone(address))
            route.add_route(socket, uplink, "::/0" if ":" in address else "0.0.0.0/0", address)


def _adjust(gateway: Gateway, found: Gateway) -> None:
    with Socket() as socket:
        index = _index(socket, INNER)
        for address in found.addresses - gateway.addresses:
            route.remove_address(socket, index, address)
        for address in gateway.addresses - found.addresses:
            route.add_address(socket, index, address)
        for destination in found.routes - gateway.routes:
            route.remove_route(socket, index, destination)
        _add_routes(socket, index, gateway.routes - found.routes)
        if found.mtu != gateway.mtu:
            link.change(socket, index, mtu=gateway.mtu)


def _add_routes(socket: Socket, index: int, destinations: Iterable[str]) -> None:
    for destination in sorted(destinations):
        route.add_route(socket, index, destination)


def _set_sysctls() -> None:
    for key, value in _SYSCTLS.items():
        with suppress(NotFound):  # a kernel without IPv6
            sysctl.write(key, value)


def _delete_inner() -> None:
    with Socket() as socket:
        found = [link.find(socket, name) for name in (INNER, UPLINK)]
        link.delete(socket, *(one.index for one in found if one is not None))


def _index(socket: Socket, name: str) -> int:
    found = link.find(socket, name)
    if found is None:
        raise NotFound(f"the link {name} vanished")
    return found.index


def _alone(address: str) -> str:
    return f"{address}/128" if ":" in address else f"{address}/32"


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = netns.open_namespace(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
