"""Security groups, their rules and address groups, as clients see them."""

import asyncio
from typing import Any

import pytest

from sealane.names import default_group
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

GROUPS, RULES, ADDRESSES = "/v2.0/security-groups", "/v2.0/security-group-rules", "/v2.0/address-groups"
NOBODY = "00000000-0000-4000-8000-000000000000"


async def group(api: Live, name: str = "web", **values: Any) -> Any:
    made = await api.call(f"POST {GROUPS}", {"security_group": {"name": name, **values}})
    assert made.status == 201, made
    return made.body["security_group"]


async def rule(api: Live, group: Any, **values: Any) -> Any:
    given = {"security_group_id": group["id"], "direction": "ingress", **values}
    return await api.call(f"POST {RULES}", {"security_group_rule": given})


async def shown(api: Live, group: Any) -> Any:
    return (await api.call(f"GET {GROUPS}/{group['id']}")).body["security_group"]


async def test_a_group_is_made_with_rules_that_let_everything_out(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await group(api, tags=["blue"], description="of the web")
        assert made["stateful"] and not made["shared"] and made["tags"] == ["blue"]
        out = made["security_group_rules"]
        assert {(r["direction"], r["ethertype"]) for r in out} == {("egress", "IPv4"), ("egress", "IPv6")}
        assert all(r["remote_group_id"] is None and r["security_group_id"] == made["id"] for r in out)
        changed = await api.call(f"PUT {GROUPS}/{made['id']}", {"security_group": {"stateful": False}})
        assert changed.body["security_group"]["stateful"] is False
        found = await api.call(f"GET {GROUPS}?name=web&fields=name&fields=stateful")
        assert found.body == {"security_groups": [{"name": "web", "stateful": False}]}
        assert (await api.call(f"DELETE {GROUPS}/{made['id']}")).status == 204
        assert (await api.call(f"GET {RULES}?security_group_id={made['id']}")).body[
            "security_group_rules"
        ] == []


async def test_a_rule_raises_the_revision_of_its_group(database: OvsdbServer) -> None:
    async with live(database) as api:
        web = await group(api)
        made = (await rule(api, web, protocol="tcp", port_range_min=80, port_range_max=80)).body[
            "security_group_rule"
        ]
        after = await shown(api, web)
        assert after["revision_number"] == web["revision_number"] + 1
        assert made["id"] in {r["id"] for r in after["security_group_rules"]}
        path = f"{RULES}/{made['id']}"
        described = await api.call(f"PUT {path}", {"security_group_rule": {"description": "the web"}})
        assert described.body["security_group_rule"]["description"] == "the web"
        assert (await api.call(f"PUT {path}", {"security_group_rule": {"protocol": "udp"}})).status == 400
        assert (await api.call(f"DELETE {path}")).status == 204
        assert (await shown(api, web))["revision_number"] == web["revision_number"] + 2


GOOD: list[dict[str, Any]] = [
    {"protocol": "TCP", "port_range_min": 1, "port_range_max": 65535},
    {"protocol": "6", "port_range_min": "80", "port_range_max": "80"},
    {"protocol": 132, "port_range_min": 80, "port_range_max": 90},
    {"protocol": "udplite"},
    {"protocol": "dccp"},
    {"protocol": "vrrp"},
    {"protocol": 0},
    {"protocol": "icmp", "port_range_min": 8, "port_range_max": 0},
    {"protocol": "icmp", "port_range_min": 255},
    {"protocol": "icmp", "ethertype": "ipv6", "port_range_min": 128},
    {"protocol": "ipv6-icmp", "ethertype": "IPv6"},
    {"remote_ip_prefix": "10.0.0.7/24"},
    {"remote_ip_prefix": "fd00::1", "ethertype": "IPv6"},
    {"direction": "egress", "remote_ip_prefix": "0.0.0.0/0", "protocol": "tcp"},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"direction": "up"}, "direction"),
    ({"ethertype": "ARP"}, "ethertype"),
    ({"protocol": "tcpp"}, "protocol"),
    ({"protocol": 256}, "protocol"),
    ({"protocol": -1}, "protocol"),
    ({"protocol": True}, "protocol"),
    ({"protocol": "tcp && 1"}, "protocol"),
    ({"port_range_min": 80, "port_range_max": 80}, "protocol"),
    ({"protocol": "tcp", "port_range_min": 90, "port_range_max": 80}, "port_range"),
    ({"protocol": "udplite", "port_range_min": 80, "port_range_max": 90}, "without port_range_min"),
    ({"protocol": 33, "port_range_min": 80, "port_range_max": 90}, "without port_range_min"),
    ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 80}, "port 0"),
    ({"protocol": "tcp", "port_range_min": 80}, "port_range_max"),
    ({"protocol": "tcp", "port_range_min": 80, "port_range_max": 65536}, "port_range_max"),
    ({"protocol": "gre", "port_range_min": 80, "port_range_max": 80}, "gre"),
    ({"protocol": "icmp", "port_range_min": 256}, "port_range_min"),
    ({"protocol": "icmp", "port_range_max": 1}, "port-range-min"),
    ({"protocol": "ipv6-icmp"}, "ethertype"),
    ({"protocol": "58"}, "ethertype"),
    ({"remote_ip_prefix": "fd00::/64"}, "ethertype"),
    ({"remote_ip_prefix": "10.0.0.0/24", "ethertype": "IPv6"}, "ethertype"),
    ({"remote_ip_prefix": "10.0.0.0/33"}, "remote_ip_prefix"),
    ({"remote_ip_prefix": "10.0.0.0/24 || 1"}, "remote_ip_prefix"),
    ({"remote_group_id": "x"}, "remote_group_id"),
    ({"colour": "red"}, "colour"),
]


