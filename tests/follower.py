"""`sealane events --follow -o json` as a process whose lines are read as they come."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.daemons import PATIENCE


class Follower:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self.seen: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def until(self, kind: str, what: str, name: str | None = None) -> dict[str, Any]:
        """The next such event. Raises AssertionError when none comes."""
        while True:
            try:
                event = json.loads(self._lines.get(timeout=PATIENCE))
            except queue.Empty:
                raise AssertionError(f"no {kind} {what}; there were {self._told()}") from None
            self.seen.append(event)
            if (event["kind"], event["what"]) == (kind, what) and name in (None, event["name"]):
                return dict(event)

    def _told(self) -> list[tuple[str, str, str]]:
        return [(event["kind"], event["what"], event["name"]) for event in self.seen]


@contextmanager
def following(environ: Mapping[str, str], *options: str) -> Iterator[Follower]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sealane.cli.main", "events", "--follow", "-o", "json", *options],
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Follower(process)
    finally:
        process.kill()
        process.wait(PATIENCE)
