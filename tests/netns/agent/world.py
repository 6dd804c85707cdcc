"""Two tenants with the same addresses, as the store would hold them, and probes between namespaces."""

import asyncio
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path

from sealane.agent.attachment import Attachment
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.errors import HostError
from sealane.host import command, netns
from sealane.host.ovs import Switch
from sealane.model import FixedIP, Network, Port, SecurityGroup, SecurityGroupRule, State, Subnet
from sealane.ovn.memory import MemorySource
from tests.daemons import PATIENCE
from tests.netns.agent.node import Node, within
from tests.ovsdb.test_northbound import translating

MTU = 1442
GATEWAYS = {4: "10.0.0.1", 6: "fd00::1"}
_CIDRS = {4: "10.0.0.0/24", 6: "fd00::/64"}


def network(tenant: int) -> Network:
    name = f"tenant{tenant}"
    return Network(
        id=f"{tenant}f0e0d0c-0000-4000-8000-000000000001", project_id=name, name=name, tunnel_key=100 + tenant
    )


def subnet(tenant: int, version: int) -> Subnet:
    return Subnet(
        id=f"{tenant}f0e0d0c-0000-4000-8000-00000000000{version}",
        project_id=f"tenant{tenant}",
        network_id=network(tenant).id,
        cidr=_CIDRS[version],
        gateway_ip=GATEWAYS[version],
        ip_version=version,
    )


def address(number: int, version: int) -> str:
    return f"10.0.0.{number}" if version == 4 else f"fd00::{number}"


OPEN = SecurityGroup(id="0f0e0d0c-0000-4000-8000-0000000000aa", project_id="all", name="open", shared=True)
"""Lets everything through, in and out."""
RULES = [
    SecurityGroupRule(
        id=f"0f0e0d0c-0000-4000-8000-0000000000b{number}",
        project_id="all",
        security_group_id=OPEN.id,
        direction=direction,
        ethertype=family,
    )
    for number, (direction, family) in enumerate(product(("ingress", "egress"), ("IPv4", "IPv6")))
]


def port(tenant: int, number: int) -> Port:
    """Tenants' ports with the same number have the same addresses."""
    ips = (FixedIP(subnet_id=subnet(tenant, v).id, ip_address=address(number, v)) for v in (4, 6))
    return Port(
        id=f"{tenant}{number:03x}0d0c-0000-4000-8000-000000000002",
        project_id=f"tenant{tenant}",
        network_id=network(tenant).id,
        mac_address=f"02:42:0a:00:0{tenant}:{number:02x}",
        fixed_ips=tuple(ips),
        host="host1",
        tunnel_key=100 + number,
        security_groups=(OPEN.id,),
    )


PORTS = [port(1, 2), port(1, 3), port(2, 2)]
STATE = State(
    {network(t).id: network(t) for t in (1, 2)},
    {subnet(t, v).id: subnet(t, v) for t in (1, 2) for v in (4, 6)},
    {p.id: p for p in PORTS},
    1,
    security_groups={OPEN.id: OPEN},
    security_group_rules={rule.id: rule for rule in RULES},
)


def attachment(of: Port) -> Attachment:
    return Attachment(
        id=of.id,
        door="netns",
        network_id=of.network_id,
        port_id=of.id,
        mac=of.mac_address,
        addresses=(f"{of.fixed_ips[0].ip_address}/24", f"{of.fixed_ips[1].ip_address}/64"),
        mtu=MTU,
        gateways=tuple(GATEWAYS.values()),
        created=time.time(),
    )


class Running:
    """A node with a translator and a reconciler at work."""

    def __init__(self, node: Node, switch: Switch, memory: Memory) -> None:
        self.node = node
        self.switch = switch
        self.memory = memory
        self.reconciler = Reconciler(node.settings, memory, switch, userspace=True)

    async def attach(self, of: Port) -> Path:
        """Put a namespace on the port's network, as a door does."""
        box = self.node.box(of.id[:4])
        plain = attachment(of)
        await self.reconciler.set(plain)
        await self.reconciler.wait_bound(of.id, PATIENCE)
        await self.reconciler.set(replace(plain, sandbox=str(box)))
        return box

    async def restart(self) -> "Running":
        """What a killed agent's successor finds: the file and the kernel."""
        self.reconciler.close()
        fresh = Running(self.node, self.switch, Memory(self.node.settings.state_dir / "agent.json"))
        await fresh.reconciler.resync()
        return fresh


@asynccontextmanager
async def running(node: Node, state: State = STATE) -> AsyncIterator[Running]:
    switch = Switch(node.settings.ovs_remote)
    async with translating(node.central.nb, MemorySource(state)):
        await switch.start(PATIENCE)
        one = Running(node, switch, Memory(node.settings.state_dir / "agent.json"))
        try:
            yield one
            await one.reconciler.purge()
        finally:
            one.reconciler.close()
            await switch.stop()


async def pings(box: Path, target: str, size: int = 56, tries: int = 8) -> bool:
    """Does one of several pings come back?  (The first may wait for a neighbour.)"""
    words = ["busybox", "ping", "-c", "1", "-W", "1", "-s", str(size), target]
    for _ in range(tries):
        try:
            await asyncio.to_thread(command.run, words, namespace=box, deadline=PATIENCE)
            return True
        except HostError:
            continue
    return False


@contextmanager
def echo(box: Path, number: int, kind: socket.SocketKind) -> Iterator[None]:
    """A server in the namespace that answers every client with the client's own address."""
    server = netns.inside(box, lambda: socket.socket(socket.AF_INET6, kind))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::", number))
    if kind == socket.SOCK_STREAM:
        server.listen()
    thread = threading.Thread(target=_answer, args=(server, kind), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR) if kind == socket.SOCK_STREAM else server.close()
        server.close()


def _answer(server: socket.socket, kind: socket.SocketKind) -> None:
    while True:
        try:
            if kind == socket.SOCK_STREAM:
                client, peer = server.accept()
                with client:
                    client.recv(100)
                    client.sendall(peer[0].encode())
            else:
                _, peer = server.recvfrom(100)
                server.sendto(peer[0].encode(), peer)
        except OSError:
            return


async def ask(
    box: Path | None,
    target: str,
    number: int,
    kind: socket.SocketKind = socket.SOCK_STREAM,
    patience: float = 5,
) -> str:
    """As whom a server at the target sees a client in the namespace; "" when nobody answers."""

    def call() -> str:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with socket.socket(family, kind) as client:
            client.settimeout(patience)
            try:
                client.connect((target, number))
                client.sendall(b"?")
                return client.recv(100).decode().removeprefix("::ffff:")
            except OSError:
                return ""

    return await asyncio.to_thread(within, box, call)


async def bulk(source: Path, sink: Path, target: str) -> float:
    """Mbit/s of one TCP connection for a second; cubic, since BBR wants a paced queue."""
    server = netns.inside(sink, lambda: subprocess.Popen(["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL))
    try:
        words = ["iperf3", "-C", "cubic", "-t", "1", "-f", "m", "-c", target]
        end = time.monotonic() + PATIENCE
        while True:
            try:
                out = await asyncio.to_thread(command.run, words, namespace=source, deadline=PATIENCE)
                break
            except HostError:  # the server does not listen yet
                assert time.monotonic() < end
                await asyncio.sleep(0.1)
        [line] = [line for line in out.splitlines() if line.endswith("receiver")]
        return float(line.split()[6])
    finally:
        server.kill()
        server.wait()
