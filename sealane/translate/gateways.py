"""Which hosts a router's gateway may be on, and in what order.

A host is fit that has a bridge to the external network's physical network (any host, where that is an
overlay) and that may use the router's project.  They watch each other by BFD (ovn-nb(5), Gateway_Chassis):
the first that is alive has the gateway.  The order is each gateway's own, by a hash of its id and the
host's name: gateways spread evenly, and a host that comes or goes moves no others than those it takes or had.

ovn-controller takes a host that hears from nobody for one that is cut off itself, and gives its gateways up
rather than have two hosts with one address.  So two hosts need a third that can tell which of them is gone:
where only two are fit, another one, trusted as well, stands last in the order.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from sealane import names
from sealane.model import Network, Node, Port, Router
from sealane.translate.rows import Parent, Ref, Row, Value, row

MOST = 5
"""Hosts of one gateway; each has a BFD session with each host that uses it."""
EVERYBODY = "*"
PAIR = 2


def rows(router: Router, port: Port, network: Network, nodes: Iterable[Node]) -> Iterator[Row]:
    name = names.router_port(port.id)
    chosen = _chosen(router, port, network, nodes)
    for place, host in enumerate(chosen):
        columns: dict[str, Value] = {
            "chassis_name": host,
            "priority": len(chosen) - place,
        }
        holder = Parent(Ref("Logical_Router_Port", name), "gateway_chassis")
        yield row("Gateway_Chassis", f"{name}_{host}", columns, holder)


def _chosen(router: Router, port: Port, network: Network, nodes: Iterable[Node]) -> Sequence[str]:
    """The names of the hosts, the first first."""
    trusted = [node for node in nodes if _trusts(node, router)]
    able = {node.name for node in trusted if network.physical_network in (None, *node.physical_networks)}
    others = order(port.id, (node.name for node in trusted if node.name not in able))
    witnesses = others[:1] if len(able) == PAIR else ()
    return [*order(port.id, able)[:MOST], *witnesses]


def _trusts(node: Node, router: Router) -> bool:
    return EVERYBODY in node.projects or router.project_id in node.projects


def order(gateway_id: str, hosts: Iterable[str]) -> Sequence[str]:
    return sorted(hosts, key=lambda host: hashlib.sha256(f"{gateway_id} {host}".encode()).digest())
