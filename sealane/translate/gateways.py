"""Which hosts a router's gateway may be on, and in what order.

A host is fit that has a bridge to the external network's physical network (any host, where that is an
overlay) and that may use the router's project.  They watch each other by BFD (ovn-nb(5), Gateway_Chassis):
the first that is alive has the gateway.  The order is each gateway's own, by a hash of its id and the
host's name: gateways spread evenly, and a host that comes or goes moves no others than those it takes or had.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from sealane import names
from sealane.model import Network, Node, Port, Router
from sealane.translate.rows import Parent, Ref, Row, Value, row

MOST = 5
"""Hosts of one gateway; each has a BFD session with each host that uses it."""
EVERYBODY = "*"


def rows(router: Router, port: Port, network: Network, nodes: Iterable[Node]) -> Iterator[Row]:
    name = names.router_port(port.id)
    chosen = order(port.id, (node.name for node in nodes if fit(node, router, network)))[:MOST]
    for place, host in enumerate(chosen):
        columns: dict[str, Value] = {
            "chassis_name": host,
            "priority": len(chosen) - place,
        }
        holder = Parent(Ref("Logical_Router_Port", name), "gateway_chassis")
        yield row("Gateway_Chassis", f"{name}_{host}", columns, holder)


def fit(node: Node, router: Router, network: Network) -> bool:
    trusted = EVERYBODY in node.projects or router.project_id in node.projects
    return trusted and network.physical_network in (None, *node.physical_networks)


def order(gateway_id: str, hosts: Iterable[str]) -> Sequence[str]:
    return sorted(hosts, key=lambda host: hashlib.sha256(f"{gateway_id} {host}".encode()).digest())
