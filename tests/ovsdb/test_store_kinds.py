"""Routers, floating IPs, security groups and what refers to them: the database holds them together."""

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sealane.errors import Conflict, SealaneError
from sealane.model import (
    AddressGroup,
    BandwidthLimitRule,
    DscpMarkingRule,
    FixedIP,
    FloatingIP,
    HealthMonitor,
    Listener,
    LoadBalancer,
    Member,
    Network,
    Port,
    PortForwarding,
    Project,
    QosPolicy,
    RBACPolicy,
    RoleAssignment,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    ServerPool,
    Subnet,
    User,
)
from sealane.names import BALANCER_PORT, FLOATING_PORT, ROUTER_INTERFACE
from sealane.store.changes import Create, Delete, Stored, Update
from sealane.store.create import SCHEMA, convert
from sealane.store.db import Store
from tests.daemons import PATIENCE, OvsdbServer


def _id(number: int) -> str:
    return f"5d3c7a5e-3a3b-4b8e-9a55-{number:012x}"


NET = Network(id=_id(1), project_id="p")
SUBNET = Subnet(id=_id(2), project_id="p", network_id=NET.id, cidr="10.0.0.0/24")
ROUTER = Router(id=_id(3), project_id="p")
GROUP = SecurityGroup(id=_id(4), project_id="p")
OTHERS = AddressGroup(id=_id(5), project_id="p", addresses=("192.0.2.0/24",))
PORT = Port(
    id=_id(6),
    project_id="p",
    network_id=NET.id,
    mac_address="fa:16:3e:00:00:06",
    fixed_ips=(FixedIP(subnet_id=SUBNET.id, ip_address="10.0.0.6"),),
    security_groups=(GROUP.id,),
)
INTERFACE = Port(
    id=_id(7),
    project_id="p",
    network_id=NET.id,
    mac_address="fa:16:3e:00:00:07",
    device_id=ROUTER.id,
    device_owner=ROUTER_INTERFACE,
)
HOLDER = Port(
    id=_id(8), project_id="", network_id=NET.id, mac_address="fa:16:3e:00:00:08", device_owner=FLOATING_PORT
)
FLOATING = FloatingIP(
    id=_id(9),
    project_id="p",
    floating_network_id=NET.id,
    floating_ip_address="203.0.113.9",
    floating_port_id=HOLDER.id,
    port_id=PORT.id,
    fixed_ip_address="10.0.0.6",
)
RULE = SecurityGroupRule(
    id=_id(10),
    project_id="p",
    security_group_id=GROUP.id,
    direction="ingress",
    protocol="tcp",
    port_range_min=80,
    port_range_max=80,
    remote_address_group_id=OTHERS.id,
)
VIP = Port(
    id=_id(30), project_id="p", network_id=NET.id, mac_address="fa:16:3e:00:00:30", device_owner=BALANCER_PORT
)
BALANCER = LoadBalancer(id=_id(31), project_id="p", vip_port_id=VIP.id, vip_address="10.0.0.30")
SERVERS = ServerPool(id=_id(32), project_id="p", loadbalancer_id=BALANCER.id, protocol="TCP")
LISTENER = Listener(
    id=_id(33),
    project_id="p",
    loadbalancer_id=BALANCER.id,
    protocol="TCP",
    protocol_port=80,
    default_pool_id=SERVERS.id,
)
MEMBER = Member(
    id=_id(34),
    project_id="p",
    pool_id=SERVERS.id,
    subnet_id=SUBNET.id,
    address="10.0.0.6",
    protocol_port=8080,
)
MONITOR = HealthMonitor(
    id=_id(35), project_id="p", pool_id=SERVERS.id, type="TCP", delay=5, timeout=3, max_retries=2
)
BALANCED = (VIP, BALANCER, SERVERS, LISTENER, MEMBER, MONITOR)
ALL = (NET, SUBNET, ROUTER, GROUP, OTHERS, PORT, INTERFACE, HOLDER, FLOATING, RULE, *BALANCED)


@pytest.fixture
def server(directory: Path) -> Iterator[OvsdbServer]:
    with OvsdbServer(directory, SCHEMA) as running:
        yield running


@asynccontextmanager
async def stored(server: OvsdbServer, *objects: Stored) -> AsyncIterator[Store]:
    store = Store(server.remote)
    await store.start(PATIENCE)
    try:
        await store.commit(*(Create(obj) for obj in objects), timeout=PATIENCE)
        yield store
    finally:
        await store.stop()


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (ROUTER, "remove its interfaces"),
        (GROUP, "take it from its ports"),
        (OTHERS, "delete the rules"),
        (PORT, "disassociate"),
        (VIP, "load balancers"),
        (BALANCER, "cascade"),
        (SERVERS, "members"),
    ],
)
async def test_what_is_in_use_stays(server: OvsdbServer, held: Stored, says: str) -> None:
    async with stored(server, *ALL) as store:
        with pytest.raises(Conflict, match=says):
            await store.commit(Delete(held), timeout=PATIENCE)


