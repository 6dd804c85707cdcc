"""OpenDaylight's Neutron northbound, `/controller/nb/v2/neutron/…`, over the same rows and rules.

Its clients (networking-odl) are a Neutron of their own: they choose the ids, send whole resources with all
that they know of them, and send them again when they have not heard the answer. So here, unlike below /v2.0:

    POST  takes `id`, one or many; what is there already is changed to what is sent     201
    PUT   takes the whole resource; what can't be changed has to be as it is            200
    both  leave out what is null, unknown, or ours to say (status, revision_number, …)

What follows from something else in Neutron comes as a row of its own there: ports of routers, default groups,
their rules, ports of load balancers.
https://github.com/opendaylight/neutron northbound-api; networking-odl common/filters.py.
"""

import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane import names
from sealane.api import answers, convert, octavia, odl_qos, odl_taps, odl_trunks, policy, router_interfaces
from sealane.api.answers import answer
from sealane.api.attributes import Attribute, Kind, Values
from sealane.api.body import read_object
from sealane.api.caller import caller_of
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.api.odl_shapes import shaped
from sealane.api.ports import VIF_DETAILS
from sealane.api.query import Query
from sealane.api.resources import MAX_BULK, Handlers, Resource, updates
from sealane.api.router_calls import RouterCalls
from sealane.errors import BadRequest, MissingDependency, NotFound
from sealane.model import Network, Node, Port, SecurityGroup
from sealane.store.changes import Change, Create

BASE = "/controller/nb/v2/neutron"
OPERATIONAL = "/restconf/operational/neutron:neutron"
OVERLAYS = ("geneve", "vxlan", "gre", "local")
"""Types of networks that are an overlay here, with a key of our own."""
PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
MADE_BY_OTHERS = frozenset({names.ROUTER_GATEWAY, names.FLOATING_PORT})
"""Owners of ports that a router or a floating IP has here without being told."""
QUERY = {
    "router_external": "router:external",
    "provider_network_type": "provider:network_type",
    "provider_physical_network": "provider:physical_network",
    "provider_segmentation_id": "provider:segmentation_id",
    "binding_host_id": "binding:host_id",
    "binding_vnic_type": "binding:vnic_type",
    "binding_vif_type": "binding:vif_type",
}
"""What ODL calls filters whose names have a colon."""
NOT_HERE = (
    *("fw", "vpn", "sfc", "l2-gateways", "l2gateway-connections"),
    *("bgpvpns", "bgpvpn"),
)
"""Collections of ODL that are not served."""


MORE = (
    odl_trunks.RESOURCE,
    replace(odl_qos.RESOURCE, kind=replace(odl_qos.KIND, place="qos/policies")),
    *(
        replace(each, kind=replace(each.kind, place=f"lbaas/{each.kind.plural}"))
        for each in (octavia.BALANCERS, octavia.LISTENERS, octavia.POOLS, octavia.MONITORS)
    ),
    replace(octavia.MEMBERS, kind=replace(octavia.MEMBERS.kind, place="lbaas/pools/{pool_id}/members")),
    odl_taps.SERVICES,
    odl_taps.FLOWS,
)
"""What is told in another manner than below /v2.0."""
_ID = Attribute(name="id", type=convert.ID)


@contextmanager
def _depending(request: Request) -> Iterator[None]:
    """What the path names and isn't there is a 404, what the body names a 442 (AbstractNeutronNorthbound)."""
    try:
        yield
    except NotFound as exc:
        if any(str(id) in exc.message for id in request.path_params.values()):
            raise
        raise MissingDependency(exc.message, type=exc.type) from exc


