"""Taps by the API: who may see whose packets, what goes with a port, and what the hosts are told to copy."""

from typing import Any

from sealane.api.tapped import Tapped
from sealane.model import Network, Port, State, TapFlow, TapService
from sealane.translate.taps import MOST
from tests.api.house import house
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

NOBODY = "00000000-0000-4000-8000-000000000000"
SERVICES, FLOWS = "/v2.0/taas/tap_services", "/v2.0/taas/tap_flows"


async def ports(api: Live, count: int, **values: Any) -> list[str]:
    network = await api.make("network")
    made = [await api.make("port", network_id=network["id"], **values) for _ in range(count)]
    return [port["id"] for port in made]


def flow(service: str, source: str, direction: str = "BOTH", **values: Any) -> dict[str, Any]:
    values |= {"tap_service_id": service, "source_port": source, "direction": direction}
    return {"tap_flow": values}


async def test_a_tap_from_its_birth_to_its_end(database: OvsdbServer) -> None:
    async with live(database) as api:
        sink, one, two = await ports(api, 3)
        tap = await api.make("tap_service", name="watch", port_id=sink, tags=["t"])
        assert (tap["status"], tap["project_id"], tap["sealane:sources"]) == ("DOWN", "default", [])
        path = f"{SERVICES}/{tap['id']}"
        changed = (await api.call(f"PUT {path}", {"tap_service": {"name": "see"}})).body["tap_service"]
        assert (changed["name"], changed["revision_number"]) == ("see", 2)
        assert (await api.call(f"PUT {path}", {"tap_service": {"port_id": one}})).status == 400
        many = {"tap_flows": [flow(tap["id"], port, "IN")["tap_flow"] for port in (one, two)]}
        assert (await api.call(f"POST {FLOWS}", many)).status == 201
        found = (await api.call(f"GET {FLOWS}?source_port={one}&fields=direction&fields=status")).body
        assert found == {"tap_flows": [{"direction": "IN", "status": "DOWN"}]}
        sources = (await api.call(f"GET {path}")).body["tap_service"]["sealane:sources"]
        assert sources == [{"port_id": port, "direction": "IN"} for port in sorted((one, two))]
        assert (await api.call(f"DELETE /v2.0/ports/{one}")).status == 204
        assert len((await api.call(f"GET {FLOWS}")).body["tap_flows"]) == 1, "it goes with its source"
        assert (await api.call(f"DELETE {path}")).status == 204
        assert (await api.call(f"GET {FLOWS}")).body["tap_flows"] == []
        again = await api.make("tap_service", port_id=sink)
        await api.make("tap_flow", **flow(again["id"], two)["tap_flow"])
        assert (await api.call(f"DELETE /v2.0/ports/{sink}")).status == 204
        for path in (SERVICES, FLOWS):
            assert list((await api.call(f"GET {path}")).body.values()) == [[]]
        aliases = (await api.call("GET /v2.0/extensions")).body["extensions"]
        assert "taas" in {extension["alias"] for extension in aliases}


async def test_quotas_hold(database: OvsdbServer) -> None:
    async with live(database) as api:
        sink, one, two = await ports(api, 3)
        await api.call("PUT /v2.0/quotas/default", {"quota": {"tap_service": 1, "tap_flow": 1}})
        tap = await api.make("tap_service", port_id=sink)
        assert (await api.call(f"POST {SERVICES}", {"tap_service": {"port_id": sink}})).error == "OverQuota"
        await api.make("tap_flow", **flow(tap["id"], one)["tap_flow"])
        assert (await api.call(f"POST {FLOWS}", flow(tap["id"], two))).error == "OverQuota"


async def test_loops_and_strangers_are_refused(database: OvsdbServer) -> None:
    async with live(database) as api:
        sink, source, other = await ports(api, 3)
        (foreign,) = await ports(api, 1, project_id="theirs")
        tap = (await api.make("tap_service", port_id=sink))["id"]
        theirs = (await api.make("tap_service", port_id=foreign, project_id="theirs"))["id"]
        await api.make("tap_flow", **flow(tap, source)["tap_flow"])
        for body, status, said in (
            (flow(tap, sink), 400, "itself"),
            (flow(tap, foreign), 403, "theirs"),
            (flow(theirs, other), 403, "theirs"),
            (flow(theirs, other, project_id="theirs"), 403, "default"),
            (flow(tap, NOBODY), 404, "Source Port"),
            (flow(NOBODY, other), 404, "Tap Service"),
            (flow(tap, source, "IN"), 409, "already"),
            (flow(tap, other, "UP"), 400, "direction"),
            (flow(tap, other, vlan_filter="7"), 400, "vlan_filter"),
            ({"tap_flow": {"tap_service_id": tap, "source_port": other}}, 400, "direction"),
        ):
            answer = await api.call(f"POST {FLOWS}", body)
            assert answer.status == status, (body, answer.body)
            assert said in answer.body["NeutronError"]["message"], answer.body
        for port, status, error in (
            (source, 409, "TapLoop"),
            (foreign, 403, "PortDoesNotBelongToTenant"),
            (NOBODY, 404, "PortNotFound"),
        ):
            answer = await api.call(f"POST {SERVICES}", {"tap_service": {"port_id": port}})
            assert (answer.status, answer.error) == (status, error)
        taken = (await api.make("tap_service", port_id=other))["id"]
        assert (await api.call(f"POST {FLOWS}", flow(tap, other))).error == "TapLoop"
        assert (await api.call(f"POST {FLOWS}", flow(taken, sink))).error == "TapLoop"
        given = {"port": {"sealane:taps": ["watch"]}}
        assert (await api.call(f"PUT /v2.0/ports/{other}", given)).error == "TapLoop"
        router = await api.make("router")
        subnet = await api.make("subnet", network_id=(await api.make("network"))["id"], cidr="10.0.0.0/24")
        joined = await api.call(
            f"PUT /v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]}
        )
        assert (await api.call(f"POST {FLOWS}", flow(tap, joined.body["port_id"]))).status == 400


