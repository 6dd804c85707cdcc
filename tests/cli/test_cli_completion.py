"""Completion in real shells: a key is pressed on a terminal, and the line is looked at."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemons import PATIENCE

SHELLS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
}
START = {
    "bash": "bind 'set bell-style none'; eval \"$(sealane completion bash)\"",
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(sealane completion zsh)"',
}


class Terminal:
    """What a person at a terminal does: type, and read."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.text = ""

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def until(self, wanted: str) -> None:
        end = time.monotonic() + PATIENCE
        while wanted not in self.text:
            left = end - time.monotonic()
            assert left > 0, f"{wanted!r} does not come; there is {self.text!r}"
            if select.select([self._fd], [], [], min(left, 1.0))[0]:
                self.text += os.read(self._fd, 65536).decode(errors="replace")

    def line(self, keys: str, wanted: str) -> None:
        """Type, see what the line becomes, and give it up (^U)."""
        self.text = ""
        self.type(keys)
        self.until(wanted)
        self.type("\x15")


@contextmanager
def terminal(shell: str, environ: dict[str, str]) -> Iterator[Terminal]:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        SHELLS[shell],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={"PS1": "$ ", "TERM": "dumb", "HOME": "/nonexistent", **environ},
        start_new_session=True,
    )
    os.close(follower)
    try:
        seen = Terminal(leader)
        seen.type(f"{START[shell]}; echo rea''dy\n")
        seen.until("ready")
        yield seen
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(leader)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_key_completes_commands_options_and_names(shell, central, tmp_path):
    for name in ("azure", "a name"):
        central.client.create("networks", {"name": name})
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with terminal(shell, {**central.environ, "PATH": path}) as screen:
        screen.line("sealane netw\t", "sealane network")
        screen.line("sealane port cre\t", "sealane port create")
        screen.line("sealane network create --no-sub\t", "sealane network create --no-subnet")
        screen.line("sealane network show az\t", "sealane network show azure")
        screen.line("sealane port create --network az\t", "sealane port create --network azure")
        screen.line("sealane network create x --gateway rou\t", "--gateway router")


def offered() -> list[str]:
    """What `sealane network show` is completed with. click keeps what a command's first context says."""
    from sealane.cli.main import cli
    from sealane.cli.network import network

    show = network.commands["show"]
    context = show.make_context("show", ["x"], parent=cli.make_context("sealane", ["network"]))
    return [item.value for item in show.params[0].shell_complete(context, "")]


def test_a_name_that_a_shell_would_take_apart_is_offered_as_its_id(central, sealane):
    made = central.client.create("networks", {"name": "two words"})
    assert offered() == [made["id"]]


def test_without_an_api_nothing_is_offered_and_nothing_is_said(monkeypatch, capsys):
    monkeypatch.setenv("SEALANE_RUN_DIR", "/nonexistent")
    assert offered() == []
    assert capsys.readouterr() == ("", "")
