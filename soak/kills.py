"""Two hosts with containers attached; parts of them die at random, for minutes.

Each round kills one part, all parts, or the supervisor of one host by SIGKILL, and measures how long it
takes until the tree is ready and until a packet crosses the tunnel.  Now and then a container comes and
one goes.  At the end nothing may have grown, and `down` must leave no trace.
"""

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.netns.hosts import Host, until
from tests.netns.test_tree import Tree, attach, building, command
from tests.netns.traces import processes, snapshot
from tests.netns.traffic import ping


@dataclass(frozen=True)
class Round:
    host: str
    killed: str
    ready: float
    """Seconds until all children of the host were ready again."""
    reached: float
    """Seconds until each container had reached the other."""


@dataclass(frozen=True)
class Size:
    """Of one process: resident KiB, open files."""

    memory: int
    files: int


def run(directory: Path, seconds: float, seed: int) -> dict[str, object]:
    """Raises AssertionError at the first thing that did not come back."""
    dice = random.Random(seed)
    with building(directory) as tree:
        _reach(tree)
        numbers = itertools.cycle(range(100, 250))
        _attach_and_detach(tree, numbers)
        before = _sizes(tree.hosts)
        rounds, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            rounds.append(_round(tree, dice))
            print(
                f"  {rounds[-1].host}: {rounds[-1].killed}, ready after {rounds[-1].ready:.1f} s", flush=True
            )
            _attach_and_detach(tree, numbers)
        after = _sizes(tree.hosts)
        traces = _down(tree)
    return {
        "seed": seed,
        "rounds": [asdict(one) for one in rounds],
        "sizes": {name: {"before": asdict(before[name]), "after": asdict(after[name])} for name in before},
        "traces": traces,
    }


def _round(tree: Tree, dice: random.Random) -> Round:
    host = dice.choice(tree.hosts)
    children = host.children()
    what = dice.choice([*children, "everything", "supervisor"])
    began = time.monotonic()
    KILL.get(what, _kill_child)(host, what)
    until(host.all_ready, f"{host.name} is ready after the death of {what}")
    ready = time.monotonic() - began
    _reach(tree)
    return Round(host.name, what, round(ready, 2), round(time.monotonic() - began, 2))


def _kill_child(host: Host, name: str) -> None:
    pid = host.children()[name]["pid"]
    os.kill(int(str(pid)), signal.SIGKILL)
    until(lambda: host.children()[name]["pid"] not in (pid, None), f"{name} is back")


def _kill_everything(host: Host, _: str) -> None:
    before = {name: child["pid"] for name, child in host.children().items()}
    for pid in before.values():
        os.kill(int(str(pid)), signal.SIGKILL)
    until(lambda: all(c["pid"] != before[n] for n, c in host.children().items()), "all are others")


def _kill_supervisor(host: Host, _: str) -> None:
    host.kill_supervisor()
    host.start(host.part)


KILL: dict[str, Callable[[Host, str], None]] = {
    "everything": _kill_everything,
    "supervisor": _kill_supervisor,
}


def _reach(tree: Tree) -> None:
    for container, address in zip(tree.containers, reversed(tree.addresses), strict=True):
        until(lambda c=container, a=address: ping(c, a), f"ping {address}")  # type: ignore[misc]


def _attach_and_detach(tree: Tree, numbers: Iterator[int]) -> None:
    for host in tree.hosts:
        # Each time another address: neighbours remember the MAC of the last one that had it.
        container, address = attach(host, "net", "--ip", f"10.5.0.{next(numbers)}")
        until(lambda c=container: ping(c, tree.addresses[0]), f"{address} reaches the first")  # type: ignore[misc]
        command(host, "detach", f"/proc/{container.pid}/ns/net")
        container.close()


def _sizes(hosts: tuple[Host, ...]) -> dict[str, Size]:
    return {
        f"{host.name}/{name}": _size(int(str(child["pid"])))
        for host in hosts
        for name, child in host.children().items()
    }


def _size(pid: int) -> Size:
    status = Path(f"/proc/{pid}/status").read_text()
    memory = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return Size(int(memory), len(os.listdir(f"/proc/{pid}/fd")))


def _down(tree: Tree) -> list[str]:
    """What is left; empty is right."""
    left = []
    for host, before in zip(tree.hosts, tree.before, strict=True):
        host.down()
        after = snapshot(host)
        left += [f"{host.name}: {kind}" for kind, there in before.items() if after[kind] != there]
        left += processes(host.directory)
    return left
