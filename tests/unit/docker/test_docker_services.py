"""Services by a container's label: told once, and again with each change of its health."""

import asyncio
from pathlib import Path
from typing import Any

from sealane.agent.docker.engine import EngineContainer
from sealane.names import SERVICE
from tests.unit.docker.test_docker_pass import END, NET, Node

OFFERS, WITHDRAWN = "sealane:services", "sealane:withdrawn"


def box(label: str, *, well: bool) -> EngineContainer:
    return EngineContainer(id="e1" * 32, name="box", labels={SERVICE: label}, endpoints={NET: END}, well=well)


def test_a_label_offers_and_health_withdraws(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        attachment = await node.attach((await node.network("blue"))["id"])

        async def after(label: str, *, well: bool) -> tuple[Any, Any]:
            node.engine.running = [box(label, well=well)]
            await node.identities.containers(node.engine.running)
            port = await node.api.get("ports", attachment.port_id)
            return port[OFFERS], port[WITHDRAWN]

        assert await after("web:80:8080, web:443", well=False) == (
            ["web:80:8080/tcp", "web:443:443/tcp"],
            True,
        )
        assert await after("web:80:8080, web:443", well=True) == (
            ["web:80:8080/tcp", "web:443:443/tcp"],
            False,
        )
        told = node.api.calls.count(("update", "ports"))
        await after("web:80:8080, web:443", well=True)
        assert node.api.calls.count(("update", "ports")) == told
        assert await after("web", well=True) == (["web:80:8080/tcp", "web:443:443/tcp"], False), "it stays"

    asyncio.run(story())
