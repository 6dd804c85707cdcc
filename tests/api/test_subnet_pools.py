"""Subnet pools: what subnets take of them, what is refused, and a hundred clients that take at once."""

import asyncio
import ipaddress
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.api.house import house
from tests.api.live import TOKEN, Answer, Live, live
from tests.api.test_policy_matrix import roles
from tests.daemons import OvsdbServer

POOLS, SUBNETS = "/v2.0/subnetpools", "/v2.0/subnets"
CLIENTS = 100


async def pool(api: Live, *prefixes: str, **values: Any) -> Any:
    return await api.make("subnetpool", name="low", prefixes=list(prefixes), **values)


async def take(api: Live, pool_id: str | None, network: str = "", **values: Any) -> Answer:
    network = network or (await api.make("network"))["id"]
    given = {} if pool_id is None else {"subnetpool_id": pool_id}
    return await api.call(f"POST {SUBNETS}", {"subnet": {"network_id": network, **given, **values}})


async def taken(api: Live, pool_id: str | None, network: str = "", **values: Any) -> Any:
    answer = await take(api, pool_id, network, **values)
    assert answer.status == 201, answer
    return answer.body["subnet"]


async def test_a_pool_has_what_neutron_says(database: OvsdbServer) -> None:
    async with live(database) as api:
        low = await pool(api, "10.1.0.0/24", "10.0.0.0/24", "10.0.1.0/24", description="d", tags=["t"])
        assert low["prefixes"] == ["10.0.0.0/23", "10.1.0.0/24"], "as few as say the same"
        lengths = [low[f"{which}_prefixlen"] for which in ("min", "default", "max")]
        assert (low["ip_version"], lengths) == (4, [8, 8, 32])
        assert (low["default_quota"], low["is_default"], low["shared"], low["address_scope_id"]) == (
            *(None, False),
            *(False, None),
        )
        assert low["revision_number"] == 1 and low["created_at"] == low["updated_at"]
        high = await pool(api, "fd00::/32", default_prefixlen=64, default_quota=7)
        lengths = [high[f"{which}_prefixlen"] for which in ("min", "default", "max")]
        assert (high["ip_version"], lengths, high["default_quota"]) == (6, [64, 64, 128], 7)
        listed = await api.call(f"GET {POOLS}?ip_version=6&fields=prefixes")
        assert listed.body == {"subnetpools": [{"prefixes": ["fd00::/32"]}]}
        many = [{"name": f"n{n}", "prefixes": [f"10.{n}.0.0/16"]} for n in (7, 8)]
        bulk = await api.call(f"POST {POOLS}", {"subnetpools": many})
        assert bulk.status == 201 and [p["name"] for p in bulk.body["subnetpools"]] == ["n7", "n8"]
        paged = await api.call(f"GET {POOLS}?sort_key=name&sort_dir=desc&limit=1")
        assert paged.body["subnetpools"][0]["name"] == "n8" and paged.body["subnetpools_links"]
        change = {
            "subnetpool": {"name": "x", "default_quota": 9, "min_prefixlen": 16, "default_prefixlen": 24}
        }
        changed = (await api.call(f"PUT {POOLS}/{low['id']}", change)).body["subnetpool"]
        assert (changed["name"], changed["default_quota"], changed["revision_number"]) == ("x", 9, 2)
        none = await api.call(f"PUT {POOLS}/{low['id']}", {"subnetpool": {"default_quota": None}})
        assert none.body["subnetpool"]["default_quota"] is None
        assert (await api.call(f"DELETE {POOLS}/{low['id']}")).status == 204
        assert (await api.call(f"GET {POOLS}/{low['id']}")).error == "SubnetPoolNotFound"


