"""Events of an API process, beside the real central part."""

import asyncio
import signal
from typing import Any

import pytest

from sealane.api import policy
from sealane.api.caller import Caller
from sealane.errors import Forbidden
from sealane.ovsdb.client import Client
from tests.api.live import Live
from tests.api.test_server import Host, becomes, binding, host
from tests.daemons import PATIENCE, until

__all__ = ["host"]
EVENTS = "GET /v2.0/sealane/events"


async def told(api: Live, after: int = 0) -> list[tuple[str, str, str]]:
    answer = (await api.call(f"{EVENTS}?after={after}")).body
    return [(e["kind"], e["what"], e["name"]) for e in answer["events"]]


async def until_told(api: Live, wanted: tuple[str, str, str], after: int = 0) -> dict[str, Any]:
    """The event, once it has happened."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = (await api.call(f"{EVENTS}?after={after}&timeout=1")).body
            for event in answer["events"]:
                if (event["kind"], event["what"], event["name"]) == wanted:
                    return dict(event)


async def test_creation_change_and_deletion_are_told_in_their_order(host: Host) -> None:
    with host.api():
        async with host.session() as api:
            await becomes(api, "GET /v2.0/networks", [], "networks")
            assert await told(api) == []
            network = await api.make("network", name="blue")
            await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24", name="low")
            path = f"/v2.0/networks/{network['id']}"
            await api.call(f"PUT {path}", {"network": {"name": "azure", "mtu": 1300}})
            await api.call(f"DELETE {path}")
            await until_told(api, ("network", "deleted", "azure"))
            assert await told(api) == [
                ("network", "created", "blue"),
                ("subnet", "created", "low"),
                ("network", "updated", "azure"),
                ("subnet", "deleted", "low"),
                ("network", "deleted", "azure"),
            ]
            events = (await api.call(EVENTS)).body["events"]
            assert events[2]["fields"] == ["name", "mtu"]
            assert [e["number"] for e in events] == list(range(events[0]["number"], events[0]["number"] + 5))


async def test_a_waiting_caller_hears_of_the_next_event(host: Host) -> None:
    with host.api():
        async with host.session() as api:
            await becomes(api, "GET /v2.0/networks", [], "networks")
            last = (await api.call(EVENTS)).body["last"]
            waiting = asyncio.ensure_future(api.call(f"{EVENTS}?after={last}&timeout=50"))
            await api.make("network", name="blue")
            answer = (await asyncio.wait_for(waiting, PATIENCE)).body
            assert [e["name"] for e in answer["events"]] == ["blue"] and not answer["gone"]
            quiet = (await api.call(f"{EVENTS}?after={answer['last']}&timeout=1")).body
            assert quiet == {"events": [], "last": answer["last"], "gone": False}
            assert (await api.call(f"{EVENTS}?after=x")).status == 400


async def test_after_a_restart_the_past_is_said_to_be_gone(host: Host) -> None:
    with host.api() as first:
        async with host.session() as api:
            await becomes(api, "GET /v2.0/networks", [], "networks")
            await api.make("network", name="blue")
            last = (await until_told(api, ("network", "created", "blue")))["number"]
            waiting = asyncio.ensure_future(api.call(f"{EVENTS}?after={last}&timeout=50"))
            await api.call("GET /healthz")  # so that the other request is there as well
            first.send_signal(signal.SIGTERM)
            assert (await asyncio.wait_for(waiting, 10)).body["events"] == []
            await asyncio.to_thread(first.wait, PATIENCE)
    with host.api():
        async with host.session() as api:
            await becomes(api, "GET /v2.0/sealane/changes", ["networks"], "changed")
            answer = (await api.call(f"{EVENTS}?after={last}&timeout=50")).body
            assert answer["gone"] and answer["events"] == [] and answer["last"] > last
            await api.make("network", name="red")
            await until_told(api, ("network", "created", "red"), answer["last"])


async def test_a_port_is_bound_active_misbound_and_righted(host: Host) -> None:
    with host.process("sealane.ovn.translator"), host.api():
        async with host.session() as api:
            await becomes(api, "GET /healthz", "ok", "status")
            network = await api.make("network", name="n")
            port = await api.make(
                "port", name="web", network_id=network["id"], **{"binding:host_id": "host1"}
            )
            until(lambda: host.central.key("Port_Binding", "logical_port", port["id"]) != "", "northd binds")
            client = Client(host.central.sb.remote, "OVN_Southbound")
            await client.start(PATIENCE)
            await client.transact(binding(client, port["id"]))
            for what in ("bound", "active"):
                event = await until_told(api, ("port", what, "web"))
                assert (event["host"], event["network_id"]) == ("host1", network["id"])
            path = f"PUT /v2.0/ports/{port['id']}"
            await api.call(path, {"port": {"binding:host_id": "host2"}})
            event = await until_told(api, ("port", "misbound", "web"))
            assert (event["host"], event["wanted_host"], event["alarm"]) == ("host1", "host2", True)
            (wrong,) = (await api.call("GET /v2.0/sealane/mismatches")).body["mismatches"]
            assert (wrong["id"], wrong["host"], wrong["wanted_host"]) == (port["id"], "host1", "host2")
            assert (await api.call("GET /healthz")).body["binding_mismatches"] == 1
            assert b"sealane_binding_mismatches 1.0" in (await api.call("GET /metrics")).body
            await api.call(path, {"port": {"binding:host_id": "host1"}})
            await until_told(api, ("port", "righted", "web"))
            await client.transact(
                [
                    {
                        "op": "update",
                        "table": "Port_Binding",
                        "where": [["logical_port", "==", port["id"]]],
                        "row": {"chassis": ["set", []], "up": False},
                    }
                ]
            )
            assert (await until_told(api, ("port", "down", "web")))["host"] == "host1"
            await client.stop()


@pytest.mark.parametrize("path", ("events", "mismatches"))
def test_events_are_the_operators(path: str) -> None:
    with pytest.raises(Forbidden):
        policy.check_call(Caller("node", "host2"), "GET", f"/v2.0/sealane/{path}")
