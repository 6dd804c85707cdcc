"""The supervisor with real child processes; none of them needs root."""

import asyncio
import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sealane.engine import control, leftovers
from sealane.engine.process import Child
from sealane.engine.supervisor import Supervisor
from sealane.errors import BadRequest, Unavailable

DEADLINE = 30.0


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.01)


async def always() -> bool:
    return True


def sleeper(name: str, *depends: str, **more: object) -> Child:
    return Child(name=name, argv=("sleep", "600"), ready=always, depends=depends, **more)  # type: ignore[arg-type]


def shell(name: str, script: str, **more: object) -> Child:
    return Child(name=name, argv=("sh", "-c", script), **{"ready": always, **more})  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(directory: Path, *children: Child) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(children, directory, directory)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stopping.set()
        await asyncio.wait_for(task, DEADLINE)


def pid(supervisor: Supervisor, name: str) -> int:
    found = supervisor[name].status.pid
    assert found is not None
    return found


def gone(number: int) -> bool:
    """A zombie has ended too."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_child_is_as_nice_as_it_should_be(tmp_path: Path) -> None:
    """Also where the kernel weighs sessions; its neighbour and the supervisor stay as they are."""

    async def body() -> None:
        async with running(tmp_path, sleeper("nice", nice=7), sleeper("plain")) as supervisor:
            await until(lambda: all(supervisor[name].status.pid for name in ("nice", "plain")))
            own = os.getpriority(os.PRIO_PROCESS, 0)
            for name, nice in (("nice", 7), ("plain", own)):
                assert os.getpriority(os.PRIO_PROCESS, pid(supervisor, name)) == nice
                group = Path(f"/proc/{pid(supervisor, name)}/autogroup")
                if group.exists() and (weighed := group.read_text()):
                    assert weighed.split()[-1] == str(nice if name == "nice" else 0)

    asyncio.run(body())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_child_that_dies_comes_back(tmp_path: Path, number: signal.Signals) -> None:
    async def scenario() -> None:
        async with running(tmp_path, sleeper("one")) as tree:
            await until(tree["one"].ready.is_set)
            before = pid(tree, "one")
            os.kill(before, number)
            await until(lambda: tree["one"].status.restarts == 1 and tree["one"].ready.is_set())
            assert pid(tree, "one") != before
            assert tree["one"].status.last_exit == f"killed by {number.name}"

    asyncio.run(scenario())


def test_a_child_that_ends_by_itself_comes_back_after_growing_delays(tmp_path: Path) -> None:
    async def scenario() -> None:
        began = time.monotonic()
        with capture_logs() as lines:
            async with running(tmp_path, shell("brief", ":")) as tree:
                await until(lambda: tree["brief"].status.restarts >= 5)
        delays = [line["seconds"] for line in lines if line["event"] == "restarts"]
        assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
        assert time.monotonic() - began >= sum(delays[:4])

    asyncio.run(scenario())


def test_start_waits_for_readiness_and_stop_goes_backwards(tmp_path: Path) -> None:
    said, flag = tmp_path / "said", tmp_path / "flag"

    async def flagged() -> bool:
        return flag.exists()

    def talker(name: str, **more: object) -> Child:
        stop = f"echo stop {name} >>{said}; exit"
        script = f"trap '{stop}' TERM; echo start {name} >>{said}; while :; do sleep 0.05; done"
        return shell(name, script, **more)

    async def scenario() -> None:
        first, second = talker("first", ready=flagged), talker("second", depends=("first",))
        async with running(tmp_path, second, first) as tree:
            await until(lambda: said.exists() and "start first" in said.read_text())
            assert tree["second"].status.state == "waiting"
            flag.touch()
            await until(lambda: "start second" in said.read_text())
        assert said.read_text().splitlines() == ["start first", "start second", "stop second", "stop first"]

    asyncio.run(scenario())


def test_who_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        deaf = shell("deaf", f"trap '' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done", grace=0.3)
        async with running(tmp_path, deaf) as tree:
            await until((tmp_path / "up").exists)
            number = pid(tree, "deaf")
        assert gone(number)
        assert tree["deaf"].status.last_exit == "killed by SIGKILL"

    asyncio.run(scenario())


def test_stop_while_a_child_waits_or_backs_off_is_quick(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    async def scenario() -> None:
        children = shell("brief", "exit 3"), shell("unready", "sleep 600", ready=never)
        async with running(tmp_path, *children, sleeper("waits", "unready")) as tree:
            await until(lambda: tree["brief"].status.restarts >= 3)
            began = time.monotonic()
        assert time.monotonic() - began < DEADLINE, "nobody is waited for"
        assert tree["waits"].status.restarts == 0 and tree["brief"].status.last_exit == "exit status 3"

    asyncio.run(scenario())


def test_a_program_that_is_missing_is_tried_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        child = Child(name="none", argv=("/nonexistent/program",), ready=always)
        async with running(tmp_path, child, sleeper("other")) as tree:
            await until(lambda: tree["none"].status.restarts >= 2)
            assert tree["other"].status.state == "ready"

    asyncio.run(scenario())


def test_a_child_that_only_a_restart_mends_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sealane.engine.supervisor.UPKEEP", 0.05)
    sick = tmp_path / "sick"

    async def failed() -> bool:
        return sick.exists()

    async def scenario() -> None:
        async with running(tmp_path, sleeper("store", failed=failed)) as tree:
            await until(tree["store"].ready.is_set)
            before = pid(tree, "store")
            sick.touch()
            await until(lambda: tree["store"].status.restarts == 1)
            sick.unlink()
            await until(tree["store"].ready.is_set)
            assert pid(tree, "store") != before

    asyncio.run(scenario())


def test_restart_and_stop_by_the_socket(tmp_path: Path) -> None:
    socket = tmp_path / "supervisor.sock"

    async def scenario() -> None:
        async with running(tmp_path, sleeper("one")) as tree, control.serve(tree, socket):
            assert stat.S_IMODE(socket.stat().st_mode) == 0o600
            await until(tree["one"].ready.is_set)
            before = pid(tree, "one")
            assert await control.ask(socket, {"command": "restart", "name": "one"}) == {"ok": True}
            await until(lambda: tree["one"].status.pid not in (before, None))
            answer = await control.ask(socket, {"command": "status"})
            assert isinstance(answer["children"], list)
            assert answer["children"][0]["restarts"] == 1
            for request in ({"command": "restart", "name": "two"}, {"command": "sing"}, {}):
                assert "error" in await control.ask(socket, request)
        with pytest.raises(Unavailable):
            await control.ask(socket, {"command": "status"})

    asyncio.run(scenario())


def test_an_unknown_dependency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest):
        Supervisor((sleeper("one", "none"),), tmp_path)


TREE = """
import asyncio, pathlib, sys
from sealane.engine.process import Child
from sealane.engine.supervisor import Supervisor
async def always(): return True
child = Child(name="one", argv=("sleep", "600"), ready=always)
asyncio.run(Supervisor((child,), pathlib.Path(sys.argv[1])).run())
"""


def test_sigkill_of_the_supervisor_takes_the_children_along(tmp_path: Path) -> None:
    supervisor = subprocess.Popen((sys.executable, "-c", TREE, str(tmp_path)), stderr=subprocess.DEVNULL)
    record = tmp_path / "pids" / "one.json"

    async def scenario() -> None:
        await until(lambda: record.exists() and record.read_text())
        child = int(json.loads(record.read_text())["pid"])
        await until(lambda: Path(f"/proc/{child}/cmdline").read_bytes() == b"sleep\x00600\x00")
        supervisor.kill()
        supervisor.wait(DEADLINE)
        await until(lambda: gone(child))
        async with running(tmp_path, sleeper("one")) as tree:
            await until(tree["one"].ready.is_set)

    asyncio.run(scenario())


def test_leftovers_are_ended_by_identity_and_strangers_are_not(tmp_path: Path) -> None:
    left, stranger = (subprocess.Popen(("sleep", "600")) for _ in range(2))
    try:
        leftovers.record(tmp_path, "left", left.pid, ("sleep", "600"))
        start = leftovers.start_time(stranger.pid)
        for name, started, argv in (("reused", 1, ["sleep", "600"]), ("other", start, ["sleep", "601"])):
            text = json.dumps({"name": name, "pid": stranger.pid, "started": started, "argv": argv})
            (tmp_path / f"{name}.json").write_text(text)
        (tmp_path / "torn.json").write_text('{"name": "to')
        assert leftovers.end(tmp_path, grace=5.0) == ("left",)
        assert left.wait(5.0) == -signal.SIGTERM
        assert stranger.poll() is None
        assert list(tmp_path.iterdir()) == []
    finally:
        for process in (left, stranger):
            process.kill()
            process.wait()
