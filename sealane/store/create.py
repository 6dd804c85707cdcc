"""The database file: made once, and its schema raised when the packaged one is newer.

Always clustered, also with one member (ovsdb(7), "Clustered Database Service Model"): that syncs every
commit, and can grow.  A member's address is fixed when the cluster is made; the default is for a
single member only.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sealane.errors import BadRequest, DeadlineExceeded, HostError

SCHEMA = Path(__file__).with_name("sealane.ovsschema")
DATABASE = "Sealane"


async def create(database: Path, address: str = "", timeout: float = 30.0) -> bool:
    """Make the file unless it is there; True when it was made. Raises HostError.

    address: the RAFT address for others, such as tcp:192.0.2.1:6644; empty: a socket beside the file.
    The file appears whole or not at all: what is unfinished has another name.
    """
    if database.exists():
        return False
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = database.with_name(f".{database.name}.{os.getpid()}.new")
    unfinished.unlink(missing_ok=True)
    raft = address or f"unix:{database.parent}/{database.name}.raft"
    await _run("ovsdb-tool", ["create-cluster", str(unfinished), str(SCHEMA), raft], timeout)
    unfinished.rename(database)
    unfinished.with_name(f".{unfinished.name}.~lock~").unlink(missing_ok=True)
    return True


async def convert(remote: str, timeout: float = 60.0) -> bool:
    """Raise the running database's schema to the packaged one; True when it was older.

    Raises BadRequest when it is newer: this Sealane is too old for it. Raises HostError.
    """
    here = packaged_version()
    there = (await _run("ovsdb-client", ["get-schema-version", remote, DATABASE], timeout)).strip()
    if _numbers(there) > _numbers(here):
        raise BadRequest(f"the database has schema {there}, this Sealane knows {here}: upgrade Sealane")
    if there == here:
        return False
    await _run("ovsdb-client", ["convert", remote, str(SCHEMA)], timeout)
    return True


def packaged_version() -> str:
    return str(msgspec.json.decode(SCHEMA.read_bytes())["version"])


def _numbers(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError as exc:
        raise HostError(f"'{version}' is no schema version") from exc


async def _run(program: str, arguments: Sequence[str], timeout: float) -> str:
    """Standard output. Raises HostError, DeadlineExceeded."""
    try:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except OSError as exc:
        raise HostError(f"{program}: {exc}; install openvswitch-common") from exc
    try:
        async with asyncio.timeout(timeout):
            output, complaint = await process.communicate()
    except TimeoutError as exc:
        raise DeadlineExceeded(f"{program} {arguments[0]} took more than {timeout:.0f} s") from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise HostError(f"{program} {arguments[0]}: {complaint.decode(errors='replace').strip()}")
    return output.decode()
