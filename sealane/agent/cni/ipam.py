"""Addresses from another IPAM plugin: a program of CNI_PATH that gets what we got."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealane import failpoint
from sealane.agent.attachment import Route
from sealane.agent.cni.messages import ENVIRONMENT, INVALID, IO, TRY_AGAIN, Call, Refusal
from sealane.errors import HostError

DEADLINE = 30.0  # seconds
_PROGRAM = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")


@dataclass(frozen=True)
class Leased:
    addresses: tuple[str, ...] = ()
    gateway: str = ""
    routes: tuple[Route, ...] = ()


def delegate(wanted: Call, command: str) -> Leased:
    """Blocks.  Raises Refusal: the program's own, or that it is not there."""
    out = _run(
        _program(wanted), {**os.environ, **wanted.env, "CNI_COMMAND": command}, json.dumps(wanted.config)
    )
    return _leased(out) if command == "ADD" else Leased()


def _program(wanted: Call) -> Path:
    if not _PROGRAM.fullmatch(wanted.ipam):
        raise Refusal(INVALID, f"ipam.type {wanted.ipam!r} is no name of a plugin")
    directories = [d for d in wanted.env.get("CNI_PATH", "").split(":") if d.startswith("/")]
    found = (Path(d) / wanted.ipam for d in directories)
    program = next((path for path in found if os.access(path, os.X_OK)), None)
    if program is None:
        raise Refusal(ENVIRONMENT, f"the IPAM plugin '{wanted.ipam}' is not in CNI_PATH")
    return program


def _run(program: Path, env: Mapping[str, str], text: str) -> str:
    try:
        with failpoint.effect("command", program.name, HostError):
            done = subprocess.run(
                [program], input=text, env=env, capture_output=True, text=True, timeout=DEADLINE, check=False
            )
    except subprocess.TimeoutExpired as exc:
        raise Refusal(TRY_AGAIN, f"the IPAM plugin '{program.name}' did not answer in time") from exc
    except OSError as exc:
        raise Refusal(IO, f"the IPAM plugin '{program.name}' can't be run: {exc.strerror}") from exc
    if done.returncode == 0:
        return done.stdout
    try:
        told = json.loads(done.stdout)
        raise Refusal(int(told["code"]), f"{program.name}: {told['msg']}", str(told.get("details") or ""))
    except (ValueError, KeyError, TypeError) as exc:
        raise Refusal(IO, f"the IPAM plugin '{program.name}' failed", done.stderr[-300:]) from exc


def _leased(out: str) -> Leased:
    try:
        told: dict[str, Any] = json.loads(out)
        addresses = tuple(str(ip["address"]).partition("/")[0] for ip in told["ips"])
        hops = tuple(str(ip["gateway"]) for ip in told["ips"] if ip.get("gateway"))
        routes = told.get("routes") or []
        plain = tuple(
            Route(destination=r["dst"], nexthop=r.get("gw") or hops[0])
            for r in routes
            if r["dst"] not in ("0.0.0.0/0", "::/0")
        )
        default = any(r["dst"] == "0.0.0.0/0" for r in routes)
        gateway = next((str(r["gw"]) for r in routes if r["dst"] == "0.0.0.0/0" and r.get("gw")), "")
    except (ValueError, KeyError, TypeError, IndexError) as exc:
        raise Refusal(IO, "the IPAM plugin's answer can't be read", out[:300]) from exc
    return Leased(addresses, gateway or (hops[0] if default and hops else "none"), plain)
