"""Whose network is meant: a container of any runtime, a process, a network namespace.

    /run/netns/blue, netns:blue      a named namespace
    pid:7, 7                         of a process
    docker:web, podman:web, lxc:web, nspawn:web, containerd:web
    web                              a namespace or a container of that name, if it is one only

A container's pid may be another process's tomorrow, so whatever is known by a pid is known by the time at
which that process began as well.
"""

import asyncio
import os
import re
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from sealane.agent.attachment import Attachment
from sealane.errors import BadRequest, Conflict, HostError, NotFound, Unavailable
from sealane.host import command, netns, process

NAMED = Path("/run/netns")
HOST = "host:self"
"""Whose sandbox a port of the host itself has."""
CONTAINERD = Path("/run/containerd/containerd.sock")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$")
_PID = re.compile(r"^[1-9][0-9]{0,6}$")
_OF_PID = re.compile(r"^/proc/([1-9][0-9]{0,9})/ns/net$")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A network namespace, and what it is found by again."""

    sandbox: str  # path; "": the container does not run
    container: str = ""  # "docker:ID"; "" when only the path is known
    name: str = ""
    pid: int = 0  # 0: not known
    started: int = 0  # of the pid in the path of the sandbox


class Inspector(Protocol):
    """Docker's engine."""

    async def inspect(self, container: str) -> dict[str, Any]: ...


Finder = Callable[[str], Awaitable[Place | None]]


class Targets:
    """`ours`: directory of namespaces that nobody may be put into."""

    def __init__(self, engine: Inspector, ours: Path) -> None:
        self._engine = engine
        self._ours = ours
        self._finders: Mapping[str, Finder] = {
            "netns": _named,
            "pid": _process,
            "docker": self._docker,
            "podman": partial(_asked, "podman", _podman),
            "lxc": partial(_asked, "lxc-info", _lxc),
            "nspawn": partial(_asked, "machinectl", _nspawn),
            "containerd": partial(_asked, "ctr", _containerd),
        }

    async def running(self, wanted: str) -> Place:
        """Raises NotFound, Conflict (it does not run), BadRequest (not for guests)."""
        place = await self.find(wanted)
        if not place.sandbox:
            raise Conflict(f"{wanted} does not run; start it first")
        self._check(place.sandbox)
        return place

    def host(self) -> Place:
        """This host itself, by its first process: it ends with it."""
        return Place(
            sandbox=str(process.network(1)),
            container=HOST,
            name="host",
            pid=1,
            started=process.started(1),
        )

    async def find(self, wanted: str) -> Place:
        """Also a container that does not run.  Raises NotFound, Conflict (several), BadRequest."""
        if wanted == HOST:
            return self.host()
        if wanted.startswith("/"):
            return _path(wanted)
        kind, colon, name = wanted.partition(":")
        if colon and kind in self._finders:
            found = [await self._finders[kind](_checked(name))]
        elif _PID.fullmatch(wanted):
            found = [await _process(wanted)]
        else:
            name = _checked(wanted)
            found = [await self._quietly(kind, name) for kind in self._finders if kind != "pid"]
        places = [place for place in found if place is not None]
        if not places:
            raise NotFound(
                f"there is no container, process or network namespace {wanted!r} on this host;"
                " 'sealane ps' shows what is attached"
            )
        if len(places) > 1:
            raise Conflict(f"{wanted!r} is {' and '.join(p.container for p in places)}; say which of them")
        return places[0]

    async def _quietly(self, kind: str, name: str) -> Place | None:
        """A runtime that does not answer has no container of that name."""
        try:
            return await self._finders[kind](name)
        except Unavailable:
            return None

    def _check(self, sandbox: str) -> None:
        try:
            asked = os.stat(sandbox).st_ino
        except OSError as exc:
            raise NotFound(f"there is no network namespace at {sandbox}") from exc
        if asked == os.stat("/proc/self/ns/net").st_ino:
            raise BadRequest(
                f"{sandbox} is the host's own network; 'sealane host-port' gives it an interface"
            )
        if any(asked == _inode(path) for path in self._ours.glob("*")):
            raise BadRequest(f"{sandbox} is a namespace of Sealane's own; give another one")

    async def _docker(self, name: str) -> Place | None:
        try:
            body = await self._engine.inspect(name)
        except NotFound:
            return None
        name = str(body.get("Name") or "").lstrip("/")
        place = Place(sandbox="", container=f"docker:{body['Id']}", name=name)
        pid = int((body.get("State") or {}).get("Pid") or 0)
        found = of_pid(pid) if pid else None
        if found is None:
            return place
        place = replace(place, sandbox=found.sandbox, started=found.started, pid=pid)
        key = str((body.get("NetworkSettings") or {}).get("SandboxKey") or "")
        if key and netns.exists(Path(key)) and _inode(Path(key)) == _inode(Path(found.sandbox)):
            place = replace(place, sandbox=key, started=0)  # a path that no other sandbox will have
        return place


