"""The API as clients see it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sealane.api import body, desk
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

NOBODY = "00000000-0000-4000-8000-000000000000"


@asynccontextmanager
async def furnished(database: OvsdbServer) -> AsyncIterator[tuple[Live, Any, Any]]:
    """An API with one network and one subnet."""
    async with live(database) as api:
        network = await api.make("network", name="blue")
        subnet = await api.make("subnet", network_id=network["id"], cidr="10.1.0.0/24", name="sub")
        yield api, network, subnet


async def test_life_of_a_network_with_a_subnet_and_a_port(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, subnet):
        port = await api.make("port", network_id=network["id"], name="p", tags=["red"])
        assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.1.0.2"}]
        assert port["status"] == "DOWN" and port["tenant_id"] == port["project_id"] == "default"
        assert (await api.call(f"DELETE /v2.0/networks/{network['id']}")).error == "NetworkInUse"
        assert (await api.call(f"DELETE /v2.0/subnets/{subnet['id']}")).error == "SubnetInUse"
        shown = (await api.call(f"GET /v2.0/networks/{network['id']}")).body["network"]
        assert shown["subnets"] == [subnet["id"]] and shown["status"] == "ACTIVE"
        changed = await api.call(f"PUT /v2.0/ports/{port['id']}", {"port": {"name": "q"}})
        assert changed.body["port"]["name"] == "q"
        assert changed.body["port"]["revision_number"] == port["revision_number"] + 1
        assert (await api.call(f"DELETE /v2.0/ports/{port['id']}")).status == 204
        assert (await api.call(f"DELETE /v2.0/ports/{port['id']}")).error == "PortNotFound"
        assert (await api.call(f"DELETE /v2.0/networks/{network['id']}")).status == 204
        assert (await api.call("GET /v2.0/subnets")).body == {"subnets": []}


async def test_bulk_is_all_or_nothing(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        good = {"network_id": network["id"]}
        bad = {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.1.0.1"}]}
        assert (await api.call("POST /v2.0/ports", {"ports": [good, good, bad]})).status == 409
        assert (await api.call("GET /v2.0/ports")).body == {"ports": []}
        made = await api.call("POST /v2.0/ports", {"ports": [good] * 20})
        assert len({p["fixed_ips"][0]["ip_address"] for p in made.body["ports"]}) == 20


async def test_a_change_of_a_stale_revision_is_refused(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        path = f"/v2.0/networks/{network['id']}"
        now = {"If-Match": f"revision_number={network['revision_number']}"}
        assert (await api.call(f"PUT {path}", {"network": {"name": "x"}}, headers=now)).status == 200
        late = await api.call(f"PUT {path}", {"network": {"name": "y"}}, headers=now)
        assert (late.status, late.error) == (412, "RevisionNumberConstraintFailed")
        assert (await api.call(f"DELETE {path}", headers=now)).status == 412
        assert (await api.call(f"DELETE {path}", headers={"If-Match": "x"})).status == 400


async def test_many_at_once_get_different_addresses(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        ports = await asyncio.gather(*(api.make("port", network_id=network["id"]) for _ in range(50)))
        assert len({p["fixed_ips"][0]["ip_address"] for p in ports}) == 50


async def test_dhcp_options_are_merged_and_refused_with_the_cure(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        options = [
            {"opt_name": "ntp-server", "opt_value": "10.1.0.5"},
            {"opt_name": "mtu", "opt_value": "1300"},
        ]
        port = await api.make("port", network_id=network["id"], extra_dhcp_opts=options)
        assert port["extra_dhcp_opts"] == [{**option, "ip_version": 4} for option in options]
        path = f"PUT /v2.0/ports/{port['id']}"
        news = [
            {"opt_name": "42", "opt_value": None},
            {"opt_name": "66", "opt_value": "boot", "ip_version": 4},
        ]
        changed = (await api.call(path, {"port": {"extra_dhcp_opts": news}})).body["port"]
        assert [o["opt_name"] for o in changed["extra_dhcp_opts"]] == ["mtu", "66"]
        same = (await api.call(path, {"port": {"name": "x"}})).body["port"]
        assert same["extra_dhcp_opts"] == changed["extra_dhcp_opts"]
        for bad, cure in (
            ({"opt_name": "mtu", "opt_value": "1"}, "give a number from 576 to 65535"),
            ({"opt_name": "bootfile-name", "opt_value": 'a"\n'}, "without quotes"),
            ({"opt_name": "server_mac", "opt_value": "fa:16:3e:00:00:01"}, "there are: T1, T2"),
            ({"opt_name": "mtu", "opt_value": "1400", "ip_version": 6}, "CVE-2026-5367"),
            ({"opt_name": "mtu"}, "null takes it away"),
        ):
            answer = await api.call(path, {"port": {"extra_dhcp_opts": [bad]}})
            assert (answer.status, answer.error) == (400, "HTTPBadRequest"), bad
            message = answer.body["NeutronError"]["message"]
            assert "extra_dhcp_opts" in message and cure in message, message


async def test_tags(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        path = f"/v2.0/networks/{network['id']}/tags"
        assert (await api.call(f"PUT {path}", {"tags": ["a", "b"]})).body == {"tags": ["a", "b"]}
        assert (await api.call(f"PUT {path}/c")).status == 201
        assert (await api.call(f"GET {path}/c")).status == 204
        assert (await api.call(f"DELETE {path}/a")).status == 204
        assert (await api.call(f"DELETE {path}/a")).error == "TagNotFound"
        assert (await api.call(f"GET {path}")).body == {"tags": ["b", "c"]}
        assert (await api.call(f"DELETE {path}")).status == 204
        assert (await api.call(f"GET {path}")).body == {"tags": []}


async def test_a_long_poll_wakes_with_the_change_that_it_waits_for(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        now = (await api.call("GET /v2.0/sealane/changes?after=0")).body["sequence"]
        waiting = asyncio.ensure_future(api.call(f"GET /v2.0/sealane/changes?after={now}&timeout=30"))
        await api.make("port", network_id=network["id"])
        news = (await waiting).body
        assert news["sequence"] > now
        assert news["changed"] == ["ports", "security_groups"], "the first one makes the default group"
        everything = (await api.call("GET /v2.0/sealane/changes?after=0")).body
        assert everything["changed"] == ["networks", "subnets", "ports", "security_groups"]


async def test_a_list_tells_what_has_changed_since(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        port = await api.make("port", network_id=network["id"], name="p")
        first = (await api.call("GET /v2.0/ports?sealane:since=")).body
        assert (first["ports"], first["sealane:complete"]) == ([port], True)
        other = await api.make("port", network_id=network["id"], name="q")
        path = f"GET /v2.0/ports?sealane:since={first['sealane:cursor']}"
        assert (await api.call(path)).body["ports"] == [other]
        found = (await api.call(f"{path}&fields=id")).body
        assert (found["ports"], found["sealane:gone"]) == ([{"id": other["id"]}], [])
        await api.call(f"DELETE /v2.0/ports/{port['id']}")
        found = (await api.call(f"GET /v2.0/ports?sealane:since={found['sealane:cursor']}")).body
        assert (found["ports"], found["sealane:gone"]) == ([], [port["id"]])
        found = (await api.call(f"{path}&name=x")).body
        assert (found["ports"], set(found["sealane:gone"])) == ([], {port["id"], other["id"]})
        assert (await api.call(f"{path}&limit=1")).status == 400
        assert (await api.call("GET /v2.0/subnets?sealane:since=")).status == 400


async def test_a_free_subnet_overlaps_none(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        for version in (4, 6):
            cidr = (await api.call(f"GET /v2.0/sealane/free-cidr?ip_version={version}")).body["cidr"]
            made = await api.make("subnet", network_id=network["id"], cidr=cidr)
            assert (made["cidr"], made["ip_version"]) == (cidr, version)


async def test_pages_have_links_that_work(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        await api.call("POST /v2.0/ports", {"ports": [{"network_id": network["id"]}] * 5})
        seen, path = [], f"{api.url}/v2.0/ports?limit=2&fields=id"
        while path:
            body = (await api.call(f"GET {path}")).body
            seen += [row["id"] for row in body["ports"]]
            path = next((x["href"] for x in body.get("ports_links", ()) if x["rel"] == "next"), "")
        assert len(set(seen)) == 5


FAILING = [
    ("GET /v2.0/nothing", None, 404, "HTTPNotFound"),
    ("PATCH /v2.0/networks", None, 405, "HTTPMethodNotAllowed"),
    (f"GET /v2.0/networks/{NOBODY}", None, 404, "NetworkNotFound"),
    ("GET /v2.0/networks/by-name", None, 404, "NetworkNotFound"),
    (f"GET /v2.0/subnets/{NOBODY}", None, 404, "SubnetNotFound"),
    (f"GET /v2.0/ports/{NOBODY}", None, 404, "PortNotFound"),
    (f"PUT /v2.0/ports/{NOBODY}", {"port": {}}, 404, "PortNotFound"),
    (f"DELETE /v2.0/ports/{NOBODY}", None, 404, "PortNotFound"),
    (f"GET /v2.0/ports/{NOBODY}/tags", None, 404, "PortNotFound"),
    (f"PUT /v2.0/ports/{NOBODY}/tags/x", None, 404, "PortNotFound"),
    ("GET /v2.0/networks?colour=red", None, 400, "HTTPBadRequest"),
    ("GET /v2.0/networks?limit=x", None, 400, "BadRequest"),
    ("GET /v2.0/networks?marker=x", None, 400, "BadRequest"),
    ("GET /v2.0/sealane/changes?after=x", None, 400, "BadRequest"),
    ("GET /v2.0/sealane/free-cidr?ip_version=5", None, 400, "BadRequest"),
    ("GET /v2.0/extensions/none", None, 404, "ExtensionNotFound"),
    ("POST /v2.0/networks", b"", 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", b"{", 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", b"[" * 100_000, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", b"\xff\xfe", 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", b'{"network": {"name": "\\ud800"}}', 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", b" " * (body.LIMIT + 1), 413, "RequestTooLarge"),
    ("POST /v2.0/networks", [], 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"network": None}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"network": {"colour": "red"}}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"network": {"status": "ACTIVE"}}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"network": {"router:external": "maybe"}}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"network": {"mtu": 10_000_000}}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"networks": []}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"networks": {}}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"networks": [{}, 1]}, 400, "HTTPBadRequest"),
    ("POST /v2.0/subnets", {"subnet": {"cidr": "10.0.0.0/24"}}, 400, "HTTPBadRequest"),
    ("POST /v2.0/subnets", {"subnet": {"cidr": "x", "network_id": NOBODY}}, 400, "HTTPBadRequest"),
    ("POST /v2.0/subnets", {"subnet": {"cidr": "10.0.0.0/24", "network_id": NOBODY}}, 404, "NetworkNotFound"),
    ("POST /v2.0/ports", {"port": {"network_id": NOBODY}}, 404, "NetworkNotFound"),
    ("POST /v2.0/ports", {"port": {"network_id": "x"}}, 400, "HTTPBadRequest"),
    (
        "POST /v2.0/ports",
        {"port": {"network_id": NOBODY, "binding:profile": {"a": "x" * 5000}}},
        400,
        "HTTPBadRequest",
    ),
    ("PUT /v2.0/ports/x/tags", {"tags": "x"}, 400, "HTTPBadRequest"),
]


async def test_every_failure_has_the_same_shape(database: OvsdbServer) -> None:
    async with live(database) as api:
        for line, data, status, kind in FAILING:
            found = await api.call(line, data)
            assert (found.status, found.error) == (status, kind), (line, found)
        assert (await api.call("GET /v2.0/networks")).body == {"networks": []}


async def test_bits_of_a_host_in_a_subnet_are_refused_with_what_was_meant(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network")
        for typed, meant in (("10.0.0.1/24", "10.0.0.0/24"), ("fd00::1:0:0:0:1/64", "fd00:0:0:1::/64")):
            found = await api.call(
                "POST /v2.0/subnets", {"subnet": {"network_id": network["id"], "cidr": typed}}
            )
            assert (found.status, found.error) == (400, "HTTPBadRequest")
            message = found.body["NeutronError"]["message"]
            assert "cidr" in message and f"'{typed}'" in message and f"'{meant}'" in message
        assert (await api.call("GET /v2.0/subnets")).body == {"subnets": []}
        one = await api.make("subnet", network_id=network["id"], cidr="10.0.0.1/32", gateway_ip=None)
        assert one["cidr"] == "10.0.0.1/32"


async def test_without_the_token_only_documents_are_open(database: OvsdbServer) -> None:
    async with live(database) as api:
        for token in ("", "wrong", "ä"):
            found = await api.call("GET /v2.0/networks", headers={"X-Auth-Token": token})
            assert (found.status, found.error) == (401, "Unauthorized")
        for path in ("/", "/v2.0", "/v2.0/", "/openapi.json"):
            assert (await api.call(f"GET {path}", headers={"X-Auth-Token": ""})).status == 200


async def test_odd_host_headers_do_no_harm(database: OvsdbServer) -> None:
    async with live(database) as api:
        for host in ("", "a b", "x:y:z", "[::1]:80", "%2fvar%2frun", "a/../b"):
            for path in ("/", "/v2.0", "/v2.0/networks?limit=1"):
                assert (await api.call(f"GET {path}", headers={"Host": host})).status == 200


async def test_names_may_be_any_text(database: OvsdbServer) -> None:
    async with live(database) as api:
        name = "Zoë 🦊 <&> \" ' \\ \n"
        network = await api.make("network", name=name)
        assert network["name"] == name
        found = await api.call("GET /v2.0/networks", params={"name": name})
        assert [n["id"] for n in found.body["networks"]] == [network["id"]]


async def test_an_address_that_another_api_took_meanwhile_is_chosen_anew_but_not_given_twice(
    database: OvsdbServer,
) -> None:
    """Two processes that know nothing of each other, on one store."""
    async with furnished(database) as (one, network, _), live(database) as two:
        wanted = [api.make("port", network_id=network["id"]) for _ in range(30) for api in (one, two)]
        ports = await asyncio.gather(*wanted)
        assert len({p["fixed_ips"][0]["ip_address"] for p in ports}) == 60
        given = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.1.0.200"}]}}
        answers = await asyncio.gather(*(api.call("POST /v2.0/ports", given) for api in (one, two)))
        assert sorted(a.status for a in answers) == [201, 409]
        assert next(a for a in answers if a.status == 409).error == "IpAddressAlreadyAllocated"


async def test_overlapping_subnets_made_at_once_by_two_are_one(database: OvsdbServer) -> None:
    async with furnished(database) as (one, network, _), live(database) as two:
        bodies = [
            {"subnet": {"network_id": network["id"], "cidr": cidr}} for cidr in ("10.2.0.0/24", "10.2.0.0/25")
        ]
        calls = zip((one, two), bodies, strict=True)
        answers = await asyncio.gather(*(api.call("POST /v2.0/subnets", body) for api, body in calls))
        assert sorted(a.status for a in answers) in ([201, 400], [201, 409])


async def test_a_store_that_hangs_is_a_503_within_five_seconds(database: OvsdbServer) -> None:
    async with live(database) as api:
        database.pause()
        try:
            async with asyncio.timeout(5):
                found = await api.call("POST /v2.0/networks", {"network": {}})
        finally:
            database.resume()
        assert (found.status, found.error) == (503, "DeadlineExceeded")


async def test_a_large_request_outlasts_what_is_too_long_for_a_small_one(
    database: OvsdbServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is done once, all of it."""
    monkeypatch.setattr(desk, "COMMIT", 0.5)
    monkeypatch.setattr(desk, "CHANGES_PER_SECOND", 5)
    async with live(database) as api:
        database.pause()
        try:
            assert (await api.call("POST /v2.0/networks", {"network": {}})).status == 503
            many = {"networks": [{"name": f"n{number}"} for number in range(300)]}
            asked = asyncio.create_task(api.call("POST /v2.0/networks", many))
            await asyncio.wait([asked], timeout=2 * desk.COMMIT)
            assert not asked.done()
        finally:
            database.resume()
        assert (await asked).status == 201
        found = (await api.call("GET /v2.0/networks")).body["networks"]
        assert sorted(n["name"] for n in found if n["name"]) == sorted(f"n{n}" for n in range(300))


async def test_what_one_made_the_other_shows_after_a_restart_of_the_store(database: OvsdbServer) -> None:
    async with live(database) as one, live(database) as two:
        network = await one.make("network", name="x", **{"sealane:labels": {"a": "b"}})
        database.kill()
        database.start()
        await one.make("network", name="y")
        async with asyncio.timeout(60):
            while len((await two.call("GET /v2.0/networks")).body["networks"]) < 2:
                await two.call("GET /v2.0/sealane/changes?after=2&timeout=1")
        shown = (await two.call(f"GET /v2.0/networks/{network['id']}")).body["network"]
        assert shown == network
