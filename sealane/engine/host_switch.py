"""The host's own Open vSwitch: what of ours goes into it, and how that is taken out again.

Its database is somebody else's.  Ours are br-int and those keys of the Open_vSwitch row that end in our
chassis's name, which ovn-controller prefers to the ones without (ovn-controller(8), at the end of its
list of keys): the host's system-id and hostname stay.  other_config:vlan-limit is set to 0 by
ovn-controller itself, for all bridges; what it was before is kept at br-int and put back by `leave`.
"""

import json
import os
from collections.abc import Mapping

from sealane import names
from sealane.config import Settings
from sealane.engine.command import run
from sealane.errors import HostError

INTEGRATION_BRIDGE = "br-int"
_LIMIT = "vlan-limit"
_LIMIT_BEFORE = "sealane:vlan-limit"
_NONE = "none"


def keyed(values: Mapping[str, str], chassis: str) -> dict[str, str]:
    """ovn-controller's settings for this chassis alone; its name is an argument of the command (`-n`)."""
    return {f"{key}-{chassis}": value for key, value in values.items() if key != "system-id"}


def foreign_remote(external_ids: Mapping[str, str], chassis: str) -> str:
    """The southbound database of another OVN that uses this Open vSwitch; "" when there is none."""
    for key, value in external_ids.items():
        names_one = key == "ovn-remote" or key.startswith("ovn-remote-")
        interval = key.startswith("ovn-remote-probe-interval")
        if names_one and not interval and key != f"ovn-remote-{chassis}" and value:
            return value
    return ""


async def refuse_foreign(remote: str, chassis: str) -> None:
    """Two OVNs would need the same tunnel ports and conntrack zones. Raises HostError."""
    if other := foreign_remote(await _map(remote, "Open_vSwitch", "external_ids") or {}, chassis):
        raise HostError(f"this host's Open vSwitch belongs to another OVN already ({other})")
    bridge = await _bridge(remote)
    if bridge is not None and not _is_ours(bridge):
        raise HostError(f"this host's Open vSwitch has a {INTEGRATION_BRIDGE} of somebody else; remove it")


async def remember(remote: str) -> None:
    """Keep at br-int what ovn-controller is about to change; what is kept there already stays."""
    if _LIMIT_BEFORE in (await _bridge(remote) or {}):
        return
    limit = (await _map(remote, "Open_vSwitch", "other_config") or {}).get(_LIMIT, _NONE)
    await _vsctl(remote, "set", "Bridge", INTEGRATION_BRIDGE, f'external_ids:"{_LIMIT_BEFORE}"="{limit}"')


async def leave(settings: Settings, keys: tuple[str, ...]) -> None:
    """Take br-int and `keys` for our chassis out of it; nothing when the Open vSwitch was our own."""
    if not settings.ovs_run_dir.is_symlink() or not os.path.exists(settings.ovs_run_dir / "db.sock"):
        return
    bridge = await _bridge(settings.ovs_remote)
    if bridge is None or not _is_ours(bridge):
        return
    removals = [("external_ids", f"{key}-{settings.host_name}") for key in keys]
    limit = bridge.get(_LIMIT_BEFORE, _NONE)
    restored: tuple[str, ...] = ()
    if limit == _NONE:
        removals.append(("other_config", _LIMIT))
    else:
        restored = ("--", "set", "Open_vSwitch", ".", f'other_config:{_LIMIT}="{limit}"')
    words = [w for column, key in removals for w in ("--", "remove", "Open_vSwitch", ".", column, key)]
    await _vsctl(settings.ovs_remote, "--if-exists", "del-br", INTEGRATION_BRIDGE, *words, *restored)


def _is_ours(bridge: Mapping[str, str]) -> bool:
    return bridge.get(names.OWNER_KEY) == names.OWNER


async def _bridge(remote: str) -> dict[str, str] | None:
    """br-int's external_ids."""
    return await _map(remote, "Bridge", "external_ids", INTEGRATION_BRIDGE)


async def _map(remote: str, table: str, column: str, *record: str) -> dict[str, str] | None:
    """A column that holds a map; None when there is no such record (ovs-vsctl(8), `list`)."""
    words = ("--format=json", f"--columns={column}", "--if-exists", "list", table, *record)
    told = json.loads(await _vsctl(remote, *words) or '{"data": []}')
    return next((dict(value[1]) for (value,) in told["data"]), None)


async def _vsctl(remote: str, *words: str) -> str:
    return await run("ovs-vsctl", f"--db={remote}", "--timeout=10", *words)
