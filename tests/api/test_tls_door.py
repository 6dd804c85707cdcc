"""The door for other hosts: when it is open, and to whom."""

import asyncio
import ssl
import time
from pathlib import Path

import aiohttp
import pytest

from sealane.api.tls_door import SILENCE
from sealane.pki import central, read, tls
from sealane.pki.certificate import CENTRAL
from tests.api.doors import call, central_part
from tests.daemons import OvsdbServer


async def test_it_is_open_only_while_somebody_may_come_in(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory, server_lifetime=24) as part:
        await part.closes()
        token = await part.add_token()
        await part.opens()
        await part.delete(token)
        await part.closes()
        node = await part.add_node("host2")
        await part.opens()
        await part.delete(node.node)
        await part.closes()
        await part.add_token(seconds=2)  # its time runs out without any change
        await part.opens()
        await part.closes()


async def test_without_a_certificate_there_is_nothing_but_joining(
    database: OvsdbServer, directory: Path
) -> None:
    async with central_part(database, directory) as part:
        await part.add_token()
        await part.opens()
        async with part.as_seen_with(part.stranger()) as api:
            for line in ("GET /", "GET /v2.0", "GET /healthz", "GET /openapi.json", "GET /metrics"):
                assert (await call(api, line)).status == 401
            for line in (
                "GET /v2.0/networks",
                "POST /v2.0/sealane/ca",
                "DELETE /v2.0/sealane/join",
                "GET /x",
            ):
                assert (await call(api, line)).error == "Unauthorized"
            headers = {"X-Auth-Token": "a-token"}
            assert (
                await api.call("GET /v2.0/networks", headers=headers, server_hostname="sealane-central")
            ).status == 401


async def test_a_node_comes_in_until_it_is_removed(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        first, second = await part.add_node("host2"), await part.add_node("host3", "192.0.2.3")
        await part.opens()
        async with first.session() as api, second.session() as other:
            for line in ("GET /v2.0", "GET /v2.0/networks", "GET /healthz"):
                assert (await call(api, line)).status in (200, 404)
            await part.delete(first.node)
            refused = await call(api, "GET /v2.0/networks")  # on the connection that was good just now
            assert (refused.status, refused.error) == (401, "Unauthorized")
            assert "no node 'host2'" in refused.body["NeutronError"]["message"]
            assert (await call(other, "GET /v2.0/networks")).status == 200
            await part.change(second.node, serials=("1",))
            assert (
                "Another certificate"
                in (await call(other, "GET /v2.0/networks")).body["NeutronError"]["message"]
            )


async def test_a_certificate_of_another_authority_is_refused(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        member = await part.add_node("host2")
        await part.opens()
        other = central.Directory(directory / "other")
        central.ensure(other)
        key, certificate = central.central_authority(other).issue_server(3600)
        member.file.write_text(key + certificate)
        async with member.session() as api:
            with pytest.raises((ssl.SSLError, aiohttp.ClientError)):
                await call(api, "GET /v2.0/networks")


async def test_an_expired_certificate_is_refused(database: OvsdbServer, directory: Path) -> None:
    """Also where it was good when the connection began."""
    async with central_part(database, directory) as part:
        member = await part.add_node("host2", lifetime=3)
        await part.opens()
        async with member.session() as api:
            assert (await call(api, "GET /v2.0/networks")).status == 200
            expiry = read.certificate(member.file.read_text()).not_after
            await asyncio.sleep(max(0.0, expiry - time.time()))
            refused = await call(api, "GET /v2.0/networks")
            assert refused.status == 401 and "expired" in refused.body["NeutronError"]["message"]
        async with member.session() as anew:
            with pytest.raises((ssl.SSLError, aiohttp.ClientError)):
                await call(anew, "GET /v2.0/networks")


async def test_its_own_certificate_is_renewed_and_no_request_fails(
    database: OvsdbServer, directory: Path
) -> None:
    async with central_part(database, directory, server_lifetime=9) as part:
        member = await part.add_node("host2")
        await part.opens()
        seen: set[str] = set()
        async with member.session() as kept, asyncio.timeout(60):
            while len(seen) < 3:
                seen.add(read.certificate(part.directory.server.read_text()).serial)
                assert (await call(kept, "GET /v2.0/networks")).status == 200
                async with member.session() as fresh:
                    assert (await call(fresh, "GET /v2.0/networks")).status == 200
                await asyncio.sleep(0.02)  # leave the processor to others


async def test_a_door_that_cant_be_opened_is_tried_again(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        (directory / "pki").write_text("in the way\n")
        await part.add_token()
        assert (await part.root.call("GET /v2.0/networks")).status == 200
        (directory / "pki").unlink()
        await part.opens()
        async with part.as_seen_with(tls.client(part.directory.central_ca)) as api:
            assert (await call(api, "GET /v2.0/networks")).status == 401


async def test_who_asks_nothing_is_hung_up_on(database: OvsdbServer, directory: Path) -> None:
    async with central_part(database, directory) as part:
        await part.add_token()
        await part.opens()
        host, port = part.settings.tls_endpoint or ("", 0)
        options = {"ssl": part.stranger(), "server_hostname": CENTRAL}
        silent, _ = await asyncio.open_connection(host, port, **options)
        slow, writer = await asyncio.open_connection(host, port, **options)
        writer.write(b"GET /v2.0/sealane/ca HTTP/1.1\r\nHost: x\r\n")
        async with asyncio.timeout(4 * SILENCE):
            assert await silent.read() == b""
            assert await slow.read() == b""