async def test_all_of_it_goes_in_one_commit(server: OvsdbServer) -> None:
    async with stored(server, *ALL) as store:
        state = await store.commit(*(Delete(obj) for obj in ALL), timeout=PATIENCE)
        assert not (state.routers or state.floatingips or state.security_groups or state.ports)


async def test_two_routers_and_a_network_have_tunnel_keys_of_their_own(server: OvsdbServer) -> None:
    async with stored(server, *ALL) as store:
        state = await store.commit(Create(replace(ROUTER, id=_id(11))), timeout=PATIENCE)
        keys = [r.tunnel_key for r in state.routers.values()] + [state.networks[NET.id].tunnel_key]
        assert len(set(keys)) == 3
        assert 0 not in keys


async def test_a_fixed_address_has_one_floating_ip_and_may_get_another(server: OvsdbServer) -> None:
    async with stored(server, *ALL) as store:
        holder = replace(HOLDER, id=_id(12), mac_address="fa:16:3e:00:00:12")
        second = replace(FLOATING, id=_id(13), floating_port_id=holder.id)
        with pytest.raises(Conflict, match="floating IP already") as refused:
            await store.commit(Create(holder), Create(second), timeout=PATIENCE)
        assert refused.value.type == "FloatingIPPortAlreadyAssociated"
        old = store.state.floatingips[FLOATING.id]
        free = replace(old, port_id=None, fixed_ip_address=None)
        state = await store.commit(Update(old, free), Create(holder), Create(second), timeout=PATIENCE)
        assert state.floatingips[second.id].port_id == PORT.id
        assert state.floatingips[FLOATING.id].port_id is None
        await store.commit(Delete(second), Delete(PORT), timeout=PATIENCE)


FORWARDING = PortForwarding(
    id=_id(14),
    project_id="p",
    floatingip_id=FLOATING.id,
    protocol="tcp",
    external_port=8080,
    internal_port_id=PORT.id,
    internal_ip_address="10.0.0.6",
    internal_port=80,
)
POLICY = RBACPolicy(
    id=_id(15),
    project_id="p",
    object_type="network",
    object_id=NET.id,
    action="access_as_shared",
    target_tenant="*",
)
SLOW = QosPolicy(id=_id(23), project_id="p", name="slow")
LIMIT = BandwidthLimitRule(id=_id(24), project_id="p", qos_policy_id=SLOW.id, max_kbps=1000)
MARK = DscpMarkingRule(id=_id(25), project_id="p", qos_policy_id=SLOW.id, dscp_mark=46)
PROJECT = Project(id=_id(20), project_id="red", name="red")
USER = User(id=_id(21), project_id="", name="ann", password="")
ROLE = RoleAssignment(id=_id(22), project_id="red", project=PROJECT.id, user_id=USER.id, role="member")
VLAN = Network(
    id=_id(16),
    project_id="p",
    network_type="vlan",
    physical_network="physnet1",
    segmentation_id=7,
)


@pytest.mark.parametrize(
    ("first", "type"),
    [
        (RULE, "SecurityGroupRuleExists"),
        (LISTENER, "Conflict"),
        (MEMBER, "Conflict"),
        (MONITOR, "Conflict"),
        (FORWARDING, "BadRequest"),
        (POLICY, "RbacPolicyExists"),
        (VLAN, "VlanIdInUse"),
        (LIMIT, "QoSRulesConflict"),
        (MARK, "QoSRulesConflict"),
        (replace(VLAN, network_type="flat", segmentation_id=None), "VlanIdInUse"),
    ],
)
async def test_the_same_twice_is_a_conflict(server: OvsdbServer, first: Stored, type: str) -> None:
    async with stored(server, *ALL) as store:
        if first in (LIMIT, MARK):
            await store.commit(Create(SLOW), timeout=PATIENCE)
        if first not in ALL:
            await store.commit(Create(first), timeout=PATIENCE)
        with pytest.raises(SealaneError) as refused:
            await store.commit(Create(replace(first, id=_id(99))), timeout=PATIENCE)
        assert refused.value.type == type


