"""Objects survive their row, every attribute has its column, and spellings become one."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.errors import BadRequest
from sealane.model import (
    AddressGroup,
    AddressPair,
    AddressScope,
    BandwidthLimitRule,
    DhcpOption,
    DscpMarkingRule,
    FixedIP,
    FloatingIP,
    HealthMonitor,
    HostRoute,
    Listener,
    LoadBalancer,
    Log,
    Member,
    MeteringLabel,
    MeteringLabelRule,
    Network,
    Node,
    Pool,
    Port,
    PortForwarding,
    Project,
    QosPolicy,
    Quota,
    RBACPolicy,
    Revocation,
    RoleAssignment,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Segment,
    ServerPool,
    Subnet,
    SubnetPool,
    SubPort,
    TapFlow,
    TapMirror,
    TapService,
    Token,
    Trunk,
    User,
)
from sealane.ovsdb.values import Schema
from sealane.store.changes import Stored
from sealane.store.create import SCHEMA, packaged_version
from sealane.store.rows import COLUMNS, TABLES, canonical, from_row, same_content, to_row
from sealane.store.snapshot import MONITORED

PACKAGED = Schema.parse(msgspec.json.decode(SCHEMA.read_bytes()))

ids = st.uuids().map(str)
texts = st.text(st.sampled_from('aé"\\\n[]🦆'), max_size=8)
words = st.lists(texts, max_size=3).map(tuple)
json_values = st.recursive(
    texts | st.booleans() | st.none() | st.integers(-9, 9), lambda x: st.lists(x, max_size=2), max_leaves=4
)
standard = {
    "id": ids,
    "project_id": texts,
    "name": texts,
    "description": texts,
    "tags": words,
    "revision_number": st.integers(0, 2**40),
    "created_at": texts,
    "updated_at": texts,
}
networks = st.builds(
    Network,
    **standard,
    shared=st.booleans(),
    mtu=st.integers(68, 9000),
    gateway=st.sampled_from(["host", "router", "docker", "none"]),
    origin=st.sampled_from(["api", "docker"]),
    labels=st.dictionaries(texts, texts, max_size=3),
    tunnel_key=st.integers(1, 2**24 - 1),
    external=st.booleans(),
    network_type=st.sampled_from(["geneve", "vlan", "flat"]),
    physical_network=st.none() | texts,
    segmentation_id=st.none() | st.integers(1, 4094),
)
segments = st.builds(
    Segment,
    **standard,
    network_id=ids,
    network_type=st.sampled_from(["vlan", "flat"]),
    physical_network=st.none() | texts,
    segmentation_id=st.none() | st.integers(1, 4094),
    tunnel_key=st.integers(1, 32767),
)
subnets = st.builds(
    Subnet,
    **standard,
    network_id=ids,
    cidr=texts,
    ip_version=st.sampled_from([4, 6]),
    gateway_ip=st.none() | texts,
    allocation_pools=st.lists(st.builds(Pool, start=texts, end=texts), max_size=2).map(tuple),
    dns_nameservers=words,
    host_routes=st.lists(st.builds(HostRoute, destination=texts, nexthop=texts), max_size=2).map(tuple),
    ipv6_ra_mode=st.none() | texts,
    ipv6_address_mode=st.none() | texts,
    segmented=st.booleans(),
    further_segment_id=st.none() | ids,
)
ports = st.builds(
    Port,
    **standard,
    network_id=ids,
    mac_address=texts,
    fixed_ips=st.lists(st.builds(FixedIP, subnet_id=ids, ip_address=texts), max_size=2).map(tuple),
    profile=st.dictionaries(texts, json_values, max_size=2),
    allowed_address_pairs=st.lists(
        st.builds(AddressPair, ip_address=texts, mac_address=texts), max_size=2
    ).map(tuple),
    dns_aliases=words,
    services=words,
    taps=words,
    log=st.sampled_from(["", "ALL", "ACCEPT", "DROP"]),
    meters=words,
    withdrawn=st.booleans(),
    deferred=st.booleans(),
    tunnel_key=st.integers(1, 32767),
    security_groups=st.sets(ids, max_size=3).map(lambda found: tuple(sorted(found))),
    extra_dhcp_opts=st.lists(st.builds(DhcpOption, opt_name=texts, opt_value=texts), max_size=2).map(tuple),
)


nodes = st.builds(
    Node,
    **standard,
    address=texts,
    projects=words,
    serials=words,
    physical_networks=words,
    datapath_type=st.sampled_from(["system", "netdev"]),
)
tokens = st.builds(Token, **standard, digest=texts, expires_at=st.integers(0, 2**40), projects=words)
quotas = st.builds(Quota, **standard, limits=st.dictionaries(texts, st.integers(-1, 2**31), max_size=3))

routes = st.lists(st.builds(HostRoute, destination=texts, nexthop=texts), max_size=2).map(tuple)
routers = st.builds(
    Router,
    **standard,
    routes=routes,
    gateway_ports=words,
    enable_snat=st.booleans(),
    tunnel_key=st.integers(1),
)
floating = st.builds(
    FloatingIP,
    **standard,
    floating_network_id=ids,
    floating_ip_address=texts,
    floating_port_id=ids,
    port_id=st.none() | ids,
    fixed_ip_address=st.none() | texts,
    router_id=st.none() | ids,
)
numbers = st.none() | st.integers(0, 65535)
rules = st.builds(
    SecurityGroupRule,
    **standard,
    security_group_id=ids,
    direction=st.sampled_from(["ingress", "egress"]),
    protocol=st.none() | texts,
    port_range_min=numbers,
    port_range_max=numbers,
    remote_ip_prefix=st.none() | texts,
    remote_group_id=st.none() | ids,
    remote_address_group_id=st.none() | ids,
)
policed = (
    rules
    | st.builds(SecurityGroup, **standard, stateful=st.booleans(), shared=st.booleans())
    | st.builds(AddressGroup, **standard, addresses=words)
    | st.builds(AddressScope, **standard, ip_version=st.sampled_from([4, 6]), shared=st.booleans())
    | st.builds(
        SubnetPool,
        **standard,
        prefixes=words,
        default_quota=st.none() | st.integers(0, 2**31),
        is_default=st.booleans(),
        address_scope_id=st.none() | ids,
    )
    | st.builds(RBACPolicy, **standard, object_type=texts, object_id=texts, action=texts, target_tenant=texts)
)
forwardings = st.builds(
    PortForwarding,
    **standard,
    floatingip_id=ids,
    protocol=texts,
    external_port=st.integers(1, 65535),
    internal_port_id=ids,
    internal_ip_address=texts,
    internal_port=st.integers(1, 65535),
    external_last=st.integers(0, 65535),
    internal_last=st.integers(0, 65535),
)
balancing = (
    st.builds(
        LoadBalancer,
        **standard,
        vip_port_id=ids,
        vip_address=texts,
        admin_state_up=st.booleans(),
        made_port=st.booleans(),
    )
    | st.builds(
        ServerPool,
        **standard,
        loadbalancer_id=ids,
        protocol=texts,
        persistence=texts,
        persistence_timeout=st.integers(0, 65535),
    )
    | st.builds(
        Listener,
        **standard,
        loadbalancer_id=ids,
        protocol=texts,
        protocol_port=st.integers(1, 65535),
        default_pool_id=st.none() | ids,
    )
    | st.builds(
        Member,
        **standard,
        pool_id=ids,
        subnet_id=ids,
        address=texts,
        protocol_port=st.integers(1, 65535),
        weight=st.integers(0, 256),
    )
    | st.builds(
        HealthMonitor,
        **standard,
        pool_id=ids,
        type=texts,
        delay=st.integers(1, 3600),
        timeout=st.integers(1, 3600),
        max_retries=st.integers(1, 10),
    )
)
quality = (
    st.builds(QosPolicy, **standard, shared=st.booleans())
    | st.builds(
        BandwidthLimitRule,
        **standard,
        qos_policy_id=ids,
        max_kbps=st.integers(1, 2**31),
        max_burst_kbps=st.integers(0, 2**31),
        direction=st.sampled_from(["ingress", "egress"]),
    )
    | st.builds(
        Log,
        **standard,
        enabled=st.booleans(),
        event=st.sampled_from(["ALL", "ACCEPT", "DROP"]),
        resource_id=st.none() | ids,
        target_id=st.none() | ids,
    )
    | st.builds(Trunk, **standard, port_id=ids, admin_state_up=st.booleans())
    | st.builds(SubPort, **standard, trunk_id=ids, port_id=ids, segmentation_id=st.integers(1, 4094))
    | st.builds(TapService, **standard, port_id=ids)
    | st.builds(
        TapFlow,
        **standard,
        tap_service_id=ids,
        source_port=ids,
        direction=st.sampled_from(["IN", "OUT", "BOTH"]),
    )
    | st.builds(
        TapMirror,
        **standard,
        port_id=ids,
        remote_ip=st.ip_addresses(v=4).map(str),
        mirror_type=st.sampled_from(["gre", "erspanv1"]),
        in_number=st.none() | st.integers(0, 2**32 - 1),
        out_number=st.none() | st.integers(0, 2**32 - 1),
    )
    | st.builds(MeteringLabel, **standard, shared=st.booleans())
    | st.builds(
        MeteringLabelRule,
        **standard,
        metering_label_id=ids,
        direction=st.sampled_from(["ingress", "egress"]),
        remote_ip_prefix=st.none() | texts,
        source_ip_prefix=st.none() | texts,
        destination_ip_prefix=st.none() | texts,
        excluded=st.booleans(),
    )
    | st.builds(DscpMarkingRule, **standard, qos_policy_id=ids, dscp_mark=st.integers(0, 63))
)
accounts = (
    st.builds(Project, **standard, enabled=st.booleans())
    | st.builds(User, **standard, password=texts, enabled=st.booleans(), epoch=st.integers(0, 2**31))
    | st.builds(RoleAssignment, **standard, user_id=ids, project=ids, role=texts)
    | st.builds(Revocation, **standard, expires_at=st.integers(0, 2**40))
)
operators = nodes | tokens | quotas | accounts
others = forwardings | balancing | quality


@given(networks | segments | subnets | ports | operators | routers | floating | policed | others)
def test_an_object_survives_its_row_and_the_wire(obj: Stored) -> None:
    table = PACKAGED.table(TABLES[type(obj)])
    wire = msgspec.json.decode(msgspec.json.encode(table.encode(to_row(obj))))
    assert from_row(type(obj), obj.id, table.decode(wire)) == obj


def test_every_attribute_has_a_column_and_every_column_read_is_in_the_schema() -> None:
    for table, columns in {**COLUMNS, **MONITORED}.items():
        assert set(columns) <= PACKAGED.table(table).columns.keys(), table
    assert packaged_version() == PACKAGED.version


NETWORK = Network(id="5d3c7a5e-3a3b-4b8e-9a55-0c6a7e6fd001", project_id="p")
PORT = Port(
    id="5d3c7a5e-3a3b-4b8e-9a55-0c6a7e6fd002",
    project_id="p",
    network_id=NETWORK.id,
    mac_address="FA-16-3E-00-00-0A",
    fixed_ips=(FixedIP(subnet_id=NETWORK.id, ip_address="FD00:0::1"),),
)


def test_spellings_become_one() -> None:
    port = canonical(PORT)
    assert isinstance(port, Port)
    assert (port.mac_address, port.fixed_ips[0].ip_address) == ("fa:16:3e:00:00:0a", "fd00::1")
    assert canonical(port) == port


@pytest.mark.parametrize(
    "bad",
    [
        replace(PORT, id="x"),
        replace(PORT, id=PORT.id.upper()),
        replace(PORT, id=PORT.id + "\n"),
        replace(PORT, network_id="../etc"),
        replace(PORT, mac_address="fa:16:3e:00:00"),
        replace(PORT, mac_address="fa:16:3e:00:00:0a\n"),
        replace(PORT, fixed_ips=(FixedIP(subnet_id=NETWORK.id, ip_address="10.0.0.256"),)),
        Node(id=PORT.id, project_id="", name="host2", address="host2"),
        Subnet(id=PORT.id, project_id="p", network_id=NETWORK.id, cidr="10.0.0.1/24"),
        Subnet(id=PORT.id, project_id="p", network_id=NETWORK.id, cidr="10.0.0.0/24", gateway_ip="g"),
    ],
)
def test_what_is_no_id_or_address_is_refused(bad: Stored) -> None:
    with pytest.raises(BadRequest):
        canonical(bad)


def test_a_repeated_create_is_known_by_its_content() -> None:
    kept = replace(NETWORK, tunnel_key=7, revision_number=3, created_at="then", updated_at="now")
    assert same_content(NETWORK, kept)
    assert not same_content(replace(NETWORK, tunnel_key=8), kept)
    assert not same_content(replace(NETWORK, mtu=1400), kept)
