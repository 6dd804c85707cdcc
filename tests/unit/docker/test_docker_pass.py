"""One pass of the door: names, mirrors and garbage, with an engine that keeps lists."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealane.agent.attachment import Attachment
from sealane.agent.docker import drivers
from sealane.agent.docker.collect import Collector, Sightings
from sealane.agent.docker.engine import CONTAINERS, NETWORKS, Engine, EngineContainer, EngineNetwork
from sealane.agent.docker.identity import Identities
from sealane.agent.docker.mirror import Mirrors
from sealane.agent.memory import DockerNetwork, Memory
from tests.fakes import FakeApi, FakeEngine, FakeReconciler

NET = "ab" * 32
END = "cd" * 32


class Node:
    def __init__(self, path: Path) -> None:
        self.api: Any = FakeApi()
        self.engine: Any = FakeEngine()
        self.memory = Memory(path / "agent.json")
        host: Any = FakeReconciler(self.memory)
        self.drivers = d = drivers.build(self.api, host, self.memory, "host1")
        self.engine.driver = d.plugin
        self.mirrors = Mirrors(self.engine, d.catalog, self.memory, ["default"])
        self.identities = Identities(self.api, d.catalog, self.engine, self.memory)
        self.collector = Collector(self.api, self.engine, self.memory, d.network, d.claims, d.networks)

    async def network(self, name: str, **values: Any) -> Any:
        made = await self.api.create("networks", {"name": name, **values})
        await self.api.create("subnets", {"network_id": made["id"], "cidr": "10.1.0.0/24"})
        return made

    async def mirror(self) -> list[str]:
        listed = await self.engine.networks()
        known = await self.drivers.catalog.all()
        await self.mirrors.reconcile(listed, known)
        await self.identities.networks(await self.engine.networks(), known)
        return sorted(n.name for n in self.engine.nets.values())

    async def attach(self, network_id: str) -> Attachment:
        port = await self.api.create(
            "ports", {"network_id": network_id, "device_owner": "sealane:docker", "binding:host_id": "host1"}
        )
        attachment = Attachment(
            id=END,
            door="docker",
            network_id=network_id,
            port_id=port["id"],
            mac=port["mac_address"],
            addresses=("10.1.0.2/24",),
            mtu=1442,
        )
        self.memory.put(attachment)
        return attachment


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_mirrors_follow_the_api(node: Node) -> None:
    async def story() -> None:
        blue = await node.network("blue")
        await node.network("")  # not named yet
        await node.network("theirs", project_id="other")
        await node.api.create("networks", {"name": "no-subnet"})
        assert await node.mirror() == ["blue"]
        assert await node.mirror() == ["blue"]
        assert node.engine.made == 1
        (record,) = node.memory.networks.values()
        assert (record.network_id, record.joined, record.settled) == (blue["id"], True, True)
        await node.api.delete("networks", blue["id"])
        assert await node.mirror() == []
        assert not node.memory.networks

    asyncio.run(story())


def test_a_network_that_goes_during_a_pass_is_not_mirrored_again(node: Node) -> None:
    async def story() -> None:
        blue = await node.network("blue")
        listed, known = await node.engine.networks(), await node.drivers.catalog.all()
        await node.api.delete("networks", blue["id"])
        await node.mirrors.reconcile(listed, known)
        assert node.engine.made == 0

    asyncio.run(story())


def test_a_mirror_gets_the_subnets_that_come_later_when_nobody_is_on_it(node: Node) -> None:
    def subnets() -> set[str]:
        (mirror,) = node.engine.nets.values()
        return set(mirror.subnets)

    async def story() -> None:
        blue = await node.network("blue")
        await node.mirror()
        node.engine.used = set(node.engine.nets)
        later = await node.api.create("subnets", {"network_id": blue["id"], "cidr": "fd01::/64"})
        await node.mirror()
        assert subnets() == {"10.1.0.0/24"} and "no container" in node.mirrors.troubles[blue["id"]]
        node.engine.used.clear()
        await node.mirror()
        assert subnets() == {"10.1.0.0/24", "fd01::/64"} and not node.mirrors.troubles
        await node.mirror()
        await node.api.delete("subnets", later["id"])
        await node.mirror()
        assert subnets() == {"10.1.0.0/24"}
        assert (node.engine.made, len(node.memory.networks), len(node.api.all("networks"))) == (3, 1, 1)

    asyncio.run(story())


def test_what_was_made_in_an_engine_is_not_made_anew(node: Node) -> None:
    async def story() -> None:
        made = await node.network("blue", **{"sealane:origin": "docker"})
        await node.mirror()
        await node.api.create("subnets", {"network_id": made["id"], "cidr": "fd01::/64"})
        theirs = await node.network("red")
        spec = {"Options": {"sealane.network": "red"}, "IPAM": {"Config": [{"Subnet": "10.1.0.0/24"}]}}
        await node.engine.create_network("mine", spec)
        await node.api.create("subnets", {"network_id": theirs["id"], "cidr": "fd02::/64"})
        await node.mirror()
        await node.mirror()
        assert node.engine.made == 2 and len(node.api.all("networks")) == 2

    asyncio.run(story())


def test_name_that_is_taken_gets_the_project(node: Node) -> None:
    async def story() -> None:
        blue = await node.network("blue")
        node.engine.taken.add("blue")
        assert await node.mirror() == ["blue.default"]
        assert "is taken here" in node.mirrors.troubles[blue["id"]]
        node.engine.nets.clear()
        node.memory.remove_network(next(iter(node.memory.networks)))
        node.engine.taken.add("blue.default")
        assert await node.mirror() == []
        assert "already exists" in node.mirrors.troubles[blue["id"]]

    asyncio.run(story())


def test_lost_memory_is_mended_from_the_engine(node: Node) -> None:
    async def story() -> None:
        await node.network("blue")
        await node.mirror()
        before = dict(node.memory.networks)
        for docker_id in before:
            node.memory.remove_network(docker_id)
        assert await node.mirror() == ["blue"]
        assert node.engine.made == 1
        assert node.memory.networks == before

    asyncio.run(story())


def test_network_that_the_engine_lost_comes_back_and_is_not_deleted(node: Node) -> None:
    async def story() -> None:
        await node.network("blue", **{"sealane:origin": "docker"})
        await node.mirror()
        node.engine.nets.clear()
        assert await node.mirror() == ["blue"]
        assert len(node.api.all("networks")) == 1

    asyncio.run(story())


def test_network_made_by_docker_gets_name_and_labels_once(node: Node) -> None:
    async def story() -> None:
        of_options = {"sealane.security-groups": "web"}
        given = {"sealane:origin": "docker", "sealane:labels": of_options}
        made = await node.network("", tags=[f"docker-network:{NET}"], **given)
        node.memory.put_network(DockerNetwork(docker_id=NET, network_id=made["id"]))
        labels = {"a": "b", "sealane.router": "somebody's"}
        node.engine.nets[NET] = EngineNetwork(id=NET, name="blue", labels=labels)
        await node.mirror()
        (network,) = node.api.all("networks")
        assert (network.name, dict(network.labels)) == ("blue", {"a": "b", **of_options})
        await node.api.update("networks", made["id"], {"name": "renamed"})
        await node.mirror()
        assert node.api.all("networks")[0].name == "renamed"

    asyncio.run(story())


def test_container_is_introduced_once_and_again_when_renamed(node: Node) -> None:
    async def story() -> None:
        blue = await node.network("blue")
        await node.attach(blue["id"])
        container = EngineContainer(
            id="ef" * 32,
            name="shop_web_1",
            labels={"com.docker.compose.service": "web"},
            endpoints={NET: END},
        )
        node.engine.running = [container]
        for _ in range(2):
            await node.identities.containers(await node.engine.containers())
        (port,) = node.api.all("ports")
        assert (port.name, port.device_id, port.dns_name) == ("shop_web_1", "ef" * 32, "shop_web_1")
        assert port.dns_aliases == ("alias", "web", "ef" * 6)
        assert node.api.calls.count(("update", "ports")) == 1
        node.engine.running = [replace(container, name="other")]
        await node.identities.containers(await node.engine.containers())
        assert node.api.all("ports")[0].name == "other"

    asyncio.run(story())


def test_what_the_engine_forgot_is_collected_after_the_grace(node: Node) -> None:
    async def story() -> None:
        blue = await node.network("blue")
        await node.mirror()
        await node.attach(blue["id"])
        await node.api.create("ports", {"network_id": blue["id"], "binding:host_id": "host1"})
        clock = [0.0]
        for name in ("_endpoints", "_ports", "_unnamed", "_unsettled"):
            setattr(node.collector, name, Sightings(10, lambda: clock[0]))
        listed, known = await node.engine.networks(), await node.drivers.catalog.all()
        node.engine.alive = {END}
        for clock[0] in (0.0, 11.0):
            await node.collector.collect(listed, known)
        assert len(node.api.all("ports")) == 2
        node.engine.alive = set()
        await node.collector.collect(listed, known)
        node.collector.forget()  # the engine did not answer for a while
        for clock[0] in (30.0, 39.0):
            await node.collector.collect(listed, known)
        assert len(node.memory.attachments) == 1
        clock[0] = 41.0
        await node.collector.collect(listed, known)
        assert not node.memory.attachments
        (left,) = node.api.all("ports")
        assert left.device_owner == ""  # not of this door, so not ours to collect

    asyncio.run(story())


def test_only_events_that_bring_something_to_do_are_heeded() -> None:
    def concerned(kind: str, action: str, driver: str = "sealane") -> frozenset[str]:
        attributes = {"type": driver} if kind == "network" else {}
        event = {"Type": kind, "Action": action, "Actor": {"ID": "x", "Attributes": attributes}}
        return Engine(Path("/nowhere")).concerned(event)

    assert concerned("container", "start") == concerned("network", "connect") == CONTAINERS
    assert concerned("network", "create") == concerned("network", "destroy") == NETWORKS
    assert not concerned("container", "create") and not concerned("network", "create", "bridge")
    assert Engine(Path("/nowhere")).concerned({}) == CONTAINERS | NETWORKS
