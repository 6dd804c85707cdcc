"""Which datapath this node uses, decided at start and written down in RUN/datapath.json.

                    kernel has openvswitch?      ovs-vswitchd of the host in this namespace?
userspace           no                           does not matter, ours has its own namespace
kernel, ours        yes                          no
kernel, the host's  yes                          yes: only br-int is touched (two would share
                                                 the kernel's `ovs-system` and undo each other)
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sealane.config import Settings
from sealane.engine.command import succeeds
from sealane.engine.underlay import Underlay
from sealane.errors import BadRequest

HOST_OVS = Path("/var/run/openvswitch")
MODULES = ("openvswitch", "geneve")


@dataclass(frozen=True)
class Datapath:
    kind: Literal["kernel", "userspace"]
    switch: Literal["own", "host"]
    reason: str

    @property
    def type(self) -> str:
        """Value of Bridge.datapath_type in the local OVSDB."""
        return "system" if self.kind == "kernel" else "netdev"


async def decide(settings: Settings, host_ovs: Path = HOST_OVS) -> Datapath:
    """Raises BadRequest when the kernel's is demanded and is not there."""
    if settings.datapath == "userspace":
        return Datapath("userspace", "own", "setting 'datapath' says so")
    missing = [name for name in MODULES if not await _available(name)]
    if missing and settings.datapath == "kernel":
        raise BadRequest(f"datapath 'kernel' needs the kernel's {', '.join(missing)}; set it to 'auto'")
    if missing:
        return Datapath("userspace", "own", f"this kernel has no {', '.join(missing)}")
    if host_vswitchd(host_ovs):
        return Datapath("kernel", "host", "this host's own ovs-vswitchd runs already")
    return Datapath("kernel", "own", "this kernel has openvswitch")


async def _available(module: str) -> bool:
    return Path(f"/sys/module/{module}").is_dir() or await succeeds("modprobe", "-q", module)


def host_vswitchd(directory: Path = HOST_OVS) -> bool:
    """Whether the host's own ovs-vswitchd is alive in the network namespace that we are in."""
    try:
        pid = int((directory / "ovs-vswitchd.pid").read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        same = os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino
    except (OSError, ValueError):
        return False
    return name == "ovs-vswitchd" and same


def path(settings: Settings) -> Path:
    return settings.run_dir / "datapath.json"


def write(settings: Settings, datapath: Datapath, underlay: Underlay) -> None:
    """For `sealane status`, the agent (which plumbing a port needs) and the API (the MTU of networks)."""
    facts = {**asdict(datapath), **asdict(underlay), "mtu": underlay.mtu}
    partial = path(settings).with_suffix(".partial")
    partial.write_text(json.dumps(facts, indent=1) + "\n")
    os.replace(partial, path(settings))


def read(settings: Settings) -> Mapping[str, object]:
    """What `write` wrote; empty when no node runs here."""
    try:
        facts = json.loads(path(settings).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
