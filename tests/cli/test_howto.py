"""Pages of docs/how-to are true: their indented commands are run, in their order, by a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def commands(page: str) -> str:
    """Indented blocks outside of fences, as one script."""
    text = re.sub(r"^```.*?^```$", "", (PAGES / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    return "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))


@pytest.mark.parametrize(
    "page",
    (
        "address-scopes.md",
        "load-balancers.md",
        "networks.md",
        "events.md",
        "dhcp-and-dns.md",
        "logs.md",
        "metering.md",
        "mirroring.md",
        "multicast.md",
        "qos.md",
        "routers.md",
        "security-groups.md",
        "segments.md",
        "subnet-pools.md",
        "tenants.md",
        "trunks.md",
    ),
)
def test_the_commands_of_a_page_succeed(page, central):
    script = commands(page)
    assert script.count("sealane ") > 5
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        env={**os.environ, **central.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "sealane: " not in done.stderr
