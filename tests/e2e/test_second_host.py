"""docs/how-to/second-host.md, done by two hosts of a lab as it is written there."""

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealane.lab.lab import Lab
from tests import labs
from tests.daemons import PATIENCE, until
from tests.e2e.docker.engines import DOCKER, archive

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "second-host.md"
JOIN = "sealane node --join ADDRESS TOKEN"


def steps() -> list[tuple[str, str]]:
    """(host, command) of each indented line; text and headings say on which machine it is."""
    text = re.sub(r"^```.*?^```$", "", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    found, host = [], ""
    for line in text.splitlines():
        for said, name in (("first machine", "host1"), ("second machine", "host2")):
            host = name if said in line.lower() else host
        if line.startswith("    "):
            found.append((host, line.strip()))
    return found


@pytest.fixture
def lab() -> Iterator[Lab]:
    """host2 knows nothing of host1, as a machine on which Sealane was just installed."""
    made = Lab(labs.name("second"), hosts=2, docker=True)
    made.down()  # of a run that was killed
    with made:
        made.exec("host1", "sealane", "node", "remove", "host2")
        made.exec("host2", "sealane", "down", "--purge")
        made.exec("host2", "rm", "-f", "/etc/sealane/joined.toml")
        yield made


@contextmanager
def in_background(lab: Lab, host: str, command: str) -> Iterator[None]:
    """Until its node is ready; ^C at the end."""
    process = subprocess.Popen(
        lab.command(host, command.split()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: process.poll() is not None or well(lab, host), "the node is well", 2 * PATIENCE)
        assert process.poll() is None, "the node ended"
        yield
    finally:
        lab.exec(host, "sealane", "down", check=False)
        process.wait(PATIENCE)


def well(lab: Lab, host: str) -> bool:
    return lab.exec(host, "sealane", "status", check=False).returncode == 0


def make_image(lab: Lab, host: str) -> None:
    command = (DOCKER, "-H", f"unix://{lab.plan.docker_socket(host)}", "import", "-c", "ENV PATH=/bin", "-")
    subprocess.run((*command, "busybox"), input=archive(), capture_output=True, timeout=PATIENCE, check=True)


def do(lab: Lab, host: str, command: str) -> str:
    """Its output; what the page says to be there after a moment is waited for."""
    end = time.monotonic() + PATIENCE
    while (done := lab.exec(host, *command.split(), check=False)).returncode != 0:
        assert "docker run" in command and time.monotonic() < end, f"{host}: {command}: {done.stderr}"
        time.sleep(0.5)
    return done.stdout


def test_the_page_is_true(lab: Lab) -> None:
    page = steps()
    assert page[0] == ("host1", "sealane token create") and page[1] == ("host2", JOIN)
    line = do(lab, *page[0]).strip()
    assert line.startswith("sealane node --join ")
    with in_background(lab, "host2", line):
        for host in ("host1", "host2"):
            make_image(lab, host)
        told = {command: do(lab, host, command) for host, command in page[2:]}
    pinged = next(out for command, out in told.items() if "ping" in command)
    assert "0% packet loss" in pinged
    assert "host2" not in told["sealane node list"]
    assert re.search(r"node +created +host2", told["sealane events --kind node"])