@pytest.mark.parametrize(
    ("values", "kind", "named"),
    [
        ({"prefixes": []}, "EmptySubnetPoolPrefixList", "prefix list"),
        ({"prefixes": ["10.0.0.0/8", "fd00::/8"]}, "PrefixVersionMismatch", "IPv6"),
        ({"prefixes": ["0.0.0.0/0"]}, "UnsupportedMinSubnetPoolPrefix", "0.0.0.0/0"),
        (
            {"prefixes": ["10.0.0.0/8"], "min_prefixlen": 33},
            "IllegalSubnetPoolPrefixBounds",
            "default_prefixlen=33",
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "max_prefixlen": 33},
            "IllegalSubnetPoolPrefixBounds",
            "max_prefixlen=33",
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "max_prefixlen": 20},
            *("IllegalSubnetPoolPrefixBounds", "max_prefixlen=20"),
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "default_prefixlen": 20},
            *("IllegalSubnetPoolPrefixBounds", "default_prefixlen=20"),
        ),
        ({"prefixes": ["x"]}, "HTTPBadRequest", "prefixes"),
        ({"prefixes": "10.0.0.0/8"}, "HTTPBadRequest", "prefixes"),
        ({"prefixes": ["10.0.0.0/8"], "default_quota": -1}, "HTTPBadRequest", "default_quota"),
        ({"prefixes": ["10.0.0.0/8"], "name": " "}, "HTTPBadRequest", "name"),
        ({"prefixes": ["10.0.0.0/8"], "address_scope_id": "x"}, "HTTPBadRequest", "address_scope_id"),
    ],
)
async def test_what_can_t_be_a_pool(database: OvsdbServer, values: Any, kind: str, named: str) -> None:
    async with live(database) as api:
        refused = await api.call(f"POST {POOLS}", {"subnetpool": {"name": "low", **values}})
        assert (refused.status, refused.error) == (400, kind), refused
        assert named in refused.body["NeutronError"]["message"]


async def test_subnets_take_the_lowest_free_one_and_give_it_back(database: OvsdbServer) -> None:
    async with live(database) as api:
        low = await pool(api, "10.0.0.0/22", default_prefixlen=26, min_prefixlen=23)
        one = await taken(api, low["id"])
        assert (one["cidr"], one["subnetpool_id"], one["gateway_ip"]) == (
            "10.0.0.0/26",
            low["id"],
            "10.0.0.1",
        )
        assert "prefixlen" not in one and "use_default_subnetpool" not in one
        assert (await taken(api, low["id"], prefixlen=24))["cidr"] == "10.0.1.0/24"
        assert (await taken(api, low["id"], ip_version=4))["cidr"] == "10.0.0.64/26"
        assert (await taken(api, low["id"], cidr="10.0.3.0/25"))["cidr"] == "10.0.3.0/25"
        found = await api.call(f"GET {SUBNETS}?subnetpool_id={low['id']}&fields=cidr")
        assert len(found.body["subnets"]) == 4
        for values, kind in (
            ({"prefixlen": 23}, "SubnetAllocationError"),
            ({"cidr": "10.0.0.0/25"}, "SubnetAllocationError"),
            ({"cidr": "10.9.0.0/24"}, "SubnetAllocationError"),
        ):
            refused = await take(api, low["id"], **values)
            assert (refused.status, refused.error) == (409, kind), refused
        for values, kind in (
            ({"prefixlen": 22}, "MinPrefixSubnetAllocationError"),
            ({"prefixlen": 33}, "MaxPrefixSubnetAllocationError"),
            ({"cidr": "10.0.2.0/24", "prefixlen": 24}, "BadRequest"),
            ({"ip_version": 6}, "BadRequest"),
            ({"cidr": "fd00::/64"}, "BadRequest"),
            ({"gateway_ip": "10.0.0.9"}, "BadRequest"),
            ({"allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.9"}]}, "BadRequest"),
            ({"use_default_subnetpool": True}, "BadRequest"),
        ):
            refused = await take(api, low["id"], **values)
            assert (refused.status, refused.error) == (400, kind), (values, refused)
        assert (await take(api, "00000000-0000-4000-8000-000000000000")).error == "SubnetPoolNotFound"
        assert (await take(api, None)).status == 400
        assert (await api.call(f"DELETE {POOLS}/{low['id']}")).error == "SubnetPoolDeleteError"
        assert (await api.call(f"DELETE {SUBNETS}/{one['id']}")).status == 204
        assert (await taken(api, low["id"]))["cidr"] == "10.0.0.0/26", "it was given back"
        nets = (await api.call("GET /v2.0/networks?fields=id")).body["networks"]
        for net in nets:
            assert (await api.call(f"DELETE /v2.0/networks/{net['id']}")).status == 204
        assert (await api.call(f"DELETE {POOLS}/{low['id']}")).status == 204, (
            "its subnets went with their nets"
        )


async def test_many_subnets_of_one_request_do_not_overlap(database: OvsdbServer) -> None:
    async with live(database) as api:
        low = await pool(api, "fd00::/60", default_prefixlen=64)
        network = (await api.make("network"))["id"]
        bodies = [{"network_id": network, "subnetpool_id": low["id"], "ip_version": 6} for _ in range(16)]
        made = await api.call(f"POST {SUBNETS}", {"subnets": bodies})
        assert made.status == 201, made
        assert len({s["cidr"] for s in made.body["subnets"]}) == 16
        refused = await api.call(f"POST {SUBNETS}", {"subnets": bodies[:1]})
        assert refused.error == "SubnetAllocationError"


