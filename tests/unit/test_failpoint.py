"""Failpoints: off unless root asked for them; counted; and no edge of the program goes round them."""

import ast
import json
import signal
import subprocess
import sys
import timeit
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane import failpoint

ROOT = Path(__file__).parents[2] / "sealane"

EDGES = ("host", "agent/memory.py", "agent/docker/engine.py", "client.py", "ovsdb/client.py")
"""What may change things outside of the process that the agent, the API or the translator is."""
CHANGES = {
    *("rename", "os.replace", "unlink", "touch", "write_text", "write_bytes", "rmdir", "mkdir"),  # files
    *("umount2", "mount"),  # libc, called by name
    "_send",  # netlink, HTTP
}
HARMLESS = {
    ("host/netns.py", "mkdir"): "RUN/netns itself, which always exists",
    ("agent/memory.py", "mkdir"): "the state directory itself, which always exists",
    ("host/netns.py", "mount"): "within `create`",
    ("host/sysctl.py", "write_text"): "a draft that nobody reads",
    ("host/sysctl.py", "unlink"): "at `sealane down` alone",
    ("host/netlink.py", "_send"): "in get and dump, which read",
    ("agent/docker/engine.py", "_send"): "the effect is within it",
    ("client.py", "_send"): "within `request`",
}

PROGRAM = """
import sys
from pathlib import Path
from sealane import failpoint

failpoint.arm(Path(sys.argv[1]), "program")
for number in range(3):
    with failpoint.effect("file", f"number {number}"):
        print(number, flush=True)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """RUN with RUN/failpoints; nothing is armed after the test."""
    (tmp_path / "failpoints").mkdir(mode=0o700)
    yield tmp_path
    failpoint.arm(tmp_path / "nothing", "")


def order(directory: Path, **plan: object) -> None:
    (directory / "failpoints" / "program.json").write_text(json.dumps(plan))


def trace(directory: Path) -> list[str]:
    return (directory / "failpoints" / "program.trace").read_text().splitlines()


def program(directory: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", PROGRAM, str(directory)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=ROOT.parent)


def test_without_an_order_nothing_happens(directory: Path) -> None:
    assert program(directory).returncode == 0
    assert list((directory / "failpoints").iterdir()) == []


def test_effects_are_counted(directory: Path) -> None:
    order(directory)
    assert program(directory).stdout == "0\n1\n2\n"
    assert trace(directory) == ["1 file number 0", "2 file number 1", "3 file number 2"]


@pytest.mark.parametrize(("when", "printed"), [("before", "0\n"), ("after", "0\n1\n")])
def test_the_process_dies_before_or_after_an_effect(directory: Path, when: str, printed: str) -> None:
    order(directory, at=2, when=when)
    done = program(directory)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, printed)
    assert len(trace(directory)) == 2


def test_an_effect_fails_as_its_edge_does(directory: Path) -> None:
    failpoint.arm(directory, "program")
    order(directory, at=1, do="fail")
    with pytest.raises(RuntimeError, match="failpoint"), failpoint.effect("x", error=RuntimeError):
        pytest.fail("it was carried out")


def test_only_effects_of_one_kind_count(directory: Path) -> None:
    failpoint.arm(directory, "program")
    order(directory, kind="nft")
    for kind in ("netlink", "nft", "netlink"):
        with failpoint.effect(kind):
            pass
    assert trace(directory) == ["1 nft "]


def test_a_directory_that_others_may_write_to_is_not_heeded(directory: Path) -> None:
    (directory / "failpoints").chmod(0o777)
    failpoint.arm(directory, "program")
    assert not failpoint.armed()


def test_off_it_costs_next_to_nothing() -> None:
    def once() -> None:
        with failpoint.effect("netlink", "making the links"):
            pass

    assert min(timeit.repeat(once, number=10_000, repeat=5)) / 10_000 < 5e-6  # seconds


def calls(tree: ast.AST, inside: bool = False) -> Iterator[tuple[ast.Call, bool]]:
    """Every call, and whether it is within an effect."""
    for node in ast.iter_child_nodes(tree):
        here = inside
        if isinstance(node, ast.With | ast.AsyncWith):
            here = here or any("effect" in ast.unparse(item.context_expr) for item in node.items)
        if isinstance(node, ast.Call):
            yield node, inside
        yield from calls(node, here)


def name_of(call: ast.Call) -> str:
    """Of what is called, or of what a wrapper of libc is told to call."""
    if ast.unparse(call.func) == "_call" and isinstance(call.args[0], ast.Constant):
        return str(call.args[0].value)
    full = ast.unparse(call.func)
    return full if full in CHANGES else full.rpartition(".")[2]


@pytest.mark.parametrize("edge", EDGES)
def test_no_change_goes_round_the_failpoints(edge: str) -> None:
    place = ROOT / edge
    bare = set()
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        where = str(path.relative_to(ROOT))
        for call, inside in calls(ast.parse(path.read_text())):
            name = name_of(call)
            if name in CHANGES and not inside and (where, name) not in HARMLESS:
                bare.add(f"{where}:{call.lineno} {name}")
    assert bare == set()
