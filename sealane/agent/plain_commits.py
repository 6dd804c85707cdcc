"""Connections that are let pass are remembered as they are, not as translated to themselves.

Where the datapath can, ovn-controller has each connection that a security group lets pass remembered with
a translation to its own address (`ct(commit,…,nat(src))`: OVN's lib/actions.c, encode_CT_COMMIT_V2), so
that it gives way to one that a load balancer has translated to the same addresses and ports.  Open vSwitch
in user space then keeps two entries of the same key, and one of them never ages (lib/conntrack.c,
conn_expired).  When the same ports come again after the connection has ended, and before what has ended is
swept away, it finds that entry alone and aborts: `assertion conn->conn_type == CT_CONN_TYPE_DEFAULT failed
in conn_update_state()`.

So ovn-controller is told that this datapath can't: Datapath.capabilities:ct_zero_snat of the local
database (ovs-vswitchd.conf.db(5)), which ovs-vswitchd writes when it starts and at no other time.  Versions
that have the two entries merged are left alone (docs/decisions/0033-load-balancers.md).
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from sealane import log
from sealane.errors import SealaneError
from sealane.host import command
from sealane.host.ovs import Switch

CAPABILITY = "ct_zero_snat"
_MENDED: Mapping[tuple[int, int], int] = {(2, 17): 8, (3, 0): 5, (3, 1): 3, (3, 2): 3}
"""Of these versions, the first patch level that keeps one entry ("conntrack: Remove nat_conn …")."""
_LOOK = 20.0
"""Seconds between two looks when nothing moves."""
_RETRY = 0.5
_log = log.get("agent")


def aborts(version: str) -> bool:
    """Whether an Open vSwitch of that version ("3.1.0") does. One that can't be told may."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        return True
    major, minor, patch = (int(number) for number in found.groups())
    return (major, minor) <= max(_MENDED) and patch < _MENDED.get((major, minor), patch + 1)


class PlainCommits:
    """Of the node's own ovs-vswitchd, whose datapath is in user space."""

    def __init__(self, switch: Switch, ovs_run_dir: Path) -> None:
        self._switch = switch
        self._control = str(ovs_run_dir / "ovs-vswitchd.ctl")

    async def follow(self) -> None:
        """For ever: ovs-vswitchd may be started again, and may be another then."""
        version = 0
        while True:
            try:
                await self.look()
                version = await self._switch.news(version, _LOOK)
            except SealaneError as exc:
                _log.warning("ovs-vswitchd can't be kept from an abort yet", reason=str(exc))
                await asyncio.sleep(_RETRY)

    async def look(self) -> None:
        """Raises HostError, DeadlineExceeded, Unavailable."""
        if not self._switch.capable(CAPABILITY):
            return
        said = await asyncio.to_thread(command.run, ("ovs-appctl", "-t", self._control, "version"))
        if aborts(said):
            await self._switch.deny(CAPABILITY)
            _log.info("connections are remembered untranslated", version=said.split("\n")[0].strip())
