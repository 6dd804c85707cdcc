"""A host as far as OVN knows one: Open vSwitch in a namespace of its own, and a real ovn-controller."""

import os
import re
import subprocess
from pathlib import Path

from tests.daemons import PATIENCE, until
from tests.gate.place import Member, Place

VSWITCH_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Controller:
    """`with Controller(member, directory) as host:`; `name` is what it pretends to be."""

    def __init__(self, member: Member, directory: Path, name: str = "", address: str = "") -> None:
        self.member = member
        self.name = name or member.node.name
        self.address = address or member.node.address
        self.directory = directory
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._controller: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> Place:
        return self.member.place

    @property
    def environ(self) -> dict[str, str]:
        place = str(self.directory)
        return {**os.environ, "OVS_RUNDIR": place, "OVN_RUNDIR": place, "OVS_LOGDIR": place}

    def __enter__(self) -> "Controller":
        self.directory.mkdir()
        database = self.directory / "conf.db"
        subprocess.run(["ovsdb-tool", "create", str(database), VSWITCH_SCHEMA], check=True, timeout=PATIENCE)
        db = f"unix:{self.directory}/db.sock"
        self._spawn("ovsdb-server", str(database), f"--remote=p{db}", f"--unixctl={self.directory}/db.ctl")
        until((self.directory / "db.sock").exists, "the switch's database listens")
        self.vsctl("--no-wait", "init")
        self._spawn("unshare", "--net", "ovs-vswitchd", db, f"--unixctl={self.directory}/vswitchd.ctl")
        secure = ("--", "set", "Bridge", "br-int", "datapath_type=netdev", "fail_mode=secure")
        self.vsctl("add-br", "br-int", *secure)
        values = {
            "ovn-remote": f"ssl:{self.place.host}:{self.place.port}",
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": self.address,
            "system-id": self.name,
            "hostname": self.name,
            "ovn-monitor-all": "true",
            "ovn-ofctrl-wait-before-clear": "1000",
        }
        self.vsctl("set", "Open_vSwitch", ".", *(f"external_ids:{k}={v}" for k, v in values.items()))
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for daemon in reversed(self._daemons):
            daemon.kill()
            daemon.wait(PATIENCE)

    def start(self) -> None:
        certificate = str(self.member.file)
        self._controller = self._popen(
            "ovn-controller",
            f"unix:{self.directory}/db.sock",
            f"--pidfile={self.directory}/ovn-controller.pid",
            f"--private-key={certificate}",
            f"--certificate={certificate}",
            f"--ca-cert={self.place.pki.central_ca}",
        )

    def kill(self) -> None:
        """SIGKILL."""
        if self._controller is not None:
            self._controller.kill()
            self._controller.wait(PATIENCE)
            self._controller = None

    def leave(self, *how: str) -> None:
        """`exit`, or `exit --restart`."""
        assert self._controller is not None
        self.appctl("exit", *how)
        self._controller.wait(PATIENCE)
        self._controller = None

    @property
    def is_running(self) -> bool:
        return self._controller is not None and self._controller.poll() is None

    def is_connected(self) -> bool:
        return self.appctl("connection-status").strip() == "connected"

    def appctl(self, *words: str) -> str:
        """ "" when it does not answer (yet)."""
        command = ["ovn-appctl", "--timeout=20", "-t", "ovn-controller", *words]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout

    def vsctl(self, *words: str) -> str:
        command = ["ovs-vsctl", f"--db=unix:{self.directory}/db.sock", "--timeout=20", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

    def plug(self, port: str) -> None:
        """A link of the switch that is to be the logical port."""
        interface = ("--", "set", "Interface", port, "type=internal", f"external_ids:iface-id={port}")
        self.vsctl("--may-exist", "add-port", "br-int", port, *interface)

    def flows(self) -> set[str]:
        """Of br-int, without what counts and runs."""
        bridge = f"unix:{self.directory}/br-int.mgmt"
        command = ["ovs-ofctl", "-O", "OpenFlow15", "--no-stats", "dump-flows", bridge]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
        return {re.sub(r"cookie=\w+, ", "", line.strip()) for line in done.stdout.splitlines()[1:]}

    def inject(self, port: str, frame: bytes) -> None:
        """As if it came in by the port."""
        number = self.vsctl("get", "Interface", port, "ofport").strip()
        packet = f"in_port={number} packet={frame.hex()} actions=table"
        bridge = f"unix:{self.directory}/br-int.mgmt"
        command = ["ovs-ofctl", "-O", "OpenFlow15", "packet-out", bridge, packet]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)

    def log(self) -> str:
        return (self.directory / "ovn-controller.err").read_text()

    def _spawn(self, *argv: str) -> None:
        self._daemons.append(self._popen(*argv))

    def _popen(self, *argv: str) -> "subprocess.Popen[bytes]":
        name = next(word for word in argv if word.startswith(("ov", "ovs")))
        with open(self.directory / f"{name}.err", "ab") as log:
            words = ("setpriv", "--pdeathsig", "KILL", *argv)
            return subprocess.Popen(words, env=self.environ, stderr=log, stdout=log)