async def test_a_policy_that_something_has_can_t_go(server: OvsdbServer) -> None:
    async with stored(server, *ALL, SLOW, LIMIT) as store:
        held = store.state.ports[PORT.id]
        state = await store.commit(Update(held, replace(held, qos_policy_id=SLOW.id)), timeout=PATIENCE)
        assert state.ports[PORT.id].qos_policy_id == SLOW.id
        with pytest.raises(Conflict) as refused:
            await store.commit(Delete(LIMIT), Delete(SLOW), timeout=PATIENCE)
        assert refused.value.type == "QosPolicyInUse"
        held = state.ports[PORT.id]
        await store.commit(Update(held, replace(held, qos_policy_id=None)), timeout=PATIENCE)
        state = await store.commit(Delete(LIMIT), Delete(SLOW), timeout=PATIENCE)
        assert not (state.policies or state.bandwidth_limit_rules)


async def test_names_of_users_and_projects_are_theirs_alone(server: OvsdbServer) -> None:
    async with stored(server, PROJECT, USER, ROLE) as store:
        for other in (
            replace(PROJECT, id=_id(98), project_id="blue"),
            replace(PROJECT, id=_id(98), name="blue"),
            replace(USER, id=_id(98)),
            replace(ROLE, id=_id(98)),
        ):
            with pytest.raises(Conflict):
                await store.commit(Create(other), timeout=PATIENCE)
        for held in (PROJECT, USER):
            with pytest.raises(Conflict):
                await store.commit(Delete(held), timeout=PATIENCE)
        state = await store.commit(Delete(ROLE), Delete(USER), Delete(PROJECT), timeout=PATIENCE)
        assert not (state.users or state.projects or state.role_assignments)


async def test_a_vlan_is_free_again_and_another_physical_network_has_the_same(server: OvsdbServer) -> None:
    async with stored(server, *ALL) as store:
        await store.commit(Create(VLAN), timeout=PATIENCE)
        await store.commit(Create(replace(VLAN, id=_id(17), physical_network="physnet2")), timeout=PATIENCE)
        await store.commit(Delete(VLAN), timeout=PATIENCE)
        state = await store.commit(Create(replace(VLAN, id=_id(18))), timeout=PATIENCE)
        assert state.networks[_id(18)].segmentation_id == 7


def _older(path: Path) -> Path:
    """The schema of version 1.1.0: without what came since."""
    schema = json.loads(SCHEMA.read_text())
    schema["version"] = "1.1.0"
    since = {
        "Network": (
            "external",
            "network_type",
            "physical_network",
            "segmentation_id",
            "segment",
            "qos_policy",
        ),
        "Subnet": ("subnetpool", "segment"),
        "Port": ("security_groups", "extra_dhcp_opts", "router", "qos_policy"),
    }
    kept = (
        "Sealane",
        "Request",
        "TunnelKey",
        "Allocation",
        "Network",
        "Subnet",
        "Port",
        "Node",
        "Token",
        "Quota",
    )
    schema["tables"] = {name: schema["tables"][name] for name in kept}
    for table, columns in since.items():
        for column in columns:
            del schema["tables"][table]["columns"][column]
    path.write_text(json.dumps(schema))
    return path


def transact(server: OvsdbServer, *operations: dict[str, object]) -> None:
    command = ["ovsdb-client", "transact", server.remote, json.dumps(["Sealane", *operations])]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    assert "error" not in done.stdout, done.stdout


async def test_rows_of_the_schema_before_are_read_as_they_were_meant(directory: Path) -> None:
    with OvsdbServer(directory, _older(directory / "older.ovsschema")) as server:
        columns = {
            "name": "old",
            "mtu": 1442,
            "gateway": "host",
            "origin": "api",
            "tags": "[]",
            "tunnel": ["named-uuid", "key"],
        }
        port = {
            "network": ["named-uuid", "net"],
            "mac_address": "fa:16:3e:00:00:01",
            "tunnel_key": 2,
            **dict.fromkeys(("tags", "fixed_ips", "allowed_address_pairs", "dns_aliases"), "[]"),
            "profile": "{}",
        }
        transact(
            server,
            {
                "op": "insert",
                "table": "TunnelKey",
                "uuid-name": "key",
                "row": {"scope": "datapath", "key": 5},
            },
            {"op": "insert", "table": "Network", "uuid-name": "net", "row": columns},
            {"op": "insert", "table": "Port", "row": port},
        )
        assert await convert(server.remote)
        async with stored(server) as store:
            (network,), (old,) = store.state.networks.values(), store.state.ports.values()
            assert (network.network_type, network.external, network.physical_network) == (
                "geneve",
                False,
                None,
            )
            assert (old.security_groups, old.extra_dhcp_opts) == ((), ())
            state = await store.commit(Update(old, replace(old, name="new")), timeout=PATIENCE)
            assert state.ports[old.id].name == "new"
