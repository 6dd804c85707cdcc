"""Trunks by the API: what there may be one of, what follows a parent, and what is refused."""

import asyncio
from typing import Any

import pytest

from tests.api.house import house
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

NOBODY = "00000000-0000-4000-8000-000000000000"
LINE = "POST /v2.0/trunks"


class Bound:
    """The southbound database, by the ids of ports that are up."""

    def __init__(self) -> None:
        self.there: set[str] = set()

    def up(self, port_id: str) -> bool:
        return port_id in self.there

    def chassis(self, port_id: str) -> str | None:
        return "host1" if port_id in self.there else None

    def health(self, port_id: str, protocol: str, port: int) -> str:
        return ""


def within(port: Any, vlan: int) -> dict[str, Any]:
    return {"port_id": port["id"], "segmentation_type": "vlan", "segmentation_id": vlan}


async def ports(api: Live, count: int, **values: Any) -> list[Any]:
    """In a network of their own, which has these values."""
    network = await api.make("network", **values)
    await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24")
    return [await api.make("port", network_id=network["id"]) for _ in range(count)]


async def port(api: Live, row: Any) -> Any:
    return (await api.call(f"GET /v2.0/ports/{row['id']}")).body["port"]


async def test_a_trunk_from_its_birth_to_its_end(database: OvsdbServer) -> None:
    bound = Bound()
    async with live(database, bound) as api:
        parent, one, two = await ports(api, 3)
        made = await api.make(
            "trunk", name="all", port_id=parent["id"], tags=["t"], sub_ports=[within(one, 101)]
        )
        path = f"/v2.0/trunks/{made['id']}"
        assert made["sub_ports"] == [within(one, 101)] and made["status"] == "DOWN" and made["tags"] == ["t"]
        assert made["admin_state_up"] is True and made["tenant_id"] == made["project_id"] == "default"
        inner = await port(api, one)
        assert (inner["device_owner"], inner["binding:host_id"]) == ("trunk:subport", "")
        assert inner["binding:profile"] == {"parent_name": parent["id"], "tag": 101}
        told = (await port(api, parent))["trunk_details"]
        assert told == {
            "trunk_id": made["id"],
            "sub_ports": [{**within(one, 101), "mac_address": one["mac_address"]}],
        }
        assert inner["trunk_details"] is None
        more = await api.call(f"PUT {path}/add_subports", {"sub_ports": [within(two, 102)]})
        assert more.body["sub_ports"] == [within(one, 101), within(two, 102)], more
        assert more.body["revision_number"] > made["revision_number"]
        assert (await port(api, parent))["revision_number"] > parent["revision_number"]
        await api.call(f"PUT /v2.0/ports/{parent['id']}", {"port": {"binding:host_id": "host1"}})
        assert {(await port(api, p))["binding:host_id"] for p in (one, two)} == {"host1"}
        bound.there = {parent["id"], one["id"]}
        assert (await api.call(f"GET {path}")).body["trunk"]["status"] == "DEGRADED"
        bound.there.add(two["id"])
        (shown,) = (await api.call("GET /v2.0/trunks?status=ACTIVE&name=all&fields=id&fields=status")).body[
            "trunks"
        ]
        assert shown == {"id": made["id"], "status": "ACTIVE"}
        assert (await port(api, two))["status"] == "ACTIVE"
        fewer = await api.call(f"PUT {path}/remove_subports", {"sub_ports": [{"port_id": one["id"]}]})
        assert fewer.body["sub_ports"] == [within(two, 102)]
        assert (await api.call(f"GET {path}/get_subports")).body == {"sub_ports": [within(two, 102)]}
        freed = await port(api, one)
        assert (freed["device_owner"], freed["binding:host_id"], freed["binding:profile"]) == ("", "", {})
        changed = (await api.call(f"PUT {path}", {"trunk": {"name": "x", "description": "d"}})).body["trunk"]
        assert (changed["name"], changed["description"]) == ("x", "d")
        await api.call(f"PUT /v2.0/ports/{parent['id']}", {"port": {"binding:host_id": "host2"}})
        assert (await port(api, two))["binding:host_id"] == "host2"
        assert (await api.call(f"DELETE {path}")).status == 204
        assert (await api.call(f"GET {path}")).error == "TrunkNotFound"
        assert (await port(api, two))["device_owner"] == "" and (await port(api, parent))[
            "trunk_details"
        ] is None
        for each in (two, one, parent):
            assert (await api.call(f"DELETE /v2.0/ports/{each['id']}")).status == 204


