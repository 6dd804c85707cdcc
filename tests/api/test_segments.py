"""Segments by the API: the own one of each network, always as the network is, and further ones."""

import asyncio
from typing import Any

from tests.api.house import house
from tests.api.live import live
from tests.daemons import OvsdbServer

NOBODY = "00000000-0000-4000-8000-000000000000"
WIRE = {
    "provider:network_type": "vlan",
    "provider:physical_network": "lan",
    "provider:segmentation_id": 7,
}


async def test_each_network_has_one(database: OvsdbServer) -> None:
    async with live(database) as api:
        blue, lan = await api.make("network"), await api.make("network", **WIRE)
        found = (await api.call("GET /v2.0/segments?sort_key=network_type")).body["segments"]
        assert [s["network_id"] for s in found] == [blue["id"], lan["id"]]
        over, wire = found
        assert (over["network_type"], over["physical_network"]) == ("geneve", None)
        assert over["segmentation_id"] == blue["provider:segmentation_id"]
        assert (wire["physical_network"], wire["segmentation_id"]) == ("lan", 7)
        assert set(wire) == {
            *("id", "network_id", "network_type", "physical_network", "segmentation_id"),
            *("name", "description", "created_at", "updated_at", "revision_number"),
        }
        for query in (
            "physical_network=lan",
            f"network_id={lan['id']}",
            "segmentation_id=7&network_type=vlan",
        ):
            assert (await api.call(f"GET /v2.0/segments?{query}")).body["segments"] == [wire], query
        path = f"/v2.0/segments/{wire['id']}"
        assert (await api.call(f"GET {path}?fields=id")).body["segment"] == {"id": wire["id"]}
        page = (await api.call("GET /v2.0/segments?limit=1&sort_key=id")).body
        assert len(page["segments"]) == 1 and page["segments_links"]
        await api.call(f"DELETE /v2.0/networks/{lan['id']}")
        assert (await api.call(f"GET {path}")).error == "SegmentNotFound"
        again = (await api.call("GET /v2.0/segments")).body["segments"]
        assert [s["id"] for s in again] == [over["id"]]


