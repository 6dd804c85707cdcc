"""A node in a network namespace of its own: real OVN, Open vSwitch's userspace datapath, a world outside.

world 198.51.100.2 ── eth9 198.51.100.1 │ the test's "host" namespace │ RUN/netns/switch: ovs-vswitchd
"""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from sealane.config import Settings
from sealane.host import command, link, netns
from sealane.host.netlink import Socket
from tests.central import Central
from tests.daemons import PATIENCE, OvsdbServer, until

VSWITCH_SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
WORLD = {4: "198.51.100.2", 6: "2001:db8::2"}
HOST = {4: "198.51.100.1", 6: "2001:db8::1"}
T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def host_namespace() -> Iterator[None]:
    """A new network namespace for the calling thread, and for the threads that it starts meanwhile."""
    before = os.open(f"/proc/self/task/{os.getpid()}/ns/net", os.O_RDONLY)
    assert _libc.unshare(netns.CLONE_NEWNET) == 0, "unshare needs root"
    try:
        command.run(["ip", "link", "set", "lo", "up"])
        yield
    finally:
        assert _libc.setns(before, netns.CLONE_NEWNET) == 0
        os.close(before)


class Node:
    """`with Node(directory) as node:` inside host_namespace()."""

    def __init__(self, directory: Path) -> None:
        self.settings = Settings(run_dir=directory / "run", state_dir=directory / "state", host_name="host1")
        self.central = Central(directory)
        self.world = self.settings.netns_dir / "world"
        self.switch = self.settings.netns_dir / "switch"
        self._stack = ExitStack()
        self._directory = directory
        self._boxes: list[Path] = []

    def __enter__(self) -> "Node":
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def box(self, name: str) -> Path:
        """A namespace that stands for a container."""
        path = self.settings.netns_dir / f"box-{name}"
        netns.create(path)
        self._boxes.append(path)
        return path

    def vsctl(self, *words: str) -> str:
        return command.run(["ovs-vsctl", f"--db={self.settings.ovs_remote}", "--timeout=10", *words])

    def _start(self) -> None:
        self._stack.callback(self._remove_namespaces)
        for directory in (self.settings.ovs_run_dir, self.settings.ovn_run_dir, self.settings.state_dir):
            directory.mkdir(parents=True)
        netns.create(self.switch)
        self._make_world()
        self._stack.enter_context(self.central)
        self._start_switch()
        self._start_controller()

    def _make_world(self) -> None:
        netns.create(self.world)
        with Socket() as host:
            descriptor = netns.open_namespace(self.world)
            link.add_pair(
                host, link.End("eth9", 1500), link.End("w0", 1500, namespace=descriptor), "test", silent=False
            )
            os.close(descriptor)
        _addresses("eth9", HOST, None)
        _addresses("w0", WORLD, self.world)

    def _start_switch(self) -> None:
        directory = self.settings.ovs_run_dir
        self._stack.enter_context(OvsdbServer(directory, VSWITCH_SCHEMA, clustered=False))
        self.vsctl("--no-wait", "init")
        self.vsctl(
            *("--no-wait", "add-br", "br-int", "--", "set", "Bridge", "br-int"),
            *("datapath_type=netdev", "fail_mode=secure"),
        )
        arguments = [self.settings.ovs_remote, f"--unixctl={directory}/vswitchd.ctl", "-vconsole:off"]
        self._run(["ovs-vswitchd", *arguments, f"--log-file={directory}/vswitchd.log"], self.switch)
        until((directory / "br-int.mgmt").exists, "ovs-vswitchd makes br-int")

    def _start_controller(self) -> None:
        ids = {
            "ovn-remote": self.central.sb.remote,
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": HOST[4],
            "ovn-bridge-datapath-type": "netdev",
            "ovn-monitor-all": "true",
            "system-id": "host1",
        }
        pairs = [f'external_ids:{key}="{value}"' for key, value in ids.items()]
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", *pairs)
        pid = self.settings.ovn_run_dir / "ovn-controller.pid"
        log = self.settings.ovn_run_dir / "ovn-controller.log"
        arguments = [f"--pidfile={pid}", "-vconsole:off", f"--log-file={log}"]
        self._run(["ovn-controller", self.settings.ovs_remote, *arguments], None)

    def _run(self, argv: list[str], namespace: Path | None) -> None:
        ovs, ovn = str(self.settings.ovs_run_dir), str(self.settings.ovn_run_dir)
        environ = {**os.environ, "OVS_RUNDIR": ovs, "OVN_RUNDIR": ovn}

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(argv, env=environ, stderr=subprocess.DEVNULL)

        process = start() if namespace is None else netns.inside(namespace, start)
        self._stack.callback(process.wait, PATIENCE)
        self._stack.callback(process.kill)

    def _remove_namespaces(self) -> None:
        for path in (*self._boxes, self.world, self.switch):
            netns.remove(path)


def within(path: Path | None, function: Callable[[], T]) -> T:
    return function() if path is None else netns.inside(path, function)


def _addresses(name: str, addresses: dict[int, str], namespace: Path | None) -> None:
    def run(*words: str) -> None:
        command.run(["ip", *words], namespace=namespace)

    run("link", "set", "lo", "up")
    run("link", "set", name, "up")
    run("address", "add", f"{addresses[4]}/24", "dev", name)
    run("address", "add", f"{addresses[6]}/64", "dev", name, "nodad")
