"""`docker run --rm IMAGE true`, from the command to its exit, on one network after the other."""

import io
import subprocess
import tarfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.stats import abba

IMAGE = "sealane-bench"
PREFIX = "sealane-bench-"
DEADLINE = 120.0
CREATE = {
    "bridge": ("--driver", "bridge"),
    "overlay": ("--driver", "overlay", "--attachable"),
    "sealane": ("--driver", "sealane", "--ipam-driver", "sealane"),
}
"""The networks compared, beside `none` that needs no making."""


@dataclass
class Samples:
    """Seconds of each run, by kind; `absent` says why a kind could not be measured."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


class Engine:
    """A Docker engine behind a socket. Whatever is made here is removed by clean()."""

    def __init__(self, docker_socket: str) -> None:
        self._command = ["docker", "-H", f"unix://{docker_socket}"]
        self._swarm_is_ours = False

    def run(self, *args: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self._command, *args], input=data, capture_output=True, timeout=DEADLINE)

    def must(self, *args: str, data: bytes | None = None) -> str:
        done = self.run(*args, data=data)
        if done.returncode != 0:
            raise RuntimeError(f"docker {args[0]}: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return done.stdout.decode().strip()

    def prepare(self, kinds: Iterable[str], swarm_address: str | None) -> dict[str, str]:
        """Image and networks; returns the kinds that can't be had, with the reason."""
        self.must("import", "-", IMAGE, data=image())
        absent = {}
        for kind in kinds:
            if kind in CREATE:
                try:
                    self._create(kind, swarm_address)
                except RuntimeError as exc:
                    absent[kind] = str(exc)
        return absent

    def _create(self, kind: str, swarm_address: str | None) -> None:
        if kind == "overlay":
            if swarm_address is None:
                raise RuntimeError("needs Swarm, which is begun only in an engine of the lab (--swarm)")
            self.must("swarm", "init", "--advertise-addr", swarm_address)
            self._swarm_is_ours = True
        self.must("network", "create", *CREATE[kind], PREFIX + kind)

    def clean(self, kinds: Iterable[str]) -> None:
        for kind in kinds:
            if kind in CREATE:
                self.run("network", "rm", PREFIX + kind)
        if self._swarm_is_ours:
            self.run("swarm", "leave", "--force")
        self.run("image", "rm", IMAGE)

    def timed(self, kind: str) -> float:
        network = "none" if kind == "none" else PREFIX + kind
        begin = time.perf_counter()
        self.must("run", "--rm", "--network", network, IMAGE, "true")
        return time.perf_counter() - begin


def measure(engine: Engine, kinds: Sequence[str], rounds: int, swarm_address: str | None) -> Samples:
    """Alternating ABBA after one run of each that does not count (caches, Swarm's first task)."""
    result = Samples()
    try:
        result.absent = engine.prepare(kinds, swarm_address)
        present = [kind for kind in kinds if kind not in result.absent]
        for kind in tuple(present):
            try:
                engine.timed(kind)
            except RuntimeError as exc:
                result.absent[kind] = str(exc)
                present.remove(kind)
        for kind in abba(present, rounds):
            result.seconds.setdefault(kind, []).append(engine.timed(kind))
    finally:
        engine.clean(kinds)
    return result


def image(busybox: Path = Path("/bin/busybox")) -> bytes:
    """A tar for `docker import`: Debian's static busybox."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(busybox.resolve(), "bin/busybox")
        for applet in ("true", "sleep", "sh"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()
