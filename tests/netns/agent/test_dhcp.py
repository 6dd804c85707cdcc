"""Machines that ask by DHCP: busybox's udhcpc in namespaces on real OVN.

tenant 1: m1 asks   m2 boots from the net   m3 is not answered   rogue: a DHCP server of somebody's
tenant 2, with the same addresses: other    silent: a network whose subnet has no DHCP
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sealane import names
from sealane.agent.attachment import Attachment
from sealane.errors import HostError
from sealane.host import command, netns
from sealane.model import DhcpOption, FixedIP, HostRoute, Network, Port, State, Subnet
from tests.daemons import PATIENCE, until
from tests.netns.agent.node import Node, host_namespace
from tests.netns.agent.world import Running, pings, running

OPTIONS = ("staticroutes", "mtu", "ntpsrv", "bootfile", "tftp", "lease", "serverid")
SCRIPT = """#!/bin/sh
case $1 in
bound|renew) env > "$SEEN.new" && mv "$SEEN.new" "$SEEN" ;;
esac
"""
ROGUE = """start 10.0.0.200
end 10.0.0.220
interface eth0
lease_file {directory}/leases
pidfile {directory}/pid
option router 10.0.0.66
option dns 10.0.0.66
"""


def network(number: int) -> Network:
    return Network(
        id=f"{number}d0e0d0c-0000-4000-8000-000000000001",
        project_id=f"tenant{number}",
        name=f"net{number}",
        tunnel_key=200 + number,
        mtu=1400,
        dns_domain="corp.example." if number == 1 else "",
    )


def subnet(number: int) -> Subnet:
    return Subnet(
        id=f"{number}d0e0d0c-0000-4000-8000-000000000004",
        project_id=f"tenant{number}",
        network_id=network(number).id,
        cidr="10.0.0.0/24",
        gateway_ip="10.0.0.1",
        host_routes=(HostRoute(destination="198.51.100.0/25", nexthop="10.0.0.9"),) if number == 1 else (),
        dns_nameservers=("192.0.2.53", "192.0.2.54") if number == 2 else (),
        enable_dhcp=number != 3,
    )


def machine(tenant: int, number: int, name: str, **options: str) -> Port:
    given = {key.replace("_", "-").replace("dhcp-disabled", "dhcp_disabled"): v for key, v in options.items()}
    return Port(
        id=f"{tenant}{number:03x}dddd-0000-4000-8000-000000000002",
        project_id=f"tenant{tenant}",
        network_id=network(tenant).id,
        mac_address=f"02:42:0a:0d:0{tenant}:{number:02x}",
        name=name,
        fixed_ips=(FixedIP(subnet_id=subnet(tenant).id, ip_address=f"10.0.0.{number}"),),
        host="host1",
        extra_dhcp_opts=tuple(DhcpOption(opt_name=k, opt_value=v) for k, v in given.items()),
    )


M1 = machine(1, 11, "m1")
M2 = machine(
    1,
    12,
    "m2",
    bootfile_name="pxelinux.0",
    server_ip_address="10.0.0.9",
    tftp_server="boot.example",
    ntp_server="10.0.0.9,10.0.0.8",
    lease_time="600",
    router="",
)
M3 = replace(machine(1, 13, "m3", dhcp_disabled="true"), port_security_enabled=False)
SERVER = replace(machine(1, 66, "rogue"), port_security_enabled=False)
OTHER, SILENT = machine(2, 11, "other"), machine(3, 11, "silent")
PORTS = (M1, M2, M3, SERVER, OTHER, SILENT)
STATE = State(
    {network(n).id: network(n) for n in (1, 2, 3)},
    {subnet(n).id: subnet(n) for n in (1, 2, 3)},
    {port.id: port for port in PORTS},
    1,
)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with (
        host_namespace(),
        tempfile.TemporaryDirectory(prefix="sld") as directory,
        Node(Path(directory)) as one,
    ):
        yield one


def attached(port: Port) -> Attachment:
    return Attachment(
        id=port.id,
        door="netns",
        network_id=port.network_id,
        port_id=port.id,
        mac=port.mac_address,
        addresses=(),
        mtu=1400,
        created=time.time(),
    )


async def plugged(agent: Running, port: Port) -> Path:
    """A machine whose link is there, without any address."""
    box = agent.node.box(f"d{port.id[:4]}")
    plain = attached(port)
    await agent.reconciler.set(plain)
    await agent.reconciler.wait_bound(port.id, PATIENCE)
    await agent.reconciler.set(replace(plain, sandbox=str(box)))
    return box


async def told(box: Path, *words: str) -> dict[str, str]:
    """What the client's script is told; {} when nobody answers."""
    with tempfile.TemporaryDirectory(prefix="sldhcp") as directory:
        script, seen = Path(directory, "script"), Path(directory, "seen")
        script.write_text(SCRIPT)
        script.chmod(0o755)
        asked = [word for option in OPTIONS for word in ("-O", option)]
        argv = ["env", f"SEEN={seen}", "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", str(script)]
        with suppress(HostError):
            await asyncio.to_thread(
                command.run, [*argv, "-t", "4", "-T", "1", *asked, *words], namespace=box, deadline=PATIENCE
            )
        lines = seen.read_text().splitlines() if seen.exists() else []
        return dict(line.split("=", 1) for line in lines if "=" in line)


