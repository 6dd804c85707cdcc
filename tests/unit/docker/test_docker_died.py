"""What is taken up again after the agent, or dockerd, died between two side effects."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealane.agent.docker.collect import Collector, Sightings
from sealane.agent.docker.mirror import Mirrors
from sealane.errors import Unavailable
from tests.fakes import FakeEngine
from tests.unit.docker.test_docker_drivers import NET, Engine, run_container


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    yield Engine(tmp_path / "agent.json")


async def passes(engine: Engine, *moments: float) -> None:
    """Rounds of the door with an engine that lists no network at all."""
    docker, drivers = FakeEngine(), engine.drivers
    docker.driver = drivers.plugin
    mirrors = Mirrors(docker, drivers.catalog, engine.memory, ["default"])  # type: ignore[arg-type]
    parts = engine.api, docker, engine.memory, drivers.network, drivers.claims, drivers.networks
    collector, clock = Collector(*parts), [0.0]  # type: ignore[arg-type]
    for name in ("_endpoints", "_ports", "_unnamed", "_unsettled"):
        setattr(collector, name, Sightings(10, lambda: clock[0]))
    for clock[0] in moments:
        known = await drivers.catalog.all()
        await mirrors.reconcile([], known)
        await collector.collect([], known)


def settle(engine: Engine) -> None:
    """The network is seen in the engine's list."""
    engine.memory.put_network(replace(engine.memory.networks[NET], settled=True, name="blue"))


def test_a_pool_is_known_to_the_successor(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.pool("10.1.0.0/24", sub="10.1.0.128/25")
        engine.restart_agent()
        gateway = await engine.gateway(pool["PoolID"])
        engine.restart_agent()
        data = {"AddressSpace": "sealane", "Pool": "10.1.0.0/24", "Gateway": gateway}
        body = {"NetworkID": NET, "Options": None, "IPv4Data": [data], "IPv6Data": []}
        await engine.call("NetworkDriver.CreateNetwork", **body)
        assert await engine.address(pool["PoolID"]) == "10.1.0.128/24"
        assert not engine.memory.pools

    asyncio.run(story())


def test_a_pool_that_no_network_took_is_collected(engine: Engine) -> None:
    async def story() -> None:
        await engine.pool("10.1.0.0/24")
        engine.drivers.networks.pools._clock = lambda: 1e9
        await passes(engine, 0.0)
        assert not engine.memory.pools

    asyncio.run(story())


def test_a_network_that_dockerd_did_not_write_down_is_collected(engine: Engine) -> None:
    async def story() -> None:
        await engine.network()
        await passes(engine, 0.0, 9.0)
        assert engine.memory.networks
        await passes(engine, 0.0, 11.0)
        assert not engine.memory.networks
        assert not engine.api.all("networks")

    asyncio.run(story())


def test_a_removal_outlives_an_api_that_is_down_and_the_agent(engine: Engine) -> None:
    """dockerd has removed its network by then: no mirror of it may come again."""

    async def story() -> None:
        await engine.network()
        settle(engine)
        engine.api.down = True
        assert await engine.refused("NetworkDriver.DeleteNetwork", NetworkID=NET)
        engine.restart_agent()
        engine.api.down = False
        (made,) = engine.api.all("networks")
        engine.api.rows["networks"][made.id] = replace(made, name="blue")
        await passes(engine, 0.0)
        assert not engine.memory.networks
        assert not engine.api.all("networks")

    asyncio.run(story())


def test_a_port_that_a_removal_left_does_not_keep_the_network(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        settle(engine)
        await run_container(engine, pool)
        engine.memory.remove(next(iter(engine.memory.attachments)))  # and we died before the API was told
        engine.restart_agent()
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID=NET)
        assert not engine.api.all("networks")

    asyncio.run(story())


def test_an_address_whose_grant_dockerd_did_not_hear_of_does_not_keep_the_network(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        settle(engine)
        await engine.address(pool)
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID=NET)
        assert not engine.api.all("networks") and not engine.api.all("ports")
        assert not engine.drivers.claims.open_ports()

    asyncio.run(story())


def test_an_endpoint_that_dockerd_did_not_hear_of_does_not_keep_the_network(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        settle(engine)
        await engine.endpoint(await engine.address(pool))
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID=NET)
        assert not engine.memory.attachments
        assert not engine.api.all("networks") and not engine.api.all("ports")

    asyncio.run(story())


def test_a_call_in_full_after_the_agent_died_over_it_succeeds(engine: Engine) -> None:
    """What the porter does; dockerd itself would send an empty body, which is refused."""

    async def story() -> None:
        pool = await engine.network()
        granted = await engine.address(pool)
        await engine.endpoint(granted)
        engine.restart_agent()
        assert await engine.endpoint(granted)
        assert (await engine.join())["InterfaceName"]["SrcName"]
        _, answer = await engine.drivers.plugin.answer("NetworkDriver.Join", b"")
        assert "Err" in json.loads(answer)
        assert len(engine.api.all("ports")) == 1

    asyncio.run(story())


def dies_over(engine: Engine, collection: str, *, done: bool) -> None:
    """The API dies over the next creation: after it was carried out (`done`), or before."""
    create = engine.api.create

    async def once(kind: str, resource: Mapping[str, Any]) -> dict[str, Any]:
        if kind != collection:
            return await create(kind, resource)
        engine.api.create = create  # type: ignore[method-assign]
        if done:
            await create(kind, resource)
        raise Unavailable("the API went away")

    engine.api.create = once  # type: ignore[method-assign]


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("collection", ["networks", "subnets", "ports"])
def test_the_api_dies_over_a_creation_and_nothing_is_made_twice(
    engine: Engine, collection: str, done: bool
) -> None:
    async def story() -> None:
        dies_over(engine, collection, done=done)
        pool = await engine.network()
        granted = await run_container(engine, pool)
        assert granted == "10.1.0.2/24"
        assert [len(engine.api.all(kind)) for kind in ("networks", "subnets", "ports")] == [1, 1, 1]

    asyncio.run(story())