async def test_a_network_has_subnets_of_one_pool(database: OvsdbServer) -> None:
    async with live(database) as api:
        low, other = await pool(api, "10.0.0.0/16"), await pool(api, "10.1.0.0/16")
        high = await pool(api, "fd00::/48")
        network = (await api.make("network"))["id"]
        await taken(api, low["id"], network, prefixlen=24)
        await taken(api, low["id"], network, prefixlen=24)
        await taken(api, high["id"], network, prefixlen=64)
        for values in ({"pool_id": other["id"], "prefixlen": 24}, {"pool_id": None, "cidr": "10.2.0.0/24"}):
            refused = await take(api, network=network, **values)
            assert (refused.status, refused.error) == (400, "NetworkSubnetPoolAffinityError")


async def test_a_project_takes_no_more_than_its_share(database: OvsdbServer) -> None:
    async with live(database) as api:
        low = await pool(api, "10.0.0.0/16", default_quota=512, shared=True)
        await taken(api, low["id"], prefixlen=24)
        await taken(api, low["id"], prefixlen=24, project_id="other")
        await taken(api, low["id"], prefixlen=25)
        refused = await take(api, low["id"], prefixlen=24)
        assert (refused.status, refused.error) == (409, "SubnetPoolQuotaExceeded")
        await taken(api, low["id"], prefixlen=25)
        assert (await take(api, low["id"], prefixlen=32)).error == "SubnetPoolQuotaExceeded"
        high = await pool(api, "fd00::/48", default_quota=1)
        await taken(api, high["id"], prefixlen=64)
        assert (await take(api, high["id"], prefixlen=64)).error == "SubnetPoolQuotaExceeded"


async def test_prefixes_grow_by_update_and_shrink_by_name(database: OvsdbServer) -> None:
    async with live(database) as api:
        low = await pool(api, "10.0.0.0/24", default_prefixlen=26)
        path = f"{POOLS}/{low['id']}"
        for prefixes, kind in (
            (["10.1.0.0/24"], "IllegalSubnetPoolPrefixUpdate"),
            (["10.0.0.0/25"], "IllegalSubnetPoolPrefixUpdate"),
            (["fd00::/48"], "PrefixVersionMismatch"),
        ):
            refused = await api.call(f"PUT {path}", {"subnetpool": {"prefixes": prefixes}})
            assert (refused.status, refused.error) == (400, kind)
        wider = {"subnetpool": {"prefixes": ["10.0.0.0/23", "10.5.0.0/24"]}}
        assert (await api.call(f"PUT {path}", wider)).status == 200
        added = await api.call(f"PUT {path}/add_prefixes", {"prefixes": ["10.0.2.0/23"]})
        assert added.body == {"prefixes": ["10.0.0.0/23", "10.0.2.0/23", "10.5.0.0/24"]} or added.body == {
            "prefixes": ["10.0.0.0/22", "10.5.0.0/24"]
        }
        one = await taken(api, low["id"], cidr="10.0.3.0/26")
        held = await api.call(f"PUT {path}/remove_prefixes", {"prefixes": ["10.0.3.0/24"]})
        assert (held.status, held.error) == (400, "IllegalSubnetPoolPrefixUpdate")
        assert one["id"] in held.body["NeutronError"]["message"]
        gone = await api.call(f"PUT {path}/remove_prefixes", {"subnetpool": {"prefixes": ["10.0.2.0/24"]}})
        assert gone.body == {"prefixes": ["10.0.0.0/23", "10.0.3.0/24", "10.5.0.0/24"]}
        for body in ({"prefixes": ["10.77.0.0/24"]}, {"prefixes": []}, {}, {"prefixes": ["x"]}, {"x": 1}):
            assert (await api.call(f"PUT {path}/remove_prefixes", body)).status == 400, body
        everything = {"prefixes": ["10.0.0.0/23", "10.0.3.0/24", "10.5.0.0/24"]}
        assert (await api.call(f"DELETE {SUBNETS}/{one['id']}")).status == 204
        assert (
            await api.call(f"PUT {path}/remove_prefixes", everything)
        ).error == "EmptySubnetPoolPrefixList"
        for body in ({"shared": True}, {"ip_version": 6}):
            assert (await api.call(f"PUT {path}", {"subnetpool": body})).error == "HTTPBadRequest"


