"""Commands of a page of docs/how-to, run as they stand: each line's prompt says who runs it, and where.

admin$, ann$    a shell of that user's on the first host, with nothing but `openstack …` in it
host1$ …        root on that host
world$          outside of the hosts
"""

import json
import re
import shlex
import subprocess
import sys
from itertools import groupby
from pathlib import Path

from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE

PAGES = Path(__file__).parents[3] / "docs" / "how-to"
PASSWORD = "correct horse battery"
LOGINS = {"admin": "sealane openrc", "ann": "sealane openrc --user ann --project shop"}
DEADLINE = 280
"""Seconds for the commands of one user's in a row: the client takes seconds to be loaded."""
TRIES = 4
OPENSTACK = """
import contextlib, io, json, shlex, sys
from openstackclient.shell import main
said = []
for line in json.load(sys.stdin):
    program, *words = shlex.split(line)
    assert program == "openstack", line
    with contextlib.redirect_stdout(io.StringIO()) as out:
        status = main(words)
    if status != 0:
        sys.exit(f"failed: {line}")
    said.append(out.getvalue())
json.dump(said, sys.stdout)
"""
"""The command as it is, for one line after the other."""


class Page:
    def __init__(self, lab: Lab, name: str) -> None:
        self._lab = lab
        self._blocks = _blocks((PAGES / name).read_text())

    def __call__(self, heading: str, number: int = 0) -> list[str]:
        """What the commands of a block below that heading have printed. Fails with the first that fails."""
        said: list[str] = []
        for who, lines in groupby(_commands(self._blocks[heading][number]), lambda pair: pair[0]):
            said += self.run(who, *(line for _, line in lines))
        return said

    def run(self, who: str, *lines: str) -> list[str]:
        for line in lines:
            print(f"{who}$ {line}", flush=True)
        if who in LOGINS:
            return self._openstack(who, lines)
        host = OUTSIDE if who == "world" else who
        return [self._on(host, line) for line in lines]

    def _on(self, host: str, line: str) -> str:
        """What a busy machine has not done in the time of Docker's driver is tried again, as it tells."""
        argv = self._lab.command(host, ["bash", "-euc", line])
        for _ in range(TRIES):
            try:
                return _done(argv)
            except AssertionError as exc:
                named = re.search(r"docker run .*--name (\S+)", line)
                if named is None or "try again" not in str(exc):
                    raise
                self._lab.exec(host, "docker", "rm", "-f", named[1])
        return _done(argv)

    def _openstack(self, who: str, lines: tuple[str, ...]) -> list[str]:
        script = f'eval "$({LOGINS[who]})"; exec {shlex.quote(sys.executable)} -c "$0"'
        words = ["env", f"OS_PASSWORD={PASSWORD}", "bash", "-euc", script, OPENSTACK]
        said = _done(self._lab.command("host1", words), json.dumps(lines))
        return list(json.loads(said))


def _done(argv: list[str], said: str | None = None) -> str:
    done = subprocess.run(
        argv, input=said or "", capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def _blocks(text: str) -> dict[str, list[str]]:
    """Blocks of commands by the heading that they are below."""
    sections = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)[1:]
    return {
        heading: re.findall(r"^```console\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)
        for heading, body in zip(sections[::2], sections[1::2], strict=True)
    }


def _commands(block: str) -> list[tuple[str, str]]:
    """Who, and what; a line that ends with a backslash goes on."""
    lines = re.sub(r"\\\n\s*", "", block).splitlines()
    pairs = [re.fullmatch(r"(\w+)\$ (.*)", line) for line in lines]
    assert all(pairs), block
    return [(pair[1], pair[2]) for pair in pairs if pair]
