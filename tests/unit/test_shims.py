"""The programs that runtimes start: with Python and without it they say the same."""

import asyncio
import json
import os
import platform
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sealane import config
from sealane.agent.cni.door import CniDoor
from sealane.agent.door import NetnsDoor
from sealane.agent.memory import Memory
from sealane.agent.server import App, Listener
from sealane.cli.cni import put_program
from sealane.errors import BadRequest
from sealane.shims import build

CALL = {"CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/none", "CNI_IFNAME": "eth0", "CNI_PATH": "/opt"}
CONFIG = json.dumps({"cniVersion": "1.1.0", "name": "blue", "type": "sealane"})


@pytest.fixture
def run_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sl") as name:
        monkeypatch.setenv("SEALANE_RUN_DIR", name)
        yield Path(name)


@pytest.fixture
def agent(run_dir: Path) -> Iterator[None]:
    """The agent's own listener, with doors that lead nowhere: what is asked is refused, or a question."""
    loop, started = asyncio.new_event_loop(), threading.Event()

    async def ready() -> str:
        return ""

    door = NetnsDoor.__new__(NetnsDoor)
    memory = Memory(run_dir / "agent.json")
    cni = CniDoor(door, ready, userspace=True)
    app = App(door, memory, None, cni, None, dict)  # type: ignore[arg-type]
    listener = Listener(app.routes(), config.load().settings.agent_socket)

    def body() -> None:
        asyncio.set_event_loop(loop)
        loop.call_soon(started.set)
        loop.run_until_complete(listener.serve())

    thread = threading.Thread(target=body)
    thread.start()
    started.wait(20)
    while not config.load().settings.agent_socket.exists():
        assert thread.is_alive()
    yield
    listener.stop()
    thread.join(20)
    loop.close()


def started(program: Path, env: Mapping[str, str], stdin: bytes, *words: str) -> tuple[int, bytes]:
    """Exit status and standard output."""
    given = {"PATH": os.environ["PATH"], **env}
    done = subprocess.run([program, *words], input=stdin, env=given, capture_output=True, timeout=60)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_the_programs_are_of_this_source() -> None:
    for name in build.PROGRAMS:
        assert f"@source@{build.digest()}".encode() in build.shipped(name).read_bytes(), "run `make shims`"


CALLS = (
    ({"CNI_COMMAND": "STATUS"}, CONFIG.encode()),
    ({"CNI_COMMAND": "VERSION"}, CONFIG.encode()),
    ({"CNI_COMMAND": "ADD"}, CONFIG.encode()),
    ({"CNI_COMMAND": "CHECK"}, b'{"cniVersion": "0.4.0", "name": "a\\"b\\\\", "type": "sealane"}'),
    ({"CNI_COMMAND": "DEL"}, b"{}"),
    ({"CNI_COMMAND": "DANCE"}, CONFIG.encode()),
    ({"CNI_COMMAND": "ADD", "CNI_ARGS": 'K=\t"\\;\x01'}, CONFIG.encode()),
    ({"CNI_COMMAND": "ADD"}, b"\x00\x01\x1f\x7f{"),
    ({"CNI_COMMAND": "ADD"}, b"\xff\xfe"),
    ({"CNI_COMMAND": "ADD"}, '{"name": "größe"}'.encode()),
    ({"CNI_COMMAND": "ADD"}, b""),
    ({"CNI_COMMAND": "ADD"}, b"[" * (1 << 20)),
    ({"CNI_COMMAND": "ADD"}, b"\x01" * (1 << 20)),
    ({"CNI_COMMAND": "ADD"}, b"x" * ((1 << 20) + 1)),
    ({"CNI_COMMAND": ""}, CONFIG.encode()),
    ({}, CONFIG.encode()),
)


def pair(run_dir: Path, kind: str) -> tuple[Path, Path]:
    """With Python, and what is installed on this machine."""
    program = put_program(kind, run_dir / kind)
    plain = program.with_name("sealane.py")
    assert plain.exists() is (platform.machine() == build.MACHINE)
    return (plain if plain.exists() else program), program


@pytest.mark.usefixtures("agent")
def test_both_say_what_the_agent_says(run_dir: Path) -> None:
    plain, program = pair(run_dir, "cni")
    for env, stdin in CALLS:
        said = started(plain, CALL | env, stdin)
        assert started(program, CALL | env, stdin) == said, (env, stdin[:80])
    assert started(program, CALL | {"CNI_COMMAND": "STATUS"}, CONFIG.encode()) == (0, b"")


@pytest.mark.usefixtures("agent")
def test_both_say_it_to_netavark(run_dir: Path) -> None:
    plain, program = pair(run_dir, "netavark")
    for words in (
        ("info",),
        (),
        ("setup", "/run/netns/none"),
        ("setup",),
        ('da"nce', "\x01"),
        ("teardown", ""),
    ):
        for stdin in (b"{}", b"", b"\xff", b"x" * ((1 << 20) + 1)):
            assert started(program, {}, stdin, *words) == started(plain, {}, stdin, *words), (
                words,
                stdin[:9],
            )


def test_without_an_agent_they_say_so(run_dir: Path) -> None:
    for env, stdin in CALLS:
        plain, program = pair(run_dir, "cni")
        assert started(program, CALL | env, stdin) == started(plain, CALL | env, stdin)


def test_an_agent_that_ends_over_the_call_is_not_asked_again(run_dir: Path) -> None:
    """It may have begun its work."""
    for kind, env, words in (("cni", CALL | {"CNI_COMMAND": "ADD"}, ()), ("netavark", {}, ("setup", "/n"))):
        _, program = pair(run_dir, kind)
        path = config.load().settings.agent_socket
        path.unlink(missing_ok=True)
        heard: list[bytes] = []
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(4)

            def half(listener: socket.socket = listener, heard: list[bytes] = heard) -> None:
                connection, _ = listener.accept()
                heard.append(connection.recv(1 << 16))
                connection.sendall(b"HTTP/1.1 200 OK\r\nsealane-status: 0\r\ncontent-length: 9\r\n\r\nhalf")
                connection.close()

            thread = threading.Thread(target=half)
            thread.start()
            status, told = started(program, env, CONFIG.encode(), *words)
            thread.join(20)
            listener.settimeout(0)
            with pytest.raises(BlockingIOError):
                listener.accept()
        assert status == 1 and b"it ended over the call" in told and len(heard) == 1


def test_a_path_that_is_too_long_is_refused(run_dir: Path) -> None:
    if platform.machine() != build.MACHINE:
        return
    with pytest.raises(BadRequest, match="too long"):
        put_program("cni", run_dir / "/".join(["d" * 200] * 3))
