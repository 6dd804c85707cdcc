"""100 clients ask for an address of a /26 at the same moment; and bodies that no client should send.

Each client has a connection of its own, half of them to one API and half to another on the same store.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import msgspec

from tests.api.live import TOKEN, Live, live
from tests.daemons import OvsdbServer

CLIENTS = 100
FREE = 64 - 2 - 1
"""Of a /26: without its own and the broadcast address, and without the gateway's."""


async def _race(database: OvsdbServer, path: str, body: dict[str, Any], before: Any) -> list[tuple[int, Any]]:
    """What each client is answered; they have all connected before the first of them asks."""
    async with live(database) as one, live(database) as two, AsyncExitStack() as stack:
        made = await before(one)
        while not (await two.call(f"GET /v2.0/subnets?network_id={made}")).body["subnets"]:
            await two.call("GET /v2.0/sealane/changes?after=1&timeout=1")
        clients = [
            await stack.enter_async_context(
                aiohttp.ClientSession((one, two)[n % 2].url, headers={"X-Auth-Token": TOKEN})
            )
            for n in range(CLIENTS)
        ]
        await asyncio.gather(*(_ask(client, "GET", "/v2.0/networks", None) for client in clients))
        filled = {
            key: {k: made if v == "NETWORK" else v for k, v in value.items()} for key, value in body.items()
        }
        return list(await asyncio.gather(*(_ask(client, "POST", path, filled) for client in clients)))


async def _ask(client: aiohttp.ClientSession, method: str, path: str, body: object) -> tuple[int, Any]:
    data = None if body is None else msgspec.json.encode(body)
    async with client.request(method, path, data=data) as response:
        return response.status, msgspec.json.decode(await response.read())


async def _network(api: Live, **values: Any) -> str:
    network = await api.make("network", **values)
    await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/26")
    return str(network["id"])


def _check(answers: list[tuple[int, Any]], kind: str, address: Any) -> None:
    given = [address(body[kind]) for status, body in answers if status == 201]
    refused = [(status, body["NeutronError"]["type"]) for status, body in answers if status != 201]
    assert len(given) == len(set(given)) == FREE, "exactly the free addresses are given, each once"
    assert set(refused) == {(409, "IpAddressGenerationFailure")} and len(refused) == CLIENTS - FREE


async def test_100_clients_ask_for_a_port_at_the_same_moment(database: OvsdbServer) -> None:
    answers = await _race(database, "/v2.0/ports", {"port": {"network_id": "NETWORK"}}, _network)
    _check(answers, "port", lambda port: port["fixed_ips"][0]["ip_address"])


async def test_100_clients_ask_for_a_floating_ip_at_the_same_moment(database: OvsdbServer) -> None:
    body = {"floatingip": {"floating_network_id": "NETWORK"}}

    async def before(api: Live) -> str:
        return await _network(api, **{"router:external": True})

    answers = await _race(database, "/v2.0/floatingips", body, before)
    _check(answers, "floatingip", lambda floating: floating["floating_ip_address"])


async def test_100_clients_ask_for_the_same_address(database: OvsdbServer) -> None:
    wanted = {"port": {"network_id": "NETWORK", "fixed_ips": [{"ip_address": "10.0.0.42"}]}}
    answers = await _race(database, "/v2.0/ports", wanted, _network)
    assert sorted(status for status, _ in answers) == [201] + [409] * (CLIENTS - 1)
    kinds = {body["NeutronError"]["type"] for status, body in answers if status == 409}
    assert kinds == {"IpAddressAlreadyAllocated"}


NAMES = (
    "a\nb",
    "a'b\"c",
    "'); DROP",
    "\\",
    "%s%n",
    "a\tb\r\n",
    "\u202egnp",
    "ü" * 255,
    " ",
    "<b>",
    "$(id)",
    "`id`",
)
UNNAMEABLE = ("a\0b", "x" * 256, 7, ["a"], {"a": 1}, True)
NO_IDS = (
    "x",
    "",
    "..",
    "%2e%2e",
    "0" * 36,
    "00000000-0000-4000-8000-00000000000g",
    "a" * 5000,
    "%00",
    "null",
    "*",
)


async def test_names_of_all_kinds_come_back_as_they_were(database: OvsdbServer) -> None:
    async with live(database) as api:
        for kind in ("network", "router", "security_group"):
            path = kind.replace("_", "-")
            for name in NAMES:
                answer = await api.call(f"POST /v2.0/{path}s", {kind: {"name": name}})
                assert (answer.status, answer.body[kind]["name"]) == (201, name)
            for name in UNNAMEABLE:
                refused = await api.call(f"POST /v2.0/{path}s", {kind: {"name": name}})
                assert (refused.status, refused.error) == (400, "HTTPBadRequest"), (kind, name)
                assert "name" in refused.body["NeutronError"]["message"]
            listed = (await api.call(f"GET /v2.0/{path}s")).body[f"{kind}s"]
            assert {row["name"] for row in listed} - {"default"} == set(NAMES)


async def test_what_is_no_id_is_not_there(database: OvsdbServer) -> None:
    async with live(database) as api:
        kinds = ("networks", "subnets", "ports", "routers", "floatingips", "security-groups", "rbac-policies")
        for plural in kinds:
            for id in NO_IDS[:1] + NO_IDS[4:]:
                for method in ("GET", "PUT", "DELETE"):
                    body = {plural.replace("-", "_")[:-1]: {}} if method == "PUT" else None
                    found = await api.call(f"{method} /v2.0/{plural}/{id}", body)
                    assert found.status in (400, 404), (method, plural, id, found)


async def test_huge_bodies_and_absurd_ranges_are_refused_at_once(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network")
        group = await api.make("security_group")
        huge = b'{"network": {"name": "' + b"x" * (9 << 20) + b'"}}'
        assert (await api.call("POST /v2.0/networks", huge)).status == 413
        deep = b'{"network": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
        assert (await api.call("POST /v2.0/networks", deep)).status == 400
        many = {"ports": [{"network_id": network["id"]}] * 10_001}
        assert (await api.call("POST /v2.0/ports", many)).status == 400
        for low, high in ((0, 70000), (-1, 5), (80, 79), (10**30, 10**30), ("a", "b"), (1.5, 2), (None, 80)):
            rule = {
                "security_group_id": group["id"],
                "direction": "ingress",
                "protocol": "tcp",
                "port_range_min": low,
                "port_range_max": high,
            }
            path = "POST /v2.0/security-group-rules"
            refused = await api.call(path, {"security_group_rule": rule})
            assert refused.status == 400 and refused.error, (low, high)
        for cidr in (
            "10.0.0.0/33",
            "0.0.0.0/0",
            "224.0.0.0/4",
            "10.0.0.0/-1",
            "::/0",
            "10/8",
            "x",
        ):
            subnet = {"network_id": network["id"], "cidr": cidr, "ip_version": 4}
            refused = await api.call("POST /v2.0/subnets", {"subnet": subnet})
            assert refused.status == 400 and refused.error, cidr
        assert len((await api.call("GET /v2.0/ports")).body["ports"]) == 0
