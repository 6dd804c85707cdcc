"""Whether rules in br-int change: `ovs-ofctl monitor`, which tells each flow that comes or goes.

Whoever changes them and why does not matter.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from sealane import failpoint, log
from sealane.errors import SealaneError
from sealane.host import command

_RETRY = 0.5  # seconds
_log = log.get("fastpath")


class RulesWatch:
    """`told` is called for each piece of news, and when the watch begins; not before.  `lost`, when it ends,
    as it does with ovs-vswitchd."""

    def __init__(self, ovs_run_dir: Path, told: Callable[[], None], lost: Callable[[], None]) -> None:
        self._bridge = f"unix:{ovs_run_dir}/br-int.mgmt"
        self._control = str(ovs_run_dir / "ovs-vswitchd.ctl")
        self._own = str(ovs_run_dir / "rules-watch.ctl")
        self._told, self._lost = told, lost
        self.watching = False
        self.began = 0  # how often; within one it is the same ovs-vswitchd

    async def follow(self) -> None:
        """For ever; while Open vSwitch is away it is tried again."""
        while True:
            try:
                await self._once()
            except (OSError, SealaneError) as exc:
                _log.debug("the rules of br-int can't be watched", error=str(exc))
            await asyncio.sleep(_RETRY)

    async def settled(self) -> None:
        """Return when all that is passing by now passes by the rules of now.

        Raises HostError, DeadlineExceeded.
        """
        await self._appctl("revalidator/wait")

    async def rules(self) -> str:
        """All of them, as ovs-ofctl says them. Raises HostError, DeadlineExceeded."""
        argv = ("ovs-ofctl", "-O", "OpenFlow15", "dump-flows", self._bridge, "--no-stats")
        return await asyncio.to_thread(command.run, argv)

    async def _once(self) -> None:
        await self._appctl("dpctl/ct-disable-tcp-seq-chk")  # it sees few packets of a fast flow
        with failpoint.effect("command", "ovs-ofctl monitor"):
            running = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "ovs-ofctl", f"--unixctl={self._own}"),
                *("monitor", self._bridge, "watch:!initial"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        try:
            assert running.stdout is not None
            while await running.stdout.read(1 << 16):
                self.began += not self.watching
                self.watching = True
                self._told()
            await running.wait()
        except asyncio.CancelledError:
            running.kill()
            raise
        finally:
            self.watching = False
            self._lost()

    async def _appctl(self, *words: str) -> None:
        await asyncio.to_thread(command.run, ("ovs-appctl", "-t", self._control, *words))
