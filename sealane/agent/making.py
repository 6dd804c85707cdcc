"""What a namespace gets, of the API's answers and what is in there already; pure."""

import time
from collections.abc import Iterable
from typing import Any

from sealane.agent.asked import AttachRequest
from sealane.agent.attachment import Attachment, Route
from sealane.agent.inside import Survey
from sealane.agent.labels import GIVEN, QUARANTINE
from sealane.client import Body

Known = tuple[Body, list[Body]]
"""A network and its subnets."""


def made_of(id: str, request: AttachRequest, port: Body, survey: Survey, known: Known) -> Attachment:
    network, listed = known
    subnets = {s["id"]: s for s in listed}
    servers = (server for s in subnets.values() for server in s.get("dns_nameservers") or ())
    used = [(subnets[ip["subnet_id"]], ip["ip_address"]) for ip in port["fixed_ips"]]
    mode = network.get("sealane:gateway", "host")
    gateways = _gateways([subnet for subnet, _ in used]) if mode != "none" else ()
    routes = tuple(_route(r) for subnet, _ in used for r in subnet.get("host_routes") or ())
    return Attachment(
        id=id,
        door=request.door,
        network_id=network["id"],
        port_id=port["id"],
        mac=port["mac_address"].lower(),
        addresses=tuple(f"{ip}/{subnet['cidr'].split('/')[1]}" for subnet, ip in used),
        mtu=int(network["mtu"]),
        gateways=gateways,
        routes=routes + request.routes,
        nameservers=tuple(dict.fromkeys(servers)),
        key=request.key,
        defaults=defaults(request.gateway, gateways, survey.defaults),
        internal=mode == "none",
        gateway_mode=mode,
        guarded=port["port_security_enabled"],
        policy=_policy(request, port),
        created=time.time(),
    )


def _policy(request: AttachRequest, port: Body) -> str:
    if request.security_groups or request.port:
        return GIVEN
    return QUARANTINE if port.get("sealane:quarantine") else ""


def defaults(wanted: str, gateways: Iterable[str], there: frozenset[int]) -> tuple[str, ...]:
    """A default route that is there already belongs to somebody else."""
    if wanted == "none":
        return ()
    if wanted not in ("", "yes"):
        return (wanted,)
    return tuple(g for g in gateways if wanted == "yes" or (6 if ":" in g else 4) not in there)


def _gateways(subnets: list[Body]) -> tuple[str, ...]:
    """The first gateway of each family."""
    found: dict[int, str] = {}
    for subnet in subnets:
        if subnet.get("gateway_ip"):
            found.setdefault(int(subnet["ip_version"]), subnet["gateway_ip"])
    return tuple(found[version] for version in sorted(found))


def _route(body: dict[str, Any]) -> Route:
    return Route(destination=body["destination"], nexthop=body["nexthop"])
