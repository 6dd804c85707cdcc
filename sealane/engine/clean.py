"""`down`: remove from this host all that bears our mark. Each step goes on when another has failed."""

import asyncio
import contextlib
import json
import shlex
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from sealane import log, names
from sealane.config import Settings, joined_file, main_file
from sealane.engine import datapath, forwarding, host_switch, leftovers, node, own_engine, physical
from sealane.engine.command import run, succeeds
from sealane.errors import HostError
from sealane.fastpath import cache
from sealane.host import iptables, sysctl

logger = log.get("down")

Step = Callable[[Settings], Awaitable[None]]


async def clean(settings: Settings) -> None:
    """Raises HostError at the end if a step failed, with all their reasons."""
    failures = []
    for step in STEPS:
        try:
            await step(settings)
        except (HostError, OSError) as exc:
            failures.append(f"{step.__name__.strip('_')}: {exc}")
            logger.error("could not clean up", step=step.__name__, error=str(exc))
    if failures:
        raise HostError("not all could be removed: " + "; ".join(failures))


async def _processes(settings: Settings) -> None:
    await asyncio.to_thread(leftovers.end, settings.run_dir / "pids")


async def _docker_networks(settings: Settings) -> None:
    """An engine that goes on would wait 15 s for our driver at each of our networks when it starts again."""
    if not (settings.run_dir / "docker").is_dir() and own_engine.answers(settings):
        await run(sys.executable, "-m", "sealane.agent.main", "withdraw", timeout=60.0)


async def _host_switch(settings: Settings) -> None:
    await host_switch.leave(settings, node.CONTROLLER_KEYS)


async def _kernel_datapath(settings: Settings) -> None:
    """The kernel keeps ports and flows after ovs-vswitchd has ended."""
    facts = datapath.read(settings)
    if (facts.get("kind"), facts.get("switch")) == ("kernel", "own") and not datapath.host_vswitchd():
        await succeeds("ovs-dpctl", "del-dp", "ovs-system")
        await succeeds("ip", "link", "delete", "genev_sys_6081")


async def _fast_path(settings: Settings) -> None:
    """Its programs go with our links, but one is at the host's own."""
    with contextlib.suppress(OSError):
        cache.detach([socket.if_nametoindex(str(datapath.read(settings).get("link", "")))])


async def _links(settings: Settings) -> None:
    for link in json.loads(await run("ip", "-j", "link", "show")):
        alias = str(link.get("ifalias", ""))
        if alias.startswith(physical.ALIAS):
            await physical.part(str(link["ifname"]))
        elif alias.startswith(names.LINK_MARK):
            await succeeds("ip", "link", "delete", str(link["ifname"]))  # its peer may have taken it along


async def _namespaces(settings: Settings) -> None:
    for path in sorted(settings.netns_dir.glob("*")):
        await succeeds("umount", "--lazy", str(path))
        path.unlink(missing_ok=True)


async def _nft_tables(settings: Settings) -> None:
    listed = json.loads(await run("nft", "-j", "list", "tables"))
    for entry in listed["nftables"]:
        table = entry.get("table", {})
        if table.get("name", "").startswith("sealane"):
            await run("nft", "delete", "table", table["family"], table["name"])


async def _iptables_rules(settings: Settings) -> None:
    for program in await asyncio.to_thread(iptables.programs):
        for chain in ("FORWARD", "DOCKER-USER"):
            if await succeeds(program, "-w", "5", "-n", "-L", chain):
                await _delete_rules(program, await run(program, "-w", "5", "-S", chain))


async def _delete_rules(program: str, listed: str) -> None:
    for line in listed.splitlines():
        words = shlex.split(line)
        if words[0] == "-A" and _is_ours(words):
            await run(program, "-w", "5", "-D", *words[1:])


def _is_ours(rule: list[str]) -> bool:
    if "--comment" not in rule:
        return False
    comment = rule[rule.index("--comment") + 1]
    return comment == names.OWNER or comment.startswith(names.LINK_MARK)


async def _sysctls(settings: Settings) -> None:
    sysctl.restore(forwarding.memory(settings))


async def _mounts(settings: Settings) -> None:
    for point in reversed(_mount_points(settings.run_dir)):
        await run("umount", "--lazy", point)


def _mount_points(directory: Path) -> list[str]:
    """Those below `directory`, in the order of mounting (mountinfo, proc(5)), those of labs left out."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    ours = [point for point in points if point.startswith(f"{directory}/")]
    return [point for point in ours if not _is_lab(Path(point).relative_to(directory).parts[0])]


def _is_lab(name: str) -> bool:
    """Labs live in our directories and are taken away by `sealane lab down` alone."""
    return name == "lab" or name.startswith("lab-")


async def _plugin(settings: Settings) -> None:
    (settings.docker_plugin_dir / "sealane.sock").unlink(missing_ok=True)


async def _run_dir(settings: Settings) -> None:
    if left := _mount_points(settings.run_dir):
        raise HostError(f"{', '.join(left)} is still mounted; the directory stays")
    _remove_but_labs(settings.run_dir)


def _remove_but_labs(directory: Path) -> None:
    for path in directory.iterdir():
        if _is_lab(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    with contextlib.suppress(OSError):  # a lab is left in it
        directory.rmdir()


STEPS: tuple[Step, ...] = (
    _processes,
    _fast_path,
    _docker_networks,
    _host_switch,
    _kernel_datapath,
    _links,
    _namespaces,
    _nft_tables,
    _iptables_rules,
    own_engine.remove_traces,
    own_engine.remove_empty_tables,
    _sysctls,
    _mounts,
    _plugin,
    _run_dir,
)


async def remove_state(settings: Settings) -> None:
    """`--purge`: the databases, the agent's memory, certificates, our own engine's data, the logs."""
    joined_file(main_file()).unlink(missing_ok=True)
    for path in (settings.state_dir, settings.log_dir):
        if path.is_dir():
            await asyncio.to_thread(_remove_but_labs, path)
