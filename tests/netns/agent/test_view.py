"""What limits a process's network by cgroups of version 1, as the kernel has it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.agent import view

CONTROLLERS = "net_cls,net_prio"


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One of both controllers' tree, which may be mounted at several places."""
    place = tmp_path / CONTROLLERS
    place.mkdir()
    subprocess.run(["mount", "-t", "cgroup", "-o", CONTROLLERS, "none", str(place)], check=True)
    monkeypatch.setattr(view, "_CGROUPS", tmp_path)
    made = place / "sealane-test"
    made.mkdir(exist_ok=True)
    yield made
    made.rmdir()
    subprocess.run(["umount", str(place)], check=True)


def test_the_class_and_the_priorities_of_its_group(group: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            (group / "cgroup.procs").write_text(str(child.pid))
            (group / "net_cls.classid").write_text("0x100001")
            (group / "net_prio.ifpriomap").write_text("lo 5")
            told = view._cgroup(child.pid)
        finally:
            child.kill()
    assert told[CONTROLLERS] == "/sealane-test"
    assert told["limits"]["net_cls.classid"] == str(0x100001)
    assert "lo 5" in told["limits"]["net_prio.ifpriomap"].splitlines()