async def test_subnets_that_are_there_become_the_pools(database: OvsdbServer) -> None:
    async with live(database) as api:
        low = await pool(api, "10.0.0.0/24")
        network = (await api.make("network"))["id"]
        there = [await taken(api, None, network, cidr=f"10.0.{n}.0/24") for n in (0, 7)]
        high = await taken(api, None, network, cidr="fd00::/64")
        line = f"PUT {POOLS}/{low['id']}/onboard_network_subnets"
        done = await api.call(line, {"network_id": network})
        assert done.status == 200, done
        assert {s["id"] for s in done.body["onboarded_subnets"]} == {s["id"] for s in there}
        shown = (await api.call(f"GET {POOLS}/{low['id']}")).body["subnetpool"]
        assert shown["prefixes"] == ["10.0.0.0/24", "10.0.7.0/24"]
        after = (await api.call(f"GET {SUBNETS}/{there[0]['id']}")).body["subnet"]
        assert (after["subnetpool_id"], after["revision_number"]) == (low["id"], 2)
        assert (await api.call(f"GET {SUBNETS}/{high['id']}")).body["subnet"]["subnetpool_id"] is None
        second = (await api.make("network"))["id"]
        await taken(api, None, second, cidr="10.0.7.128/25")
        over = await api.call(line, {"network_id": second})
        assert (over.status, over.error) == (409, "IllegalSubnetPoolUpdate")
        other = await pool(api, "10.9.0.0/24")
        mine = await api.call(f"PUT {POOLS}/{other['id']}/onboard_network_subnets", {"network_id": network})
        assert (mine.status, mine.error) == (400, "IllegalSubnetPoolUpdate")
        for body, status in (({}, 400), ({"network_id": "x"}, 400), ({"network_id": low["id"]}, 404)):
            assert (await api.call(line, body)).status == status, body