async def test_rules_that_mean_something_are_taken(database: OvsdbServer) -> None:
    async with live(database) as api:
        web = await group(api)
        for values in GOOD:
            made = await rule(api, web, **values)
            assert made.status == 201, (values, made.body)
        rules = (await shown(api, web))["security_group_rules"]
        assert len(rules) == len(GOOD) + 2
        assert {r["remote_ip_prefix"] for r in rules} == {None, "10.0.0.0/24", "fd00::1/128", "0.0.0.0/0"}
        found = await api.call(f"GET {RULES}?remote_ip_prefix=10.0.0.0/24&security_group_id={web['id']}")
        assert [r["normalized_cidr"] for r in found.body["security_group_rules"]] == ["10.0.0.0/24"]


async def test_rules_that_mean_nothing_are_refused_with_the_field(database: OvsdbServer) -> None:
    async with live(database) as api:
        web = await group(api)
        for values, says in BAD:
            refused = await rule(api, web, **values)
            assert refused.status == 400 and says in refused.body["NeutronError"]["message"], (
                values,
                refused.body,
            )
        assert (await rule(api, {"id": NOBODY})).error == "SecurityGroupNotFound"
        assert (await rule(api, web, remote_group_id=NOBODY)).error == "SecurityGroupNotFound"
        assert (await rule(api, web, remote_address_group_id=NOBODY)).error == "AddressGroupNotFound"
        two = await rule(api, web, remote_group_id=web["id"], remote_ip_prefix="10.0.0.0/8")
        assert two.error == "SecurityGroupRemoteGroupAndRemoteIpPrefix"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"protocol": "tcp"}, {"protocol": "6"}),
        ({"protocol": "icmp", "ethertype": "IPv6"}, {"protocol": "icmpv6", "ethertype": "IPv6"}),
        ({"remote_ip_prefix": "10.0.0.1/24"}, {"remote_ip_prefix": "10.0.0.0/24"}),
        ({}, {"remote_ip_prefix": "0.0.0.0/0"}),
    ],
    ids=str,
)
async def test_the_same_rule_twice_is_refused(database: OvsdbServer, one: Any, other: Any) -> None:
    async with live(database) as api:
        web = await group(api)
        both = [{"security_group_id": web["id"], "direction": "ingress", **v} for v in (one, other)]
        bulk = await api.call(f"POST {RULES}", {"security_group_rules": both})
        assert bulk.error == "DuplicateSecurityGroupRuleInPost" and bulk.status == 409
        first = await rule(api, web, **one)
        again = await rule(api, web, **other)
        assert again.status == 409 and first.body["security_group_rule"]["id"] in str(again.body)
        assert again.error == "SecurityGroupRuleExists"


