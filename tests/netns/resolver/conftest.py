"""Sandboxes: a network namespace held by a sleeping process, with a stand-in for Docker's resolver."""

import asyncio
import subprocess
import time
from collections.abc import Iterator

import dns.message
import dns.query
import pytest

from sealane.agent.resolver.message import Forward
from sealane.agent.resolver.sandbox import Namespace, listening
from sealane.agent.resolver.server import Server
from sealane.agent.resolver.zone import View, Zones


class Sandbox:
    """`path` is the namespace; the process that holds it is ours and ends with stop()."""

    def __init__(self) -> None:
        script = "ip link set lo up; echo up; exec sleep 300"
        self._process = subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"up\n"
        self.path = f"/proc/{self._process.pid}/ns/net"

    def stop(self) -> None:
        """Harmless when it has stopped."""
        self._process.kill()
        self._process.wait(20)

    async def ask(
        self, name: str, kind: str = "A", *, stream: bool = False, to: str = "127.0.0.11"
    ) -> dns.message.Message:
        query = dns.message.make_query(name, kind)

        def exchange() -> dns.message.Message:
            exchanged = dns.query.tcp if stream else dns.query.udp
            try:
                return exchanged(query, to, timeout=20)
            except dns.exception.DNSException as exc:
                raise OSError(str(exc)) from exc

        return await self.run(exchange)

    async def run(self, action):  # type: ignore[no-untyped-def]
        namespace = Namespace(self.path)
        try:
            return await namespace.run(action)
        finally:
            namespace.close()

    async def output(self, *argv: str) -> str:
        def action() -> str:
            return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout

        return await self.run(action)

    async def tables(self) -> str:
        return await self.output("nft", "list", "tables")

    async def sockets(self) -> str:
        """Listening sockets, sorted: the kernel lists them in no order."""
        return "\n".join(sorted((await self.output("ss", "-Hltun")).splitlines()))


DOCKER_TABLE = """table ip nat {{ chain OUTPUT {{ type nat hook output priority -100;
  ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:{0}
  ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:{1}
}}
}}
"""


async def docker_stand_in(sandbox: Sandbox) -> Server:
    """Answers `docker-name` as Docker's resolver would: on random ports, behind rules at priority -100."""
    zones = Zones()
    zones.set("docker", {"docker-name": ("10.99.0.1",), "both": ("10.99.0.2",)})
    server = Server(zones, lambda: View(("docker",), suffix="nowhere.invalid", forward=False), Nowhere())
    sockets = await sandbox.run(lambda: listening(["127.0.0.11"], 0))
    await server.start(sockets)
    udp, tcp = (sock.getsockname()[1] for sock in sockets)
    script = DOCKER_TABLE.format(udp, tcp)
    await sandbox.run(lambda: subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True))
    return server


async def server_of_the_network(sandbox: Sandbox, address: str) -> Server:
    """Knows `example.com`; on port 53 of an address that only the sandbox has."""
    await sandbox.output("ip", "address", "add", address, "dev", "lo")
    zones = Zones()
    zones.set("outside", {"example.com": ("192.0.2.80",)})
    server = Server(zones, lambda: View(("outside",), suffix="nowhere.invalid", forward=False), Nowhere())
    await server.start(await sandbox.run(lambda: listening([address], 53)))
    return server


class Nowhere:
    async def ask(self, question: Forward, stream: bool) -> bytes:
        raise OSError("nobody to ask")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made.stop()


def addresses(message: dns.message.Message) -> list[str]:
    return sorted(record.to_text() for rrset in message.answer for record in rrset)


async def eventually(check, seconds: float = 60.0):  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < end, "condition not met in time"
        await asyncio.sleep(0.05)
    return result