async def test_it_has_a_name_and_a_description_of_its_own(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network", name="blue")
        (segment,) = (await api.call("GET /v2.0/segments")).body["segments"]
        path = f"/v2.0/segments/{segment['id']}"
        given = {"name": "first", "description": "x"}
        changed = (await api.call(f"PUT {path}", {"segment": given})).body["segment"]
        assert (changed["name"], changed["description"]) == ("first", "x")
        assert changed["revision_number"] > segment["revision_number"]
        assert (await api.call("GET /v2.0/segments?name=first")).body["segments"] == [changed]
        assert (await api.call(f"GET /v2.0/networks/{network['id']}")).body["network"]["name"] == "blue"
        old = {"If-Match": f"revision_number={segment['revision_number']}"}
        assert (await api.call(f"PUT {path}", {"segment": given}, headers=old)).status == 412
        empty = (await api.call(f"PUT {path}", {"segment": {"name": None, "description": None}})).body
        assert (empty["segment"]["name"], empty["segment"]["description"]) == ("", "")
        for wrong in ({"network_type": "vlan"}, {"name": 7}, {"segmentation_id": 8}, {"x": 1}):
            assert (await api.call(f"PUT {path}", {"segment": wrong})).status == 400, wrong
        assert (await api.call(f"PUT {path}", {})).status == 400


YARD = {"network_type": "vlan", "physical_network": "yard", "segmentation_id": 8}


async def test_further_ones_are_made_changed_and_deleted(database: OvsdbServer) -> None:
    async with live(database) as api:
        lan, blue = await api.make("network", **WIRE), await api.make("network")
        assert lan["segments"] is None and lan["l2_adjacency"] is True
        yard = await api.make("segment", network_id=lan["id"], name="yard", **YARD)
        assert {name: yard[name] for name in YARD} == YARD and yard["description"] == ""
        flat = {"network_id": lan["id"], "network_type": "flat"}
        many = [{**flat, "physical_network": name, "name": name} for name in ("a", "b")]
        made = await api.call("POST /v2.0/segments", {"segments": many})
        assert made.status == 201 and [s["name"] for s in made.body["segments"]] == ["a", "b"]
        (others,) = [(await api.call(f"GET /v2.0/segments?network_id={blue['id']}")).body["segments"]]
        assert len(others) == 1
        listed = (await api.call(f"GET /v2.0/segments?network_id={lan['id']}")).body["segments"]
        assert {s["physical_network"] for s in listed} == {"lan", "yard", "a", "b"}
        assert (await api.call("GET /v2.0/segments?physical_network=yard")).body["segments"] == [yard]
        shown = (await api.call(f"GET /v2.0/networks/{lan['id']}")).body["network"]
        assert shown["segments"][0] == WIRE and len(shown["segments"]) == 4
        assert {name: shown[name] for name in WIRE} == WIRE
        path = f"/v2.0/segments/{yard['id']}"
        change = {"segment": {"name": None, "description": "x"}}
        changed = (await api.call(f"PUT {path}", change)).body["segment"]
        assert (changed["name"], changed["description"], changed["revision_number"]) == ("", "x", 2)
        old = {"If-Match": "revision_number=1"}
        for call in ("PUT", "DELETE"):
            assert (await api.call(f"{call} {path}", change, headers=old)).status == 412
        assert (await api.call(f"DELETE {path}")).status == 204
        assert (await api.call(f"DELETE {path}")).error == "SegmentNotFound"
        again = await api.make("segment", network_id=lan["id"], **YARD)
        assert again["id"] != yard["id"], "its VLAN is free again"
        assert (await api.call(f"DELETE /v2.0/networks/{lan['id']}")).status == 204
        assert len((await api.call("GET /v2.0/segments")).body["segments"]) == 1, "they go with their network"


async def test_what_there_can_t_be_is_refused_by_name(database: OvsdbServer) -> None:
    async with live(database) as api:
        blue, lan = await api.make("network"), await api.make("network", **WIRE)
        outside = {**WIRE, "provider:segmentation_id": 9, "router:external": True}
        world = await api.make("network", **outside)
        await api.make("network", **{**WIRE, "provider:physical_network": "yard"})
        before = (await api.call("GET /v2.0/segments")).body
        good = {"network_id": lan["id"], **YARD}
        for wrong, error, said in (
            ({**good, "network_id": blue["id"]}, "SegmentNotSupported", "give a network_id of type vlan"),
            ({**good, "network_id": world["id"]}, "SegmentNotSupported", "router:external false"),
            ({**good, "physical_network": "lan"}, "SegmentNotSupported", "give another physical_network"),
            ({**good, "segmentation_id": 7}, "VlanIdInUse", "in use by another network"),
            ({**good, "network_type": "geneve"}, "InvalidInput", "network_type"),
            ({**good, "network_type": "flat"}, "InvalidInput", "segmentation_id"),
            ({**good, "physical_network": None}, "InvalidInput", "physical_network"),
            ({**good, "segmentation_id": None}, "InvalidInput", "segmentation_id"),
            ({**good, "segmentation_id": 0}, "InvalidInput", "segmentation_id"),
            ({**good, "segmentation_id": 4095}, "InvalidInput", "segmentation_id"),
            ({**good, "segmentation_id": "x"}, "HTTPBadRequest", "segmentation_id"),
            ({**good, "network_type": "token ring"}, "HTTPBadRequest", "network_type"),
            ({**good, "network_id": NOBODY}, "NetworkNotFound", NOBODY),
            ({**good, "name": 7}, "HTTPBadRequest", "name"),
            ({"network_id": lan["id"]}, "HTTPBadRequest", "network_type"),
            ({}, "HTTPBadRequest", "network_id"),
            ([], "HTTPBadRequest", "segment"),
            (None, "HTTPBadRequest", "segment"),
        ):
            refused = await api.call("POST /v2.0/segments", {"segment": wrong})
            assert refused.status in (400, 404, 409), (wrong, refused)
            assert refused.error == error and said in refused.body["NeutronError"]["message"], (
                wrong,
                refused,
            )
        both = {"segments": [{**good, "segmentation_id": 10}, {**good, "segmentation_id": 11}]}
        assert (await api.call("POST /v2.0/segments", both)).error == "SegmentNotSupported"
        (own,) = [s for s in before["segments"] if s["network_id"] == lan["id"]]
        assert (await api.call(f"DELETE /v2.0/segments/{own['id']}")).error == "SegmentInUse"
        for call in ("GET", "DELETE", "PUT"):
            answer = await api.call(f"{call} /v2.0/segments/{NOBODY}", {"segment": {"name": "x"}})
            assert answer.error == "SegmentNotFound", call
        assert (await api.call("GET /v2.0/segments")).body == before, "nothing half done"


async def test_a_router_s_network_has_one(database: OvsdbServer) -> None:
    """Its address is at each host, but in one segment of the fabric outside."""
    async with live(database) as api:
        lan = await api.make("network", **WIRE)
        subnet = await api.make("subnet", network_id=lan["id"], cidr="10.0.0.0/24")
        router = await api.make("router", name="r")
        join = f"PUT /v2.0/routers/{router['id']}/add_router_interface"
        assert (await api.call(join, {"subnet_id": subnet["id"]})).status == 200
        segment = {"segment": {"network_id": lan["id"], **YARD}}
        refused = await api.call("POST /v2.0/segments", segment)
        assert refused.error == "SegmentNotSupported" and "router" in refused.body["NeutronError"]["message"]
        part = f"PUT /v2.0/routers/{router['id']}/remove_router_interface"
        assert (await api.call(part, {"subnet_id": subnet["id"]})).status == 200
        assert (await api.call("POST /v2.0/segments", segment)).status == 201
        assert (await api.call(join, {"subnet_id": subnet["id"]})).error == "SegmentNotSupported"
        port = await api.make("port", network_id=lan["id"])
        assert (await api.call(join, {"port_id": port["id"]})).error == "SegmentNotSupported"
        balancer = {"loadbalancer": {"vip_subnet_id": subnet["id"]}}
        assert (await api.call("POST /v2.0/lbaas/loadbalancers", balancer)).status == 409
        there = f"PUT /v2.0/networks/{lan['id']}"
        assert (await api.call(there, {"network": {"router:external": True}})).error == "SegmentNotSupported"


async def test_a_subnet_may_say_that_it_is_of_it(database: OvsdbServer) -> None:
    async with live(database) as api:
        network, other = await api.make("network"), await api.make("network")
        rows = (await api.call("GET /v2.0/segments")).body["segments"]
        own, strange = (next(s["id"] for s in rows if s["network_id"] == n["id"]) for n in (network, other))
        inside = {"network_id": network["id"], "cidr": "10.0.0.0/24"}
        made = await api.make("subnet", **inside, segment_id=own)
        assert made["segment_id"] == own
        path = f"/v2.0/subnets/{made['id']}"
        free = (await api.call(f"PUT {path}", {"subnet": {"segment_id": None}})).body["subnet"]
        assert free["segment_id"] is None
        for wrong in (strange, NOBODY, "x"):
            answer = await api.call(f"PUT {path}", {"subnet": {"segment_id": wrong}})
            assert answer.status == 400 and "segment_id" in answer.body["NeutronError"]["message"]
            body = {"subnet": {**inside, "cidr": "10.0.1.0/24", "segment_id": wrong}}
            assert (await api.call("POST /v2.0/subnets", body)).status == 400
        await api.call(f"PUT {path}", {"subnet": {"segment_id": own}})
        found = (await api.call(f"GET /v2.0/subnets?segment_id={own}")).body["subnets"]
        assert [s["id"] for s in found] == [made["id"]]


async def test_subnets_are_all_of_segments_or_none(database: OvsdbServer) -> None:
    async with live(database) as api:
        lan, other = await api.make("network", **WIRE), await api.make("network")
        (own,) = (await api.call(f"GET /v2.0/segments?network_id={lan['id']}")).body["segments"]
        first = await api.make("subnet", network_id=lan["id"], cidr="10.0.0.0/24", segment_id=own["id"])
        yard = await api.make("segment", network_id=lan["id"], **YARD)
        second = {"network_id": lan["id"], "cidr": "10.0.1.0/24"}
        refused = await api.call("POST /v2.0/subnets", {"subnet": second})
        assert (refused.status, refused.error) == (400, "SubnetsNotAllAssociatedWithSegments")
        strange = {"network_id": other["id"], "cidr": "10.0.2.0/24", "segment_id": yard["id"]}
        refused = await api.call("POST /v2.0/subnets", {"subnet": strange})
        assert refused.status == 400 and "segment_id" in refused.body["NeutronError"]["message"]
        made = await api.make("subnet", **second, segment_id=yard["id"])
        assert made["segment_id"] == yard["id"]
        found = (await api.call(f"GET /v2.0/subnets?segment_id={yard['id']}")).body["subnets"]
        assert [s["id"] for s in found] == [made["id"]]
        for id in (own["id"], None):
            refused = await api.call(f"PUT /v2.0/subnets/{made['id']}", {"subnet": {"segment_id": id}})
            assert refused.error == "NoUpdateSubnetWhenMultipleSegmentsOnNetwork", refused
        same = await api.call(f"PUT /v2.0/subnets/{first['id']}", {"subnet": {"segment_id": own["id"]}})
        assert same.status == 200
        shown = (await api.call(f"GET /v2.0/networks/{lan['id']}")).body["network"]
        assert shown["l2_adjacency"] is False
        refused = await api.call(f"DELETE /v2.0/segments/{yard['id']}")
        assert refused.error == "SegmentInUse" and made["id"] in refused.body["NeutronError"]["message"]
        assert (await api.call(f"DELETE /v2.0/subnets/{made['id']}")).status == 204
        assert (await api.call(f"DELETE /v2.0/segments/{yard['id']}")).status == 204


async def test_mixed_subnets_keep_a_network_at_one(database: OvsdbServer) -> None:
    async with live(database) as api:
        lan = await api.make("network", **WIRE)
        (own,) = (await api.call(f"GET /v2.0/segments?network_id={lan['id']}")).body["segments"]
        rows = [await api.make("subnet", network_id=lan["id"], cidr=f"10.0.{n}.0/24") for n in (0, 1)]
        for row, wanted in zip(rows, ("SubnetsNotAllAssociatedWithSegments", ""), strict=True):
            path = f"/v2.0/subnets/{row['id']}"
            assert (await api.call(f"PUT {path}", {"subnet": {"segment_id": own["id"]}})).status == 200
            made = await api.call("POST /v2.0/segments", {"segment": {"network_id": lan["id"], **YARD}})
            assert made.status == 201 if not wanted else made.error == wanted, made


async def test_many_at_once_make_one(database: OvsdbServer) -> None:
    """Of the same physical network; and of a segment and a router's interface, one or the other."""
    async with live(database) as api, live(database) as other:
        lan = await api.make("network", **WIRE)
        subnet = await api.make("subnet", network_id=lan["id"], cidr="10.0.0.0/24")
        body = {"segment": {"network_id": lan["id"], **YARD}}
        calls = [each.call("POST /v2.0/segments", body) for each in (api, other) * 5]
        answers = await asyncio.gather(*calls)
        assert sorted(a.status for a in answers) == [201, *[409] * 9], answers
        (further,) = (await api.call("GET /v2.0/segments?physical_network=yard")).body["segments"]
        await api.call(f"DELETE /v2.0/segments/{further['id']}")
        router = await api.make("router", name="r")
        join = f"PUT /v2.0/routers/{router['id']}/add_router_interface"
        both = await asyncio.gather(
            other.call("POST /v2.0/segments", body), api.call(join, {"subnet_id": subnet["id"]})
        )
        assert sorted(a.status // 100 for a in both) == [2, 4], both


async def test_a_network_comes_with_its_segments(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await api.make("network", segments=[WIRE])
        assert {name: made[name] for name in WIRE} == WIRE and made["segments"] is None
        wire = {**WIRE, "provider:segmentation_id": 8}
        yard = {"provider:network_type": "flat", "provider:physical_network": "yard"}
        several = await api.make("network", segments=[wire, yard])
        assert several["segments"] == [wire, {**yard, "provider:segmentation_id": None}]
        query = f"GET /v2.0/segments?network_id={several['id']}"
        assert len((await api.call(query)).body["segments"]) == 2
        for wrong, said in (
            ([{**WIRE, "provider:segmentation_id": 9}, wire], "give another physical_network"),
            ([{"provider:network_type": "geneve"}, wire], "overlay"),
            ([{**WIRE, "provider:segmentation_id": 9}, yard], "in use"),
            ([{**WIRE, "x": 1}], "segments"),
            ([{**WIRE, "provider:network_type": "token ring"}], "segments"),
            ("x", "segments"),
            ([7], "segments"),
            ([wire] * 66, "segments"),
        ):
            refused: Any = await api.call("POST /v2.0/networks", {"network": {"segments": wrong}})
            assert refused.status in (400, 409), (wrong, refused)
            assert said in refused.body["NeutronError"]["message"], refused
        both = {"segments": [{**WIRE, "provider:segmentation_id": 9}], "provider:network_type": "vlan"}
        refused = await api.call("POST /v2.0/networks", {"network": both})
        assert refused.error == "SegmentsSetInConjunctionWithProviders"
        assert len((await api.call("GET /v2.0/networks")).body["networks"]) == 2, "nothing half done"


async def test_they_are_an_admin_s(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        (segment, *_) = (await rooms.root.call("GET /v2.0/segments")).body["segments"]
        for role in ("member", "reader"):
            for line in ("GET /v2.0/segments", f"GET /v2.0/segments/{segment['id']}", "POST /v2.0/segments"):
                assert (await users[role].call(line)).status == 403, (role, line)
        assert (await users["admin"].call(f"GET /v2.0/segments/{segment['id']}")).status == 200