async def test_a_port_is_in_its_projects_default_group(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network")
        port = await api.make("port", network_id=network["id"], project_id="p")
        assert port["security_groups"] == [default_group("p")]
        (found,) = (await api.call(f"GET {GROUPS}?project_id=p")).body["security_groups"]
        rules = {
            (r["direction"], r["ethertype"], r["remote_group_id"]) for r in found["security_group_rules"]
        }
        own = found["id"]
        assert found["name"] == "default" and rules == {
            *(("egress", version, None) for version in ("IPv4", "IPv6")),
            *(("ingress", version, own) for version in ("IPv4", "IPv6")),
        }
        assert all(r["belongs_to_default_sg"] for r in found["security_group_rules"])
        for owner in ("network:dhcp", "sealane:docker"):
            other = await api.make("port", network_id=network["id"], project_id="p", device_owner=owner)
            assert other["security_groups"] == []
        open_ = await api.make("port", network_id=network["id"], port_security_enabled=False)
        assert open_["security_groups"] == []


async def test_the_default_group_keeps_its_name_and_there_is_one(database: OvsdbServer) -> None:
    async with live(database) as api:
        (found,) = (await api.call(f"GET {GROUPS}?name=default")).body["security_groups"]
        assert found["id"] == default_group("default")
        path = f"{GROUPS}/{found['id']}"
        renamed = await api.call(f"PUT {path}", {"security_group": {"name": "x"}})
        assert (renamed.status, renamed.error) == (409, "SecurityGroupCannotUpdateDefault")
        described = await api.call(f"PUT {path}", {"security_group": {"description": "ours"}})
        assert described.status == 200
        another = await api.call(f"POST {GROUPS}", {"security_group": {"name": "Default"}})
        assert (another.status, another.error) == (409, "SecurityGroupDefaultAlreadyExists")


async def test_two_processes_make_one_default_group(database: OvsdbServer) -> None:
    async with live(database) as one, live(database) as other:
        network = await one.make("network")
        await other.call(f"GET /v2.0/networks/{network['id']}")
        ports = await asyncio.gather(
            *(api.make("port", network_id=network["id"], project_id="p") for api in (one, other) * 8)
        )
        assert {tuple(p["security_groups"]) for p in ports} == {(default_group("p"),)}
        rules = (await one.call(f"GET {RULES}?project_id=p")).body["security_group_rules"]
        assert len(rules) == 4


async def test_the_groups_of_a_port(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network")
        web, db = await group(api, "web"), await group(api, "db")
        port = await api.make("port", network_id=network["id"], security_groups=[web["id"], db["id"]])
        path = f"/v2.0/ports/{port['id']}"
        assert port["security_groups"] == sorted([web["id"], db["id"]])
        found = await api.call(f"GET /v2.0/ports?security_groups={web['id']}")
        assert [p["id"] for p in found.body["ports"]] == [port["id"]]
        in_use = await api.call(f"DELETE {GROUPS}/{web['id']}")
        assert (in_use.status, in_use.error) == (409, "SecurityGroupInUse")
        for values, error, status in (
            ({"security_groups": [NOBODY]}, "SecurityGroupNotFound", 404),
            ({"port_security_enabled": False}, "PortSecurityPortHasSecurityGroup", 409),
            (
                {"port_security_enabled": False, "security_groups": [web["id"]]},
                "PortSecurityAndIPRequiredForSecurityGroups",
                400,
            ),
            ({"security_groups": ["x"]}, "HTTPBadRequest", 400),
        ):
            refused = await api.call(f"PUT {path}", {"port": values})
            assert (refused.status, refused.error) == (status, error), values
        none = {"port": {"port_security_enabled": False, "security_groups": []}}
        assert (await api.call(f"PUT {path}", none)).body["port"]["security_groups"] == []
        assert (await api.call(f"DELETE {GROUPS}/{web['id']}")).status == 204
        unsafe = {"network_id": network["id"], "port_security_enabled": False, "security_groups": [db["id"]]}
        refused = await api.call("POST /v2.0/ports", {"port": unsafe})
        assert refused.error == "PortSecurityAndIPRequiredForSecurityGroups"


async def test_rules_that_name_a_group_go_with_it(database: OvsdbServer) -> None:
    async with live(database) as api:
        web, db = await group(api, "web"), await group(api, "db")
        await rule(api, db, remote_group_id=web["id"], protocol="tcp")
        found = await api.call(f"GET {RULES}?remote_group_id={web['id']}")
        assert len(found.body["security_group_rules"]) == 1
        assert (await api.call(f"DELETE {GROUPS}/{web['id']}")).status == 204
        after = await shown(api, db)
        assert len(after["security_group_rules"]) == 2 and after["revision_number"] == 3


async def test_address_groups(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await api.call(
            f"POST {ADDRESSES}",
            {"address_group": {"name": "office", "addresses": ["192.0.2.7/24", "fd00::1"]}},
        )
        office = made.body["address_group"]
        assert office["addresses"] == ["192.0.2.0/24", "fd00::1/128"]
        path = f"{ADDRESSES}/{office['id']}"
        more = await api.call(f"PUT {path}/add_addresses", {"addresses": ["198.51.100.0/24"]})
        assert more.body["address_group"]["addresses"][-1] == "198.51.100.0/24"
        again = await api.call(f"PUT {path}/add_addresses", {"addresses": ["198.51.100.0/24"]})
        assert (again.status, again.error) == (400, "AddressesAlreadyExist")
        inner = {"address_group": {"addresses": ["192.0.2.0/24", "fd00::1/128"]}}
        fewer = await api.call(f"PUT {path}/remove_addresses", inner)
        assert fewer.body["address_group"]["addresses"] == ["198.51.100.0/24"]
        gone = await api.call(f"PUT {path}/remove_addresses", inner)
        assert (gone.status, gone.error) == (404, "AddressesNotFound")
        for body in ({}, {"addresses": ["x"]}, {"addresses": [], "x": 1}, {"address_group": []}):
            assert (await api.call(f"PUT {path}/add_addresses", body)).status == 400
        assert (await api.call(f"PUT {path}", {"address_group": {"addresses": []}})).status == 400
        web = await group(api)
        await rule(api, web, remote_address_group_id=office["id"])
        assert (await api.call(f"DELETE {path}")).error == "AddressGroupInUse"
        assert (await api.call(f"DELETE {GROUPS}/{web['id']}")).status == 204
        assert (await api.call(f"DELETE {path}")).status == 204


DOCKERS = {"device_owner": "sealane:docker"}


async def container(api: Live, labels: Any, **values: Any) -> Any:
    """The port of a container on a network with these labels."""
    network = await api.make("network", **{"sealane:labels": labels})
    return await api.call("POST /v2.0/ports", {"port": {"network_id": network["id"], **DOCKERS, **values}})


async def test_a_network_says_what_its_containers_are_in(database: OvsdbServer) -> None:
    async with live(database) as api:
        web, db = await group(api, "web"), await group(api, "db")
        await group(api, "web", project_id="other")
        labels = {"sealane.security-groups": f"web, {db['id']}"}
        port = (await container(api, labels)).body["port"]
        assert port["security_groups"] == sorted([web["id"], db["id"]]) and not port["sealane:quarantine"]
        own = (await container(api, labels, security_groups=[web["id"]])).body["port"]
        assert own["security_groups"] == [web["id"]]
        network = await api.make("network", **{"sealane:labels": labels})
        machine = await api.make("port", network_id=network["id"])
        assert machine["security_groups"] == [default_group("default")], "it is no container"
        await group(api, "web")
        refused = await container(api, labels)
        assert refused.status == 400 and "2 security groups" in refused.body["NeutronError"]["message"]
        unknown = await container(api, {"sealane.security-groups": "wbe"})
        assert unknown.status == 400 and "'wbe'" in unknown.body["NeutronError"]["message"]


@pytest.mark.parametrize(("said", "waits"), [("true", True), ("false", False), ("treu", True)])
async def test_a_network_that_selects_by_label_begins_with_nothing(
    database: OvsdbServer, said: str, waits: bool
) -> None:
    async with live(database) as api:
        labels = {"sealane.security-groups-by-label": said}
        port = (await container(api, labels)).body["port"]
        assert port["sealane:quarantine"] is waits
        free = {"port": {"sealane:quarantine": False}}
        after = await api.call(f"PUT /v2.0/ports/{port['id']}", free)
        assert after.body["port"]["sealane:quarantine"] is False
        given = (await container(api, labels, security_groups=[])).body["port"]
        assert given["sealane:quarantine"] is False


async def test_a_project_that_selects_by_label_does_so_on_all_its_networks(database: OvsdbServer) -> None:
    async with live(database) as api:
        await api.call(f"GET {GROUPS}")
        tag = "sealane.security-groups-by-label"
        path = f"{GROUPS}/{default_group('default')}/tags/{tag}"
        assert (await api.call(f"PUT {path}")).status == 201
        assert (await container(api, {})).body["port"]["sealane:quarantine"] is True


async def test_quotas_count_what_was_asked_for(database: OvsdbServer) -> None:
    async with live(database) as api:
        limits = {"quota": {"security_group": 1, "security_group_rule": 1}}
        assert (await api.call("PUT /v2.0/quotas/p", limits)).status == 200
        network = await api.make("network", project_id="p")
        await api.make("port", network_id=network["id"], project_id="p")
        assert len((await api.call(f"GET {GROUPS}?project_id=p")).body["security_groups"]) == 1
        over = await api.call(f"POST {GROUPS}", {"security_group": {"name": "web", "project_id": "p"}})
        assert (over.status, over.error) == (409, "OverQuota")
