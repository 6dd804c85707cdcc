"""`python -m sealane.engine.main up|central|node|down`: the supervised tree, in the foreground."""

import argparse
import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sealane import log
from sealane.config import Settings, load
from sealane.engine import central, control, datapath, node, underlay
from sealane.engine.clean import clean, remove_state
from sealane.engine.process import Child
from sealane.engine.supervisor import Supervisor
from sealane.errors import BadRequest, Conflict, SealaneError

logger = log.get("engine")

DESCRIPTION = {
    "up": "central part and node in one",
    "central": "store, OVN's databases, northd, translator and API",
    "node": "Open vSwitch, ovn-controller and agent",
    "down": "stop what runs here and remove all that it made on this host",
}


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parse(argv)
    settings = load().settings
    log.setup(settings.log_level, json=settings.log_json)
    try:
        if arguments.part == "down":
            asyncio.run(down(settings, purge=arguments.purge))
        else:
            asyncio.run(serve(settings, arguments.part, tuple(arguments.without)))
    except SealaneError as exc:
        print(f"sealane: {exc.message}", file=sys.stderr)
        return 1
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sealane", description=__doc__)
    parser.add_argument(
        "part", choices=DESCRIPTION, help="; ".join(f"{k}: {v}" for k, v in DESCRIPTION.items())
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="CHILD", help="leave this child out"
    )
    parser.add_argument("--purge", action="store_true", help="down: remove the databases as well")
    return parser.parse_args(argv)


async def serve(settings: Settings, part: str, without: tuple[str, ...] = ()) -> None:
    """Run until SIGTERM, SIGINT or the command `stop`. Raises Conflict when one runs here already."""
    prepare(settings)
    with alone(settings.run_dir):
        children = await _children(settings, part)
        supervisor = Supervisor(_leave_out(children, without), settings.run_dir, _log_dir(settings))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, supervisor.stopping.set)
        async with control.serve(supervisor, settings.supervisor_socket):
            await supervisor.run()


def prepare(settings: Settings) -> None:
    """Directories that only root may look into."""
    for path in (
        *(settings.run_dir, settings.state_dir, settings.log_dir, settings.etc_dir),
        *central.directories(settings),
        *node.directories(settings),
    ):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextlib.contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """Hold the run directory's lock (flock(2)): the kernel frees it when we die, however we die."""
    with open(run_dir / "supervisor.lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Conflict(f"Sealane runs already with {run_dir}; 'sealane down' stops it") from exc
        yield


async def _children(settings: Settings, part: str) -> tuple[Child, ...]:
    check_part(settings, part)
    way = await underlay.find(settings.encap_ip)
    settings = replace(settings, encap_ip=way.address)
    children = central.children(settings) if part in ("up", "central") else ()
    if part == "central":
        return children
    kind = await datapath.decide(settings)
    here = node.Node(settings, kind, way)
    node.prepare_run_dir(here)
    datapath.write(settings, kind, way)
    logger.info(
        "datapath", kind=kind.kind, reason=kind.reason, underlay=way.link, ip=way.address, mtu=way.mtu
    )
    return (*children, *node.children(here, central=part == "up"))


def check_part(settings: Settings, part: str) -> None:
    """Whether this machine can be that. Raises Conflict, BadRequest."""
    if part != "node" and settings.api_url.startswith("https:"):
        raise Conflict(
            f"this machine is a node of {settings.api_url}; start it with 'sealane node',"
            " or make it free with 'sealane down --purge'"
        )
    if part == "node" and not (settings.api_url or settings.ovn_remote):
        raise BadRequest("this machine has joined no central part; 'sealane token create' there prints how")


def _leave_out(children: tuple[Child, ...], without: tuple[str, ...]) -> tuple[Child, ...]:
    kept = tuple(child for child in children if child.name not in without)
    return tuple(replace(c, depends=tuple(d for d in c.depends if d not in without)) for c in kept)


def _log_dir(settings: Settings) -> Path | None:
    """None under systemd: the children's output goes with ours to the journal (systemd.exec(5))."""
    return None if "JOURNAL_STREAM" in os.environ else settings.log_dir


async def down(settings: Settings, *, purge: bool = False) -> None:
    """Repeatable; also after a crash of the supervisor."""
    if settings.run_dir.is_dir():
        await control.stop(settings.supervisor_socket)
        with alone(settings.run_dir):
            await clean(settings)
    if purge:
        await remove_state(settings)


if __name__ == "__main__":
    sys.exit(main())