FLOOD = """
import socket, struct, sys
mac, rest = bytes.fromhex(sys.argv[1].replace(":", "")), bytes.fromhex("638253633501 01ff".replace(" ", ""))
bootp = struct.pack("!BBBBIHH16s16s64s128s", 1, 1, 6, 0, 7, 0, 0, b"", mac, b"", b"") + rest
udp = struct.pack("!HHHH", 68, 67, 8 + len(bootp), 0) + bootp
head = struct.pack("!BBHHHBBH4s4s", 69, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\\xff" * 4)
total = sum(struct.unpack("!10H", head))
head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
while True:
    wire.send(b"\\xff" * 6 + mac + b"\\x08\\x00" + head + udp)
"""


@contextmanager
def flood(box: Path, mac: str) -> Iterator[None]:
    """DISCOVERs as fast as one process can send them, some 20,000 a second."""
    argv = [sys.executable, "-c", FLOOD, mac]
    sender = netns.inside(box, lambda: subprocess.Popen(argv))
    try:
        yield
        assert sender.poll() is None
    finally:
        sender.kill()
        sender.wait()


@contextmanager
def rogue(box: Path) -> Iterator[None]:
    """busybox's DHCP server, in the middle of the network."""
    command.run(["ip", "address", "add", "10.0.0.66/24", "dev", "eth0"], namespace=box)
    with tempfile.TemporaryDirectory(prefix="sldhcpd") as directory:
        config = Path(directory, "conf")
        config.write_text(ROGUE.format(directory=directory))
        Path(directory, "leases").touch()
        argv = ["busybox", "udhcpd", "-f", "-S", str(config)]
        server = netns.inside(box, lambda: subprocess.Popen(argv, stderr=subprocess.DEVNULL))
        try:
            until(Path(directory, "pid").exists, "the server is there")
            yield
        finally:
            server.kill()
            server.wait()


def test_a_machine_is_told_its_address_and_all_that_goes_with_it(node: Node) -> None:
    async def body() -> None:
        async with running(node, STATE) as agent:
            first = await told(await plugged(agent, M1))
            assert (first["ip"], first["mask"], first["router"]) == ("10.0.0.11", "24", "10.0.0.1")
            assert (first["dns"], first["hostname"], first["domain"]) == ("10.0.0.1", "m1", "corp.example")
            assert first["staticroutes"] == "198.51.100.0/25 10.0.0.9 0.0.0.0/0 10.0.0.1"
            assert (first["mtu"], first["lease"], first["serverid"]) == ("1400", "43200", "10.0.0.1")
            second = await told(await plugged(agent, M2))
            assert (second["ip"], second.get("router"), second["lease"]) == ("10.0.0.12", None, "600")
            assert (second["bootfile"], second["tftp"]) == ("pxelinux.0", "boot.example")
            assert (second["siaddr"], second["ntpsrv"]) == ("10.0.0.9", "10.0.0.9 10.0.0.8")
            other = await told(await plugged(agent, OTHER))
            assert (other["ip"], other["dns"]) == ("10.0.0.11", "10.0.0.1 192.0.2.53 192.0.2.54")
            assert "domain" not in other and "staticroutes" not in other

    asyncio.run(body())


def test_an_address_is_its_ports_own_whatever_is_asked_for(node: Node) -> None:
    async def body() -> None:
        async with running(node, STATE) as agent:
            box = await plugged(agent, M1)
            for words in (("-r", "10.0.0.99"), ("-x", "hostname:evil"), ("-C",)):
                assert (await told(box, *words))["ip"] == "10.0.0.11", words
            command.run(["ip", "link", "set", "eth0", "address", M2.mac_address], namespace=box)
            assert await told(box) == {}, "another's MAC is told nothing"

    asyncio.run(body())


