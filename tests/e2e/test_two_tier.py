"""`make two-tier` builds its application with OpenStack's tools, proves it by traffic, and leaves nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sealane.lab import plan
from sealane.lab.lab import Lab
from tests import labs

SCRIPT = Path(__file__).parents[2] / "scripts" / "two-tier"
NAME = labs.name("two-tier")
PASSES = (
    r"floating IP -> web1 on host1 -> router -> db on host2: web1 serves 172\.31\.200\.1: what db has",
    r"now web2 on host2 -> db: web2 serves 172\.31\.200\.1: what db has",
    r"web1 -> db 10\.54\.0\.10 port 5432: what db has",
    r"web1 -> db \[fd54::10\] port 5432: what db has",
    r"db -> world: the world sees 172\.31\.200\.1\d\d",
    r"web1 fd80::11 port 80: web1 serves fd31:200::1: what db has",
    r":8080 -> kiosk: kiosk serves [\d.]+\.1:",
)
STOPS = (
    r"world -> floating IP, port 22",
    r"web1 -> db 10\.54\.0\.10 port 5433",
    r"db -> web1 \[fd80::11\] port 22",
    r"world -> db fd54::10 port 5432",
    r"world -> db 10\.54\.0\.10 port 5432",
    r":8022 -> kiosk",
    r"kiosk -> db",
)


@pytest.mark.timeout(600)
def test_the_application_is_built_proved_and_gone():
    Lab(NAME).down()  # of a run that was killed
    argv = [sys.executable, str(SCRIPT), "--name", NAME]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for word, lines in (("passes", PASSES), ("stops", STOPS)):
        for line in lines:
            assert re.search(rf"^ +{word}: .*{line}", done.stdout, re.MULTILINE), f"{line}\n{done.stdout}"
    assert "nothing is left" in done.stdout
    assert not plan.run_dir(NAME).exists()
    assert not plan.state_dir(NAME).exists()
