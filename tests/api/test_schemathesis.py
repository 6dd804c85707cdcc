"""Requests that schemathesis makes of /openapi.json, to a real application on a real store.

No answer is a 5xx, none has a status, a type or a shape that the document does not tell.  Requests are the
same each time, so that what fails is what was changed; API_SEED=N makes others.
"""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.api.live import TOKEN, live
from tests.daemons import OvsdbServer

COMMAND = Path(sys.executable).with_name("schemathesis")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
CASES = 5000
EXAMPLES = 3
"""Of each operation, in the phase that makes them up; the other phases follow from the document."""
PATIENT = ("/v2.0/sealane/changes", "/v2.0/sealane/events")
"""Wait for what they are asked to."""
SEED = "20261127"
DEADLINE = 1200.0


@pytest.mark.timeout(DEADLINE + 60)
async def test_no_request_is_answered_by_a_defect_or_otherwise_than_described(database: OvsdbServer) -> None:
    seed = os.environ.get("API_SEED", SEED)
    async with live(database) as api:
        network = await api.make("network", name="n")
        await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24")
        await api.make("port", network_id=network["id"])
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            "run",
            f"{api.url}/openapi.json",
            *("--header", f"X-Auth-Token: {TOKEN}", "--seed", seed, "--max-examples", str(EXAMPLES)),
            *("--checks", ",".join(CHECKS), "--request-timeout", "30", "--no-color"),
            *(word for path in PATIENT for word in ("--exclude-path", path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=database.directory,
        )
        async with asyncio.timeout(DEADLINE):
            out = (await process.communicate())[0].decode()
        print(f"seed {seed}\n{out}")
        assert process.returncode == 0, out
        counted = re.search(r"(\d+) generated", out)
        assert counted is not None and int(counted[1]) >= CASES, out
        for kind in ("networks", "subnets", "ports"):
            assert (await api.call(f"GET /v2.0/{kind}")).status == 200