async def test_what_can_t_be_in_a_trunk_is_refused_by_name(database: OvsdbServer) -> None:
    async with live(database) as api:
        parent, one, two, used, spare = await ports(api, 5)
        (small,) = await ports(api, 1, mtu=1280)
        (large,) = await ports(api, 1, mtu=1400)
        await api.call(f"PUT /v2.0/ports/{used['id']}", {"port": {"device_id": "vm"}})
        made = await api.make("trunk", port_id=parent["id"], sub_ports=[within(one, 7)])
        line = f"PUT /v2.0/trunks/{made['id']}/add_subports"
        for wish, status, kind in (
            (within(two, 7), 409, "DuplicateSubPort"),
            (within(one, 8), 409, "PortInUseAsSubPort"),
            (within(parent, 8), 409, "PortInUseAsTrunkParent"),
            (within(used, 8), 409, "PortInUse"),
            ({**within(two, 8), "port_id": NOBODY}, 404, "PortNotFound"),
            (within(two, 0), 400, "HTTPBadRequest"),
            (within(two, 4095), 400, "HTTPBadRequest"),
            ({**within(two, 8), "segmentation_id": "x"}, 400, "HTTPBadRequest"),
            ({**within(two, 8), "segmentation_type": "vxlan"}, 400, "HTTPBadRequest"),
            ({**within(two, 8), "segmentation_type": "inherit"}, 400, "HTTPBadRequest"),
            ({"port_id": two["id"]}, 400, "HTTPBadRequest"),
            ({"port_id": two["id"], "segmentation_type": "vlan"}, 400, "HTTPBadRequest"),
            ({**within(two, 8), "other": 1}, 400, "HTTPBadRequest"),
            ("x", 400, "HTTPBadRequest"),
        ):
            refused = await api.call(line, {"sub_ports": [wish]})
            assert (refused.status, refused.error) == (status, kind), (wish, refused)
            whole = {"trunk": {"port_id": spare["id"], "sub_ports": [wish]}}
            if kind != "DuplicateSubPort":
                assert (await api.call(LINE, whole)).status == status, wish
        twice = {"sub_ports": [within(two, 8), within(used, 8)]}
        assert (await api.call(line, twice)).status == 409
        too_large = {"trunk": {"port_id": small["id"], "sub_ports": [within(large, 9)]}}
        assert (await api.call(LINE, too_large)).error == "SubPortMtuGreaterThanTrunkPortMtu"
        for body in ({}, {"sub_ports": None, "x": 1}, {"trunk": {}}):
            assert (await api.call(line, body)).status == 400
        for id, error in ((parent["id"], "PortInUseAsTrunkParent"), (one["id"], "PortInUseAsSubPort")):
            assert (await api.call(LINE, {"trunk": {"port_id": id}})).error == error
            assert (await api.call(f"DELETE /v2.0/ports/{id}")).error == error
        for change in ({"binding:host_id": "host1"}, {"device_id": "x"}, {"device_owner": ""}):
            moved = await api.call(f"PUT /v2.0/ports/{one['id']}", {"port": change})
            assert moved.error == "PortInUseAsSubPort", change
        gone = await api.call(line.replace("add", "remove"), {"sub_ports": [{"port_id": two["id"]}]})
        assert gone.error == "SubPortNotFound"
        assert (
            await api.call(f"PUT /v2.0/trunks/{made['id']}", {"trunk": {"port_id": two["id"]}})
        ).status == 400
        await api.call(f"PUT /v2.0/trunks/{made['id']}", {"trunk": {"admin_state_up": False}})
        for verb in ("add", "remove"):
            off = await api.call(line.replace("add", verb), {"sub_ports": [within(two, 8)]})
            assert off.error == "TrunkDisabled"
        (left,) = (await api.call("GET /v2.0/trunks")).body["trunks"]
        assert left["sub_ports"] == [within(one, 7)], "nothing half done"
        assert (await port(api, two))["device_owner"] == ""


async def test_a_router_s_port_is_no_parent(database: OvsdbServer) -> None:
    async with live(database) as api:
        (one,) = await ports(api, 1)
        router = await api.make("router")
        line = f"PUT /v2.0/routers/{router['id']}/add_router_interface"
        made = (await api.call(line, {"port_id": one["id"]})).body
        assert (await api.call(LINE, {"trunk": {"port_id": made["port_id"]}})).error == "ParentPortInUse"
        (parent,) = await ports(api, 1)
        body = {"trunk": {"port_id": parent["id"], "sub_ports": [within(one, 7)]}}
        assert (await api.call(LINE, body)).error == "PortInUse"


async def test_inherit_takes_the_vlan_of_a_network_that_has_one(database: OvsdbServer) -> None:
    provider = {"provider:network_type": "vlan", "provider:physical_network": "lan"}
    async with live(database) as api:
        (parent,) = await ports(api, 1)
        network = await api.make("network", mtu=1400, **provider, **{"provider:segmentation_id": 77})
        inner = await api.make("port", network_id=network["id"])
        wish = {"port_id": inner["id"], "segmentation_type": "inherit"}
        made = await api.make("trunk", port_id=parent["id"], sub_ports=[wish])
        assert made["sub_ports"] == [within(inner, 77)]


