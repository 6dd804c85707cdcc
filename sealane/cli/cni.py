"""`sealane cni`: have container runtimes that speak CNI use a network of ours."""

import json
import platform
import re
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from sealane import config
from sealane.cli.noun import Ordered
from sealane.cli.output import show_one
from sealane.errors import BadRequest, NotFound

PROGRAM = "sealane"
BINARIES, CONFIGURATIONS = Path("/opt/cni/bin"), Path("/etc/cni/net.d")
VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
CAPABILITIES = ("ips", "mac", "portMappings", "aliases")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")

cni = Ordered(
    "cni",
    help="Networks for runtimes that speak CNI (Podman, containerd, nerdctl): install, remove.\n\n"
    "\b\nExample:\n  sealane cni install blue",
)


@cni.command("install")
@click.argument("network")
@click.option("--name", default="", help="As runtimes shall call it; left out: as the network is called.")
@click.option("--bin-dir", type=click.Path(path_type=Path), default=BINARIES, show_default=True)
@click.option("--conf-dir", type=click.Path(path_type=Path), default=CONFIGURATIONS, show_default=True)
@click.option("--cni-version", type=click.Choice(VERSIONS), default="1.0.0", show_default=True)
@click.option("--gateway", type=click.Choice(("yes", "none")), default="yes", show_default=True)
@click.option("--reserve-ports", is_flag=True, help="Listen on published ports, for runtimes that don't.")
def install(network: str, name: str, bin_dir: Path, conf_dir: Path, cni_version: str, **more: Any) -> None:
    """Put the plugin where runtimes look for it, and a configuration for a network beside it.

    Ports are published by Sealane itself; other plugins (tuning, bandwidth) can be added to the list. Podman
    listens on published ports itself; with containerd --reserve-ports has them answer on the loopback, too.

    \b
    Example:
      sealane cni install blue
      podman run --network blue …
    """
    name = _checked(name or network)
    plugin = {
        "type": PROGRAM,
        "network": network,
        "gateway": more["gateway"],
        "reservePorts": more["reserve_ports"],
        "capabilities": dict.fromkeys(CAPABILITIES, True),
    }
    listed = conf_dir / f"10-sealane-{name}.conflist"
    body = {"cniVersion": cni_version, "name": name, "plugins": [plugin]}
    program = put_program("cni", bin_dir)
    write(listed, (json.dumps(body, indent=2) + "\n").encode(), 0o644)
    show_one({"plugin": str(program), "configuration": str(listed)}, "table")


@cni.command("remove")
@click.argument("name")
@click.option("--conf-dir", type=click.Path(path_type=Path), default=CONFIGURATIONS, show_default=True)
def remove(name: str, conf_dir: Path) -> None:
    """Take a network's configuration away; containers keep what they have.

    \b
    Example:
      sealane cni remove blue
    """
    listed = conf_dir / f"10-sealane-{_checked(name)}.conflist"
    try:
        listed.unlink()
    except FileNotFoundError as exc:
        raise NotFound(f"{listed} is not there") from exc


def put_program(kind: str, directory: Path) -> Path:
    """What a runtime starts, of sealane/shims: in Python, or without it where one fits the machine."""
    source, program, plain = files("sealane.shims"), directory / PROGRAM, directory / f"{PROGRAM}.py"
    agent = str(config.load().settings.agent_socket)
    text = (source / f"{kind}.py").read_text()
    text = re.sub(r'^AGENT = ".*"$', f'AGENT = "{agent}"', text, count=1, flags=re.MULTILINE)
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    script = f"#!{python} -IS\n{text}".encode()
    fast = source / f"{kind}-{platform.machine()}"
    if not fast.is_file():
        write(program, script, 0o755)
        return program
    write(plain, script, 0o755)
    whole = _filled(fast.read_bytes(), {"@agent@": agent, "@plain@": str(plain.absolute())})
    write(program, whole, 0o755)
    return program


def _filled(program: bytes, texts: Mapping[str, str]) -> bytes:
    """With the texts in place of the words, which have an array each. Raises BadRequest: one is too long."""
    for word, text in texts.items():
        start = program.index(word.encode() + bytes(1))
        room = len(program[start:]) - len(program[start + len(word) :].lstrip(bytes(1))) - 1
        wanted = text.encode()
        if len(wanted) > room:
            raise BadRequest(f"the path {text} is too long; {room} bytes at most")
        program = program[:start] + wanted.ljust(room, bytes(1)) + program[start + room :]
    return program


def write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all: a runtime may start it just now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.chmod(mode)
    draft.rename(path)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadRequest(f"'{name}' is no name of a CNI network; give one with --name")
    return name
