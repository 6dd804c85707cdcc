"""`sealane cni`: have container runtimes that speak CNI use a network of ours."""

import json
import re
import sys
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
    program, listed = bin_dir / PROGRAM, conf_dir / f"10-sealane-{name}.conflist"
    body = {"cniVersion": cni_version, "name": name, "plugins": [plugin]}
    write(program, shim("cni.py"), 0o755)
    write(listed, json.dumps(body, indent=2) + "\n", 0o644)
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


def shim(file: str) -> str:
    """A program of sealane/shims for this machine: its Python, the agent's socket."""
    python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    text = (files("sealane.shims") / file).read_text()
    socket = f'AGENT = "{config.load().settings.agent_socket}"'
    return f"#!{python} -IS\n" + re.sub(r'^AGENT = ".*"$', socket, text, count=1, flags=re.MULTILINE)


def write(path: Path, text: str, mode: int) -> None:
    """Whole or not at all: a runtime may start it just now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.chmod(mode)
    draft.rename(path)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadRequest(f"'{name}' is no name of a CNI network; give one with --name")
    return name
