"""Networks, subnets and ports made and changed over plain states: what comes out, and what is refused."""

import random

import pytest

from sealane import errors
from sealane.api import networks, ports, query, subnets
from sealane.api.draft import Draft
from sealane.api.look import Look, Unbound
from sealane.model import State

NET, SUB, PORT = (f"{n}0000000-0000-4000-8000-000000000000" for n in "123")


def draft(look: Look | None = None) -> Draft:
    return Draft(look or Look(State(), Unbound()), "2026-01-01T00:00:00Z", chance=random.Random(1))


def made(kind, module, d, id, **body):
    return module.create(id, kind.accept_new(body), d)


@pytest.fixture
def net():
    d = draft()
    made(networks.NETWORKS, networks, d, NET, name="n")
    return d


def subnet(d, id=SUB, **body):
    return made(subnets.SUBNETS, subnets, d, id, **{"network_id": NET, "cidr": "10.0.0.0/24", **body})


def port(d, id=PORT, **body):
    return made(ports.PORTS, ports, d, id, **{"network_id": NET, **body})


def state(d: Draft) -> Look:
    return Look(
        State(
            networks=d.networks,
            subnets={s.id: s for s in d.subnets},
            ports={p.id: p for p in d.ports},
        ),
        Unbound(),
    )


def test_a_subnet_gets_gateway_and_pool(net):
    found = subnet(net)
    assert found.gateway_ip == "10.0.0.1" and found.ip_version == 4
    assert [(p.start, p.end) for p in found.allocation_pools] == [("10.0.0.2", "10.0.0.254")]


def test_without_gateway_the_pool_is_whole(net):
    assert subnet(net, gateway_ip=None).allocation_pools[0].start == "10.0.0.1"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"cidr": "nonsense"}, "HTTPBadRequest"),
        ({"cidr": "224.0.0.0/24"}, "InvalidInput"),
        ({"cidr": "0.0.0.0/0"}, "InvalidInput"),
        ({"ip_version": 6}, "InvalidInput"),
        ({"ip_version": 5}, "InvalidInput"),
        ({"gateway_ip": "10.0.1.1"}, "InvalidInput"),
        ({"gateway_ip": "10.0.0.255"}, "InvalidInput"),
        ({"gateway_ip": "fd00::1"}, "InvalidInput"),
        ({"allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.3"}]}, "OutOfBoundsAllocationPool"),
        ({"allocation_pools": [{"start": "10.0.0.9", "end": "10.0.1.3"}]}, "OutOfBoundsAllocationPool"),
        ({"allocation_pools": [{"start": "fd00::1", "end": "10.0.0.3"}]}, "InvalidInput"),
        (
            {"allocation_pools": [{"start": "10.0.0.1", "end": "10.0.0.3"}]},
            "GatewayConflictWithAllocationPools",
        ),
        (
            {
                "allocation_pools": [
                    {"start": "10.0.0.5", "end": "10.0.0.9"},
                    {"start": "10.0.0.9", "end": "10.0.0.11"},
                ]
            },
            "OverlappingAllocationPools",
        ),
        ({"dns_nameservers": ["fd00::1"]}, "InvalidInput"),
        ({"dns_nameservers": ["10.0.0.1", "10.0.0.1"]}, "HTTPBadRequest"),
        ({"host_routes": [{"destination": "fd00::/64", "nexthop": "10.0.0.3"}]}, "InvalidInput"),
        ({"ipv6_ra_mode": "slaac"}, "InvalidInput"),
        ({"network_id": SUB}, "NetworkNotFound"),
        ({"wrong": 1}, "HTTPBadRequest"),
        ({"revision_number": 1}, "HTTPBadRequest"),
    ],
)
def test_subnets_that_are_refused(net, body, kind):
    with pytest.raises(errors.SealaneError) as caught:
        subnet(net, **body)
    assert caught.value.type == kind
    assert caught.value.status in (400, 404, 409)


