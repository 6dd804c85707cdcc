"""`make demo` runs to its end and leaves nothing."""

import subprocess
import sys
from pathlib import Path

from sealane.lab import plan
from sealane.lab.lab import Lab
from tests import labs

DEMO = Path(__file__).parents[2] / "scripts" / "demo"
NAME = labs.name("demo")


def test_demo_shows_the_overlay_and_leaves_nothing():
    Lab(NAME).down()  # of a run that was killed
    argv = [sys.executable, str(DEMO), "--name", NAME]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 packets received" in done.stdout
    assert "hello from web" in done.stdout
    assert "Geneve" in done.stdout
    assert not plan.run_dir(NAME).exists()
    assert not plan.state_dir(NAME).exists()
