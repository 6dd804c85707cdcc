"""Who may do what. An admin may everything; what others may is in tables, and the rest is refused.

    users with the role member or reader                    tenants.py, one row a kind; judged by tenancy.py
    CALLS   the requests that a node may make at all        asked by front.py, of every request
    ROWS    what a node may make of which rows              asked by desk.py, of every change that is to be
                                                            committed: of the rows, not of what was asked for
    sees    which rows are there for a caller               asked by resources.py; others are a 404

A node is a host that may be taken over one day. It has to make networks and ports for its engine, so it can
do that for its own projects; it can't touch what is on other hosts, nor loosen what an admin has tied.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from sealane import names
from sealane.api import tenancy
from sealane.api.attributes import Kind, Values
from sealane.api.caller import EVERY_PROJECT, Caller
from sealane.api.look import Look
from sealane.errors import Forbidden, NotFound
from sealane.model import (
    AddressGroup,
    MeteringLabel,
    Network,
    Node,
    Port,
    QosPolicy,
    Resource,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Segment,
    Subnet,
    SubnetPool,
    TapService,
)
from sealane.names import ADOPTED_PORTS, AUXILIARY_PORT, CONTAINER_PORTS, NETNS_PORT, ROUTER
from sealane.store.changes import Change, Create, Delete, Update

CALLS: Mapping[str, tuple[str, ...]] = {
    "GET": (
        *("/", "/v2.0", "/v2.0/", "/healthz", "/openapi.json"),
        *("/v2.0/networks", "/v2.0/networks/*", "/v2.0/networks/*/tags", "/v2.0/networks/*/tags/*"),
        *("/v2.0/subnets", "/v2.0/subnets/*", "/v2.0/subnets/*/tags", "/v2.0/subnets/*/tags/*"),
        *("/v2.0/ports", "/v2.0/ports/*", "/v2.0/ports/*/tags", "/v2.0/ports/*/tags/*"),
        *(
            "/v2.0/security-groups",
            "/v2.0/security-groups/*",
            "/v2.0/qos/policies",
            "/v2.0/subnetpools",
            "/v2.0/routers",
            "/v2.0/routers/*",
            "/v2.0/trunks",
            "/v2.0/trunks/*",
            "/v2.0/segments",
        ),
        *("/v2.0/extensions", "/v2.0/extensions/*", "/v2.0/availability_zones"),
        *("/v2.0/agents", "/v2.0/agents/*"),
        *("/v2.0/sealane/changes", "/v2.0/sealane/free-cidr", "/v2.0/sealane/ca"),
        *("/v2.0/sealane/announced", "/v2.0/sealane/taps", "/v2.0/sealane/metering"),
        *("/v2.0/taas/tap_services", "/v2.0/metering/metering-labels"),
        *("/v2.0/sealane/nodes", "/v2.0/sealane/nodes/*"),
    ),
    "POST": (
        "/v2.0/networks",
        "/v2.0/subnets",
        "/v2.0/ports",
        "/v2.0/sealane/renew",
        "/v2.0/sealane/logged",
        "/v2.0/sealane/tapped",
        "/v2.0/taas/tap_services",
        "/v2.0/sealane/metered",
    ),
    "PUT": (
        *("/v2.0/networks/*", "/v2.0/ports/*", "/v2.0/sealane/nodes/*"),
        *("/v2.0/routers/*/add_router_interface", "/v2.0/routers/*/remove_router_interface"),
    ),
    "DELETE": ("/v2.0/networks/*", "/v2.0/subnets/*", "/v2.0/ports/*"),
}
"""Method -> paths; a star is one segment."""


@dataclass(frozen=True)
class Ask:
    """One change: `old` is None where something is made, `new` where something goes."""

    caller: Caller
    old: Any
    new: Any
    look: Look

    @property
    def row(self) -> Any:
        return self.old if self.new is None else self.new


Condition = Callable[[Ask], bool]


@dataclass(frozen=True)
class Right:
    """Holds where all of `when` do. `fields`: what may be given, or changed, by the model's names."""

    what: str
    when: tuple[Condition, ...]
    fields: frozenset[str] = frozenset()


def in_its_projects(ask: Ask) -> bool:
    return ask.caller.may_use(ask.row.project_id)


def made_by_docker(ask: Ask) -> bool:
    return bool(ask.row.origin == "docker")