def test_subnets_of_one_network_do_not_overlap_those_of_two_may(net):
    subnet(net)
    with pytest.raises(errors.BadRequest, match="overlaps"):
        subnet(net, id=PORT, cidr="10.0.0.128/25")
    made(networks.NETWORKS, networks, net, PORT)
    subnet(net, id=PORT, network_id=PORT)


def test_a_port_gets_the_lowest_free_address_of_each_family(net):
    subnet(net)
    six = subnet(net, id=PORT, cidr="fd00::/64", ip_version=6)
    first = port(net)
    assert {f.ip_address for f in first.fixed_ips} == {"10.0.0.2", "fd00::2"}
    second = port(net, id=NET, fixed_ips=[{"subnet_id": six.id}])
    assert [f.ip_address for f in second.fixed_ips] == ["fd00::3"]
    assert first.mac_address != second.mac_address


def test_addresses_from_the_top(net):
    subnet(net)
    found = port(net, **{"sealane:allocate_from": "top"})
    assert found.fixed_ips[0].ip_address == "10.0.0.254"


def test_given_addresses_are_set_aside_before_others_are_chosen(net):
    subnet(net)
    found = port(net, fixed_ips=[{"subnet_id": SUB}, {"ip_address": "10.0.0.2"}])
    assert [f.ip_address for f in found.fixed_ips] == ["10.0.0.3", "10.0.0.2"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"fixed_ips": [{"ip_address": "10.0.0.1"}]}, "IpAddressAlreadyAllocated"),
        (
            {"fixed_ips": [{"ip_address": "10.0.0.9"}, {"ip_address": "10.0.0.9"}]},
            "HTTPBadRequest",
        ),
        ({"fixed_ips": [{"ip_address": "10.0.1.1"}]}, "InvalidIpForNetwork"),
        ({"fixed_ips": [{"ip_address": "10.0.1.1", "subnet_id": SUB}]}, "InvalidIpForSubnet"),
        ({"fixed_ips": [{"ip_address": "10.0.0.0", "subnet_id": SUB}]}, "InvalidIpForSubnet"),
        ({"fixed_ips": [{"subnet_id": NET}]}, "SubnetNotFound"),
        ({"fixed_ips": [{}]}, "HTTPBadRequest"),
        ({"fixed_ips": [{"ip": "x"}]}, "HTTPBadRequest"),
        ({"fixed_ips": {}}, "HTTPBadRequest"),
        ({"mac_address": "01:00:5e:00:00:01"}, "HTTPBadRequest"),
        ({"mac_address": 7}, "HTTPBadRequest"),
        ({"name": "x" * 256}, "HTTPBadRequest"),
        ({"name": "a\0b"}, "HTTPBadRequest"),
        ({"dns_name": "-x"}, "HTTPBadRequest"),
        ({"admin_state_up": "perhaps"}, "HTTPBadRequest"),
        ({"security_groups": ["x"]}, "HTTPBadRequest"),
        ({"network_id": SUB}, "NetworkNotFound"),
        ({"tenant_id": "a", "project_id": "b"}, "HTTPBadRequest"),
        (
            {"port_security_enabled": False, "allowed_address_pairs": [{"ip_address": "10.9.0.0/24"}]},
            "AddressPairAndPortSecurityRequired",
        ),
    ],
)
def test_ports_that_are_refused(net, body, kind):
    subnet(net)
    with pytest.raises(errors.SealaneError) as caught:
        port(net, **body)
    assert caught.value.type == kind


def test_a_full_subnet(net):
    subnet(net, cidr="10.0.0.0/30")
    port(net)
    with pytest.raises(errors.AddressesExhausted):
        port(net, id=NET)
    with pytest.raises(errors.AddressesExhausted):
        port(net, id=NET, fixed_ips=[{"subnet_id": SUB}])


def test_a_mac_is_one_ports_in_a_network(net):
    port(net, mac_address="02-42-AC-00-00-01")
    with pytest.raises(errors.Conflict) as caught:
        port(net, id=NET, mac_address="02:42:ac:00:00:01")
    assert caught.value.type == "MacAddressInUse"


