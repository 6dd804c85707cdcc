"""A machine that has its own Docker engine: Sealane uses it, and leaves it as it was."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.lab.lab import Lab
from tests import labs
from tests.daemons import until

ROOT = Path(__file__).parents[2]
PYTHON = str(ROOT / ".venv/bin/python")
UP, DOWN = (str(ROOT / "scripts" / name) for name in ("up", "down"))


@pytest.fixture
def machine() -> Iterator[Lab]:
    lab = Lab(labs.name("foreign"), hosts=1)
    lab.down()  # of a run that was killed
    with lab:
        lab.exec("host1", "sealane", "down")
        lab.exec("host1", "mount", "-t", "tmpfs", "tmpfs", "/usr/local/bin")
        argv = lab.command("host1", ["dockerd", "--data-root=/var/lib/sealane/engine"])
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as engine:
            until(
                lambda: lab.exec("host1", "docker", "version", check=False).returncode == 0, "engine answers"
            )
            yield lab
            engine.terminate()


def docker(lab: Lab, *words: str) -> list[str]:
    return lab.exec("host1", "docker", *words).stdout.splitlines()


def test_networks_of_ours_leave_the_engine_and_come_back(machine: Lab) -> None:
    names = ("network", "ls", "--format", "{{.Name}}")
    before = sorted(docker(machine, *names))
    assert "No Docker engine" not in machine.exec("host1", PYTHON, UP, timeout=240).stdout
    docker(machine, "network", "create", "-d", "sealane", "blue")
    machine.exec("host1", DOWN, timeout=240)
    assert sorted(docker(machine, *names)) == before
    assert "3 packets received" in machine.exec("host1", PYTHON, UP, timeout=240).stdout
    until(lambda: "blue" in docker(machine, *names), "the network is in the engine again")
    machine.exec("host1", DOWN, timeout=240)
    assert sorted(docker(machine, *names)) == before
