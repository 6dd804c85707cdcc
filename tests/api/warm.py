"""The `openstack` command, loaded once: each call is a process of its own, forked from one that has it.

Loading takes more than two seconds of the processor, a call itself some tenths of one.  `python -m
tests.api.warm` is what they are forked from: a line of JSON in for each call, one out when it has ended.
"""

import asyncio
import atexit
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

DEADLINE = 60
"""Seconds for a call; its process then ends by SIGALRM."""


LOADED = (
    *("openstack.connection", "openstack.network.v2._proxy", "openstackclient.network.client"),
    *("openstackclient.network.v2.port", "openstackclient.identity.client", "osc_lib.api.auth"),
)
"""What the command itself loads as late as it can."""


class Done(NamedTuple):
    """status: the exit status, negative for a signal."""

    status: int
    out: str
    err: str


async def openstack(environ: Mapping[str, str], words: Sequence[str]) -> Done:
    """With that environment and no other. Calls wait for each other."""
    return await asyncio.to_thread(_loaded().call, environ, words)


async def cold(environ: Mapping[str, str], words: Sequence[str]) -> Done:
    """The same by the program itself, as it was installed."""
    argv = [Path(sys.executable).with_name("openstack"), *words]
    run = partial(subprocess.run, argv, env=dict(environ), capture_output=True, text=True, timeout=DEADLINE)
    done = await asyncio.to_thread(run)
    return Done(done.returncode, done.stdout, done.stderr)


class _Loaded:
    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self._end)

    def call(self, environ: Mapping[str, str], words: Sequence[str]) -> Done:
        assert self._process.stdin and self._process.stdout
        with self._turn:
            self._process.stdin.write(json.dumps([dict(environ), list(words)]) + "\n")
            self._process.stdin.flush()
            return Done(*json.loads(self._process.stdout.readline()))

    def _end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(DEADLINE)


@cache
def _loaded() -> _Loaded:
    return _Loaded()


def _serve(questions: TextIO, answers: TextIO) -> None:
    from openstackclient import shell

    for module in LOADED:
        importlib.import_module(module)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        for line in questions:
            environ, words = json.loads(line)
            for file in (out, err):
                file.seek(0)
                file.truncate()
            child = os.fork()
            if not child:
                _run(shell, environ, words, (out.fileno(), err.fileno()))
            _, status = os.waitpid(child, 0)
            told = [os.waitstatus_to_exitcode(status)]
            for file in (out, err):
                file.seek(0)
                told.append(file.read().decode())  # type: ignore[arg-type]
            print(json.dumps(told), file=answers, flush=True)


def _run(shell: Any, environ: Mapping[str, str], words: Sequence[str], files: tuple[int, int]) -> None:
    """In the child; does not return."""
    signal.alarm(DEADLINE)
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["openstack", *words]
    status: Any = 1
    try:
        status = shell.main(list(words))
    except SystemExit as exc:
        status = exc.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    _serve(sys.stdin, os.fdopen(os.dup(1), "w"))