def test_an_update_keeps_the_address_that_the_port_has(net):
    subnet(net)
    old = port(net)
    look = state(net)
    same = ports.update(old, ports.PORTS.accept_changes({"fixed_ips": [{"subnet_id": SUB}]}), draft(look))
    assert same.fixed_ips == old.fixed_ips
    moved = ports.update(
        old, ports.PORTS.accept_changes({"fixed_ips": [{"ip_address": "10.0.0.9"}]}), draft(look)
    )
    assert moved.fixed_ips[0].ip_address == "10.0.0.9"


def test_what_is_in_use_is_not_deleted(net):
    sub = subnet(net)
    assert networks.delete(net.networks[NET], draft(state(net))) == (sub, net.networks[NET])
    port(net)
    with pytest.raises(errors.Conflict):
        networks.delete(net.networks[NET], draft(state(net)))
    with pytest.raises(errors.Conflict):
        subnets.delete(sub, draft(state(net)))


def test_a_gateway_moves_only_out_of_the_pool_and_to_nobodys_address(net):
    sub = subnet(net, allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.20"}])
    port(net, fixed_ips=[{"ip_address": "10.0.0.5"}])
    change = subnets.SUBNETS.accept_changes
    for address in ("10.0.0.5", "10.0.0.12"):
        with pytest.raises(errors.Conflict):
            subnets.update(sub, change({"gateway_ip": address}), draft(state(net)))
    assert subnets.update(sub, change({"gateway_ip": "10.0.0.6"}), draft(state(net))).gateway_ip == "10.0.0.6"


@pytest.fixture
def many(net):
    subnet(net)
    for n in range(10):
        port(net, id=f"0000000{n}-0000-4000-8000-000000000000", name=f"p{n % 3}", tags=[f"t{n % 2}", "all"])
    return state(net)


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        ("", 10),
        ("name=p0", 4),
        ("name=p0&name=p1", 7),
        ("name=p0&admin_state_up=False", 0),
        ("admin_state_up=true", 10),
        (f"fixed_ips=subnet_id%3D{SUB}", 10),
        ("fixed_ips=ip_address%3D10.0.0.3&fixed_ips=ip_address%3D10.0.0.4", 2),
        ("fixed_ips=ip_address_substr%3D.0.1", 2),
        ("status=ACTIVE", 0),
        ("tags=t0,all", 5),
        ("tags-any=t0,t1", 10),
        ("not-tags=t0", 5),
        ("not-tags-any=t0,t1", 0),
        ("device_id=", 10),
        ("id=00000001-0000-4000-8000-000000000000", 1),
        ("id=x", 0),
        ("tenant_id=default", 10),
        ("limit=3", 3),
        ("sort_key=name&sort_dir=desc&limit=20", 10),
    ],
)
def test_filters(many, raw, count):
    assert len(query.select(ports.PORTS, query.parse(ports.PORTS, raw), many, raw).rows) == count


@pytest.mark.parametrize(
    "raw",
    [
        "colour=red",
        "limit=-1",
        "limit=x",
        "marker=x",
        "sort_key=colour",
        "sort_key=name&sort_dir=up",
        "sort_dir=asc",
        "fixed_ips=x",
        "fixed_ips=ip_address%3Dx",
        "admin_state_up=perhaps",
        "name=%ff",
        "page_reverse=perhaps",
        "allowed_address_pairs=x",
    ],
)
def test_queries_that_are_refused(many, raw):
    with pytest.raises(errors.BadRequest):
        query.select(ports.PORTS, query.parse(ports.PORTS, raw), many, raw)


def test_pages_forward_and_back_show_every_row_once(many):
    raw, seen, before = "limit=4&sort_key=name", [], ""
    while raw:
        page = query.select(ports.PORTS, query.parse(ports.PORTS, raw), many, raw)
        seen.extend(row.id for row in page.rows)
        before, raw = raw, dict(page.links).get("next", "")
    assert len(seen) == len(set(seen)) == 10
    last = query.select(ports.PORTS, query.parse(ports.PORTS, before), many, before)
    back = dict(last.links)["previous"]
    rows = query.select(ports.PORTS, query.parse(ports.PORTS, back), many, back).rows
    assert [row.id for row in rows] == seen[4:8]