def in_a_network_of_docker(ask: Ask) -> bool:
    network = ask.look.state.networks.get(ask.row.network_id)
    return network is not None and network.origin == "docker" and ask.caller.may_use(network.project_id)


def in_a_network_it_sees(ask: Ask) -> bool:
    network = ask.look.state.networks.get(ask.row.network_id)
    return network is not None and sees(ask.caller, network, ask.look)


def on_its_host(ask: Ask) -> bool:
    """Before and after."""
    return all(row.host == ask.caller.node for row in (ask.old, ask.new) if row is not None)


def of_no_host(ask: Ask) -> bool:
    return all(row.host == "" for row in (ask.old, ask.new) if row is not None)


def made_by_a_node(ask: Ask) -> bool:
    """`device_owner` says it; a node can't give it to a port that it adopts."""
    rows = (row for row in (ask.old, ask.new) if row is not None)
    return all(row.device_owner in (*CONTAINER_PORTS, NETNS_PORT) for row in rows)


def auxiliary(ask: Ask) -> bool:
    return bool(ask.row.device_owner == AUXILIARY_PORT)


def adopted(ask: Ask) -> bool:
    """Taken into use, in use, or given back."""
    owners, hosts = {"", *ADOPTED_PORTS}, ("", ask.caller.node)
    return all(row.device_owner in owners and row.host in hosts for row in (ask.old, ask.new))


def for_a_container_on_its_host(ask: Ask) -> bool:
    port = ask.look.state.ports.get(ask.row.port_id)
    return port is not None and port.host == ask.caller.node and port.device_owner in CONTAINER_PORTS


def default_group_of_its_projects(ask: Ask) -> bool:
    """Or one of the rules that it is made with."""
    group = names.default_group(ask.row.project_id)
    if isinstance(ask.row, SecurityGroup):
        return ask.row.id == group and in_its_projects(ask)
    made = names.default_rule(group, ask.row.direction, ask.row.ethertype)
    return ask.row.id == made and ask.row.security_group_id == group and in_its_projects(ask)


def itself(ask: Ask) -> bool:
    return bool(ask.row.name == ask.caller.node)


STANDARD = frozenset({"id", "project_id", "revision_number", "created_at", "updated_at", "tunnel_key"})
"""Given with every new row, by the caller or by the API."""
IDENTITY = frozenset({"name", "device_id", "dns_name", "dns_aliases", "services", "withdrawn"})
POLICY = frozenset({"security_groups", "quarantine", "qos_policy_id", "taps", "log", "meters"})
"""What a container's label or its endpoint says; only groups that the node sees (NAMED)."""

ROWS: Mapping[tuple[str, type[Resource]], tuple[Right, ...]] = {
    ("create", Network): (
        Right(
            "networks of Docker in its projects",
            (in_its_projects, made_by_docker),
            STANDARD
            | {"name", "tags", "mtu", "dns_domain", "gateway", "origin", "labels", "qos_policy_id"}
            | {"multicast_snooping"},
        ),
    ),
    ("update", Network): (
        Right(
            "networks of Docker in its projects",
            (in_its_projects, made_by_docker),
            frozenset({"name", "labels"}),
        ),
    ),
    ("delete", Network): (Right("networks of Docker in its projects", (in_its_projects, made_by_docker)),),
    ("create", Subnet): (
        Right(
            "subnets of Docker's networks in its projects",
            (in_its_projects, in_a_network_of_docker),
            STANDARD
            | {"name", "tags", "network_id", "cidr", "ip_version", "gateway_ip", "allocation_pools"}
            | {"subnetpool_id"},
        ),
    ),
    ("delete", Subnet): (
        Right("subnets of Docker's networks in its projects", (in_its_projects, in_a_network_of_docker)),
    ),
    ("create", Port): (
        Right(
            "ports on its own host in its projects, as Docker or an attachment needs them",
            (in_its_projects, in_a_network_it_sees, on_its_host, made_by_a_node),
            STANDARD | IDENTITY | POLICY | {"network_id", "mac_address", "fixed_ips", "device_owner", "host"},
        ),
        Right(
            "auxiliary addresses in Docker's networks",
            (in_its_projects, of_no_host, auxiliary, in_a_network_of_docker),
            STANDARD | {"name", "network_id", "mac_address", "fixed_ips", "device_owner"},
        ),
    ),
    ("update", Port): (
        Right(
            "ports on its own host that a node has made",
            (on_its_host, made_by_a_node),
            IDENTITY | POLICY | {"fixed_ips", "mac_address"},
        ),
        Right(
            "ports of no host in its projects, which it may adopt and give back",
            (in_its_projects, adopted),
            IDENTITY | {"host", "device_owner"},
        ),
    ),
    ("delete", Port): (
        Right("ports on its own host that a node has made", (on_its_host, made_by_a_node)),
        Right("auxiliary addresses in Docker's networks", (of_no_host, auxiliary, in_a_network_of_docker)),
    ),
    ("create", SecurityGroup): (
        Right(
            "the default groups of its projects",
            (default_group_of_its_projects,),
            STANDARD | {"name", "description"},
        ),
    ),
    ("create", SecurityGroupRule): (
        Right(
            "the rules that a default group comes with",
            (default_group_of_its_projects,),
            STANDARD | {"security_group_id", "direction", "ethertype", "remote_group_id"},
        ),
    ),
    ("create", TapService): (
        Right(
            "taps whose copies a container on its own host is given",
            (in_its_projects, for_a_container_on_its_host),
            STANDARD | {"name", "port_id"},
        ),
    ),
    ("update", Router): (Right("interfaces of its projects' routers", (in_its_projects,)),),
    ("update", Node): (
        Right("where it is", (itself,), frozenset({"address", "physical_networks", "datapath_type"})),
    ),
}
"""What a node may do with rows; whatever is not here it may not."""

