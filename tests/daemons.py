"""Private daemons for tests: each in a directory of its own, stopped by its own pid."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds that a test waits for what should take one."""


SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Seconds between two looks."""


def until(holds: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Look until `holds` does. Raises AssertionError that says what has not come true."""
    become(holds, what, patience)


def become(look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """What a look sees, as soon as it is something true.

    The pause after a look is twice the time that it took of the processor: one that starts programs again and
    again leaves it to those who are waited for.
    """
    end = time.monotonic() + patience
    while True:
        before = _computed()
        if value := look():
            return value
        assert time.monotonic() < end, f"not within {patience:g} s: {what}"
        time.sleep(min(LONGEST_PAUSE, max(SHORTEST_PAUSE, 2 * (_computed() - before))))


def _computed() -> float:
    """Seconds of the processor that we and the programs that we have waited for have had (times(2))."""
    return sum(os.times()[:4])


class OvsdbServer:
    """One ovsdb-server with one database in `directory`; clustered unless told otherwise.

    `with OvsdbServer(tmp_path, schema) as server:` has it running and stops it; with `join` it becomes
    a further member of that one's cluster. The directory's path
    must be short: a unix socket's name has 107 bytes at most (unix(7)).
    """

    def __init__(
        self,
        directory: Path,
        schema: Path,
        *,
        clustered: bool = True,
        create: bool = True,
        join: "OvsdbServer | None" = None,
    ) -> None:
        self.directory = directory
        self.database = directory / "db"
        self.remote = f"unix:{directory}/db.sock"
        self.remotes: list[str] = []
        """Further ones to listen on."""
        self.options: tuple[str, ...] = ()
        """Further arguments."""
        self._clustered = clustered
        self._process: subprocess.Popen[bytes] | None = None
        if join is not None:
            self._join(schema, join)
        elif create and not self.database.exists():
            self._create(schema)

    @property
    def raft(self) -> str:
        """Where the other members of the cluster find this one."""
        return f"unix:{self.directory}/raft.sock"

    def _join(self, schema: Path, member: "OvsdbServer") -> None:
        name = json.loads(schema.read_text())["name"]
        self.directory.mkdir(exist_ok=True)
        command = ["ovsdb-tool", "join-cluster", str(self.database), name, self.raft, member.raft]
        subprocess.run(command, check=True, timeout=PATIENCE)

    def _create(self, schema: Path) -> None:
        self.directory.mkdir(exist_ok=True)
        if self._clustered:
            command = ["ovsdb-tool", "create-cluster", str(self.database), str(schema), self.raft]
        else:
            command = ["ovsdb-tool", "create", str(self.database), str(schema)]
        subprocess.run(command, check=True, timeout=PATIENCE)

    def start(self) -> "OvsdbServer":
        """Run it, and return once it listens."""
        socket = self.directory / "db.sock"
        socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                "ovsdb-server",
                "-vconsole:off",
                f"--log-file={self.directory}/log",
                f"--unixctl={self.directory}/ctl",
                f"--remote=p{self.remote}",
                *(f"--remote={remote}" for remote in self.remotes),
                *self.options,
                str(self.database),
            ],
            stderr=subprocess.DEVNULL,
        )
        until(socket.exists, "ovsdb-server listens")
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def __enter__(self) -> "OvsdbServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
