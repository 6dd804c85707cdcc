"""Groups by a container's label: when they are followed, and what comes before them."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealane.agent.docker.engine import EngineContainer
from sealane.agent.labels import GIVEN, QUARANTINE
from sealane.names import BY_LABEL, SECURITY_GROUPS
from tests.unit.docker.test_docker_pass import END, NET, Node

WEB = {SECURITY_GROUPS: "web"}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def box(labels: dict[str, str]) -> EngineContainer:
    return EngineContainer(id="e1" * 32, name="box", labels=labels, endpoints={NET: END})


async def placed(node: Node, labels: dict[str, str], policy: str, **network: Any) -> Any:
    """The port of a container after a pass, and the attachment."""
    group = await node.api.create("security-groups", {"name": "web"})
    made = await node.network("blue", **network)
    attachment = replace(await node.attach(made["id"]), policy=policy)
    node.memory.put(attachment)
    node.engine.running = [box(labels)]
    await node.identities.containers(node.engine.running)
    port = await node.api.get("ports", attachment.port_id)
    return port, node.memory.attachments[END], group["id"]


def test_a_label_says_the_groups(node: Node) -> None:
    port, attachment, group = asyncio.run(placed(node, WEB, ""))
    assert port["security_groups"] == [group] and attachment.policy == "label web"


def test_without_a_label_nothing_is_changed(node: Node) -> None:
    asyncio.run(placed(node, {}, ""))
    assert node.api.calls.count(("update", "ports")) == 1  # its name


@pytest.mark.parametrize("labels", [{}, WEB])
def test_quarantine_ends_when_the_labels_are_known(node: Node, labels: dict[str, str]) -> None:
    selects = {"sealane:labels": {BY_LABEL: "true"}}
    port, attachment, group = asyncio.run(placed(node, labels, QUARANTINE, **selects))
    assert port["sealane:quarantine"] is False
    assert port["security_groups"] == ([group] if labels else [])
    assert attachment.policy == ("label web" if labels else "")


def test_a_label_that_can_t_be_followed_is_quarantine(node: Node) -> None:
    port, attachment, _ = asyncio.run(placed(node, {SECURITY_GROUPS: "wbe"}, ""))
    assert port["sealane:quarantine"] is True and attachment.policy == QUARANTINE


def test_an_endpoint_s_own_groups_go_before(node: Node) -> None:
    port, attachment, _ = asyncio.run(placed(node, WEB, GIVEN))
    assert port["security_groups"] == [] and attachment.policy == GIVEN


def test_it_is_done_once(node: Node) -> None:
    """What somebody else says of the port later stays."""

    async def story() -> None:
        port, _, _ = await placed(node, WEB, "")
        await node.api.update("ports", port["id"], {"security_groups": []})
        await node.identities.containers([box(WEB)])
        assert (await node.api.get("ports", port["id"]))["security_groups"] == []

    asyncio.run(story())


def test_groups_are_found_by_name_and_by_id(node: Node) -> None:
    async def story() -> None:
        made = await node.api.create("security-groups", {"name": "web"})
        await node.api.create("security-groups", {"name": "web", "project_id": "other"})
        network = await node.drivers.catalog.network((await node.network("blue"))["id"])
        catalog = node.drivers.catalog
        assert await catalog.groups(network, ["web", made["id"]]) == [made["id"]]
        with pytest.raises(Exception, match="no security group is called 'wbe'"):
            await catalog.groups(network, ["wbe"])

    asyncio.run(story())