UNCOUNTED = frozenset({"revision_number", "updated_at"})
"""Change with every change."""


def check_call(caller: Caller | None, method: str, path: str) -> None:
    """Raises Forbidden. Nobody (None) has been judged by auth.py already."""
    if caller is None or caller.role == "admin":
        return
    if caller.is_tenant:
        tenancy.check_call(caller, method, path)
        return
    known = CALLS.get("GET" if method == "HEAD" else method, ())
    if not any(_fits(path, pattern) for pattern in known):
        raise Forbidden(f"Node '{caller.node}' may not call {method} {path}.")


def _fits(path: str, pattern: str) -> bool:
    given, wanted = path.split("/"), pattern.split("/")
    return len(given) == len(wanted) and all(
        w == g or (w == "*" and g != "") for g, w in zip(given, wanted, strict=True)
    )


def sees_all(caller: Caller) -> bool:
    return caller.role == "admin" or (caller.role == "node" and EVERY_PROJECT in caller.projects)


def sight(caller: Caller) -> str:
    """Other for callers who may see other rows, and other again when that changes."""
    if sees_all(caller):
        return "all"
    return hashlib.sha256(repr((caller.node, caller.project, sorted(caller.projects))).encode()).hexdigest()[
        :16
    ]


def check_given(caller: Caller, kind: Kind, values: Values, row: Any, look: Look) -> None:
    """What is given in a POST (`row` is None) or a PUT. Raises Forbidden, NotFound."""
    if caller.is_tenant:
        tenancy.check_given(caller, kind, values, row, look)
    else:
        _check_sees_what_is_named(caller, values, look)


NAMED: Mapping[str, tuple[str, str]] = {
    "floating_network_id": ("networks", "Network"),
    "internal_port_id": ("ports", "Port"),
    "port_id": ("ports", "Port"),
    "network_id": ("networks", "Network"),
    "security_groups": ("security_groups", "SecurityGroup"),
    "security_group_id": ("security_groups", "SecurityGroup"),
    "remote_group_id": ("security_groups", "SecurityGroup"),
    "remote_address_group_id": ("address_groups", "AddressGroup"),
    "qos_policy_id": ("policies", "QosPolicy"),
    "subnetpool_id": ("subnetpools", "SubnetPool"),
}
"""Attributes that name other resources -> the collection, and what one of it is called in errors."""


def _check_sees_what_is_named(caller: Caller, values: Mapping[str, Any], look: Look) -> None:
    """By a row that is to be made or changed. Raises NotFound, also where there is none."""
    for attribute in values.keys() & NAMED.keys():
        given = values[attribute]
        collection, kind = NAMED[attribute]
        rows = getattr(look.state, collection)
        for id in given if isinstance(given, tuple) else [given]:
            if id is not None and (id not in rows or not sees(caller, rows[id], look)):
                raise NotFound(f"{kind} {id} could not be found.", type=f"{kind}NotFound")