class OdlHandlers(Handlers):
    async def list(self, request: Request) -> Response:
        raw = request.scope["query_string"].decode("latin-1")
        renamed = [(QUERY.get(key, key), value) for key, value in parse_qsl(raw, keep_blank_values=True)]
        scope = {**request.scope, "query_string": urlencode(renamed).encode()}
        return await super().list(Request(scope, request.receive))

    async def create(self, request: Request) -> Response:
        body, kind = await read_object(request), self.kind
        many = kind.plural in body
        bodies = body[kind.plural] if many else [body.get(kind.singular)]
        if not isinstance(bodies, list) or not bodies or len(bodies) > MAX_BULK:
            raise _bad(f"'{kind.plural}' is to be a list of 1 to {MAX_BULK}")
        wanted = [(_id(one), _known(one, kind)) for one in bodies]
        if len({id for id, _ in wanted}) != len(wanted):
            raise _bad(f"'{kind.plural}' holds the same id twice")
        caller = caller_of(request)

        def decide(draft: Draft) -> tuple[list[Change], None]:
            changes: list[Change] = []
            for id, given in wanted:
                changes += self._placed(request, id, given, draft)
            return changes, None

        with _depending(request):
            _, look = await self.desk.write(caller, decide)
        there = kind.collection(look.state)
        shown = [kind.show(there[id], look) if id in there else {**given, "id": id} for id, given in wanted]
        return answer({kind.plural: shown} if many else {kind.singular: shown[0]}, 201)

    def _placed(self, request: Request, id: str, given: Values, draft: Draft) -> Sequence[Change]:
        if given.get("device_owner") in MADE_BY_OTHERS:
            return []
        old = self.kind.collection(draft.look.state).get(id)
        if old is not None:
            return self._changed(request, old, given, draft)
        if given.get("device_owner") == names.ROUTER_INTERFACE:
            _join(id, given, draft)
            return []
        values = self.kind.accept_new(_without(given, lambda a: a.post, self.kind))
        policy.check_given(caller_of(request), self.kind, values, None, draft.look)
        return [Create(self.make(request, id, values, draft))]

    async def update(self, request: Request) -> Response:
        body, kind = await read_object(request), self.kind
        if kind.singular not in body and kind.plural in body:
            raise _bad(f"Only one can be changed at once: give '{kind.singular}'")
        given, caller = _known(body.get(kind.singular), kind), caller_of(request)

        def decide(draft: Draft) -> tuple[Sequence[Change], None]:
            old = self.find(request, draft.look)
            return self._changed(request, old, given, draft), None

        with _depending(request):
            _, look = await self.desk.write(caller, decide)
        row = kind.find(look.state, request.path_params["id"])
        return answer({kind.singular: kind.show(row, look)})

    def _changed(self, request: Request, old: Any, given: Values, draft: Draft) -> Sequence[Change]:
        _stays(old, given, self.kind)
        given = _without(given, lambda a: a.put, self.kind)
        given = _of_owner(old, given)
        values = self.kind.accept_changes(given)
        policy.check_given(caller_of(request), self.kind, values, old, draft.look)
        return updates(old, self.resource.update(old, values, draft), draft.now)

    async def delete(self, request: Request) -> Response:
        """A port of a router goes as the router's interface."""
        if self.kind.singular == "port":

            def decide(draft: Draft) -> tuple[list[Change], bool]:
                port = self.find(request, draft.look)
                router = draft.look.state.routers.get(port.device_id)
                if router is None or port.device_owner != names.ROUTER_INTERFACE:
                    return [], False
                router_interfaces.remove(router, None, port.id, draft)
                return [], True

            done, _ = await self.desk.write(caller_of(request), decide)
            if done:
                return answers.empty()
        return await super().delete(request)


class OdlMembers(OdlHandlers, octavia.Members):
    """Of the pool of the path."""


class OdlTapFlows(OdlHandlers):
    """Of the service of the path."""

    def _placed(self, request: Request, id: str, given: Values, draft: Draft) -> Sequence[Change]:
        return super()._placed(request, id, odl_taps.of_service(request, given), draft)

    def among(self, request: Request, wanted: Query, look: Look) -> Query:
        return replace(wanted, tests=(*odl_taps.tests(request), *wanted.tests))

    def find(self, request: Request, look: Look) -> Any:
        row = super().find(request, look)
        if not odl_taps.is_below(request, row):
            raise self.kind.missing(row.id)
        return row


BELOW: Mapping[str, type[OdlHandlers]] = {"member": OdlMembers, "tap_flow": OdlTapFlows}


