"""A Docker engine of the lab, by its command. What is made here is removed by clean()."""

import io
import subprocess
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

from sealane.lab.lab import Lab

IMAGE = "sealane-bench"
PREFIX = "sealane-bench-"
DEADLINE = 120.0
"""Seconds for one command."""
POLL = 0.1

CREATE = {
    "bridge": ("--driver", "bridge"),
    "sealane": ("--driver", "sealane"),
    "sealane+ipam": ("--driver", "sealane", "--ipam-driver", "sealane"),
    "overlay": ("--driver", "overlay", "--attachable"),
}
"""The networks compared, beside `none` that needs no making. `sealane` has Docker's own IPAM."""


class Engine:
    def __init__(self, lab: Lab, host: str) -> None:
        self._lab = lab
        self.host = host
        self.address = str(lab.plan.address(host).ip)
        self._command = ["docker", "-H", f"unix://{lab.plan.docker_socket(host)}"]

    def run(self, *args: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self._command, *args], input=data, capture_output=True, timeout=DEADLINE)

    def must(self, *args: str, data: bytes | None = None) -> str:
        """Its standard output. Raises RuntimeError."""
        done = self.run(*args, data=data)
        if done.returncode != 0:
            raise RuntimeError(f"docker {args[0]}: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return done.stdout.decode().strip()

    def import_image(self) -> None:
        self.must("import", "-", IMAGE, data=image())

    def timed_run(self, kind: str) -> float:
        """Seconds of `docker run --rm IMAGE true` on the network, from the command to its exit."""
        begin = time.perf_counter()
        self.must("run", "--rm", "--network", network(kind), IMAGE, "true")
        return time.perf_counter() - begin

    def start(self, kind: str, which: str = "", options: Sequence[str] = ()) -> tuple[str, list[str]]:
        """A container that stays: its address, and what runs a command in its network namespace."""
        name = f"{PREFIX}{kind.replace('+', '-')}{which}"
        if self.run("container", "inspect", name).returncode != 0:
            words = ["--name", name, "--network", network(kind), *options]
            self.must("run", "-d", *words, IMAGE, "sleep", "86400")
        address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        pid, found = self.must("container", "inspect", "-f", "{{.State.Pid}} " + address, name).split()
        return found, self._lab.command(self.host, ["nsenter", f"--net=/proc/{pid}/ns/net", "--"])

    def wait_for(self, kind: str) -> None:
        """Until the network has come here from the other host. Raises RuntimeError."""
        end = time.monotonic() + 30
        while self.run("network", "inspect", network(kind)).returncode != 0:
            if time.monotonic() > end:
                raise RuntimeError(f"network '{network(kind)}' did not come to {self.host}")
            time.sleep(POLL)

    def clean(self) -> None:
        left = self.must("ps", "-aq", "--filter", f"name={PREFIX}").split()
        if left:
            self.run("rm", "-f", *left)
        for kind in CREATE:
            self.run("network", "rm", network(kind))
        self.run("swarm", "leave", "--force")
        self.run("image", "rm", IMAGE)


def network(kind: str) -> str:
    return kind if kind == "none" else PREFIX + kind.replace("+", "-")


def make_networks(engines: Sequence[Engine], kinds: Sequence[str]) -> dict[str, str]:
    """On the first engine, for all; returns the kinds that can't be had, with the reason."""
    absent = {}
    for kind in kinds:
        if kind in CREATE:
            try:
                if kind == "overlay":
                    _begin_swarm(engines)
                engines[0].must("network", "create", *CREATE[kind], network(kind))
            except RuntimeError as exc:
                absent[kind] = str(exc)
    return absent


def _begin_swarm(engines: Sequence[Engine]) -> None:
    first, *others = engines
    first.must("swarm", "init", "--advertise-addr", first.address)
    token = first.must("swarm", "join-token", "-q", "worker")
    for other in others:
        other.must("swarm", "join", "--advertise-addr", other.address, "--token", token, first.address)


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