def test_a_lease_is_renewed(node: Node) -> None:
    """By a question to the server itself, also where it has no address of the subnet."""
    inner = STATE.networks[OTHER.network_id]
    lone = replace(STATE, networks={**STATE.networks, inner.id: replace(inner, gateway="none")})
    script = SCRIPT.replace(
        'env > "$SEEN.new" && mv "$SEEN.new" "$SEEN"',
        "ip address replace $ip/$mask dev eth0; ip route replace 169.254.169.253 dev eth0; echo $1 >> $SEEN",
    )

    async def body() -> None:
        async with running(node, lone) as agent:
            for port in (M1, OTHER):
                box = await plugged(agent, port)
                with tempfile.TemporaryDirectory(prefix="sldhcp") as directory:
                    file, seen = Path(directory, "script"), Path(directory, "seen")
                    file.write_text(script)
                    file.chmod(0o755)
                    argv = ["busybox", "udhcpc", "-i", "eth0", "-f", "-s", str(file)]
                    environ = {**os.environ, "SEEN": str(seen)}
                    start = lambda a=argv, e=environ: subprocess.Popen(a, env=e, stderr=subprocess.DEVNULL)  # type: ignore[misc]  # noqa: E731
                    client = netns.inside(box, start)
                    try:
                        await asyncio.to_thread(until, seen.exists, "it has a lease")
                        client.send_signal(signal.SIGUSR1)
                        renewed = lambda s=seen: s.read_text().split() == ["bound", "renew"]  # type: ignore[misc]  # noqa: E731
                        await asyncio.to_thread(until, renewed, f"{port.name} renews it")
                    finally:
                        client.kill()
                        client.wait()

    asyncio.run(body())


def test_a_flood_of_questions_keeps_no_other_tenant_from_an_address(node: Node) -> None:
    async def body() -> None:
        async with running(node, STATE) as agent:
            first, other = await plugged(agent, M1), await plugged(agent, OTHER)
            with flood(first, M1.mac_address):
                for _ in range(3):
                    assert (await told(other))["ip"] == "10.0.0.11"
            assert (await told(first))["ip"] == "10.0.0.11"

    asyncio.run(body())


def test_who_is_not_to_be_answered_is_not(node: Node) -> None:
    async def body() -> None:
        async with running(node, STATE) as agent:
            for port in (M3, SILENT):
                assert await told(await plugged(agent, port)) == {}, port.name

    asyncio.run(body())


def test_a_foreign_server_hears_no_question_and_reaches_no_other_tenant(node: Node) -> None:
    """It would answer who is not answered by us, in its own network only."""

    async def body() -> None:
        async with running(node, STATE) as agent:
            server, first, third = [await plugged(agent, port) for port in (SERVER, M1, M3)]
            other, silent = await plugged(agent, OTHER), await plugged(agent, SILENT)
            with rogue(server):
                assert (await told(third)).get("ip", "").startswith("10.0.0.2"), "the server does serve"
                for box in (first, other):
                    seen = await told(box)
                    assert (seen["ip"], seen["serverid"]) == ("10.0.0.11", "10.0.0.1")
                assert await told(silent) == {}

    asyncio.run(body())


def test_the_place_to_ask_for_names_comes_changes_is_repaired_and_goes(node: Node) -> None:
    """From a namespace that leads nowhere to a gateway, and back."""
    silent = STATE.networks[SILENT.network_id]
    networks = {**STATE.networks, silent.id: replace(silent, gateway="router")}
    ports = {**STATE.ports, SILENT.id: replace(SILENT, port_security_enabled=False)}
    lone = replace(STATE, networks=networks, ports=ports)
    plain = replace(attached(SILENT), addresses=("10.0.0.11/24",), gateway_mode="router")
    path = node.settings.netns_dir / names.gateway_namespace(silent.id)

    async def body() -> None:
        async with running(node, lone) as agent:
            box = node.box("dnames")
            await agent.reconciler.set(plain)
            await agent.reconciler.wait_bound(SILENT.id, PATIENCE)
            await agent.reconciler.set(replace(plain, sandbox=str(box)))
            assert await pings(box, names.RESOLVER)
            assert agent.reconciler.gateways() == {silent.id: (path, (names.RESOLVER,))}
            command.run(["ip", "link", "delete", "gw0"], namespace=path)
            await agent.reconciler.resync()
            assert await pings(box, names.RESOLVER)
            host = replace(attached(SILENT), gateways=("10.0.0.1",), addresses=("10.0.0.11/24",))
            await agent.reconciler.set(replace(host, sandbox=str(box)))
            await agent.reconciler.resync()
            found = command.run(["ip", "-o", "address"], namespace=path)
            assert "10.0.0.1/24" in found and names.RESOLVER not in found and "up0" in found
            await agent.reconciler.set(replace(plain, sandbox=str(box)))
            await agent.reconciler.resync()
            found = command.run(["ip", "-o", "address"], namespace=path)
            assert names.RESOLVER in found and "10.0.0.1/24" not in found and "up0" not in found
            assert await pings(box, names.RESOLVER)
            forwards = command.run(["busybox", "cat", "/proc/sys/net/ipv4/ip_forward"], namespace=path)
            assert forwards.strip() == "0"
        assert not path.exists()

    asyncio.run(body())
