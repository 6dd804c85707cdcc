"""What users may who are no admins: one row a kind of resource; what is not in a row is closed to them.

How to add a kind: a row in TENANTS under the kind's `singular` (api/attributes.py), and its cells in
tests/api/test_tenant_matrix.py, whose tests fail until both are there.

    sees     any of these holds          the row is there for the tenant; else it is a 404, and in no list
    writes   any of these holds          it may be made, changed and deleted, before and after; else a 403.
                                         Not asked of rows that follow from what was asked for (a
                                         router's gateway port)
    makes, deletes                       the same for making or deleting alone, where `writes` is not it
    fields   attribute -> a condition    who may give it another value than its default (POST), or change
                                         it (PUT); else a 403. An attribute that is not named is free
    refers   attribute -> kind           what it names has to be there for the tenant; else it is a 404
    hidden   attributes                  are not shown, and are no filter and no sort key

A reader sees what a member sees, and writes nothing.  New rows get the project that was logged in to.  The
paths of a kind in TENANTS are open, with all that is below them; other paths are closed (tenancy.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sealane import names
from sealane.api.caller import Caller
from sealane.api.look import Look
from sealane.errors import NotFound
from sealane.model import Network
from sealane.store.rows import COLLECTIONS, RESOURCES

Condition = Callable[[Caller, Any, Look], bool]
"""Of a row."""


COLLECTION_OF: Mapping[str, str] = {RESOURCES[kind]: name for kind, name in COLLECTIONS.items()}
SHARED_AS: Mapping[str, str] = {"qos_policy": "policy"}
"""What RBAC policies call a kind that has another name here."""
_TITLES = {"policy": "QosPolicy", "qos_policy": "QosPolicy", "subnetpool": "SubnetPool"}


def title_of(singular: str) -> str:
    """What one of a kind is called in the types of errors."""
    return _TITLES.get(singular) or "".join(word.capitalize() for word in singular.split("_"))


@dataclass(frozen=True)
class Given:
    """A value that is given: `row` is the one to be changed, None where one is to be made of `values`."""

    caller: Caller
    value: Any
    values: Mapping[str, Any]
    row: Any
    look: Look

    @property
    def network(self) -> Network | None:
        id = self.row.network_id if self.row is not None else self.values.get("network_id")
        return self.look.state.networks.get(str(id))


Grant = Callable[[Given], bool]


@dataclass(frozen=True, kw_only=True)
class Tenancy:
    sees: tuple[Condition, ...]
    writes: tuple[Condition, ...]
    makes: tuple[Condition, ...] = ()
    deletes: tuple[Condition, ...] = ()
    fields: Mapping[str, Grant] = field(default_factory=dict)
    refers: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    def conditions(self, verb: str) -> tuple[Condition, ...]:
        return {"create": self.makes, "delete": self.deletes}.get(verb, ()) or self.writes


# conditions of rows


def own(caller: Caller, row: Any, look: Look) -> bool:
    return caller.may_use(row.project_id)


def shared(caller: Caller, row: Any, look: Look) -> bool:
    return bool(row.shared) or look.is_granted("access_as_shared", row.id, caller.project)


def external(caller: Caller, row: Any, look: Look) -> bool:
    """For everybody, unless RBAC policies say for whom."""
    if not row.external:
        return False
    named = any(p.action == "access_as_external" for p in look.policies_of(row.id))
    return not named or look.is_granted("access_as_external", row.id, caller.project)


def in_its_network(caller: Caller, row: Any, look: Look) -> bool:
    network = look.state.networks.get(row.network_id)
    return network is not None and own(caller, network, look)


def in_a_shared_network(caller: Caller, row: Any, look: Look) -> bool:
    network = look.state.networks.get(row.network_id)
    return network is not None and shared(caller, network, look)


def own_in_a_network_to_use(caller: Caller, row: Any, look: Look) -> bool:
    """Not in one that is merely external: that is for routers and floating IPs."""
    usable = in_its_network(caller, row, look) or in_a_shared_network(caller, row, look)
    return own(caller, row, look) and usable


def of_a_router_or_a_floating_ip(caller: Caller, row: Any, look: Look) -> bool:
    """A port in an external network that belongs to nobody: nobody can ask for one by itself."""
    return row.project_id == "" and row.device_owner in (names.ROUTER_GATEWAY, names.FLOATING_PORT)


def of_its_group(caller: Caller, row: Any, look: Look) -> bool:
    group = look.state.security_groups.get(row.security_group_id)
    return group is not None and own(caller, group, look)


def names_its_group(caller: Caller, row: Any, look: Look) -> bool:
    """It goes with the group that it lets in."""
    group = look.state.security_groups.get(row.remote_group_id or "")
    return group is not None and own(caller, group, look)


def of_a_shared_group(caller: Caller, row: Any, look: Look) -> bool:
    group = look.state.security_groups.get(row.security_group_id)
    return group is not None and shared(caller, group, look)


def of_its_object(caller: Caller, row: Any, look: Look) -> bool:
    """An admin's policy goes with what it shares."""
    kind = SHARED_AS.get(row.object_type, row.object_type)
    shared = getattr(look.state, COLLECTION_OF[kind]).get(row.object_id)
    return shared is not None and own(caller, shared, look)


