"""Inside containers of a real engine: our names, Docker's names and the outside, through libc."""

import asyncio
from collections.abc import Iterator

import pytest

from sealane.agent.resolver.resolver import Resolver
from sealane.agent.resolver.sandbox import Namespace, listening
from sealane.agent.resolver.server import Server
from sealane.agent.resolver.zone import View, Zones

from .conftest import Nowhere
from .engine import Engine

NAMES = {"far": ("10.9.0.77", "fd00:9::77"), "far.blue": ("10.9.0.77",)}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    try:
        made.start()
        made.docker(
            "network", "create", "--subnet", "10.9.0.0/24", "--ipv6", "--subnet", "fd00:9::/64", "blue"
        )
        made.docker("network", "create", "--internal", "--subnet", "10.8.0.0/24", "inner")
        for name, network in (("one", "blue"), ("two", "blue"), ("inside", "inner")):
            made.docker("run", "-d", "--name", name, "--network", network, "bb", "sleep", "600")
        yield made
    finally:
        made.stop()


async def upstream(engine: Engine) -> Server:
    """On the loopback of the engine's host, where Docker asks from the host and not from the sandbox."""
    zones = Zones()
    zones.set("world", {"outside.example": ("203.0.113.5",)})
    server = Server(zones, lambda: View(("world",), "nowhere.invalid", forward=False), Nowhere())
    namespace = Namespace(engine.namespace)
    await server.start(await namespace.run(lambda: listening(["127.0.0.53"], 53)))
    namespace.close()
    return server


async def resolved(engine: Engine, container: str, name: str) -> str:
    """The first line of ping: `PING name (address): ...`, as libc resolved it; empty if it did not."""
    return await asyncio.to_thread(_ping, engine, container, name)


def _ping(engine: Engine, container: str, name: str) -> str:
    out = engine.docker("exec", container, "sh", "-c", f"ping -4 -c1 -W1 {name} 2>/dev/null || true")
    return out.split("(")[1].split(")")[0] if "(" in out else ""


@pytest.mark.parametrize("container", ["one", "inside"])
def test_names_in_a_container(engine: Engine, container: str) -> None:
    async def scenario() -> None:
        world = await upstream(engine)
        resolver = Resolver(Nowhere())
        await resolver.set_names("blue", NAMES)
        await resolver.serve(engine.sandbox(container), "a", View(("blue",)))
        await resolver.ready("a")
        assert await resolved(engine, container, "far") == "10.9.0.77"
        assert await resolved(engine, container, "far.blue") == "10.9.0.77"
        assert await resolved(engine, container, "outside.example") == "203.0.113.5"
        assert await resolved(engine, container, container) != ""  # Docker's own name for it
        await resolver.withdraw("a")
        assert await resolved(engine, container, "far") == ""
        assert await resolved(engine, container, container) != ""
        await world.stop()

    asyncio.run(scenario())


def test_neighbour_and_ipv6(engine: Engine) -> None:
    async def scenario() -> None:
        resolver = Resolver(Nowhere())
        await resolver.set_names("blue", NAMES)
        await resolver.serve(engine.sandbox("one"), "a", View(("blue",)))
        await resolver.ready("a")
        assert (await resolved(engine, "one", "two")).startswith("10.9.0.")
        out = await asyncio.to_thread(engine.docker, "exec", "one", "nslookup", "-type=aaaa", "far.")
        assert "fd00:9::77" in out
        await resolver.close()

    asyncio.run(scenario())


def test_door_is_open_before_the_first_process_asks(engine: Engine) -> None:
    """As in Join: serve() is called before the sandbox exists; the first command already resolves."""

    async def scenario() -> None:
        resolver = Resolver(Nowhere())
        await resolver.set_names("blue", NAMES)
        made = engine.docker(
            "create", "--name", "early", "--network", "blue", "bb", "ping", "-4", "-c1", "-W1", "far"
        )
        known = _sandboxes(engine)
        starting = asyncio.create_task(asyncio.to_thread(engine.docker, "start", made))
        while not (new := _sandboxes(engine) - known):
            assert not starting.done()
            await asyncio.sleep(0.002)
        await resolver.serve(new.pop(), "early", View(("blue",)))
        await starting
        await asyncio.to_thread(engine.docker, "wait", made)
        assert "PING far (10.9.0.77)" in await asyncio.to_thread(engine.docker, "logs", made)
        await resolver.close()

    asyncio.run(scenario())


def _sandboxes(engine: Engine) -> set[str]:
    return {str(path) for path in (engine.dir_as_seen / "exec/netns").glob("*")}
