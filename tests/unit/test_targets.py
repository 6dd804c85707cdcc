"""Whose network is meant: names, pids that are used again, and answers of runtimes."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sealane.agent.attachment import Attachment
from sealane.agent.targets import Targets, is_alive, of_pid
from sealane.errors import BadRequest, NotFound, Unavailable
from sealane.host import process


class Engine:
    """Knows one container."""

    def __init__(self, body: dict[str, Any] | None = None) -> None:
        self.body = body

    async def inspect(self, container: str) -> dict[str, Any]:
        if self.body is None:
            raise Unavailable("no engine answers")
        if container not in ("web", self.body["Id"]):
            raise NotFound(f"no container {container}")
        return self.body


def find(wanted: str, engine: Engine, ours: Path = Path("/nonexistent")) -> Any:
    return asyncio.run(Targets(engine, ours).find(wanted))


def test_a_container_that_does_not_run_has_no_sandbox() -> None:
    body = {"Id": "ab12", "Name": "/web", "State": {"Pid": 0}, "NetworkSettings": {"SandboxKey": "/x"}}
    for wanted in ("web", "docker:web", "docker:ab12"):
        place = find(wanted, Engine(body))
        assert (place.sandbox, place.container, place.name) == ("", "docker:ab12", "web")


def test_a_running_container_is_known_by_its_process_where_its_sandbox_is_not_seen() -> None:
    body = {"Id": "ab12", "Name": "/web", "State": {"Pid": os.getpid()}, "NetworkSettings": {}}
    place = find("web", Engine(body))
    assert place.sandbox == f"/proc/{os.getpid()}/ns/net"
    assert place.started == process.started(os.getpid())


def test_an_engine_that_is_down_has_no_containers_unless_it_is_asked_for() -> None:
    with pytest.raises(NotFound):
        find("web", Engine())
    with pytest.raises(Unavailable):
        find("docker:web", Engine())


@pytest.mark.parametrize(
    "wanted", ("", "a/b", "../x", "docker:../x", "docker:", "-x", "x" * 129, "a b", "\n")
)
def test_what_is_no_name_is_refused(wanted: str) -> None:
    with pytest.raises(BadRequest):
        find(wanted, Engine({"Id": "ab12"}))


@pytest.mark.parametrize("wanted", ("pid:0", "pid:99999999", "4194305", "netns:nobody"))
def test_what_is_not_there_is_not_found(wanted: str) -> None:
    with pytest.raises(NotFound):
        find(wanted, Engine({"Id": "ab12"}))


def attachment(pid: int, started: int) -> Attachment:
    return Attachment(
        id="1",
        door="netns",
        network_id="0" * 36,
        port_id="0" * 36,
        mac="02:00:00:00:00:01",
        addresses=(),
        mtu=1442,
        sandbox=f"/proc/{pid}/ns/net",
        started=started,
    )


def test_a_pid_that_another_process_has_got_is_dead() -> None:
    began = process.started(os.getpid())
    assert is_alive(attachment(os.getpid(), began))
    assert not is_alive(attachment(os.getpid(), began - 1))


def test_a_process_that_was_not_waited_for_is_dead() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert of_pid(child.pid) is None
    child.wait()


def test_a_program_may_have_brackets_in_its_name(tmp_path: Path) -> None:
    odd = tmp_path / "a) R (b"
    odd.symlink_to("/bin/sleep")
    child = subprocess.Popen([odd, "60"])
    try:
        assert process.started(child.pid) > process.started(1)
    finally:
        child.kill()
        child.wait()
