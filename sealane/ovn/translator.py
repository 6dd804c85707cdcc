"""The translator process: `python -m sealane.ovn.translator`, settings from SEALANE_* variables.

Follows the store, keeps the northbound database equal to it, and writes the number of the state that it
has applied to NB_Global (northbound.SEQUENCE_KEY).  Stops on SIGTERM and SIGINT with exit status 0.
"""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import TypeVar

from sealane import config, failpoint, log
from sealane.config import Settings
from sealane.errors import Unavailable
from sealane.ovn.northbound import DATABASE, Northbound
from sealane.ovn.reconcile import Reconciler
from sealane.ovsdb.client import Client
from sealane.store.db import Store
from sealane.translate.desired import READS

_log = log.get("translator")
T = TypeVar("T")
COLLECT = (50_000, 100, 1000)
"""Thresholds for cyclic garbage (gc.set_threshold): a plan makes hundreds of thousands of objects, none in a
cycle.  With Python's own one of 10,000 ports takes a third more CPU time; what is old is seldom looked at."""
START_TIMEOUT = 10.0
"""Seconds after which a database that has not answered is logged; it is then waited for again."""


async def run(settings: Settings) -> None:
    """Translate until cancelled."""
    async with AsyncExitStack() as stack:
        store = Store(settings.store_remote, reads=READS)
        stack.push_async_callback(store.stop)
        client = Client(settings.nb_remote, DATABASE, leader_only=True)  # locks are per server
        stack.push_async_callback(client.stop)
        await _until_there(lambda: store.start(timeout=START_TIMEOUT))
        await _until_there(lambda: client.start(timeout=START_TIMEOUT))
        northbound = await _until_there(lambda: Northbound.open(client))
        _log.info("ready", store=settings.store_remote, northbound=settings.nb_remote)
        await Reconciler(store, northbound).run()


async def _until_there(start: Callable[[], Awaitable[T]]) -> T:
    """Databases may come up after us, in any order; each try waits by itself."""
    while True:
        try:
            return await start()
        except Unavailable as exc:
            _log.warning("waiting for a database", reason=exc.message)


async def _main(settings: Settings) -> None:
    task = asyncio.ensure_future(run(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
    _log.info("stopped")


def main() -> None:
    settings = config.load().settings
    log.setup(settings.log_level, json=settings.log_json)
    failpoint.arm(settings.run_dir, "translator")
    gc.set_threshold(*COLLECT)
    asyncio.run(_main(settings))


if __name__ == "__main__":
    main()