# conditions of values


def nobody(given: Given) -> bool:
    return False


def owns_the_network(given: Given) -> bool:
    return given.network is not None and own(given.caller, given.network, given.look)


def chooses_no_address(given: Given) -> bool:
    """In a network of somebody else an address may be taken from a subnet, but not chosen.

    Raises NotFound for a subnet that is not there for him.
    """
    for wanted in given.value or ():
        if (id := getattr(wanted, "subnet_id", None)) is not None:
            _there(given, "subnet", id)
    addresses = [getattr(wanted, "ip_address", None) for wanted in given.value or ()]
    return owns_the_network(given) or (given.row is None and not any(addresses))


def is_no_owner_of_the_system(given: Given) -> bool:
    """`network:…` and `sealane:…` mean something to us and to other tenants."""
    return not str(given.value).startswith(("network:", "sealane:"))


def is_under_policy(given: Given) -> bool:
    """Not docker_gwbridge, which is past every policy."""
    return bool(given.value != "docker")


def is_its_port(given: Given) -> bool:
    """Not one of somebody else in its network: who has the floating IP says who may reach the port."""
    port = given.look.state.ports.get(str(given.value))
    return given.value is None or (port is not None and own(given.caller, port, given.look))


def are_its_ports(given: Given) -> bool:
    """Who has a trunk speaks for all that it carries. Raises NotFound for what is not there for him."""
    ports = [_there(given, "port", wish.port_id) for wish in given.value or ()]
    return all(own(given.caller, port, given.look) for port in ports)


def may_put_a_port(given: Given) -> bool:
    """Into the network, or the subnet, of a load balancer's address."""
    subnet = given.look.state.subnets.get(str(given.value))
    network = given.look.state.networks.get(subnet.network_id if subnet else str(given.value))
    return network is not None and (
        own(given.caller, network, given.look) or shared(given.caller, network, given.look)
    )


def owns_the_vips_network(given: Given) -> bool:
    subnet = given.look.state.subnets.get(str(given.values.get("vip_subnet_id")))
    id = subnet.network_id if subnet else str(given.values.get("vip_network_id"))
    network = given.look.state.networks.get(id)
    return network is None or own(given.caller, network, given.look)


def is_one_project(given: Given) -> bool:
    return bool(given.value != "*")


def owns_the_object(given: Given) -> bool:
    """Raises NotFound for what is not there for him."""
    kind = given.values["object_type"]
    return own(given.caller, _there(given, SHARED_AS.get(kind, kind), given.value), given.look)


def _there(given: Given, kind: str, id: str) -> Any:
    """What is named in a way that `refers` can't say. Raises NotFound."""
    row = getattr(given.look.state, COLLECTION_OF[kind]).get(id)
    if row is None or not any(sees(given.caller, row, given.look) for sees in TENANTS[kind].sees):
        title = title_of(kind)
        raise NotFound(f"{title} {id} could not be found.", type=f"{title}NotFound")
    return row


def is_a_plain_gateway(given: Given) -> bool:
    """In an external network, with whatever address is free there. Raises NotFound for what is not there."""
    if given.value is None:
        return True
    network = given.look.state.networks.get(given.value.network_id)
    if network is None or not any(s(given.caller, network, given.look) for s in TENANTS["network"].sees):
        raise NotFound(f"Network {given.value.network_id} could not be found.", type="NetworkNotFound")
    return given.value.enable_snat is None and given.value.fixed_ips is None


def of_its_policy(caller: Caller, row: Any, look: Look) -> bool:
    policy = look.state.policies.get(row.qos_policy_id)
    return policy is not None and (own(caller, policy, look) or shared(caller, policy, look))


def may_leave_its_policy(given: Given) -> bool:
    """A limit that somebody else has set is not for its owner to take off."""
    now = given.look.state.policies.get(given.row.qos_policy_id or "") if given.row is not None else None
    return now is None or own(given.caller, now, given.look) or shared(given.caller, now, given.look)


def is_to_share(given: Given) -> bool:
    return bool(given.value == "access_as_shared")


