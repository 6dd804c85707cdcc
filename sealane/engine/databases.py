"""OVN's and Open vSwitch's database files: made when missing, converted when the schema is newer."""

import os
from pathlib import Path

from sealane.engine.command import run

OVN_SCHEMAS = Path("/usr/share/ovn")
VSWITCH_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")


async def ensure_standalone(path: Path, schema: Path) -> None:
    """A database file of one server. A copy of the old one is kept beside it as NAME.before-VERSION."""
    if not path.exists():
        await _create(path, schema)
    elif (await run("ovsdb-tool", "needs-conversion", str(path), str(schema))).strip() == "yes":
        version = (await run("ovsdb-tool", "db-version", str(path))).strip()
        path.with_suffix(f".before-{version}").write_bytes(path.read_bytes())
        await run("ovsdb-tool", "convert", str(path), str(schema), timeout=60.0)


async def _create(path: Path, schema: Path) -> None:
    """By way of another name, so that a crash leaves no half database under the real one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    await run("ovsdb-tool", "create", str(partial), str(schema))
    os.replace(partial, path)
