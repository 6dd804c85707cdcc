"""`-o sealane.router`: a network that Docker makes hangs on a router from its first moment to its last."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sealane.agent.docker.identity import KEPT
from sealane.errors import Unavailable
from tests.unit.docker.test_docker_drivers import NET, Engine, run_container

OTHER = "12" * 32


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "agent.json")


async def router(engine: Engine, name: str = "edge", project: str = "default") -> str:
    return str((await engine.api.create("routers", {"name": name, "project_id": project}))["id"])


def interfaces(engine: Engine) -> list[Any]:
    return [p for p in engine.api.all("ports") if p.device_owner == "network:router_interface"]


def added(engine: Engine) -> int:
    return engine.api.calls.count(("PUT", "add_router_interface"))


@pytest.mark.parametrize("by_name", [True, False])
def test_a_network_hangs_on_its_router_and_leaves_it(engine: Engine, by_name: bool) -> None:
    async def story() -> None:
        id = await router(engine)
        pool = await engine.network(**{"sealane.router": "edge" if by_name else id})
        [network] = engine.api.all("networks")
        [port] = interfaces(engine)
        assert (port.device_id, port.fixed_ips[0].ip_address) == (id, "10.1.0.1")
        assert (network.gateway, network.labels["sealane.router"]) == ("router", id)
        granted = await run_container(engine, pool)
        assert {"sealane.router"} <= KEPT, "when the engine's own labels are known"
        [attachment] = engine.memory.attachments.values()
        assert attachment.gateway_mode == "router"
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID=NET)
        assert engine.api.all("networks") == () and interfaces(engine) == []
        assert granted and [r.id for r in engine.api.all("routers")] == [id], "the router itself stays"

    asyncio.run(story())


def test_the_same_request_twice_and_a_mirror_connect_once(engine: Engine) -> None:
    async def story() -> None:
        await router(engine)
        pool = await engine.pool("10.1.0.0/24")
        data = {
            "AddressSpace": "sealane",
            "Pool": pool["Pool"],
            "Gateway": await engine.gateway(pool["PoolID"]),
        }
        options = {"com.docker.network.generic": {"sealane.router": "edge"}}
        body = {"NetworkID": NET, "Options": options, "IPv4Data": [data], "IPv6Data": []}
        await asyncio.gather(*(engine.call("NetworkDriver.CreateNetwork", **body) for _ in range(2)))
        engine.restart_agent()
        await engine.call("NetworkDriver.CreateNetwork", **body)
        [network] = engine.api.all("networks")
        hint = {"com.docker.network.generic": {"sealane.network": network.id}}
        await engine.pool("10.1.0.0/24", hint=network.id)
        await engine.call("NetworkDriver.CreateNetwork", **{**body, "NetworkID": OTHER, "Options": hint})
        assert len(interfaces(engine)) == added(engine) == 1
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID=OTHER)
        assert len(interfaces(engine)) == 1, "another view of it is there"
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID=NET)
        assert engine.api.all("networks") == ()

    asyncio.run(story())


def test_an_answer_that_is_lost_is_asked_for_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The router has the network already; the network is neither made nor connected twice."""
    connect = engine.api.request
    lost: list[str] = []

    async def once(method: str, path: str, body: Mapping[str, str]) -> Any:
        answer = await connect(method, path, body)
        if not lost:
            lost.append(path)
            raise Unavailable("the connection broke")
        return answer

    async def story() -> None:
        await router(engine)
        monkeypatch.setattr(engine.api, "request", once)
        await engine.network(**{"sealane.router": "edge"})
        assert lost and len(interfaces(engine)) == added(engine) == 1
        assert len(engine.api.all("networks")) == 1

    asyncio.run(story())


async def refused(engine: Engine, name: str) -> str:
    pool = await engine.pool("10.1.0.0/24")
    data = {"AddressSpace": "sealane", "Pool": pool["Pool"], "Gateway": await engine.gateway(pool["PoolID"])}
    options = {"com.docker.network.generic": {"sealane.router": name}}
    body = {"NetworkID": NET, "Options": options, "IPv4Data": [data], "IPv6Data": []}
    said = await engine.refused("NetworkDriver.CreateNetwork", **body)
    await engine.call("IpamDriver.ReleasePool", PoolID=pool["PoolID"])
    return said


def test_a_router_that_is_none_or_several_is_told_and_nothing_is_left(engine: Engine) -> None:
    async def story() -> None:
        await router(engine, "theirs", project="theirs")
        assert "there is no router 'theirs' in project 'default'" in await refused(engine, "theirs")
        assert "there is no router" in await refused(engine, "5ea1a000-0000-4000-8000-000000000001")
        ids = sorted([await router(engine), await router(engine)])
        said = await refused(engine, "edge")
        assert f"several routers are called 'edge': give one of {ids[0]}, {ids[1]}" in said
        assert engine.api.all("networks") == ()

    asyncio.run(story())


def test_a_network_that_does_not_fit_the_router_is_not_made(engine: Engine) -> None:
    """Its subnet overlaps one that the router has."""

    async def story() -> None:
        id = await router(engine)
        there = await engine.api.create("networks", {"project_id": "default"})
        given = {"network_id": there["id"], "cidr": "10.1.0.0/16", "ip_version": 4, "project_id": "default"}
        subnet = await engine.api.create("subnets", given)
        await engine.api.request("PUT", f"routers/{id}/add_router_interface", {"subnet_id": subnet["id"]})
        assert "10.1.0.0/24" in await refused(engine, "edge")
        assert [n.id for n in engine.api.all("networks")] == [there["id"]]

    asyncio.run(story())