def routes(resources: Sequence[Resource], desk: Desk) -> list[Route]:
    found = []
    for resource in (*resources, *MORE):
        handlers = BELOW.get(resource.kind.singular, OdlHandlers)(_as_told(resource), desk)
        base = f"{BASE}/{resource.kind.path}"
        found += [
            Route(base, handlers.list, methods=["GET"]),
            Route(base, handlers.create, methods=["POST"]),
            Route(f"{base}/{{id}}", handlers.show, methods=["GET"]),
            Route(f"{base}/{{id}}", handlers.update, methods=["PUT"]),
            Route(f"{base}/{{id}}", handlers.delete, methods=["DELETE"]),
        ]
        if resource.kind.singular == "tap_flow":
            found.append(Route(f"{BASE}/{odl_taps.ALL_FLOWS}", handlers.list, methods=["GET"]))
        if resource.kind.singular == "router":
            calls = RouterCalls(handlers)
            found.append(Route(f"{base}/{{id}}/add_router_interface", calls.add_interface, methods=["PUT"]))
            found.append(
                Route(f"{base}/{{id}}/remove_router_interface", calls.remove_interface, methods=["PUT"])
            )
    return [
        *found,
        *(
            Route(f"{BASE}/{name}{rest}", _not_here, methods=["GET", "POST", "PUT", "DELETE"])
            for name in NOT_HERE
            for rest in ("", "/{below:path}")
        ),
        Route(f"{OPERATIONAL}/neutron:features", _features, methods=["GET"]),
        Route(f"{OPERATIONAL}/hostconfigs", _hosts(desk), methods=["GET"]),
        Route(f"{OPERATIONAL}/hostconfigs/", _hosts(desk), methods=["GET"]),
        Route(f"{OPERATIONAL}/hostconfigs/hostconfig/{{host}}/{{type}}", _host(desk), methods=["GET"]),
    ]


async def _features(request: Request) -> Response:
    """None: a port is taken to be there when it is bound."""
    return answer({"features": {"feature": []}})