async def test_the_default_pool_is_one_a_family(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = (await api.make("network"))["id"]
        none = await take(api, None, network, use_default_subnetpool=True, ip_version=4)
        assert none.status == 400 and "default" in none.body["NeutronError"]["message"]
        low = await pool(api, "10.0.0.0/16", default_prefixlen=24, is_default=True, shared=True)
        await pool(api, "fd00::/48", is_default=True)
        body = {"subnetpool": {"name": "x", "prefixes": ["10.2.0.0/16"], "is_default": True}}
        assert (await api.call(f"POST {POOLS}", body)).error == "InvalidInput"
        other = await pool(api, "10.2.0.0/16")
        change = {"subnetpool": {"is_default": True}}
        assert (await api.call(f"PUT {POOLS}/{other['id']}", change)).error == "InvalidInput"
        made = await taken(api, None, network, use_default_subnetpool=True, ip_version=4)
        assert (made["subnetpool_id"], made["cidr"]) == (low["id"], "10.0.0.0/24")
        made = await taken(api, None, network, use_default_subnetpool=True, ip_version=6)
        assert made["cidr"] == "fd00::/64"
        await api.call(f"PUT {POOLS}/{low['id']}", {"subnetpool": {"is_default": False}})
        assert (await api.call(f"PUT {POOLS}/{other['id']}", change)).status == 200


async def test_pools_are_counted(database: OvsdbServer) -> None:
    async with live(database) as api:
        await api.call("PUT /v2.0/quotas/default", {"quota": {"subnetpool": 1}})
        await pool(api, "10.0.0.0/16")
        refused = await api.call(f"POST {POOLS}", {"subnetpool": {"name": "x", "prefixes": ["10.1.0.0/16"]}})
        assert (refused.status, refused.error) == (409, "OverQuota")
        details = (await api.call("GET /v2.0/quotas/default/details.json")).body["quota"]
        assert details["subnetpool"] == {"limit": 1, "used": 1, "reserved": 0}


async def test_a_free_one_is_told_but_not_reserved(database: OvsdbServer) -> None:
    """As Docker's driver asks for it, before it makes the network."""
    async with live(database) as api:
        low = await pool(api, "10.0.0.0/24", default_prefixlen=26)
        line = f"GET /v2.0/sealane/free-cidr?subnetpool_id={low['id']}"
        for left in (4, 3, 2, 1):
            cidr = (await api.call(line)).body["cidr"]
            assert (await taken(api, low["id"], cidr=cidr))["cidr"] == cidr, left
        assert (await api.call(line)).error == "SubnetAllocationError"
        for wrong in ("x", "", "00000000-0000-4000-8000-000000000000"):
            refused = await api.call(f"GET /v2.0/sealane/free-cidr?subnetpool_id={wrong}")
            assert (refused.status, refused.error) == (404, "SubnetPoolNotFound"), wrong


async def test_tenants_use_what_is_theirs_or_shared(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        root, member = rooms.root, users["member"]
        hers = await pool(root, "10.0.0.0/16", project_id="theirs")
        shared = await pool(root, "10.1.0.0/16", project_id="theirs", shared=True, default_prefixlen=24)
        network = (await member.call("POST /v2.0/networks", {"network": {}})).body["network"]["id"]
        body = {"subnet": {"network_id": network, "subnetpool_id": hers["id"], "prefixlen": 24}}
        assert (await member.call(f"POST {SUBNETS}", body)).error == "SubnetPoolNotFound"
        line = f"PUT {POOLS}/{shared['id']}/add_prefixes"
        assert (await member.call(line, {"prefixes": ["10.7.0.0/16"]})).status == 403
        onboard = f"PUT {POOLS}/{shared['id']}/onboard_network_subnets"
        assert (await member.call(onboard, {"network_id": network})).status in (400, 403)


async def test_100_clients_take_of_one_pool_at_the_same_moment(database: OvsdbServer) -> None:
    """From two APIs; each in a network of its own, so that nothing but the pool is between them."""
    async with live(database) as one, live(database) as two, AsyncExitStack() as stack:
        low = await pool(one, "10.0.0.0/22", default_prefixlen=28)
        bodies = [{"name": f"n{n}"} for n in range(CLIENTS)]
        networks = (await one.call("POST /v2.0/networks", {"networks": bodies})).body["networks"]
        while (await two.call(f"GET /v2.0/networks/{networks[-1]['id']}")).status != 200:
            await two.call("GET /v2.0/sealane/changes?after=1&timeout=1")
        clients = [
            await stack.enter_async_context(
                aiohttp.ClientSession((one, two)[n % 2].url, headers={"X-Auth-Token": TOKEN})
            )
            for n in range(CLIENTS)
        ]

        async def ask(client: aiohttp.ClientSession, network: str) -> tuple[int, Any]:
            body = {"subnet": {"network_id": network, "subnetpool_id": low["id"], "ip_version": 4}}
            async with client.post(SUBNETS, data=msgspec.json.encode(body)) as response:
                return response.status, msgspec.json.decode(await response.read())

        asked = zip(clients, networks, strict=True)
        answers = await asyncio.gather(*(ask(client, network["id"]) for client, network in asked))
        given = [ipaddress.ip_network(b["subnet"]["cidr"]) for status, b in answers if status == 201]
        refused = {(status, b["NeutronError"]["type"]) for status, b in answers if status != 201}
        assert len(given) == len(set(given)) == 64, "all of the pool is given, each once"
        assert refused == {(409, "SubnetAllocationError")}


async def test_a_node_takes_of_what_its_projects_may(database: OvsdbServer) -> None:
    """For Docker's networks; it makes no pools, and is not told what is free in those of others."""
    async with roles(database) as (root, node):
        pools = {
            "mine": await pool(root, "10.1.0.0/16", project_id="mine", default_prefixlen=24),
            "theirs": await pool(root, "10.2.0.0/16", project_id="theirs", default_prefixlen=24),
            "shared": await pool(root, "10.3.0.0/16", project_id="theirs", shared=True, default_prefixlen=24),
        }
        listed = (await node.call(f"GET {POOLS}")).body["subnetpools"]
        assert {p["id"] for p in listed} == {pools["mine"]["id"], pools["shared"]["id"]}
        for name, told, made in (("mine", 200, 201), ("shared", 200, 201), ("theirs", 404, 404)):
            id = pools[name]["id"]
            free = await node.call(f"GET /v2.0/sealane/free-cidr?subnetpool_id={id}")
            assert free.status == told, name
            network = await root.make("network", project_id="mine", **{"sealane:origin": "docker"})
            body = {"network_id": network["id"], "project_id": "mine", "subnetpool_id": id}
            cidr = {"cidr": free.body["cidr"]} if told == 200 else {"ip_version": 4}
            assert (await node.call(f"POST {SUBNETS}", {"subnet": {**body, **cidr}})).status == made, name
        body = {"subnetpool": {"name": "x", "prefixes": ["10.9.0.0/16"], "project_id": "mine"}}
        assert (await node.call(f"POST {POOLS}", body)).status == 403
        path = f"{POOLS}/{pools['mine']['id']}"
        for verb in ("GET", "DELETE"):
            assert (await node.call(f"{verb} {path}")).status == 403
        assert (await node.call(f"PUT {path}/add_prefixes", {"prefixes": ["10.9.0.0/16"]})).status == 403
