"""`sealane node --join` against the API's real door: it needs nothing but the line, or leaves nothing."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from sealane.agent.membership import register
from sealane.agent.renewal import Look
from sealane.cli.join import parse_address
from sealane.client import ApiClient
from sealane.config import Settings, load
from sealane.errors import BadRequest
from sealane.pki import central, read
from sealane.pki.node import Credentials
from tests.api.doors import Central, central_part
from tests.api.machine import Done, Machine
from tests.api.test_membership import make_token
from tests.daemons import OvsdbServer


@pytest.fixture
def machine(directory: Path) -> Machine:
    made = Machine(directory / "machine")
    made.directory.mkdir()
    return made


def address_of(part: Central) -> str:
    return part.url.removeprefix("https://")


def refused(done: Done, machine: Machine, pattern: str) -> None:
    """One line that says what to do, and nothing half written."""
    assert done.status == 1, done
    assert done.said.startswith("sealane: ") and done.said.count("\n") == 1, done.said
    assert re.search(pattern, done.said), done.said
    assert not machine.traces()


async def test_a_machine_joins_and_its_settings_lead_it_in(
    database: OvsdbServer, directory: Path, machine: Machine
) -> None:
    async with central_part(database, directory) as part:
        made = await make_token(part)
        done = await machine.join(address_of(part), str(made))
        assert (done.status, "joined" in done.said) == (0, True), done
        assert machine.traces() == ["etc/joined.toml", "state/pki/central-ca.pem", "state/pki/node.pem"]
        assert all((machine.directory / path).stat().st_mode & 0o777 == 0o600 for path in machine.traces())
        settings = load(environ={"SEALANE_CONFIG": str(machine.etc / "sealane.toml")}).settings
        assert (settings.host_name, settings.api_url) == ("host2", part.url)
        assert settings.ovn_remote == "ssl:127.0.0.1:6642"
        async with ApiClient(settings.api_url, credentials=Credentials(machine.pki)) as api:
            assert [node["name"] for node in await api.list("sealane/nodes")] == ["host2"]
        shown = await machine.run("-m", "sealane.cli.main", "node", "show", "host2")
        assert "127.0.0.1" in shown.said and shown.status == 0
        first = (machine.pki / "node.pem").read_text()
        again = await machine.join(address_of(part), str(await make_token(part)))
        assert again.status == 0
        assert (machine.pki / "node.pem").read_text() != first


async def test_a_token_that_is_not_good(database: OvsdbServer, directory: Path, machine: Machine) -> None:
    async with central_part(database, directory) as part:
        used, other = await make_token(part), await make_token(part)
        where = address_of(part)
        assert (await Machine(directory / "other", "host3").join(where, str(used))).status == 0
        machine.more["SEALANE_ENCAP_IP"] = "127.0.0.1"
        refused(await machine.join(where, str(used)), machine, "each serves once.*sealane token create")
        refused(await machine.join(where, str(other)[:-2]), machine, "cut off.*sealane token create")
        refused(await machine.join(where, "x"), machine, "no token of Sealane")
        refused(await machine.join(where, str(other)), machine, "address 127.0.0.1 is that of node 'host3'")
        machine.name = "host3"
        assert (await machine.join(where, str(other))).status == 0, "the refusals have not used it up"


async def test_an_authority_that_is_not_the_tokens(
    database: OvsdbServer, directory: Path, machine: Machine
) -> None:
    async with central_part(database, directory) as part:
        made = await make_token(part)
        false = str(made)[:-43] + ("A" * 43)
        refused(await machine.join(address_of(part), false), machine, "fingerprint differs.*in between")
        assert made.id in part.store.state.tokens


async def test_addresses_where_no_central_part_is(
    database: OvsdbServer, directory: Path, machine: Machine
) -> None:
    async with central_part(database, directory) as part:
        made = str(await make_token(part))
    refused(await machine.join(address_of(part), made), machine, "nobody listens.*check the address")
    refused(await machine.join("no such host", made), machine, "is no address")
    refused(await machine.join("sealane.invalid", made), machine, "is not known.*sealane token create")
    async with speaking(b"SSH-2.0-x\r\n") as where:
        refused(await machine.join(where, made), machine, "is not Sealane's API.*check address and port")
    async with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", tls(directory)) as where:
        refused(await machine.join(where, made), machine, "is not Sealane's API")


@asynccontextmanager
async def speaking(answer: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that says this to everybody."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        await reader.read(65536)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


def tls(directory: Path) -> ssl.SSLContext:
    there = central.Directory(directory / "pki")
    central.ensure(there)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(there.server)
    return context


async def test_a_clock_that_is_wrong(database: OvsdbServer, directory: Path, machine: Machine) -> None:
    async with central_part(database, directory) as part:
        made = await make_token(part)
        for hours, way in ((2, "ahead of"), (-30, "behind")):
            shift = f"import time; t = time.time; time.time = lambda: t() + {hours} * 3600; "
            command = f"{shift}from sealane.cli.main import main; main()"
            words = ("-c", command, "node", "join", address_of(part), "-")
            done = await machine.run(*words, given=str(made))
            refused(done, machine, f"clock is {abs(hours) * 3600 - 1}|clock is .* s {way}.*timedatectl")
        assert made.id in part.store.state.tokens


async def test_machines_that_cant_be_nodes(database: OvsdbServer, directory: Path, machine: Machine) -> None:
    async with central_part(database, directory) as part:
        made = str(await make_token(part))
        for name in ("a b", "ü", "-x", "sealane-central"):
            machine.name = name
            refused(await machine.join(address_of(part), made), machine, "host_name|host name")
        machine.name, machine.address = "host2", "192.0.2.99"
        refused(await machine.join(address_of(part), made), machine, "no address of this host")
        machine.address = "127.0.0.1"
        store = machine.directory / "state" / "store" / "sealane.db"
        store.parent.mkdir(parents=True)
        store.touch()
        done = await machine.join(address_of(part), made)
        assert done.status == 1 and "central part of its own" in done.said
        store.unlink()
        machine.pki.rmdir()
        machine.pki.write_text("in the way\n")
        done = await machine.join(address_of(part), made)
        assert done.status == 1 and "the token is still good" in done.said, done
        machine.pki.unlink()
        assert (await machine.join(address_of(part), made)).status == 0


async def test_of_two_machines_with_one_token_one_becomes_a_node(
    database: OvsdbServer, directory: Path, machine: Machine
) -> None:
    async with central_part(database, directory) as part:
        made = str(await make_token(part))
        other = Machine(directory / "other", "host3", "::1")
        other.directory.mkdir()
        done = await asyncio.gather(machine.join(address_of(part), made), other.join(address_of(part), made))
        assert sorted(d.status for d in done) == [0, 1]
        loser = machine if done[0].status else other
        refused(done[0] if done[0].status else done[1], loser, "each serves once")
        assert len(part.store.state.nodes) == 1


async def test_a_node_renews_its_certificate_and_no_request_fails(
    database: OvsdbServer, directory: Path, machine: Machine
) -> None:
    """Certificates of 18 seconds: renewed after 12, and what uses them takes the new ones."""
    async with central_part(database, directory, certificate_lifetime=18) as part:
        assert (await machine.join(address_of(part), str(await make_token(part)))).status == 0
        seen: set[str] = set()
        renewing = asyncio.create_task(renew_for_ever(machine))
        try:
            async with ApiClient(part.url, credentials=Credentials(machine.pki)) as api, asyncio.timeout(90):
                while len(seen) < 3:
                    seen.add(read.certificate((machine.pki / "node.pem").read_text()).serial)
                    assert await api.list("networks") == []
                    await asyncio.sleep(0.05)  # leave the processor to others
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
        assert len(next(iter(part.store.state.nodes.values())).serials) == 2


async def renew_for_ever(machine: Machine) -> None:
    while True:
        done = await machine.run("-m", "sealane.agent.renewal")
        await asyncio.sleep(msgspec.json.decode(done.said.splitlines()[-1], type=Look).next)


async def test_a_certificate_that_has_expired_is_told(
    database: OvsdbServer, directory: Path, machine: Machine
) -> None:
    async with central_part(database, directory, certificate_lifetime=1) as part:
        assert (await machine.join(address_of(part), str(await make_token(part)))).status == 0
        await asyncio.sleep(1.1)
        done = await machine.run("-m", "sealane.agent.renewal")
        assert "it has expired: join again" in done.said


def test_addresses_are_read_as_people_write_them() -> None:
    for text, host, port in (
        ("192.0.2.1", "192.0.2.1", 9698),
        ("192.0.2.1:7000", "192.0.2.1", 7000),
        ("2001:db8::1", "2001:db8::1", 9698),
        ("[2001:db8::1]", "2001:db8::1", 9698),
        ("[2001:db8::1]:7000", "2001:db8::1", 7000),
        ("central.example:7000", "central.example", 7000),
        ("central", "central", 9698),
    ):
        assert (parse_address(text).host, parse_address(text).port) == (host, port)
    assert parse_address("2001:db8::1").url == "https://[2001:db8::1]:9698"
    for text in (
        "",
        "a b",
        ":7000",
        "x:0",
        "x:70000",
        "x:",
        "x:y",
        "https://192.0.2.1",
        "x/y",
        "é:1\n",
        "fe80::1%eth0",
    ):
        with pytest.raises(BadRequest, match="is no address"):
            parse_address(text)


async def test_a_node_says_where_it_is_now(database: OvsdbServer, directory: Path, machine: Machine) -> None:
    async with central_part(database, directory) as part:
        assert (await machine.join(address_of(part), str(await make_token(part)))).status == 0
        run_dir = machine.directory / "run"
        run_dir.mkdir()
        settings = Settings(host_name="host2", run_dir=run_dir, api_url=part.url)
        async with ApiClient(part.url, credentials=Credentials(machine.pki)) as api:
            for address in ("192.0.2.22", "2001:db8::22", "2001:db8::22"):
                facts = {"kind": "userspace", "address": address}
                (run_dir / "datapath.json").write_text(json.dumps(facts))
                await register(api, settings)
                assert [node.address for node in part.store.state.nodes.values()] == [address]
        assert next(iter(part.store.state.nodes.values())).revision_number == 3


async def test_the_central_parts_own_node_says_where_it_is(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        settings = Settings(host_name="host1", run_dir=directory)
        (directory / "datapath.json").write_text(json.dumps({"kind": "userspace", "address": "192.0.2.1"}))
        async with ApiClient(part.root.url) as api:
            await register(api, settings)
            await register(api, settings)
        [node] = part.store.state.nodes.values()
        assert (node.name, node.address, node.serials) == ("host1", "192.0.2.1", ())