TENANTS: Mapping[str, Tenancy] = {
    "network": Tenancy(
        sees=(own, shared, external),
        writes=(own,),
        fields={
            "shared": nobody,
            "router:external": nobody,
            "is_default": nobody,
            "provider:network_type": nobody,
            "provider:physical_network": nobody,
            "provider:segmentation_id": nobody,
            "segments": nobody,
            "sealane:origin": nobody,
            "sealane:gateway": is_under_policy,
            "qos_policy_id": may_leave_its_policy,
        },
        refers={"qos_policy_id": "policy"},
        hidden=frozenset(
            {"provider:network_type", "provider:physical_network", "provider:segmentation_id", "segments"},
        ),
    ),
    "subnet": Tenancy(
        sees=(own, in_its_network, in_a_shared_network),
        makes=(in_its_network,),
        writes=(own, in_its_network),
        fields={"segment_id": nobody, "service_types": nobody},
        refers={"network_id": "network", "subnetpool_id": "subnetpool"},
    ),
    "port": Tenancy(
        sees=(own, in_its_network),
        makes=(own_in_a_network_to_use, of_a_router_or_a_floating_ip),
        writes=(own, of_a_router_or_a_floating_ip),
        deletes=(own, in_its_network, of_a_router_or_a_floating_ip),
        fields={
            "mac_address": owns_the_network,
            "fixed_ips": chooses_no_address,
            "port_security_enabled": owns_the_network,
            "allowed_address_pairs": owns_the_network,
            "device_owner": is_no_owner_of_the_system,
            "binding:host_id": nobody,
            "binding:profile": nobody,
            "binding:vnic_type": lambda given: given.value == "normal",
            "sealane:dns_aliases": owns_the_network,
            "qos_policy_id": may_leave_its_policy,
            "sealane:services": owns_the_network,
        },
        refers={"network_id": "network", "security_groups": "security_group", "qos_policy_id": "policy"},
        hidden=frozenset({"binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details"}),
    ),
    "router": Tenancy(
        sees=(own,),
        writes=(own,),
        fields={"distributed": nobody, "ha": nobody, "external_gateway_info": is_a_plain_gateway},
    ),
    "floatingip": Tenancy(
        sees=(own,),
        writes=(own,),
        fields={
            "floating_ip_address": nobody,
            "port_id": is_its_port,
            "qos_policy_id": may_leave_its_policy,
        },
        refers={"floating_network_id": "network", "port_id": "port", "qos_policy_id": "policy"},
    ),
    "port_forwarding": Tenancy(
        sees=(own,),
        writes=(own,),
        fields={"internal_port_id": is_its_port},
        refers={"internal_port_id": "port"},
    ),
    "loadbalancer": Tenancy(
        sees=(own,),
        writes=(own,),
        fields={
            "vip_network_id": may_put_a_port,
            "vip_subnet_id": may_put_a_port,
            "vip_address": owns_the_vips_network,
            "vip_port_id": is_its_port,
        },
        refers={"vip_network_id": "network", "vip_subnet_id": "subnet", "vip_port_id": "port"},
    ),
    "listener": Tenancy(
        sees=(own,),
        writes=(own,),
        refers={"loadbalancer_id": "loadbalancer", "default_pool_id": "pool"},
    ),
    "pool": Tenancy(
        sees=(own,),
        writes=(own,),
        refers={"loadbalancer_id": "loadbalancer", "listener_id": "listener"},
    ),
    "member": Tenancy(sees=(own,), writes=(own,), refers={"subnet_id": "subnet"}),
    "healthmonitor": Tenancy(sees=(own,), writes=(own,), refers={"pool_id": "pool"}),
    "security_group": Tenancy(sees=(own, shared), writes=(own,), fields={"shared": nobody}),
    "security_group_rule": Tenancy(
        sees=(own, of_its_group, of_a_shared_group),
        makes=(of_its_group,),
        writes=(own, of_its_group),
        deletes=(own, of_its_group, names_its_group),
        refers={
            "security_group_id": "security_group",
            "remote_group_id": "security_group",
            "remote_address_group_id": "address_group",
        },
    ),
    "policy": Tenancy(sees=(own, shared), writes=()),
    "bandwidth_limit_rule": Tenancy(sees=(of_its_policy,), writes=()),
    "dscp_marking_rule": Tenancy(sees=(of_its_policy,), writes=()),
    "address_scope": Tenancy(sees=(own, shared), writes=(own,), fields={"shared": nobody}),
    "subnetpool": Tenancy(
        sees=(own, shared),
        writes=(own,),
        fields={"shared": nobody, "is_default": nobody},
        refers={"address_scope_id": "address_scope"},
    ),
    "address_group": Tenancy(sees=(own, shared), writes=(own,), fields={"shared": nobody}),
    "log": Tenancy(
        sees=(own,),
        writes=(own,),
        refers={"resource_id": "security_group", "target_id": "port"},
    ),
    "trunk": Tenancy(
        sees=(own,),
        writes=(own,),
        fields={"port_id": is_its_port, "sub_ports": are_its_ports},
        refers={"port_id": "port"},
    ),
    "tap_service": Tenancy(sees=(own,), writes=(own,), refers={"port_id": "port"}),
    "tap_flow": Tenancy(
        sees=(own,), writes=(own,), refers={"tap_service_id": "tap_service", "source_port": "port"}
    ),
    "tap_mirror": Tenancy(sees=(own,), writes=(), refers={"port_id": "port"}),
    "metering_label": Tenancy(sees=(own,), writes=()),
    "metering_label_rule": Tenancy(sees=(own,), writes=(), refers={"metering_label_id": "metering_label"}),
    "rbac_policy": Tenancy(
        sees=(own,),
        writes=(own,),
        deletes=(own, of_its_object),
        fields={
            "object_id": owns_the_object,
            "target_tenant": is_one_project,
            "action": is_to_share,
        },
    ),
}