def _hosts(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """Where ports can be: what networking-odl's `pseudo-agentdb` binding polls."""

    async def hostconfigs(request: Request) -> Response:
        nodes = sorted(desk.look().state.nodes.values(), key=lambda node: node.name)
        return answer({"hostconfigs": {"hostconfig": [_told(node) for node in nodes]}})

    return hostconfigs


def _host(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    """One of them, by its name and its type."""

    async def hostconfig(request: Request) -> Response:
        name, type = request.path_params["host"], request.path_params["type"]
        found = [_told(n) for n in desk.look().state.nodes.values() if (n.name, HOST_TYPE) == (name, type)]
        if not found:
            raise NotFound(f"Host {name[:255]} of type {type[:255]} could not be found.", type="HostNotFound")
        return answer({"hostconfig": found})

    return hostconfig


HOST_TYPE = "ODL L2"


def _told(node: Node) -> dict[str, str]:
    return {"host-id": node.name, "host-type": HOST_TYPE, "config": _config(node)}


def _config(node: Node) -> str:
    vnic = {"vnic_type": "normal", "vif_type": "ovs", "vif_details": VIF_DETAILS[node.datapath_type]}
    config = {
        "allowed_network_types": [*OVERLAYS, *(("vlan", "flat") if node.physical_networks else ())],
        "bridge_mappings": {name: name for name in node.physical_networks},
        "supported_vnic_types": [vnic],
    }
    return msgspec.json.encode(config).decode()


async def _not_here(request: Request) -> Response:
    what = request.scope["path"].removeprefix(f"{BASE}/")
    return answers.error(501, "NotImplemented", f"'{what[:255]}' is not served here.")


def _as_told(resource: Resource) -> Resource:
    """Nothing is made that was not sent."""
    if resource.kind.singular == "security_group":
        return replace(resource, create=_group)
    if resource.kind.singular == "network":
        make = resource.create

        def create(id: str, values: Values, draft: Draft) -> Network:
            found: Network = make(id, {"sealane:gateway": "router", **values}, draft)
            return found

        return replace(resource, create=create)
    return resource


def _group(id: str, values: Values, draft: Draft) -> SecurityGroup:
    """Without rules, which are sent; by whatever name, since it is Neutron's to have one called default."""
    group = SecurityGroup(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **values)
    draft.groups[id] = group
    return group


def _id(body: Any) -> str:
    given = body.get("id") if isinstance(body, dict) else None
    if given is None:
        return str(uuid.uuid4())
    return str(_value(_ID, given))


def _known(body: Any, kind: Kind) -> Values:
    """What it says of attributes that are known here."""
    if not isinstance(body, dict):
        raise _bad(f"Unable to find '{kind.singular}' in request body")
    told = shaped(kind.singular, body)
    known = {key: value for key, value in told.items() if key in kind.by_name and value is not None}
    if known.get("provider:network_type", OVERLAYS[0]) in OVERLAYS:
        known = {key: value for key, value in known.items() if key not in PROVIDER}
    profile = known.get("binding:profile")
    if isinstance(profile, str):
        try:
            known["binding:profile"] = msgspec.json.decode(profile or "{}")
        except msgspec.MsgspecError as exc:
            raise _bad(f"Invalid input for binding:profile. Reason: it is no JSON: {exc}.") from exc
    if "tenant_id" in known:
        known.setdefault("project_id", known.pop("tenant_id"))
    return known


def _without(given: Values, allowed: Callable[[Attribute], bool], kind: Kind) -> Values:
    return {key: value for key, value in given.items() if allowed(kind.by_name[key])}


def _stays(old: Any, given: Values, kind: Kind) -> None:
    """What a PUT can't change is as it was. Raises BadRequest."""
    for key, value in given.items():
        attribute = kind.by_name[key]
        fixed = attribute.post and not attribute.put and hasattr(old, attribute.key)
        if (
            fixed
            and key not in ("tags", "project_id")
            and _value(attribute, value) != getattr(old, attribute.key)
        ):
            raise _bad(
                f"Attribute '{key}' can't be changed: delete this {kind.title.lower()} and make another"
            )


def _join(id: str, given: Values, draft: Draft) -> None:
    """A port of a router: joins it with the subnets that it has the gateway's address of."""
    router = draft.look.state.routers.get(str(given.get("device_id")))
    if router is None:
        raise NotFound(f"Router {given.get('device_id')} could not be found.", type="RouterNotFound")
    fixed = given.get("fixed_ips")
    if not isinstance(fixed, list) or len(fixed) != 1 or not isinstance(fixed[0], dict):
        raise _bad("fixed_ips of a router's port is to be one address, a subnet's gateway_ip")
    subnet = draft.look.state.subnets.get(str(fixed[0].get("subnet_id")))
    if subnet is None or subnet.network_id != given.get("network_id"):
        raise NotFound(f"Subnet {fixed[0].get('subnet_id')} could not be found.", type="SubnetNotFound")
    if fixed[0].get("ip_address") not in (None, subnet.gateway_ip):
        raise _bad(f"fixed_ips of a router's port is to be {subnet.gateway_ip}, the gateway_ip of its subnet")
    router_interfaces.add_subnet(router, subnet, draft, id)


def _of_owner(old: Any, given: Values) -> Values:
    """What may be changed of a port, by whose it is."""
    owner = getattr(old, "device_owner", "")
    if owner not in (names.ROUTER_INTERFACE, names.BALANCER_PORT):
        return given
    _same_addresses(old, given)
    return {key: value for key, value in given.items() if key in ("name", "description")}


def _same_addresses(port: Port, given: Values) -> None:
    wanted = given.get("fixed_ips")
    if wanted is None:
        return
    there = {fixed.ip_address for fixed in port.fixed_ips}
    asked = (
        {one.get("ip_address") for one in wanted if isinstance(one, dict)} if isinstance(wanted, list) else ()
    )
    if not set(asked) <= there:
        raise _bad(
            "fixed_ips of a router's or a load balancer's port can't be changed: remove that and add another"
        )


def _value(attribute: Attribute, value: Any) -> Any:
    try:
        return attribute.type.convert(value)
    except ValueError as exc:
        raise _bad(f"Invalid input for {attribute.name}. Reason: {exc}.") from exc


def _bad(message: str) -> BadRequest:
    return BadRequest(message, type="HTTPBadRequest")
