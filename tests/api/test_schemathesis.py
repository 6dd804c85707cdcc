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

from tests.api.live import TOKEN, Live, live
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
LEFT_OUT = {
    "/v2.0/sealane/changes": "waits for as long as it is asked to, up to a minute",
    "/v2.0/sealane/events": "waits for as long as it is asked to, up to a minute",
}
"""Paths that are not asked for, and why; every operation of the document that is on no such path is."""
SEED = "20261127"
DEADLINE = 1200.0
METHODS = {"get", "post", "put", "patch", "delete"}


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
            *(word for path in LEFT_OUT for word in ("--exclude-path", path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=database.directory,
        )
        async with asyncio.timeout(DEADLINE):
            out = (await process.communicate())[0].decode()
        print(f"seed {seed}\n{out}")
        assert process.returncode == 0, out
        await every_operation_was_asked_for(api, out)
        counted = re.search(r"(\d+) generated", out)
        assert counted is not None and int(counted[1]) >= CASES, out
        for kind in ("networks", "subnets", "ports"):
            assert (await api.call(f"GET /v2.0/{kind}")).status == 200


async def every_operation_was_asked_for(api: Live, out: str) -> None:
    """But for those of paths that are left out for a reason."""
    paths = (await api.call("GET /openapi.json")).body["paths"]
    operations = {path: len(METHODS & parts.keys()) for path, parts in paths.items()}
    assert operations.keys() >= LEFT_OUT.keys(), "nothing is left out that is not there"
    wanted = sum(number for path, number in operations.items() if path not in LEFT_OUT)
    selected = re.search(r"Selected: (\d+)/(\d+)", out)
    tested = re.search(r"Tested: (\d+)", out)
    assert selected is not None and tested is not None, out
    assert (int(selected[2]), int(selected[1])) == (sum(operations.values()), wanted), out
    assert int(tested[1]) == wanted, out
