"""Segments by the API: the one of each network, always as the network is."""

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


async def test_what_there_can_t_be_is_refused_by_name(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network")
        (segment,) = (await api.call("GET /v2.0/segments")).body["segments"]
        line = "POST /v2.0/segments"
        more = {"network_id": network["id"], "network_type": "vlan", "physical_network": "lan"}
        refused = await api.call(line, {"segment": {**more, "segmentation_id": 7}})
        assert (refused.status, refused.error) == (409, "SegmentNotSupported")
        assert segment["id"] in refused.body["NeutronError"]["message"]
        assert (await api.call(line, {"segment": {**more, "network_id": NOBODY}})).error == "NetworkNotFound"
        for wrong in ({}, {"network_id": network["id"]}, {**more, "network_type": "token ring"}, [], None):
            assert (await api.call(line, {"segment": wrong})).status == 400, wrong
        assert (await api.call(f"DELETE /v2.0/segments/{segment['id']}")).error == "SegmentInUse"
        for call in ("GET", "DELETE", "PUT"):
            answer = await api.call(f"{call} /v2.0/segments/{NOBODY}", {"segment": {"name": "x"}})
            assert answer.error == "SegmentNotFound", call
        assert (await api.call("GET /v2.0/segments")).body["segments"] == [segment], "nothing half done"


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


async def test_a_network_s_segments_are_one(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await api.make("network", segments=[WIRE])
        assert {name: made[name] for name in WIRE} == WIRE and "segments" not in made
        for wrong, said in (
            ([WIRE, {**WIRE, "provider:segmentation_id": 8}], "one physical network"),
            ([{**WIRE, "x": 1}], "segments"),
            ([{**WIRE, "provider:network_type": "token ring"}], "segments"),
            ("x", "segments"),
            ([7], "segments"),
        ):
            refused: Any = await api.call("POST /v2.0/networks", {"network": {"segments": wrong}})
            assert refused.status == 400, (wrong, refused)
            assert said in refused.body["NeutronError"]["message"], refused
        both = {"segments": [{**WIRE, "provider:segmentation_id": 9}], "provider:network_type": "vlan"}
        refused = await api.call("POST /v2.0/networks", {"network": both})
        assert refused.error == "SegmentsSetInConjunctionWithProviders"


async def test_they_are_an_admin_s(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        (segment, *_) = (await rooms.root.call("GET /v2.0/segments")).body["segments"]
        for role in ("member", "reader"):
            for line in ("GET /v2.0/segments", f"GET /v2.0/segments/{segment['id']}", "POST /v2.0/segments"):
                assert (await users[role].call(line)).status == 403, (role, line)
        assert (await users["admin"].call(f"GET /v2.0/segments/{segment['id']}")).status == 200
