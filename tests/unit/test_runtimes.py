"""Labels of runtimes: whose they are, and what is no answer. The programs here are stand-ins."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealane.agent import runtimes
from sealane.agent.labels import GIVEN, QUARANTINE
from sealane.agent.runtimes import RuntimeLabels, labels_of
from sealane.errors import Conflict, HostError, SealaneError
from sealane.names import BY_LABEL, SECURITY_GROUPS, SERVICE
from tests.unit.docker.test_docker_pass import Node

ID = "c0ffee" * 10
WEB = {SECURITY_GROUPS: "web"}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory in which programs are looked for."""
    directory = tmp_path / "bin"
    directory.mkdir()
    (tmp_path / "containerd.sock").touch()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(runtimes, "CONTAINERD", tmp_path / "containerd.sock")
    return directory


def says(directory: Path, program: str, script: str) -> None:
    (directory / program).write_text(f"#!/bin/sh\n{script}\n")
    (directory / program).chmod(0o755)


def podman(directory: Path, **body: Any) -> None:
    told = json.dumps([{"Id": ID, "Config": {"Labels": WEB}, **body}])
    says(directory, "podman", f'[ $1 = pod ] && echo \'{{"Labels": {{"of": "pod"}}}}\' || echo \'{told}\'')


def test_without_a_runtime_nobody_knows(programs: Path) -> None:
    assert labels_of(ID) is None


def test_podmans(programs: Path) -> None:
    podman(programs)
    assert labels_of(ID) == WEB
    podman(programs, Config={"Labels": None})
    assert labels_of(ID) == {}
    podman(programs, IsInfra=True, Pod="p1")
    assert labels_of(ID) == {"of": "pod"}


def test_another_one_that_is_called_so_does_not_count(programs: Path) -> None:
    podman(programs)
    assert labels_of("web") is None and labels_of(ID[:12]) is None


@pytest.mark.parametrize("id", ["", "-h", "a b", "../x"])
def test_what_is_no_id_is_not_asked_for(programs: Path, id: str) -> None:
    podman(programs, Id=id)
    with pytest.raises(SealaneError, match="no id"):
        labels_of(id)


@pytest.mark.parametrize("script", ["echo 'database is locked' >&2; exit 125", "echo {", "exit 1"])
def test_a_failure_is_no_answer(programs: Path, script: str) -> None:
    says(programs, "podman", script)
    with pytest.raises(HostError):
        labels_of(ID)


def test_podman_says_that_there_is_none(programs: Path) -> None:
    says(programs, "podman", f'echo "Error: no such container {ID}" >&2; exit 125')
    assert labels_of(ID) is None


CTR = """
case "$*" in
"namespaces list -q") echo default; echo k8s.io ;;
*"{space}"*" {id}") echo '{{"ID": "{id}", "Labels": {{"sealane.security-groups": "web"}}}}' ;;
*) echo "ctr: container not found" >&2; exit 1 ;;
esac
"""


def test_containerds_in_any_namespace_and_nerdctls(programs: Path) -> None:
    says(programs, "ctr", CTR.format(space="k8s.io", id=ID))
    assert labels_of(ID) == labels_of(f"k8s.io-{ID}") == WEB
    assert labels_of(f"default-{ID}") is None and labels_of("other") is None


def test_two_of_the_same_id_are_no_answer(programs: Path) -> None:
    says(programs, "ctr", CTR.format(space="", id=ID))
    with pytest.raises(Conflict, match="several"):
        labels_of(ID)


Told = dict[str, str] | SealaneError | None


async def followed(
    tmp_path: Path, told: list[Told], policy: str = QUARANTINE
) -> tuple[Any, str, dict[str, str]]:
    """A round for each answer: the port, the attachment's policy, the reasons."""
    node = Node(tmp_path)
    await node.api.create("security-groups", {"name": "web"})
    made = await node.network("blue", **{"sealane:labels": {BY_LABEL: "true"}})
    attachment = await node.attach(made["id"])
    key = f"netavark:blue:{ID}:eth0"
    node.memory.put(replace(attachment, door="podman", policy=policy, sandbox="/x", key=key))
    await node.api.update("ports", attachment.port_id, {"sealane:quarantine": policy == QUARANTINE})

    def read(container: str) -> dict[str, str] | None:
        assert container == ID
        answer = told.pop(0)
        if isinstance(answer, SealaneError):
            raise answer
        return answer

    labels = RuntimeLabels(node.identities.labels, node.memory, read, node.identities.services)
    for _ in range(len(told)):
        labels._due.clear()  # it is time again
        await labels.follow()
    port = await node.api.get("ports", attachment.port_id)
    return port, node.memory.attachments[attachment.id].policy, node.identities.labels.reasons()


def test_a_label_ends_quarantine_and_so_does_none(tmp_path: Path) -> None:
    for number, (labels, policy) in enumerate(((WEB, "label web"), ({}, ""))):
        port, found, reasons = asyncio.run(followed(tmp_path / str(number), [labels]))
        assert port["sealane:quarantine"] is False and bool(port["security_groups"]) == bool(labels)
        assert (found, reasons) == (policy, {})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "knows a container"),
        (HostError("it is broken"), "it is broken"),
        ({SECURITY_GROUPS: "wbe"}, "wbe"),
    ],
)
def test_whatever_goes_wrong_leaves_it_in_quarantine_until_it_is_known(
    tmp_path: Path, answer: Told, why: str
) -> None:
    port, policy, reasons = asyncio.run(followed(tmp_path / "1", [answer]))
    assert port["sealane:quarantine"] is True and policy == QUARANTINE
    assert why in next(iter(reasons.values()))
    port, policy, reasons = asyncio.run(followed(tmp_path / "2", [answer, WEB]))
    assert (port["sealane:quarantine"], policy, reasons) == (False, "label web", {})


def test_what_was_given_goes_before(tmp_path: Path) -> None:
    port, policy, _ = asyncio.run(followed(tmp_path, [WEB], GIVEN))
    assert policy == GIVEN and port["security_groups"] == []


@pytest.mark.parametrize("policy", [GIVEN, QUARANTINE])
def test_a_service_is_offered_whoever_said_the_groups(tmp_path: Path, policy: str) -> None:
    port, *_ = asyncio.run(followed(tmp_path / "1", [WEB | {SERVICE: "web:80"}], policy))
    assert port["sealane:services"] == ["web:80:80/tcp"] and not port["sealane:withdrawn"]
    port, _, reasons = asyncio.run(followed(tmp_path / "2", [WEB | {SERVICE: "nonsense"}], policy))
    assert not port.get("sealane:services") and not reasons, "it is told in the log"


def test_whose_groups_were_given_need_nobody_to_know_him(tmp_path: Path) -> None:
    _, policy, reasons = asyncio.run(followed(tmp_path, [None], GIVEN))
    assert (policy, reasons) == (GIVEN, {})
