"""`make test` runs every test once, whatever is added, and fails when one part does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import parts
from tests.parts import ROOT, Part


def test_each_file_is_in_one_part() -> None:
    there = sorted(
        file
        for file in parts.test_files(ROOT / "tests")
        if not str(file.relative_to(ROOT)).startswith(parts.APART)
    )
    run = [file for part in parts.parts() for path in part.paths for file in parts.test_files(ROOT / path)]
    assert sorted(run) == there


def test_what_starts_first_is_there() -> None:
    found = [part.name for part in parts.parts()]
    assert found[: len(parts.LONGEST)] == list(parts.LONGEST)
    assert len(set(found)) == len(found)


def test_a_new_directory_and_a_new_file_are_found(tmp_path: Path) -> None:
    for name in ("unit/deep/test_a.py", "e2e/new/test_b.py", "e2e/test_c.py", "api/test_d.py", "api/x.py"):
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).touch()
    (tmp_path / "tests/api/test_e_machine.py").touch()
    assert {(part.name, part.paths) for part in parts.parts(tmp_path)} == {
        ("tests/unit", ("tests/unit",)),
        ("tests/e2e/new", ("tests/e2e/new",)),
        ("tests/e2e/test_c.py", ("tests/e2e/test_c.py",)),
        ("tests/api", ("tests/api/test_d.py",)),
        ("tests/api/test_e_machine.py", ("tests/api/test_e_machine.py",)),
    }


def written(directory: Path, name: str, text: str) -> Part:
    (directory / name).write_text(text)
    return Part(name, (str(directory / name),))


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals as they were; a pytest without what is installed for others starts at once."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


PASSES = "def test_it() -> None: ...\n"
FAILS = "def test_it() -> None:\n    assert False, 'no good'\n"
DIES = "import os\ndef test_it() -> None:\n    os.kill(os.getpid(), 9)\n"


def test_one_that_fails_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    texts = {"passes": PASSES, "fails": FAILS, "empty": "", "dies": DIES}
    assert parts.run([written(tmp_path, f"test_{name}.py", text) for name, text in texts.items()], 2) == 1
    out = capfd.readouterr().out
    told = out[out.index("4 of 4 parts have ended") :]
    assert "  test_passes.py: 1 passed, " in told and "no good" in out
    for name, said in (("fails", "1 failed"), ("empty", "status 5"), ("dies", "status -9")):
        assert f"  FAILED test_{name}.py: {said}, " in told


def test_when_all_pass_the_status_is_0(tmp_path: Path) -> None:
    assert parts.run([written(tmp_path, "test_passes.py", PASSES)], 2) == 0


def test_what_is_no_part_is_refused() -> None:
    argv = (sys.executable, "-m", "tests.parts", "--without", "tests/nothing")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stdout.startswith("tests.parts: no part tests/nothing; they are ")


WAITS = """
import os, time
def test_it():
    try:
        open("{0}.begun", "w").close()
        time.sleep(100)
    finally:
        open("{0}.tidied", "w").close()
"""


def test_when_it_is_ended_parts_tidy_up(tmp_path: Path) -> None:
    slow, begun = written(tmp_path, "test_slow.py", WAITS.format(tmp_path / "x")), tmp_path / "x.begun"
    os.mkfifo(begun)
    program = f"from tests.parts import *; sys.exit(run([{slow!r}, {Part('test_late.py', ('no',))!r}], 1))"
    argv = (sys.executable, "-c", program)
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        begun.open().close()  # until the other end is open, too
        running.terminate()
        out = running.communicate(timeout=60)[0]
    assert running.returncode == 1 and (tmp_path / "x.tidied").exists()
    assert "0 of 2 parts have ended" in out and "test_late.py begins" not in out
