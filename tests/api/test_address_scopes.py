"""Address scopes: which pools may be in one, and what networks tell of them."""

from typing import Any

from tests.api.house import house
from tests.api.live import Live, live
from tests.api.test_subnet_pools import POOLS, SUBNETS, pool, taken
from tests.daemons import OvsdbServer

SCOPES = "/v2.0/address-scopes"


async def scope(api: Live, version: int = 4, **values: Any) -> Any:
    return await api.make("address_scope", name="firm", ip_version=version, **values)


async def test_a_scope_has_what_neutron_says(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await scope(api, tags=["t"])
        assert (made["ip_version"], made["shared"], made["revision_number"]) == (4, False, 1)
        assert "description" not in made
        for body in ({}, {"ip_version": 5}, {"ip_version": 4, "x": 1}):
            refused = await api.call(f"POST {SCOPES}", {"address_scope": body})
            assert (refused.status, refused.error) == (400, "HTTPBadRequest")
        path = f"{SCOPES}/{made['id']}"
        assert (await api.call(f"PUT {path}", {"address_scope": {"ip_version": 6}})).status == 400
        changed = await api.call(f"PUT {path}", {"address_scope": {"name": "x", "shared": True}})
        assert (changed.body["address_scope"]["shared"], changed.body["address_scope"]["name"]) == (True, "x")
        back = await api.call(f"PUT {path}", {"address_scope": {"shared": False}})
        assert (back.status, back.error) == (400, "AddressScopeUpdateError")
        assert len((await api.call(f"GET {SCOPES}?ip_version=4&shared=true")).body["address_scopes"]) == 1
        assert (await api.call(f"DELETE {path}")).status == 204
        assert (await api.call(f"GET {path}")).error == "AddressScopeNotFound"


async def test_pools_of_a_scope_have_no_address_in_common(database: OvsdbServer) -> None:
    async with live(database) as api:
        firm, other, six = await scope(api), await scope(api), await scope(api, 6)
        low = await pool(api, "10.0.0.0/16", address_scope_id=firm["id"])
        over = {"name": "x", "prefixes": ["10.0.7.0/24"], "address_scope_id": firm["id"]}
        refused = await api.call(f"POST {POOLS}", {"subnetpool": over})
        assert (refused.status, refused.error) == (409, "AddressScopePrefixConflict")
        apart = await pool(api, "10.0.7.0/24", address_scope_id=other["id"])
        join = {"subnetpool": {"address_scope_id": firm["id"]}}
        assert (await api.call(f"PUT {POOLS}/{apart['id']}", join)).error == "AddressScopePrefixConflict"
        beside = await pool(api, "10.1.0.0/16", address_scope_id=firm["id"])
        more = await api.call(f"PUT {POOLS}/{beside['id']}/add_prefixes", {"prefixes": ["10.0.0.0/24"]})
        assert (more.status, more.error) == (409, "AddressScopePrefixConflict")
        family = {"subnetpool": {"address_scope_id": six["id"]}}
        refused = await api.call(f"PUT {POOLS}/{low['id']}", family)
        assert refused.error == "IllegalSubnetPoolIpVersionAssociationToAddressScope"
        assert (await api.call(f"DELETE {SCOPES}/{firm['id']}")).error == "AddressScopeInUse"
        bodies = [{"name": "x", "prefixes": ["10.9.0.0/16"], "address_scope_id": other["id"]}] * 2
        assert (
            await api.call(f"POST {POOLS}", {"subnetpools": bodies})
        ).error == "AddressScopePrefixConflict"


async def test_networks_are_in_the_scope_of_their_pools(database: OvsdbServer) -> None:
    async with live(database) as api:
        firm, six = await scope(api), await scope(api, 6)
        low = await pool(api, "10.0.0.0/16", address_scope_id=firm["id"], default_prefixlen=24)
        more = await pool(api, "10.1.0.0/16", address_scope_id=firm["id"], default_prefixlen=24)
        high = await pool(api, "fd00::/48", address_scope_id=six["id"])
        free = await pool(api, "10.2.0.0/16", default_prefixlen=24)
        network = (await api.make("network"))["id"]

        async def shown() -> tuple[Any, Any]:
            found = (await api.call(f"GET /v2.0/networks/{network}")).body["network"]
            return found["ipv4_address_scope"], found["ipv6_address_scope"]

        assert await shown() == (None, None)
        await taken(api, low["id"], network)
        await taken(api, more["id"], network)
        await taken(api, high["id"], network)
        assert await shown() == (firm["id"], six["id"])
        body = {"subnet": {"network_id": network, "subnetpool_id": free["id"]}}
        refused = await api.call(f"POST {SUBNETS}", body)
        assert (refused.status, refused.error) == (400, "NetworkAddressScopeAffinityError")
        leave = {"subnetpool": {"address_scope_id": None}}
        refused = await api.call(f"PUT {POOLS}/{low['id']}", leave)
        assert refused.error == "NetworkAddressScopeAffinityError", "the other pool would stay in it"
        assert (await api.call(f"PUT {POOLS}/{high['id']}", leave)).status == 200
        assert await shown() == (firm["id"], None)
        found = await api.call(f"GET /v2.0/networks?ipv4_address_scope={firm['id']}&fields=id")
        assert found.body["networks"] == [{"id": network}]


async def test_who_may_have_pools_in_a_scope(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        root, member = rooms.root, users["member"]
        hers = await scope(root, project_id="theirs")
        body = {"subnetpool": {"name": "x", "prefixes": ["10.0.0.0/16"], "address_scope_id": hers["id"]}}
        assert (await member.call(f"POST {POOLS}", body)).error == "AddressScopeNotFound"
        policy = {"object_type": "address_scope", "object_id": hers["id"], "action": "access_as_shared"}
        made = await root.make("rbac_policy", target_tenant="mine", **policy)
        mine = await member.call(f"POST {POOLS}", body)
        assert mine.status == 201, mine
        refused = await root.call(f"DELETE /v2.0/rbac-policies/{made['id']}")
        assert (refused.status, refused.error) == (409, "RbacPolicyInUse")
        await member.call(f"DELETE {POOLS}/{mine.body['subnetpool']['id']}")
        assert (await root.call(f"DELETE /v2.0/rbac-policies/{made['id']}")).status == 204


async def test_no_policy_goes_while_something_uses_it(database: OvsdbServer) -> None:
    """Of each type that another project can use."""
    async with house(database) as (rooms, users):
        root, member = rooms.root, users["member"]
        network = (await member.call("POST /v2.0/networks", {"network": {}})).body["network"]["id"]
        group = (await member.call("POST /v2.0/security-groups", {"security_group": {"name": "g"}})).body
        rule = {"security_group_id": group["security_group"]["id"], "direction": "ingress"}
        low = await pool(root, "10.0.0.0/16", project_id="theirs", default_prefixlen=24)
        qos = await root.make("policy", name="q", project_id="theirs")
        office = await root.make("address_group", project_id="theirs")
        web = await root.make("security_group", project_id="theirs", name="web")
        users_of = {
            "subnetpool": (low, "subnets", {"network_id": network, "subnetpool_id": low["id"]}),
            "qos_policy": (qos, "ports", {"network_id": network, "qos_policy_id": qos["id"]}),
            "address_group": (
                office,
                "security-group-rules",
                {**rule, "remote_address_group_id": office["id"]},
            ),
            "security_group": (web, "ports", {"network_id": network, "security_groups": [web["id"]]}),
        }
        for kind, (row, place, values) in users_of.items():
            policy = {"object_type": kind, "object_id": row["id"], "action": "access_as_shared"}
            made = await root.make("rbac_policy", target_tenant="mine", **policy)
            singular = place[:-1].replace("-", "_")
            user = await member.call(f"POST /v2.0/{place}", {singular: values})
            assert user.status == 201, (kind, user)
            line = f"DELETE /v2.0/rbac-policies/{made['id']}"
            assert (await root.call(line)).error == "RbacPolicyInUse", kind
            every = await root.make("rbac_policy", target_tenant="*", **policy)
            assert (await root.call(line)).status == 204, "it is shared otherwise"
            line = f"DELETE /v2.0/rbac-policies/{every['id']}"
            assert (await root.call(line)).error == "RbacPolicyInUse", kind
            gone = await member.call(f"DELETE /v2.0/{place}/{user.body[singular]['id']}")
            assert gone.status == 204, (kind, gone)
            assert (await root.call(line)).status == 204, kind
