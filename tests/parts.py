"""All tests, in parts that run side by side: `make test`, and `python -m tests.parts PATH…` for some of them.

A part is a pytest of its own: a directory, whose tests share a lab, or a file, which has what it needs for
itself.  Parts share nothing but the machine, and wait more than they compute; so there are more at once than
processors.  Which parts there are is found by looking: a new directory or file is run without being told of.
A part's output is shown as a whole once it has ended; the last lines tell how long each took.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).parents[1]
APART = ("tests/kernel",)
"""What is no part of `make test`: a story for a guest (CONTRIBUTING.md)."""
SPLIT = ("tests", "tests/e2e")
"""Directories each of whose entries is a part."""
ALONE = {"tests/api": ("_machine", "_schemathesis")}
"""Files of a directory that are parts for themselves, by how their names end: each takes a minute or more."""
LONGEST = (
    *("tests/e2e/docker", "tests/e2e/doors", "tests/e2e/overlay", "tests/e2e/routing", "tests/e2e/routers"),
    *("tests/api", "tests/netns", "tests/api/test_schemathesis.py", "tests/e2e/faults", "tests/cli"),
)
"""What starts first, so that nothing long is left for the end; a wrong order costs minutes, no more."""
EXTRA = 2
"""Parts at once beyond the number of processors."""


@dataclass(frozen=True)
class Part:
    name: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Done:
    part: Part
    status: int
    seconds: float
    output: str

    @property
    def line(self) -> str:
        """What pytest said last, and that it failed, where it did."""
        said = self.output.strip().splitlines()[-1:] or ["it said nothing"]
        told = said[0].strip("= ").partition(" in ")[0] if self.status in (0, 1) else f"status {self.status}"
        return f"{'' if self.status == 0 else 'FAILED '}{self.part.name}: {told}, {_minutes(self.seconds)}"


def parts(root: Path = ROOT) -> list[Part]:
    """All of them, the longest first."""
    found = [part for directory in SPLIT for part in _entries(root, directory)]
    order = {name: number for number, name in enumerate(LONGEST)}
    return sorted(found, key=lambda part: order.get(part.name, len(order)))


def _entries(root: Path, directory: str) -> Iterable[Part]:
    for entry in sorted((root / directory).iterdir()):
        name = str(entry.relative_to(root))
        files = test_files(entry)
        if not files or name in (*SPLIT, *APART):
            continue
        alone = [file for file in files if file.stem.endswith(ALONE.get(name, ()))]
        for file in alone:
            yield _part(root, str(file.relative_to(root)), (file,))
        yield _part(root, name, [file for file in files if file not in alone] if alone else (entry,))


def test_files(entry: Path) -> list[Path]:
    """As pytest finds them below a directory, or as the one file."""
    found = entry.rglob("test_*.py") if entry.is_dir() else [entry]
    return sorted(file for file in found if file.name.startswith("test_") and file.suffix == ".py")


def _part(root: Path, name: str, paths: Iterable[Path]) -> Part:
    return Part(name, tuple(str(path.relative_to(root)) for path in paths))


class Runs:
    """The parts that are under way, to be ended with us."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = Lock()
        self._ended = False

    def run(self, part: Part) -> Done:
        begun = time.monotonic()
        with tempfile.TemporaryFile() as said:
            with self._lock:
                if self._ended:
                    return Done(part, -signal.SIGINT, 0.0, "not run")
                argv = (sys.executable, "-m", "pytest", "-q", *part.paths)
                process = subprocess.Popen(
                    argv,
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # timeout(1) signals its whole group
                )
                self._running.add(process)
            print(f"{part.name} begins", flush=True)
            status = process.wait()
            self._running.discard(process)
            said.seek(0)
            return Done(part, status, time.monotonic() - begun, said.read().decode(errors="replace"))

    def end(self) -> None:
        """pytest takes down what it has set up when it is interrupted."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.send_signal(signal.SIGINT)


def run(chosen: Sequence[Part], at_once: int) -> int:
    """The exit status: 0 when each part has passed. A part without a test has not."""
    runs, ended = Runs(), list[Done]()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have told us to ignore the former
        signal.signal(number, signal.default_int_handler)
    with ThreadPoolExecutor(at_once) as pool:
        futures: list[Future[Done]] = [pool.submit(runs.run, part) for part in chosen]
        try:
            for future in as_completed(futures):
                ended.append(future.result())
                print(f"\n{ended[-1].output}\n{ended[-1].line}", flush=True)
        except KeyboardInterrupt:
            runs.end()
    print(f"\n{len(ended)} of {len(chosen)} parts have ended:")
    for done in sorted(ended, key=lambda done: (done.status != 0, done.seconds)):
        print(f"  {done.line}")
    return 0 if [done.status for done in ended] == [0] * len(chosen) else 1


def _minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def main(arguments: Sequence[str]) -> int:
    """`--without PATH…`: these have passed a moment ago, which is said; `PATH…`: only these."""
    without = arguments[1:] if arguments[:1] == ["--without"] else ()
    only = () if without else arguments
    known = parts()
    if unknown := [name for name in (*without, *only) if name not in (part.name for part in known)]:
        print(f"tests.parts: no part {', '.join(unknown)}; they are {', '.join(p.name for p in known)}")
        return 2
    for name in without:
        print(f"{name}: has passed already")
    chosen = [part for part in known if part.name not in without and (not only or part.name in only)]
    return run(chosen, (os.cpu_count() or 1) + EXTRA)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
