"""Hosts for tests: a process that holds a network and a mount namespace, and all that runs in them.

Nothing outlives the test process: the holders are ended by the kernel with it (PR_SET_PDEATHSIG), the
supervisor and its children likewise, and namespaces, links and mounts go with the last process in them.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE = 60.0
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")


def until(condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
    """Poll; fails with `what` after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"not within {deadline:g} s: {what}"
        time.sleep(0.05)


class Space:
    """A network and a mount namespace."""

    def __init__(self) -> None:
        words = (*DIES_WITH_US, "unshare", "--net", "--mount", "sleep", "infinity")
        self.holder = subprocess.Popen(words)
        own = os.stat("/proc/self/ns/mnt").st_ino
        until(lambda: os.stat(f"/proc/{self.pid}/ns/mnt").st_ino != own, "namespaces")
        self.run("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        return self.holder.pid

    def inside(self, *argv: str, netns: Path | None = None) -> tuple[str, ...]:
        further = ("nsenter", f"--net={netns}", "--") if netns else ()
        return ("nsenter", "-t", str(self.pid), "-n", "-m", "--", *further, *argv)

    def run(self, *argv: str, netns: Path | None = None) -> str:
        words = self.inside(*argv, netns=netns)
        done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def succeeds(self, *argv: str) -> bool:
        return subprocess.run(self.inside(*argv), capture_output=True, timeout=DEADLINE).returncode == 0

    def popen(self, *argv: str, **more: object) -> "subprocess.Popen[str]":
        return subprocess.Popen((*DIES_WITH_US, *self.inside(*argv)), text=True, **more)  # type: ignore[call-overload,no-any-return]

    def close(self) -> None:
        self.holder.kill()
        self.holder.wait()


class Host(Space):
    """A host with an address on the underlay and the engine's tree."""

    def __init__(self, name: str, directory: Path, **settings: str) -> None:
        super().__init__()
        self.name, self.directory = name, directory
        self.tree: subprocess.Popen[str] | None = None
        self.part = ""
        """What was started: up, central or node."""
        self.settings = {
            "SEALANE_HOST_NAME": name,
            "SEALANE_CONFIG": "/nonexistent",
            **{f"SEALANE_{key.upper()}_DIR": str(directory / key) for key in ("run", "state", "log", "etc")},
            **settings,
        }

    @property
    def run_dir(self) -> Path:
        return self.directory / "run"

    @property
    def switch(self) -> Path:
        return self.run_dir / "netns" / "switch"

    def engine(self, *words: str) -> "subprocess.Popen[str]":
        settings = tuple(f"{key}={value}" for key, value in self.settings.items())
        return self.popen("env", *settings, sys.executable, "-m", "sealane.engine.main", *words)

    def start(self, *words: str) -> None:
        self.tree, self.part = self.engine(*words), words[0]
        until(self.all_ready, f"{self.name} is ready")

    def stop(self) -> None:
        if self.tree:
            self.tree.send_signal(signal.SIGTERM)
            self.tree.wait(DEADLINE)

    def kill_supervisor(self) -> None:
        """SIGKILL to the supervisor alone."""
        assert self.tree is not None
        self.tree.kill()
        self.tree.wait(DEADLINE)

    def down(self) -> None:
        down = self.engine("down")
        assert down.wait(DEADLINE) == 0

    def ask(self, **request: str) -> dict[str, object]:
        """One request to supervisor.sock; empty when nobody listens."""
        try:
            return _converse(self.run_dir / "supervisor.sock", request)
        except OSError:
            return {}

    def children(self) -> dict[str, dict[str, object]]:
        listed = self.ask(command="status").get("children", [])
        assert isinstance(listed, list)
        return {child["name"]: child for child in listed}

    def all_ready(self) -> bool:
        assert self.tree is None or self.tree.poll() is None, "the tree has ended"
        children = self.children()
        return bool(children) and all(child["ready"] for child in children.values())

    def vsctl(self, *words: str) -> str:
        return self.run("ovs-vsctl", f"--db=unix:{self.run_dir}/ovs/db.sock", "--timeout=20", *words)

    def nbctl(self, *words: str) -> str:
        return self.run("ovn-nbctl", f"--db=unix:{self.run_dir}/ovn/ovnnb_db.sock", "--timeout=30", *words)


def _converse(path: Path, request: dict[str, str]) -> dict[str, object]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(str(path))
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, object] = json.loads(connection.makefile().readline())
        return answer


def underlay(*hosts: Host, mtu: int = 1500, family: int = 4) -> Space:
    """A space with a bridge that joins the hosts' `eth0`: 10.77.0.1, .2 … or fd77::1, ::2 …"""
    fabric = Space()
    fabric.run("ip", "link", "add", "br0", "type", "bridge")
    fabric.run("ip", "link", "set", "br0", "up", "mtu", str(mtu))
    for number, host in enumerate(hosts, 1):
        end = ("peer", "name", "eth0", "mtu", str(mtu), "netns", str(host.pid))
        fabric.run("ip", "link", "add", f"h{number}", "mtu", str(mtu), "type", "veth", *end)
        fabric.run("ip", "link", "set", f"h{number}", "master", "br0", "up")
        address = f"10.77.0.{number}/24" if family == 4 else f"fd77::{number}/64"
        host.run("ip", "address", "add", address, "dev", "eth0", *(("nodad",) if family == 6 else ()))
        host.run("ip", "link", "set", "eth0", "addrgenmode", "none", "up")
        host.settings["SEALANE_ENCAP_IP"] = address.partition("/")[0]
    return fabric


def attach(host: Host, port: str, address: str, mac: str, mtu: int = 1442) -> Space:
    """A container on br-int by hand: two veth pairs, joined by tc in the host (userspace datapath)."""
    container = Space()
    outer, inner, tap = f"slh{port}", f"sls{port}", f"tap{port}"
    host.run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", str(container.pid))
    host.run("ip", "link", "add", inner, "type", "veth", "peer", "name", tap, "netns", str(host.switch))
    host.run("ethtool", "-K", inner, "tx", "off", "tso", "off", "gso", "off")
    for link in (outer, inner):
        host.run("ip", "link", "set", link, "addrgenmode", "none", "up")
        host.run("tc", "qdisc", "add", "dev", link, "clsact")
    for source, target in ((outer, inner), (inner, outer)):
        everything = ("protocol", "all", "u32", "match", "u32", "0", "0")
        redirect = ("action", "mirred", "egress", "redirect", "dev", target)
        host.run("tc", "filter", "add", "dev", source, "ingress", *everything, *redirect)
    host.run("ip", "link", "set", tap, "up", netns=host.switch)
    interface = ("--", "set", "Interface", tap, f"external_ids:iface-id={port}")
    host.vsctl("add-port", "br-int", tap, *interface)
    container.run("ip", "link", "set", "eth0", "address", mac, "mtu", str(mtu), "up")
    container.run("ip", "address", "add", address, "dev", "eth0")
    return container
