"""Tokens, joining, renewal and nodes, by the API's doors as they are."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from sealane.pki import read, request, token
from tests.api.doors import Central, Member, call, central_part
from tests.api.live import Answer
from tests.daemons import OvsdbServer

JOIN = "POST /v2.0/sealane/join"


async def make_token(part: Central, **values: Any) -> token.JoinToken:
    made = await part.root.call("POST /v2.0/sealane/tokens", {"token": values})
    assert made.status == 201, made
    return token.parse(made.body["token"]["token"])


def asking(made: token.JoinToken, name: str, address: str) -> tuple[str, dict[str, Any]]:
    """A key, and the body with which a machine joins."""
    key, asked = request.make(name)
    values = {"token_id": made.id, "secret": made.secret, "request": asked, "name": name, "address": address}
    return key, {"join": values}


async def join(part: Central, made: token.JoinToken, name: str, address: str) -> Answer:
    return await part.root.call(JOIN, asking(made, name, address)[1])


async def member(part: Central, name: str, address: str, **values: Any) -> Member:
    """A node that has joined."""
    key, body = asking(await make_token(part, **values), name, address)
    given = (await part.root.call(JOIN, body)).body["join"]
    file = part.settings.state_dir / f"{name}.pem"
    file.write_text(key + given["certificate"])
    return Member(part, part.store.state.nodes[given["node_id"]], file)


def message(answer: Answer) -> str:
    assert answer.error
    return str(answer.body["NeutronError"]["message"])


async def test_a_machine_joins_with_nothing_but_a_token(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        made = await make_token(part, name="for host2", projects=["default", "red"])
        await part.opens()
        async with part.as_seen_with(part.stranger()) as api:
            authority = (await call(api, "GET /v2.0/sealane/ca")).body["ca"]["certificate"]
            assert token.fingerprint(authority) == made.fingerprint
            key, body = asking(made, "host2", "192.0.2.2")
            given = await call(api, JOIN, body)
        assert given.status == 201
        assert given.body["join"]["central_ca"] == authority
        assert given.body["join"]["southbound"] == "ssl:127.0.0.1:6642"
        file = directory / "node.pem"
        file.write_text(key + given.body["join"]["certificate"])
        node = part.store.state.nodes[given.body["join"]["node_id"]]
        assert (node.name, node.address, node.projects) == ("host2", "192.0.2.2", ("default", "red"))
        assert not part.store.state.tokens
        async with Member(part, node, file).session() as api:
            shown = (await call(api, "GET /v2.0/sealane/nodes")).body["nodes"]
            assert [(n["name"], n["local"], n["ports"]) for n in shown] == [("host2", False, 0)]
            for line in ("GET /v2.0/sealane/tokens", "POST /v2.0/sealane/tokens", "POST /v2.0/sealane/nodes"):
                assert (await call(api, line, {})).status == 403
            assert (await call(api, f"DELETE /v2.0/sealane/nodes/{node.id}")).status == 403


async def test_the_secret_of_a_token_is_shown_once_and_stored_never(
    database: OvsdbServer, directory: Path
) -> None:
    async with central_part(database, directory) as part:
        answer = await part.root.call("POST /v2.0/sealane/tokens", {"token": {"name": "t"}})
        shown, made = answer.body["token"], token.parse(answer.body["token"]["token"])
        assert shown["address"] == part.url.removeprefix("https://")
        later = (await part.root.call(f"GET /v2.0/sealane/tokens/{made.id}")).body["token"]
        assert {k: v for k, v in shown.items() if k not in ("token", "address")} == later
        listed = (await part.root.call("GET /v2.0/sealane/tokens")).body["tokens"]
        for text in (json.dumps(later), json.dumps(listed), repr(part.store.state)):
            assert made.secret not in text
        assert (await part.root.call(f"DELETE /v2.0/sealane/tokens/{made.id}")).status == 204
        assert (await join(part, made, "host2", "192.0.2.2")).status == 401


async def test_a_token_serves_once_within_its_time(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        made = await make_token(part)
        wrong = token.JoinToken(made.id, token.new_secret(), made.fingerprint)
        assert "secret is wrong" in message(await join(part, wrong, "host2", "192.0.2.2"))
        assert (await join(part, made, "host2", "192.0.2.2")).status == 201
        for name, address in (("host2", "192.0.2.2"), ("host3", "192.0.2.3")):
            again = await join(part, made, name, address)
            assert (again.status, "each serves once" in message(again)) == (401, True)
        short = await make_token(part, ttl=1)
        await asyncio.sleep(max(0.0, part.store.state.tokens[short.id].expires_at - time.time()))
        assert "has expired at" in message(await join(part, short, "host3", "192.0.2.3"))
        await make_token(part)
        assert short.id not in part.store.state.tokens, "swept away with the next one"
        for ttl in (0, 86401, "x"):
            assert (await part.root.call("POST /v2.0/sealane/tokens", {"token": {"ttl": ttl}})).status == 400


async def test_of_two_that_join_with_one_token_at_once_one_wins(
    database: OvsdbServer, directory: Path
) -> None:
    async with central_part(database, directory) as one, central_part(database, directory) as other:
        for turn in range(5):
            made = await make_token(one)
            await other.store.changed(0)
            answers = await asyncio.gather(
                join(one, made, f"a{turn}", f"192.0.2.{turn + 1}"),
                join(other, made, f"b{turn}", f"198.51.100.{turn + 1}"),
                join(one, made, f"c{turn}", f"203.0.113.{turn + 1}"),
            )
            assert sorted(a.status for a in answers) == [201, 401, 401]
            assert len(one.store.state.nodes) == turn + 1


async def test_names_and_addresses_belong_to_one_node(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        await part.root.call("POST /v2.0/sealane/nodes", {"node": {"name": "host1", "address": "192.0.2.1"}})
        first = await member(part, "host2", "192.0.2.2")
        made = await make_token(part)
        for name, address, error, cure in (
            ("host2", "192.0.2.3", "NodeNameInUse", "sealane node remove host2"),
            ("host3", "192.0.2.2", "NodeAddressInUse", "set another encap_ip"),
            ("host1", "192.0.2.1", "NodeNameInUse", "set another host_name"),
            ("host3", "192.0.2.1", "NodeAddressInUse", "node 'host1'"),
        ):
            refused = await join(part, made, name, address)
            assert (refused.status, refused.error) == (409, error)
            assert cure in message(refused)
        assert made.id in part.store.state.tokens, "a refusal does not use it up"
        again = await member(part, "host2", "192.0.2.2")
        assert again.node.id == first.node.id
        assert len(again.node.serials) == 1
        assert again.node.serials != first.node.serials


async def test_joining_again_does_not_widen_what_a_node_may(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        for given, has in ((["red"], ("red",)), (None, ("red",)), (["blue"], ("blue",)), (["*"], ("blue",))):
            values = {} if given is None else {"projects": given}
            assert (await member(part, "host2", "192.0.2.2", **values)).node.projects == has


async def test_odd_names_addresses_and_requests_are_refused(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        made = await make_token(part)
        for name in ("", "a b", "../x", "x" * 64, "sealane-central", "-a", "a_b", "é", "a\n", "a;reboot"):
            body = asking(made, "x", "192.0.2.2")[1]
            body["join"]["name"] = name
            refused = await part.root.call(JOIN, body)
            assert (refused.status, "host_name" in message(refused)) == (400, True), name
        for address in ("", "x", "224.0.0.1", "0.0.0.0", "::", "fe80::1%eth0", "192.0.2.300"):
            assert (await join(part, made, "host2", address)).status == 400, address
        _, body = asking(made, "host2", "192.0.2.2")
        for wrong in (
            {**body["join"], "request": "x"},
            {**body["join"], "request": request.make("host3")[1]},
            {**body["join"], "more": 1},
            {"name": "host2"},
            None,
            [],
        ):
            assert (await part.root.call(JOIN, {"join": wrong})).status == 400
        assert (await part.root.call(JOIN, {"join": {**body["join"], "request": "x" * 70000}})).status == 413
        assert made.id in part.store.state.tokens
        assert not part.store.state.nodes


async def test_a_certificate_is_renewed_by_who_has_it(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory, certificate_lifetime=3600) as part:
        node = await member(part, "host2", "192.0.2.2")
        await part.opens()
        async with node.session() as api:
            key, asked = request.make("host2")
            lost = await call(api, "POST /v2.0/sealane/renew", {"renewal": {"request": asked}})
            given = await call(api, "POST /v2.0/sealane/renew", {"renewal": {"request": asked}})
            assert (lost.status, given.status) == (201, 201)
            assert (await call(api, "GET /v2.0/networks")).status == 200, "the old one is good as well"
            other = {"renewal": {"request": request.make("host3")[1]}}
            assert (await call(api, "POST /v2.0/sealane/renew", other)).status == 400
        fresh = given.body["renewal"]["certificate"]
        assert abs(read.certificate(fresh).not_after - time.time() - 3600) < 60
        node.file.write_text(key + lost.body["renewal"]["certificate"])
        async with node.session() as api:
            assert (await call(api, "GET /v2.0/networks")).status == 401
        node.file.write_text(key + fresh)
        async with node.session() as api:
            assert (await call(api, "GET /v2.0/networks")).status == 200
        assert (
            await part.root.call("POST /v2.0/sealane/renew", {"renewal": {"request": asked}})
        ).status == 400


async def test_the_central_parts_own_node_says_itself_who_it_is(
    database: OvsdbServer, directory: Path
) -> None:
    async with central_part(database, directory) as part:

        async def register(name: str, address: str) -> Answer:
            return await part.root.call(
                "POST /v2.0/sealane/nodes", {"node": {"name": name, "address": address}}
            )

        first = (await register("host1", "192.0.2.1")).body["node"]
        assert first["local"] and first["revision_number"] == 1
        assert (await register("host1", "192.0.2.1")).body["node"] == first
        moved = (await register("host1", "192.0.2.9")).body["node"]
        assert (moved["id"], moved["address"], moved["revision_number"]) == (first["id"], "192.0.2.9", 2)
        renamed = (await register("central", "192.0.2.9")).body["node"]
        assert renamed["id"] != first["id"]
        assert list(part.store.state.nodes) == [renamed["id"]]
        await member(part, "host2", "192.0.2.2")
        assert (await register("host2", "192.0.2.9")).error == "NodeNameInUse"
        assert (await register("central", "192.0.2.2")).error == "NodeAddressInUse"
        assert (await part.root.call(f"DELETE /v2.0/sealane/nodes/{renamed['id']}")).error == "NodeInUse"


async def test_a_node_can_be_changed_by_the_operator(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        node, other = await member(part, "host2", "192.0.2.2"), await member(part, "host3", "192.0.2.3")
        path = f"PUT /v2.0/sealane/nodes/{node.node.id}"
        values = {"description": "rack 4", "projects": ["red"], "address": "192.0.2.22"}
        shown = (await part.root.call(path, {"node": values})).body["node"]
        assert {key: shown[key] for key in values} == values
        assert (
            await part.root.call(path, {"node": {"address": other.node.address}})
        ).error == "NodeAddressInUse"
        assert (await part.root.call(path, {"node": {"name": "x"}})).status == 400
        assert (await part.root.call(path, {"node": {"serials": []}})).status == 400
        listed = (await part.root.call("GET /v2.0/sealane/nodes?name=host3&fields=address")).body["nodes"]
        assert listed == [{"address": "192.0.2.3"}]
        await part.opens()
        async with node.session() as api:
            mine = await call(api, path, {"node": {"address": "192.0.2.2"}})
            assert mine.body["node"]["address"] == "192.0.2.2"
            assert (await call(api, path, {"node": {"projects": ["*"]}})).status == 403
            foreign = f"PUT /v2.0/sealane/nodes/{other.node.id}"
            assert (await call(api, foreign, {"node": {"address": "192.0.2.33"}})).status == 403


async def test_a_port_tells_the_datapath_of_its_own_host(database: OvsdbServer, directory: Path) -> None:
    """os-vif gives br-int the type that it is told here."""
    async with central_part(database, directory) as part:
        node, other = await member(part, "host2", "192.0.2.2"), await member(part, "host3", "192.0.2.3")
        network = await part.root.make("network")
        made = {
            host: await part.root.make("port", network_id=network["id"], **{"binding:host_id": host})
            for host in ("host2", "host3", "elsewhere", "")
        }
        await part.opens()
        path = "PUT /v2.0/sealane/nodes/{}"
        async with node.session() as api:
            said = await call(api, path.format(node.node.id), {"node": {"datapath_type": "netdev"}})
            assert said.body["node"]["datapath_type"] == "netdev"
            foreign = await call(api, path.format(other.node.id), {"node": {"datapath_type": "netdev"}})
            assert foreign.status == 403
        wrong = await part.root.call(path.format(node.node.id), {"node": {"datapath_type": "dpdk"}})
        assert wrong.status == 400 and "datapath_type" in str(wrong.body)
        for host, kind in (("host2", "netdev"), ("host3", "system"), ("elsewhere", "system"), ("", None)):
            shown = (await part.root.call(f"GET /v2.0/ports/{made[host]['id']}")).body["port"]
            assert shown["binding:vif_details"].get("datapath_type") == kind, host


async def test_a_node_with_ports_is_removed_only_by_force(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        node = await member(part, "host2", "192.0.2.2")
        network = await part.root.make("network")
        await part.root.make("subnet", network_id=network["id"], cidr="10.1.0.0/24")
        ports = {
            owner: await part.root.make(
                "port",
                network_id=network["id"],
                device_owner=owner,
                device_id="d",
                **{"binding:host_id": "host2"},
            )
            for owner in ("sealane:docker", "sealane:netns", "sealane:docker:adopted", "compute:nova")
        }
        carried = {}
        for owner in ("sealane:netns", "compute:nova"):
            inner = carried[owner] = await part.root.make("port", network_id=network["id"])
            place = {"port_id": inner["id"], "segmentation_type": "vlan", "segmentation_id": 7}
            await part.root.make("trunk", name=owner, port_id=ports[owner]["id"], sub_ports=[place])
        path = f"DELETE /v2.0/sealane/nodes/{node.node.id}"
        refused = await part.root.call(path)
        assert (refused.status, refused.error) == (409, "NodeInUse")
        assert "has 6 ports" in message(refused) and "--force" in message(refused)
        assert (await part.root.call(f"{path}?force=x")).status == 400
        await part.opens()
        async with node.session() as api:
            assert (await call(api, "GET /v2.0/networks")).status == 200
            assert (await part.root.call(f"{path}?force=true")).status == 204
            assert "no node 'host2'" in message(await call(api, "GET /v2.0/networks"))
        left = {p["id"]: p for p in (await part.root.call("GET /v2.0/ports")).body["ports"]}
        kept = {p["id"] for p in (ports["sealane:docker:adopted"], ports["compute:nova"], *carried.values())}
        assert set(left) == kept
        assert {p["binding:host_id"] for p in left.values()} == {""}
        assert left[ports["sealane:docker:adopted"]["id"]]["device_owner"] == ""
        (trunk,) = (await part.root.call("GET /v2.0/trunks")).body["trunks"]
        assert trunk["name"] == "compute:nova", "the other has gone with its parent"
        owners = [left[carried[owner]["id"]]["device_owner"] for owner in ("sealane:netns", "compute:nova")]
        assert owners == ["", "trunk:subport"]
        assert (await part.root.call(path)).error == "NodeNotFound"


async def test_without_a_door_there_is_no_token(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory, tls_bind="none") as part:
        refused = await part.root.call("POST /v2.0/sealane/tokens", {"token": {}})
        assert refused.status == 409 and "tls_bind" in message(refused)
