"""scripts/kvm-guest says why a guest failed, within its deadlines; programs of the shell stand for qemu."""

import types
from pathlib import Path

import pytest

from tests.scripts import loaded


@pytest.fixture(scope="module")
def script() -> types.ModuleType:
    return loaded("kvm-guest")


CASES = {
    "never boots": ("echo starting; exec sleep 600", "did not boot in 0.5 s", ["starting"]),
    "panics": ("echo panic; exit 0", "ended before it had booted (qemu's status 0)", ["panic"]),
    "dies": ("touch {booted}; exit 3", "ended while its command ran (qemu's status 3)", []),
    "never ends": ("touch {booted}; exec sleep 600", "did not end in time", []),
}
"""Program, what is said of it, and its console."""


@pytest.mark.parametrize("case", CASES)
def test_what_went_wrong_is_told_with_the_consoles_tail(
    script: types.ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    program, trouble, tail = CASES[case]
    booted = tmp_path / "booted"
    boot, rest = 0.5 if case == "never boots" else 60, 0.5 if case == "never ends" else 60
    said = script.watch(["sh", "-c", program.format(booted=booted)], booted, boot, rest)
    assert said == (tail, trouble)
    assert capsys.readouterr().out.splitlines() == tail


def test_a_long_console_is_told_from_its_end(script: types.ModuleType, tmp_path: Path) -> None:
    said, _ = script.watch(["seq", "1000"], tmp_path / "booted", 60, 60)
    assert said == [str(number) for number in range(1001 - script.TAIL, 1001)]
