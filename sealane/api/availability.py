"""/v2.0/network-ip-availabilities: how many addresses networks have, and how many are taken. For admins.

As in Neutron: what could be taken is the allocation pools, what is taken are the addresses of ports, but
those of ports that only wait for a container: they give way to whoever wants them.  The
filter `ip_version` chooses networks with a subnet of that family, and of these the subnets.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane import names
from sealane.api import convert, ipam, query
from sealane.api.answers import answer
from sealane.api.attributes import Attribute, Kind, Values
from sealane.api.desk import Desk
from sealane.api.links import origin
from sealane.api.look import Look
from sealane.errors import NotFound
from sealane.model import Resource, Subnet


@dataclass(frozen=True, kw_only=True)
class Availability(Resource):
    """Of one network; its `id` and `name` are those of the network."""

    subnets: tuple[Values, ...]
    ip_version: int | None
    """The family that was asked for."""


MANY = convert.Type(int, {"type": "integer"})
"""Of IPv6 there are more than 64 bits can count."""


def _sum(key: str) -> Any:
    return lambda row, look: sum(subnet[key] for subnet in row.subnets)


AVAILABILITIES = Kind(
    singular="network_ip_availability",
    plural="network_ip_availabilities",
    collection=lambda state: {},
    attributes=(
        Attribute(name="id", type=convert.ID, visible=False),
        Attribute(name="network_id", type=convert.ID, field="id"),
        Attribute(name="network_name", type=convert.NAME, field="name"),
        Attribute(name="tenant_id", type=convert.NAME, field="project_id"),
        Attribute(name="project_id", type=convert.NAME),
        Attribute(name="ip_version", type=convert.INTEGER, visible=False),
        Attribute(name="total_ips", type=MANY, read=_sum("total_ips"), filter=False),
        Attribute(name="used_ips", type=MANY, read=_sum("used_ips"), filter=False),
        Attribute(
            name="subnet_ip_availability",
            type=convert.ANY,
            read=lambda row, look: list(row.subnets),
            filter=False,
        ),
    ),
)


class Availabilities:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        base = f"/v2.0/{AVAILABILITIES.path}"
        return (
            Route(base, self.list, methods=["GET"]),
            Route(f"{base}/{{id}}", self.show, methods=["GET"]),
        )

    async def list(self, request: Request) -> Response:
        raw, look = request.scope["query_string"].decode("latin-1"), self._desk.look()
        wanted = query.parse(AVAILABILITIES, raw)
        found = availabilities(look, _family(raw))
        page = query.select(replace(AVAILABILITIES, collection=lambda state: found), wanted, look, raw)
        kind = AVAILABILITIES
        body: Values = {kind.plural: [kind.show(row, look, wanted.fields) for row in page.rows]}
        if page.links:
            base = f"{origin(request)}{request.scope['path']}"
            body[f"{kind.plural}_links"] = [{"rel": r, "href": f"{base}?{q}"} for r, q in page.links]
        return answer(body)

    async def show(self, request: Request) -> Response:
        id, look = request.path_params["id"], self._desk.look()
        found = availabilities(look, None).get(id)
        if found is None:
            raise NotFound(f"Network {id} could not be found.", type="NetworkNotFound")
        return answer({AVAILABILITIES.singular: AVAILABILITIES.show(found, look)})


def _family(raw: str) -> int | None:
    """Values that are no family are for the filter to refuse."""
    given = parse_qs(raw).get("ip_version", [])
    return int(given[-1]) if given and given[-1] in ("4", "6") else None


def availabilities(look: Look, ip_version: int | None) -> Mapping[str, Availability]:
    """By network."""
    taken = (port for port in look.state.ports.values() if not names.waits(port))
    used = Counter(fixed.subnet_id for port in taken for fixed in port.fixed_ips)
    found = {}
    for network in look.state.networks.values():
        mine = [s for s in look.subnets_of(network.id) if ip_version in (None, s.ip_version)]
        if mine or ip_version is None:
            found[network.id] = Availability(
                id=network.id,
                name=network.name,
                project_id=network.project_id,
                subnets=tuple(_of_subnet(subnet, used[subnet.id]) for subnet in mine),
                ip_version=ip_version,
            )
    return found


def _of_subnet(subnet: Subnet, used: int) -> Values:
    return {
        "subnet_id": subnet.id,
        "subnet_name": subnet.name,
        "cidr": subnet.cidr,
        "ip_version": subnet.ip_version,
        "total_ips": sum(last - first + 1 for first, last in map(ipam.pool_span, subnet.allocation_pools)),
        "used_ips": used,
    }