async def test_many_at_once_and_a_quota(database: OvsdbServer) -> None:
    async with live(database) as api:
        some = await ports(api, 5)
        two = [{"port_id": some[0]["id"]}, {"port_id": some[1]["id"], "sub_ports": [within(some[2], 7)]}]
        made = (await api.call(LINE, {"trunks": two})).body["trunks"]
        assert [len(trunk["sub_ports"]) for trunk in made] == [0, 1]
        same = [{"port_id": some[3]["id"]}, {"port_id": some[3]["id"]}]
        assert (await api.call(LINE, {"trunks": same})).error == "PortInUseAsTrunkParent"
        both = [{"port_id": some[3]["id"], "sub_ports": [within(some[4], 1)]}, {"port_id": some[4]["id"]}]
        assert (await api.call(LINE, {"trunks": both})).error == "PortInUseAsSubPort"
        await api.call("PUT /v2.0/quotas/default", {"quota": {"trunk": 2}})
        assert (await api.call(LINE, {"trunk": {"port_id": some[3]["id"]}})).error == "OverQuota"
        used = (await api.call("GET /v2.0/quotas/default/details.json")).body["quota"]["trunk"]
        assert used == {"limit": 2, "used": 2, "reserved": 0}


async def test_of_many_who_ask_at_once_one_gets_it(database: OvsdbServer) -> None:
    """By two processes: what the one's view does not tell, the store's indexes do."""
    async with live(database) as api, live(database) as other:
        some = await ports(api, 6)
        made = await api.make("trunk", port_id=some[0]["id"])
        line = f"PUT /v2.0/trunks/{made['id']}/add_subports"
        found = await asyncio.gather(
            *(
                where.call(line, {"sub_ports": [within(one, 7)]})
                for where, one in zip((api, other) * 2, some[1:5], strict=True)
            )
        )
        assert sorted(answer.status for answer in found) == [200, 409, 409, 409]
        wishes = ({"trunk": {"port_id": some[5]["id"]}},) * 2
        found = await asyncio.gather(
            *(w.call(LINE, wish) for w, wish in zip((api, other), wishes, strict=True))
        )
        assert sorted(answer.status for answer in found) == [201, 409]


@pytest.mark.parametrize("owner", ["sealane:docker", "sealane:netns"])
async def test_what_a_container_s_port_carries_goes_free_with_it(database: OvsdbServer, owner: str) -> None:
    async with live(database) as api:
        parent, inner = await ports(api, 2)
        await api.call(f"PUT /v2.0/ports/{parent['id']}", {"port": {"device_owner": owner}})
        made = await api.make("trunk", port_id=parent["id"], sub_ports=[within(inner, 7)])
        assert (await api.call(f"DELETE /v2.0/ports/{parent['id']}")).status == 204
        assert (await api.call(f"GET /v2.0/trunks/{made['id']}")).status == 404
        assert (await port(api, inner))["device_owner"] == ""


async def test_a_user_s_trunk_carries_what_is_his(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        member, reader = users["member"], users["reader"]
        own = [await rooms.port("own") for _ in range(3)]
        hosted, foreign = await rooms.port("host"), await rooms.port("foreign")
        made = (await member.call(LINE, {"trunk": {"port_id": own[0]["id"]}})).body["trunk"]
        assert made["project_id"] == "mine"
        line = f"PUT /v2.0/trunks/{made['id']}/add_subports"
        for wish, status in ((own[1], 200), (hosted, 403), (foreign, 404)):
            found = await member.call(line, {"sub_ports": [within(wish, 7)]})
            assert found.status == status, found
            whole = {"trunk": {"port_id": own[2]["id"], "sub_ports": [within(wish, 7)]}}
            if status != 200:
                assert (await member.call(LINE, whole)).status == status
        assert (await member.call(LINE, {"trunk": {"port_id": hosted["id"]}})).status == 403
        assert (await member.call(LINE, {"trunk": {"port_id": foreign["id"]}})).status == 404
        theirs = await rooms.root.make("trunk", port_id=foreign["id"], project_id="theirs")
        assert [t["id"] for t in (await reader.call("GET /v2.0/trunks")).body["trunks"]] == [made["id"]]
        for call in ("GET {}", "DELETE {}", "GET {}/get_subports", "PUT {}/add_subports"):
            body = {"sub_ports": [within(own[2], 9)]} if "add" in call else None
            path = call.format(f"/v2.0/trunks/{theirs['id']}")
            assert (await member.call(path, body)).status == 404, call
        guest = await rooms.root.make("trunk", port_id=hosted["id"], project_id="theirs")
        for id, trunk in ((hosted["id"], None), (own[0]["id"], made["id"])):
            shown = (await member.call(f"GET /v2.0/ports/{id}")).body["port"]["trunk_details"]
            assert (shown and shown["trunk_id"]) == trunk, "what a guest's port carries is his affair"
        assert (await port(rooms.root, hosted))["trunk_details"]["trunk_id"] == guest["id"]
        gone = {"sub_ports": [{"port_id": own[1]["id"]}]}
        assert (await reader.call(line.replace("add", "remove"), gone)).status == 403
        assert "binding:profile" not in (await member.call(f"GET /v2.0/ports/{own[1]['id']}")).body["port"]
        assert (await member.call(line.replace("add", "remove"), gone)).status == 200