def is_alive(attachment: Attachment) -> bool:
    """Is the sandbox still the one that it was?"""
    match = _OF_PID.fullmatch(attachment.sandbox)
    if match and attachment.started:
        return process.is_same(int(match[1]), attachment.started)
    return netns.exists(Path(attachment.sandbox))


def of_pid(pid: int) -> Place | None:
    try:
        return Place(sandbox=str(process.network(pid)), pid=pid, started=process.started(pid))
    except NotFound:
        return None


def _path(path: str) -> Place:
    match = _OF_PID.fullmatch(path)
    found = of_pid(int(match[1])) if match else None
    if found is not None:
        return Place(sandbox=path, container=f"pid:{found.pid}", pid=found.pid, started=found.started)
    normal = Path(os.path.normpath(path))
    if str(normal) != path or not netns.exists(normal):
        raise BadRequest(f"netns: there is no network namespace at {path!r}; give its path")
    named = normal.parent == NAMED or normal.parent == Path("/var/run/netns")
    return Place(sandbox=path, container=f"netns:{normal.name}" if named else "", name=normal.name)


async def _named(name: str) -> Place | None:
    path = NAMED / name
    if not netns.exists(path):
        return None
    return Place(sandbox=str(path), container=f"netns:{name}", name=name)


async def _process(pid: str) -> Place | None:
    found = of_pid(int(pid)) if _PID.fullmatch(pid) else None
    if found is None:
        return None
    return Place(sandbox=found.sandbox, container=f"pid:{pid}", pid=int(pid), started=found.started)


Ask = Callable[[str], tuple[str, int] | None]
"""(id, pid) of a container; pid 0: it does not run."""


async def _asked(program: str, ask: Ask, name: str) -> Place | None:
    """By a program of the runtime, where it is installed."""
    if shutil.which(program) is None:
        return None
    told = await asyncio.to_thread(ask, name)
    if told is None:
        return None
    id, pid = told
    place = Place(sandbox="", container=f"{_KINDS[program]}:{id}", name=name)
    found = of_pid(pid) if pid else None
    if found is None:
        return place
    return replace(place, sandbox=found.sandbox, pid=pid, started=found.started)


_KINDS = {"podman": "podman", "lxc-info": "lxc", "machinectl": "nspawn", "ctr": "containerd"}


def _podman(name: str) -> tuple[str, int] | None:
    words = ("podman", "container", "inspect", "--format", "{{.Id}} {{.State.Pid}}", name)
    return _told(words, lambda out: (out.split()[0], int(out.split()[1])))


def _lxc(name: str) -> tuple[str, int] | None:
    return _told(("lxc-info", "-n", name, "-p", "-H"), lambda out: (name, int(out.strip().lstrip("-") or 0)))


def _nspawn(name: str) -> tuple[str, int] | None:
    words = ("machinectl", "show", name, "--property=Leader", "--value")
    return _told(words, lambda out: (name, int(out.strip() or 0)))


def _containerd(name: str) -> tuple[str, int] | None:
    if not CONTAINERD.exists():
        return None
    return _told(("ctr", "task", "ls"), partial(_task, name))


def _task(name: str, out: str) -> tuple[str, int] | None:
    rows = (line.split() for line in out.splitlines()[1:])
    return next(((name, int(row[1])) for row in rows if len(row) > 1 and row[0] == name), None)


def _told(words: tuple[str, ...], read: Callable[[str], tuple[str, int] | None]) -> tuple[str, int] | None:
    """None when the program says no, which is what all of them do for a name that they don't know."""
    try:
        return read(command.run(words))
    except (HostError, ValueError, IndexError):
        return None


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadRequest(f"target: {name!r} is no name of a container or a namespace")
    return name


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
