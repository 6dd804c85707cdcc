"""Services by a container's label: told once, and again with each change of its health."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealane.agent.docker.engine import Engine, EngineContainer, signal_number
from sealane.names import SERVICE
from tests.unit.docker.test_docker_pass import END, NET, Node

OFFERS, WITHDRAWN = "sealane:services", "sealane:withdrawn"


BOX = "e1" * 32


def box(label: str, *, well: bool) -> EngineContainer:
    return EngineContainer(id=BOX, name="box", labels={SERVICE: label}, endpoints={NET: END}, well=well)


def test_who_is_told_to_end_is_withdrawn_until_he_starts_again(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        attachment = await node.attach((await node.network("blue"))["id"])
        node.engine.running = [box("web:80", well=True)]

        async def withdrawn() -> bool:
            return bool((await node.api.get("ports", attachment.port_id))[WITHDRAWN])

        await node.identities.containers(node.engine.running)
        assert not await withdrawn()
        await node.identities.end(BOX)
        assert await withdrawn(), "at once"
        await node.identities.containers(node.engine.running)
        assert await withdrawn(), "and still in the next pass"
        await node.identities.end("f1" * 32)  # another one
        node.identities.services.start(BOX)
        await node.identities.containers(node.engine.running)
        assert not await withdrawn()

    asyncio.run(story())


def test_an_endpoint_s_option_goes_before_the_label(tmp_path: Path) -> None:
    async def story() -> None:
        node = Node(tmp_path)
        attachment = await node.attach((await node.network("blue"))["id"])
        node.memory.put(replace(attachment, service="api:90:9000"))
        node.engine.running = [box("web:80", well=True)]
        await node.identities.containers(node.engine.running)
        assert (await node.api.get("ports", attachment.port_id))[OFFERS] == ["api:90:9000/tcp"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SIGQUIT", 3),
        ("quit", 3),
        ("3", 3),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("", 0),
        ("SIG_IGN", 0),
        ("SIGRTMIN+x", signal.SIGRTMIN),
    ],
)
def test_signals_as_images_name_them(text: str, number: int) -> None:
    assert signal_number(text) == number


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        ({"Type": "container", "Action": "kill", "Actor": {"ID": "c", "Attributes": {"signal": "15"}}}, "c"),
        ({"Type": "container", "Action": "kill", "Actor": {"ID": "c", "Attributes": {"signal": "28"}}}, "c"),
        ({"Type": "container", "Action": "kill", "Actor": {"ID": "c", "Attributes": {"signal": "1"}}}, ""),
        ({"Type": "container", "Action": "kill", "Actor": {"ID": "c", "Attributes": {"signal": "3"}}}, ""),
        ({"Type": "container", "Action": "kill", "Actor": {"ID": "c", "Attributes": {}}}, ""),
        ({"Type": "container", "Action": "start", "Actor": {"ID": "c"}}, ""),
        ({"Type": "network", "Action": "kill"}, ""),
        ({}, ""),
    ],
)
def test_which_signals_tell_to_end(event: Any, ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def inspect(self: Engine, container: str) -> Any:
        return {"Config": {"StopSignal": "SIGWINCH"}}

    monkeypatch.setattr(Engine, "inspect", inspect)
    assert asyncio.run(Engine(Path("/nowhere")).is_to_end(event)) == ends


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
