"""The API as clients see it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.api.fake_store import FakeStore
from tests.api.live import Live, live

NOBODY = "00000000-0000-4000-8000-000000000000"


@asynccontextmanager
async def furnished() -> AsyncIterator[tuple[Live, Any, Any]]:
    """An API with one network and one subnet."""
    async with live(FakeStore()) as api:
        network = await api.make("network", name="blue")
        subnet = await api.make("subnet", network_id=network["id"], cidr="10.1.0.0/24", name="sub")
        yield api, network, subnet


async def test_life_of_a_network_with_a_subnet_and_a_port() -> None:
    async with furnished() as (api, network, subnet):
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


async def test_bulk_is_all_or_nothing() -> None:
    async with furnished() as (api, network, _):
        good = {"network_id": network["id"]}
        bad = {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.1.0.1"}]}
        assert (await api.call("POST /v2.0/ports", {"ports": [good, good, bad]})).status == 409
        assert (await api.call("GET /v2.0/ports")).body == {"ports": []}
        made = await api.call("POST /v2.0/ports", {"ports": [good] * 20})
        assert len({p["fixed_ips"][0]["ip_address"] for p in made.body["ports"]}) == 20


async def test_a_change_of_a_stale_revision_is_refused() -> None:
    async with furnished() as (api, network, _):
        path = f"/v2.0/networks/{network['id']}"
        now = {"If-Match": f"revision_number={network['revision_number']}"}
        assert (await api.call(f"PUT {path}", {"network": {"name": "x"}}, headers=now)).status == 200
        late = await api.call(f"PUT {path}", {"network": {"name": "y"}}, headers=now)
        assert (late.status, late.error) == (412, "RevisionNumberConstraintFailed")
        assert (await api.call(f"DELETE {path}", headers=now)).status == 412
        assert (await api.call(f"DELETE {path}", headers={"If-Match": "x"})).status == 400


async def test_many_at_once_get_different_addresses() -> None:
    async with furnished() as (api, network, _):
        ports = await asyncio.gather(*(api.make("port", network_id=network["id"]) for _ in range(50)))
        assert len({p["fixed_ips"][0]["ip_address"] for p in ports}) == 50


async def test_tags() -> None:
    async with furnished() as (api, network, _):
        path = f"/v2.0/networks/{network['id']}/tags"
        assert (await api.call(f"PUT {path}", {"tags": ["a", "b"]})).body == {"tags": ["a", "b"]}
        assert (await api.call(f"PUT {path}/c")).status == 201
        assert (await api.call(f"GET {path}/c")).status == 204
        assert (await api.call(f"DELETE {path}/a")).status == 204
        assert (await api.call(f"DELETE {path}/a")).error == "TagNotFound"
        assert (await api.call(f"GET {path}")).body == {"tags": ["b", "c"]}
        assert (await api.call(f"DELETE {path}")).status == 204
        assert (await api.call(f"GET {path}")).body == {"tags": []}


async def test_a_long_poll_wakes_with_the_change_that_it_waits_for() -> None:
    async with furnished() as (api, network, _):
        now = (await api.call("GET /v2.0/sealane/changes?after=0")).body["sequence"]
        waiting = asyncio.ensure_future(api.call(f"GET /v2.0/sealane/changes?after={now}&timeout=30"))
        await api.make("port", network_id=network["id"])
        assert (await waiting).body["sequence"] > now


async def test_a_free_subnet_overlaps_none() -> None:
    async with furnished() as (api, network, _):
        for version in (4, 6):
            cidr = (await api.call(f"GET /v2.0/sealane/free-cidr?ip_version={version}")).body["cidr"]
            await api.make("subnet", network_id=network["id"], cidr=cidr)


async def test_pages_have_links_that_work() -> None:
    async with furnished() as (api, network, _):
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
    ("POST /v2.0/networks", b" " * (9 * 2**20), 413, "RequestTooLarge"),
    ("POST /v2.0/networks", [], 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"network": None}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"network": {"colour": "red"}}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"network": {"status": "ACTIVE"}}, 400, "HTTPBadRequest"),
    ("POST /v2.0/networks", {"network": {"router:external": True}}, 400, "HTTPBadRequest"),
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


@pytest.mark.parametrize(("line", "body", "status", "kind"), FAILING, ids=range(len(FAILING)))
async def test_every_failure_has_the_same_shape(line: str, body: object, status: int, kind: str) -> None:
    async with live(FakeStore()) as api:
        found = await api.call(line, body)
        assert (found.status, found.error) == (status, kind)


async def test_without_the_token_only_documents_are_open() -> None:
    async with live(FakeStore()) as api:
        for token in ("", "wrong", "ä"):
            found = await api.call("GET /v2.0/networks", headers={"X-Auth-Token": token})
            assert (found.status, found.error) == (401, "Unauthorized")
        for path in ("/", "/v2.0", "/v2.0/", "/openapi.json"):
            assert (await api.call(f"GET {path}", headers={"X-Auth-Token": ""})).status == 200


@pytest.mark.parametrize("host", ["", "a b", "x:y:z", "[::1]:80", "ä", "%2fvar%2frun"])
async def test_odd_host_headers_do_no_harm(host: str) -> None:
    async with live(FakeStore()) as api:
        assert (await api.call("GET /", headers={"Host": host})).status == 200


async def test_names_may_be_any_text() -> None:
    async with live(FakeStore()) as api:
        name = "Zoë 🦊 <&> \" ' \\ \n"
        network = await api.make("network", name=name)
        assert network["name"] == name
        found = await api.call("GET /v2.0/networks", params={"name": name})
        assert [n["id"] for n in found.body["networks"]] == [network["id"]]
