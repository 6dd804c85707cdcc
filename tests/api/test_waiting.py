"""`Prefer: wait`: the answer comes when the hosts have applied the change; those that have not are named.

A host is played by what ovn-controller does: copy SB_Global's number to its Chassis_Private row.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from sealane.api import prefer
from sealane.ovsdb import operations as ops
from sealane.ovsdb.client import Client
from tests.api.live import live
from tests.api.test_server import Host, becomes, host
from tests.daemons import PATIENCE, OvsdbServer

__all__ = ["host"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("wait", prefer.DEFAULT),
        ("wait=7", 7),
        ('WAIT = "7"', 7),
        ("respond-async, wait=7;x=y", 7),
        ("wait=99999", prefer.LONGEST),
        ("wait=0", 0),
        ("wait=-1", 0),
        ("waiting", 0),
        ("return=minimal", 0),
    ],
)
def test_what_a_preference_says(header: str, seconds: int) -> None:
    scope = {"type": "http", "method": "PUT", "headers": [(b"prefer", header.encode())]}
    assert prefer.wait(scope) == seconds
    assert prefer.wait({**scope, "method": "GET"}) == 0


class Controllers:
    """ovn-controllers that do nothing but say how far they are."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.stopped: set[str] = set()

    async def add(self, name: str) -> None:
        encap = ops.insert(
            self._client.schema,
            "Encap",
            {"type": "geneve", "ip": f"192.0.2.{len(name)}", "chassis_name": name},
            name="e",
        )
        row = {"name": name, "hostname": name, "encaps": ["named-uuid", "e"]}
        chassis = {"op": "insert", "table": "Chassis", "row": row, "uuid-name": "c"}
        private = {"op": "insert", "table": "Chassis_Private", "row": {"name": name}}
        await self._client.transact([encap, chassis, private])

    async def run(self) -> None:
        tables = {"SB_Global": ("nb_cfg",), "Chassis_Private": ("name", "nb_cfg")}
        replica = await self._client.monitor(tables)
        while True:
            version = replica.version
            for row in replica.tables["SB_Global"].values():
                await self._copy(int(str(row["nb_cfg"])))
            await replica.changed(version, 0.1)

    async def _copy(self, number: int) -> None:
        stopped = [["name", "!=", name] for name in self.stopped]
        update = {"op": "update", "table": "Chassis_Private", "where": stopped, "row": {"nb_cfg": number}}
        await self._client.transact([update])


@asynccontextmanager
async def controllers(host: Host) -> AsyncIterator[Controllers]:
    client = Client(host.central.sb.remote, "OVN_Southbound")
    await client.start(PATIENCE)
    made = Controllers(client)
    for name in ("one", "three"):
        await made.add(name)
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await client.stop()


async def test_an_answer_waits_for_all_hosts_and_names_those_that_are_late(host: Host) -> None:
    with host.process("sealane.ovn.translator"), host.api():
        async with host.session() as api, controllers(host) as played:
            await becomes(api, "GET /healthz", "ok", "status")
            wait = {"Prefer": "wait=30"}
            made = await api.call("POST /v2.0/networks", {"network": {"name": "n"}}, headers=wait)
            assert (made.status, made.headers["preference-applied"]) == (201, "wait")
            assert "sealane-not-applied" not in made.headers
            assert f"neutron-{made.body['network']['id']}" in host.central.nbctl("ls-list")

            played.stopped.add("three")
            begun = asyncio.get_running_loop().time()
            path = f"/v2.0/networks/{made.body['network']['id']}"
            late = await api.call(f"PUT {path}", {"network": {"mtu": 1300}}, headers={"Prefer": "wait=1"})
            assert late.status == 200 and late.headers["sealane-not-applied"] == "three"
            assert asyncio.get_running_loop().time() - begun >= 1

            played.stopped.clear()
            calls = [
                api.call("POST /v2.0/networks", {"network": {"name": f"n{i}"}}, headers=wait)
                for i in range(20)
            ]
            for found in await asyncio.gather(*calls):
                assert found.status == 201 and "sealane-not-applied" not in found.headers

            gone = await api.call(f"DELETE {path}", headers=wait)
            assert gone.status == 204 and "sealane-not-applied" not in gone.headers
            refused = await api.call(f"DELETE {path}", headers=wait)
            assert refused.status == 404 and "preference-applied" not in refused.headers
            plain = await api.call("POST /v2.0/networks", {"network": {}})
            assert "preference-applied" not in plain.headers


async def test_a_northbound_database_that_is_new_is_not_taken_for_one_that_is_ahead(host: Host) -> None:
    with host.process("sealane.ovn.translator"), host.api():
        async with host.session() as api, controllers(host) as played:
            await becomes(api, "GET /healthz", "ok", "status")
            host.central.nbctl("set", "NB_Global", ".", "nb_cfg=50")
            wait = {"Prefer": "wait=30"}
            await api.call("POST /v2.0/networks", {"network": {}}, headers=wait)
            played.stopped |= {"one", "three"}
            host.central.nbctl("set", "NB_Global", ".", "nb_cfg=0")
            made = await api.call("POST /v2.0/networks", {"network": {}}, headers={"Prefer": "wait=1"})
            assert made.headers["sealane-not-applied"] == "one, three"


async def test_without_a_translator_nobody_has_applied_it(host: Host) -> None:
    with host.api():
        async with host.session() as api:
            await becomes(api, "GET /v2.0/networks", [], "networks")
            made = await api.call("POST /v2.0/networks", {"network": {}}, headers={"Prefer": "wait=1"})
            assert (made.status, made.headers["sealane-not-applied"]) == (201, "*")


async def test_an_api_that_can_not_wait_does_not_say_that_it_has(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await api.call("POST /v2.0/networks", {"network": {}}, headers={"Prefer": "wait=1"})
        assert made.status == 201 and "preference-applied" not in made.headers


async def test_a_host_is_alive_when_its_agent_asks(host: Host) -> None:
    with host.api():
        async with host.session() as api, controllers(host):
            await becomes(api, "GET /v2.0/agents/one", False, "agent", "alive")
            shown = (await api.call("GET /v2.0/agents/one")).body["agent"]
            assert (shown["host"], shown["binary"], shown["heartbeat_timestamp"]) == (
                "one",
                "ovn-controller",
                None,
            )
            await api.call("GET /v2.0/networks", headers={"X-Sealane-Node": "one"})
            await api.call("GET /v2.0/networks", headers={"X-Sealane-Node": "no name"})
            shown = (await api.call("GET /v2.0/agents/one")).body["agent"]
            assert shown["alive"] is True and len(shown["heartbeat_timestamp"]) == 19
            alive = (await api.call("GET /v2.0/agents?alive=true&fields=host")).body["agents"]
            assert alive == [{"host": "one"}]
            assert [
                a["id"]
                for a in (await api.call("GET /v2.0/agents?sort_key=host&sort_dir=desc")).body["agents"]
            ] == [
                "three",
                "one",
            ]
            assert (await api.call("GET /v2.0/agents/two")).error == "AgentNotFound"
            assert (await api.call("GET /v2.0/agents?colour=red")).status == 400
