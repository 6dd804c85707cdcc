"""The API as a process, beside the real central part: doors, rights, health, status of ports, the end."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from sealane.ovsdb import operations as ops
from sealane.ovsdb.client import Client
from tests.api.conftest import SCHEMA
from tests.api.live import Live
from tests.central import Central
from tests.daemons import PATIENCE, OvsdbServer, until

EXTRA = "extra.sock"


@dataclass
class Host:
    """The central part's processes in one directory, with the names that the settings expect."""

    directory: Path
    central: Central
    store: OvsdbServer

    @property
    def token(self) -> str:
        return (self.directory / "etc" / "admin.token").read_text().strip()

    @contextmanager
    def process(self, module: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        """A daemon of ours, ended with SIGTERM; its log is kept beside the databases."""
        environ = {
            "SEALANE_CONFIG": "/nonexistent",
            "SEALANE_RUN_DIR": str(self.directory),
            "SEALANE_ETC_DIR": str(self.directory / "etc"),
            "SEALANE_API_BIND": "",
            "SEALANE_API_SOCKET_EXTRA": str(self.directory / EXTRA),
            **{f"SEALANE_{name.upper()}": value for name, value in settings.items()},
        }
        with (self.directory / f"{module}.log").open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=os.environ | environ,
                stderr=file,
                pass_fds=[int(settings["api_listen_fd"])] if "api_listen_fd" in settings else (),
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()

    @contextmanager
    def api(self, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        with self.process("sealane.api.server", **settings) as process:
            until(lambda: listens(self.directory / EXTRA), "the API listens")
            yield process

    @asynccontextmanager
    async def session(self, name: str = "api.sock") -> AsyncIterator[Live]:
        connector = aiohttp.UnixConnector(str(self.directory / name))
        async with aiohttp.ClientSession("http://localhost", connector=connector) as session:
            yield Live(session, "http://localhost")


def listens(path: Path) -> bool:
    """Not so for what a killed process left behind."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.fixture
def host(directory: Path) -> Iterator[Host]:
    (directory / "store").mkdir()
    (directory / "ovn").mkdir()
    for name, target in {
        "store.sock": "store/db.sock",
        "ovn/ovnnb_db.sock": "../nb/db.sock",
        "ovn/ovnsb_db.sock": "../sb/db.sock",
        "ovn/ovn-northd.ctl": "../northd.ctl",
    }.items():
        (directory / name).symlink_to(target)
    with Central(directory) as central, OvsdbServer(directory / "store", SCHEMA) as store:
        yield Host(directory, central, store)


async def becomes(api: Live, line: str, wanted: object, *path: str) -> None:
    """Ask until the value at `path` of the answer is what is wanted."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = (await api.call(line)).body
            for key in path:
                found = found.get(key, {}) if isinstance(found, dict) else None
            if found == wanted:
                return
            await asyncio.sleep(0.05)


def binding(client: Client, port_id: str) -> list[ops.Operation]:
    """What ovn-controller writes when it has bound a port."""
    chassis, encap = "10000000-0000-4000-8000-000000000001", "10000000-0000-4000-8000-000000000002"
    here = [["logical_port", "==", port_id]]
    row = {"type": "geneve", "ip": "192.0.2.1", "chassis_name": "one"}
    return [
        ops.insert(client.schema, "Encap", row, uuid=encap),
        ops.insert(
            client.schema, "Chassis", {"name": "one", "hostname": "host1", "encaps": {encap}}, uuid=chassis
        ),
        {
            "op": "update",
            "table": "Port_Binding",
            "where": here,
            "row": {"chassis": ["uuid", chassis], "up": True},
        },
    ]


async def test_a_port_is_active_when_a_chassis_has_bound_it(host: Host) -> None:
    with host.process("sealane.ovn.translator"), host.api():
        async with host.session() as api:
            await becomes(api, "GET /healthz", "ok", "status")
            network = await api.make("network", name="n")
            await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24")
            port = await api.make("port", network_id=network["id"], **{"binding:host_id": "host1"})
            assert port["status"] == "DOWN" and port["binding:vif_type"] == "ovs"
            until(lambda: host.central.key("Port_Binding", "logical_port", port["id"]) != "", "northd binds")
            client = Client(host.central.sb.remote, "OVN_Southbound")
            await client.start(PATIENCE)
            await client.transact(binding(client, port["id"]))
            await client.stop()
            await becomes(api, f"GET /v2.0/ports/{port['id']}", "ACTIVE", "port", "status")
            assert len((await api.call("GET /v2.0/ports?status=ACTIVE")).body["ports"]) == 1
            agents = (await api.call("GET /v2.0/agents")).body["agents"]
            assert [a["host"] for a in agents] == ["host1"]


async def test_health_names_the_part_that_is_not_well(host: Host) -> None:
    with host.api():
        async with host.session() as api:
            with host.process("sealane.ovn.translator"):
                await becomes(api, "GET /healthz", "ok", "status")
                subprocess.run(["ovn-appctl", "-t", str(host.directory / "northd.ctl"), "pause"], check=True)
                await becomes(api, "GET /healthz", False, "parts", "northd", "ok")
                subprocess.run(["ovn-appctl", "-t", str(host.directory / "northd.ctl"), "resume"], check=True)
                await becomes(api, "GET /healthz", "ok", "status")
            await api.make("network")
            await becomes(api, "GET /healthz", False, "parts", "translator", "ok")
            host.central.nb.kill()
            await becomes(api, "GET /healthz", False, "parts", "nb", "ok")
            host.store.kill()
            found = await api.call("GET /healthz")
            assert found.status == 503 and not found.body["parts"]["store"]["ok"]
            assert found.body["parts"]["sb"]["ok"]


async def test_before_the_store_was_ever_there_nothing_is_told_rather_than_emptiness(host: Host) -> None:
    host.store.kill()
    with host.api():
        async with host.session() as api:
            async with asyncio.timeout(5):
                for line in ("GET /v2.0/networks", "GET /v2.0/sealane/changes?after=0"):
                    found = await api.call(line)
                    assert (found.status, found.error) == (503, "ServiceUnavailable")
                assert (await api.call("GET /v2.0")).status == 200
            host.store.start()
            await becomes(api, "GET /v2.0/networks", [], "networks")


async def test_unix_sockets_are_roots_and_tcp_wants_the_token(host: Host) -> None:
    with host.api(api_bind="127.0.0.1:0"):
        for path in (host.directory / "api.sock", host.directory / EXTRA):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            async with host.session(path.name) as api:
                assert (await api.call("GET /v2.0/networks")).status == 200
        assert stat.S_IMODE((host.directory / "etc" / "admin.token").stat().st_mode) == 0o600
        assert len(host.token) == 64


async def test_an_inherited_tcp_socket_is_served_and_wants_the_token(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with host.api(api_listen_fd=str(listener.fileno())):
            async with aiohttp.ClientSession(url) as session:
                api = Live(session, url)
                assert (await api.call("GET /v2.0/networks")).error == "Unauthorized"
                headers = {"X-Auth-Token": host.token}
                await becomes_ok(api, headers)


async def becomes_ok(api: Live, headers: dict[str, str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await api.call("GET /v2.0/networks", headers=headers)).status != 200:
            await asyncio.sleep(0.05)


async def test_a_restart_takes_over_the_sockets_and_keeps_the_token(host: Host) -> None:
    with host.api() as first:
        token = host.token
        first.kill()
        first.wait(PATIENCE)
        assert (host.directory / "api.sock").exists(), "killed: its socket is left behind"
    with host.api():
        async with host.session() as api:
            await becomes(api, "GET /v2.0/networks", [], "networks")
        assert host.token == token


async def test_told_to_stop_it_answers_what_waits_and_removes_its_sockets(host: Host) -> None:
    with host.api() as process:
        async with host.session() as api:
            await becomes(api, "GET /v2.0/networks", [], "networks")
            now = (await api.call("GET /v2.0/sealane/changes?after=0")).body["sequence"]
            waiting = asyncio.ensure_future(api.call(f"GET /v2.0/sealane/changes?after={now}&timeout=30"))
            await asyncio.sleep(0.2)  # that it waits can't be seen from outside
            process.send_signal(signal.SIGTERM)
            assert (await waiting).body == {"sequence": now, "changed": []}
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert not (host.directory / "api.sock").exists() and not (host.directory / EXTRA).exists()


async def test_every_line_of_the_log_about_a_request_bears_its_id(host: Host) -> None:
    with host.api(log_level="debug", log_json="true"):
        async with host.session() as api:
            found = await api.call("POST /v2.0/networks", {"network": {"name": "n"}})
            log = host.directory / "sealane.api.server.log"
            until(lambda: '"POST"' in log.read_text(), "the request is in the log")  # after its answer
            line = next(line for line in log.read_text().splitlines() if '"POST"' in line)
            assert found.headers["x-openstack-request-id"] in line


async def test_the_mtu_of_a_new_network_is_what_the_underlay_leaves(host: Host) -> None:
    with host.api():
        async with host.session() as api:
            assert (await api.make("network"))["mtu"] == 1442
            for found, most in (
                ('{"kind": "userspace", "mtu": 1342}', 1342),
                ('{"kind": "userspace", "mtu": 1422, "link_mtu": 1500}', 1422),
                ('{"kind": "userspace", "mtu": 9158, "link_mtu": 9216}', 9000),
                ("nonsense", 1442),
            ):
                (host.directory / "datapath.json").write_text(found)
                assert (await api.make("network"))["mtu"] == most, found
                assert (await api.make("network", mtu=most - 2))["mtu"] == most - 2
                if most < 9000:
                    refused = await api.call("POST /v2.0/networks", {"network": {"mtu": most + 1}})
                    assert refused.error == "InvalidInput"
                    assert f"maximum is {most}" in refused.body["NeutronError"]["message"]