async def test_a_port_is_seen_by_so_many_at_most(database: OvsdbServer) -> None:
    async with live(database) as api:
        sink, source = await ports(api, 2)
        taps = [(await api.make("tap_service", port_id=sink))["id"] for _ in range(MOST + 1)]
        for tap in taps[:MOST]:
            await api.make("tap_flow", **flow(tap, source)["tap_flow"])
        assert (await api.call(f"POST {FLOWS}", flow(taps[MOST], source))).error == "TapFlowLimit"


async def test_a_port_says_itself_by_which_taps_it_is_seen(database: OvsdbServer) -> None:
    async with live(database) as api:
        sink, source = await ports(api, 2)
        path = f"/v2.0/ports/{source}"
        port = await api.call(f"PUT {path}", {"port": {"sealane:taps": ["watch:in", "record"]}})
        assert port.body["port"]["sealane:taps"] == ["watch:IN", "record:BOTH"]
        tap = await api.make("tap_service", name="watch", port_id=sink)
        assert tap["sealane:sources"] == [{"port_id": source, "direction": "IN"}]
        await api.make(
            "tap_service",
            name="record",
            port_id=(await ports(api, 1, project_id="theirs"))[0],
            project_id="theirs",
        )
        assert (await api.call(f"GET {SERVICES}?name=record")).body["tap_services"][0][
            "sealane:sources"
        ] == []
        for wrong in (["watch:up"], [":in"], "watch", [7], ["a", "a"]):
            answer = await api.call(f"PUT {path}", {"port": {"sealane:taps": wrong}})
            assert (answer.status, "sealane:taps" in str(answer.body)) == (400, True), wrong


async def test_members_tap_their_own_and_readers_look(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        member, reader = users["member"], users["reader"]
        own, guest = await rooms.port("own"), await rooms.port("host")
        assert (await reader.call(f"POST {SERVICES}", {"tap_service": {"port_id": own["id"]}})).status == 403
        answer = await member.call(f"POST {SERVICES}", {"tap_service": {"port_id": own["id"]}})
        tap = answer.body["tap_service"]
        assert (answer.status, tap["project_id"]) == (201, "mine")
        assert (await reader.call(f"GET {SERVICES}")).body["tap_services"] == [tap]
        refused = await member.call(f"POST {FLOWS}", flow(tap["id"], guest["id"]))
        assert refused.error == "PortDoesNotBelongToTenant", "it is in its network, and somebody else's"
        for line in ("GET /v2.0/sealane/taps?node=h1", "POST /v2.0/sealane/tapped"):
            assert (await member.call(line, {} if "POST" in line else None)).status == 403


async def test_hosts_tell_what_they_copy_and_only_their_own(database: OvsdbServer) -> None:
    async with live(database) as api:
        body = (await api.call("GET /v2.0/sealane/taps?node=host1")).body
        assert body == {"taps": [], "digest": "", "told": "", "any": False}
        for wrong in ({}, {"host": 7, "digest": "x"}, {"host": "h", "digest": "x" * 99}):
            assert (await api.call("POST /v2.0/sealane/tapped", {"tapped": wrong})).status == 400


def state(**hosts: str) -> State:
    standard: dict[str, Any] = {"project_id": "red", "name": "", "revision_number": 1}
    network = Network(id="n", mtu=1400, **standard)
    made = {
        name: Port(id=name, network_id="n", mac_address=f"0a:00:00:00:00:0{number}", host=host, **standard)
        for number, (name, host) in enumerate(hosts.items())
    }
    tap = TapService(id="tap", port_id="sink", **standard)
    seen = TapFlow(id="flow", tap_service_id="tap", source_port="source", direction="OUT", **standard)
    return State(networks={"n": network}, ports=made, tap_services={"tap": tap}, tap_flows={"flow": seen})


def test_who_is_waited_for() -> None:
    tapped, now = Tapped(), state(sink="h2", source="h1", other="h3")
    assert tapped.missing(State()) == []
    assert tapped.missing(now) == ["h1", "h2"]
    rows = tapped.view(now, "h1").rows
    assert rows[0]["sources"] == [{"port_id": "source", "out": True, "in": False}]
    assert rows[0]["port_id"] == "" and rows[0]["mtu"] == 1400
    assert tapped.view(now, "h2").rows[0]["mac_address"] == "0a:00:00:00:00:00"
    for host in ("h1", "h2"):
        tapped.tell(host, tapped.view(now, host).digest)
    assert tapped.missing(now) == []
    moved = state(sink="h2", source="h3", other="h3")
    assert tapped.missing(moved) == ["h1", "h3"], "one copies still, one not yet"
    assert tapped.missing(State()) == ["h1", "h2"]
    for host in ("h1", "h2"):
        tapped.tell(host, "")
    assert tapped.missing(State()) == []