def sees(caller: Caller, row: Resource, look: Look) -> bool:
    """Whether the row is there for the caller."""
    if caller.is_tenant:
        return tenancy.sees(caller, row, look)
    if sees_all(caller) or caller.may_use(row.project_id) or isinstance(row, Node):
        return True
    if isinstance(row, Port):
        return row.host == caller.node
    if isinstance(row, SecurityGroup | AddressGroup | QosPolicy | SubnetPool | MeteringLabel):
        return row.shared or look.is_shared(row.id)
    network = look.state.networks.get(row.network_id) if isinstance(row, Subnet | Segment) else row
    return isinstance(network, Network) and (network.shared or (network is row and network.external))


def check_may_change(caller: Caller, row: Resource, look: Look) -> None:
    """Of a call that changes what belongs to the row. Raises Forbidden."""
    if caller.is_tenant:
        tenancy.check_may(caller, "update", row, look)
    elif caller.role != "admin":
        _check("update", Ask(caller, row, row, look), frozenset())


def check_owns_the_gateway(caller: Caller, subnet: Subnet, look: Look) -> None:
    """Whoever has a subnet's gateway address has the traffic of all in it. Raises Forbidden."""
    network = look.state.networks[subnet.network_id]
    if caller.role != "admin" and not caller.may_use(network.project_id):
        raise Forbidden(
            f"The gateway address of subnet {subnet.id} is for the owner of its network to give: "
            "add a port of yours in it to the router instead."
        )


def check_may_join(caller: Caller, router: Router, network_id: str, look: Look) -> None:
    """Or part. A node may where Docker made the network and its option named the router. Raises Forbidden."""
    network = look.state.networks[network_id]
    asked = network.origin == "docker" and network.labels.get(ROUTER) == router.id
    if caller.role == "node" and not (asked and caller.may_use(network.project_id)):
        raise Forbidden(
            f"Node '{caller.node}' may join a router only with networks made by Docker with {ROUTER}."
        )


def check_changes(caller: Caller, changes: Iterable[Change], look: Look) -> None:
    """Raises Forbidden that says what is allowed."""
    if caller.role == "admin":
        return
    if caller.is_tenant:
        tenancy.check_changes(caller, changes, look)
        return
    for change in changes:
        match change:
            case Create(obj=obj):
                _check("create", Ask(caller, None, obj, look), _given(obj, look))
            case Update(old, new):
                _check("update", Ask(caller, old, new, look), _changed(old, new))
            case Delete(obj):
                _check("delete", Ask(caller, obj, None, look), frozenset())


def _check(verb: str, ask: Ask, touched: frozenset[str]) -> None:
    kind = type(ask.row)
    rights = ROWS.get((verb, kind), ())
    fitting = [right for right in rights if all(holds(ask) for holds in right.when)]
    if any(touched <= right.fields for right in fitting):
        return
    allowed = "; ".join(right.what for right in rights) or "none"
    message = f"Node '{ask.caller.node}' may not {verb} this {kind.__name__.lower()}"
    if fitting:
        excess = min((touched - right.fields for right in fitting), key=len)
        message = f"{message}'s {', '.join(sorted(excess))}"
    raise Forbidden(f"{message}. It may {verb}: {allowed}.")


def _changed(old: Resource, new: Resource) -> frozenset[str]:
    names = (f.name for f in fields(old) if f.name not in UNCOUNTED)
    return frozenset(name for name in names if getattr(old, name) != getattr(new, name))


def _given(row: Resource, look: Look) -> frozenset[str]:
    """What differs from what a row has when nobody says anything."""
    found = {f.name for f in fields(row) if getattr(row, f.name) != _default(f)}
    network = look.state.networks.get(row.network_id) if isinstance(row, Port) else None
    if network is not None and isinstance(row, Port):
        found.discard("port_security_enabled")
        if row.port_security_enabled != network.port_security_enabled:
            found.add("port_security_enabled")
    if isinstance(row, Port) and row.security_groups == (names.default_group(row.project_id),):
        found.discard("security_groups")
    return frozenset(found)


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
