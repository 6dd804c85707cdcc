"""What an engine that we ran leaves behind: dockerd takes its bridge and its rules with it only at boot.

Everything that names one of its bridges or chains goes; other rules of the host stay.
"""

import asyncio
import contextlib
import json
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

from sealane.config import Settings
from sealane.engine.command import run, succeeds
from sealane.host import iptables

BRIDGES = ("docker0", "docker_gwbridge")
TABLES = ("filter", "nat", "mangle", "raw")
CHAIN = "DOCKER"
SHIMS = (Path("/run/containerd/s"), Path("/run/containerd"))


async def remove_traces(settings: Settings) -> None:
    """Nothing when the engine was another's, or when one answers at our socket again."""
    if not (settings.run_dir / "docker").is_dir() or answers(settings):
        return
    for program in await asyncio.to_thread(iptables.programs):
        await _remove_rules(program)
    for bridge in BRIDGES:
        await succeeds("ip", "link", "delete", bridge)
    # dockerd mounts its data on itself, and has its shims' sockets outside of its own directories.
    await succeeds("umount", "--recursive", "--lazy", str(settings.state_dir / "docker"))
    for directory in SHIMS:
        with contextlib.suppress(OSError):  # in use by another containerd
            directory.rmdir()


def answers(settings: Settings) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5.0)
        return connection.connect_ex(str(settings.docker_socket)) == 0


async def _remove_rules(program: str) -> None:
    for table in TABLES:
        listed = await run(program, "-w", "5", "-t", table, "-S")
        for words in doomed(listed):
            await run(program, "-w", "5", "-t", table, *words)


def doomed(listed: str) -> Iterator[list[str]]:
    """The arguments that undo what dockerd did, from `iptables -S` (iptables(8)); rules before chains.

    dockerd sets the policy of FORWARD to DROP; it goes back when nothing else is in that chain.
    """
    lines = [shlex.split(line) for line in listed.splitlines()]
    rules = [words for words in lines if words[0] == "-A"]
    ours = [words for words in rules if _is_dockers(words)]
    chains = [words[1] for words in lines if words[0] == "-N" and words[1].startswith(CHAIN)]
    yield from (["-D", *words[1:]] for words in ours)
    yield from (["-X", chain] for chain in chains)
    forward = [words for words in rules if words[1] == "FORWARD" and words not in ours]
    if chains and not forward and ["-P", "FORWARD", "DROP"] in lines:
        yield ["-P", "FORWARD", "ACCEPT"]


def _is_dockers(rule: list[str]) -> bool:
    return rule[1].startswith(CHAIN) or any(word in BRIDGES or word.startswith(CHAIN) for word in rule[2:])


async def remove_empty_tables(settings: Settings) -> None:
    """Tables of iptables-nft that hold hooks and no rule: made for rules of ours, and they decide nothing."""
    entries = json.loads(await run("nft", "-j", "list", "ruleset"))["nftables"]
    used = {(r["family"], r["table"]) for r in (e["rule"] for e in entries if "rule" in e)}
    strict = (
        c for c in (e["chain"] for e in entries if "chain" in e) if c.get("policy", "accept") != "accept"
    )
    used |= {(c["family"], c["table"]) for c in strict}
    for table in (e["table"] for e in entries if "table" in e):
        key = (table["family"], table["name"])
        if key not in used and key[0] in ("ip", "ip6") and key[1] in TABLES:
            await run("nft", "delete", "table", *key)
