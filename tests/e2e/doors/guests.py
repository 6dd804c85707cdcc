"""The door for hypervisors, by os_vif itself: a port of nova's, and a guest in a namespace."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.docker.engines import until
from tests.e2e.doors.house import House

HYPERVISOR = (sys.executable, str(Path(__file__).with_name("hypervisor.py")))


def call(house: House, *words: str) -> "subprocess.CompletedProcess[str]":
    return house.exec(*HYPERVISOR, *words)


class Tap:
    """The guest's memory and processor are a program that passes frames on to the namespace."""

    kind, box, device = "tap", "box4", "vm1dev"
    duplicate_is_error = False
    detach_twice_is_error = False
    comes_back = False

    def __init__(self) -> None:
        self.port: dict[str, Any] = {}

    def live(self, house: House) -> str:
        """After a boot nova still has its port."""
        if not self.port:
            words = ("--network", "blue", "--host", house.host, "--device-owner", "compute:nova")
            self.port = house.central.json("port", "create", self.box, *words)
        house.run("ip", "netns", "add", self.box)
        return f"netns:{self.box}"

    def die(self, house: House, target: str) -> None:
        """The instance was deleted while its host could not be told."""
        house.stop(self.box)
        house.run("ip", "netns", "delete", self.box)
        house.central.sealane("port", "delete", self.port["id"])

    def attach(self, house: House, target: str) -> str:
        done = call(house, "plug", self.kind, self.port["id"], self.device, "-")
        assert done.returncode == 0, done.stderr[-1500:]
        if self.enter(house):
            address: str = self.port["fixed_ips"][0]["ip_address"]
            inside = ("ip", "-n", self.box)
            mac = self.port["mac_address"]
            house.run(*inside, "link", "set", self.inner, "address", mac, "mtu", "1400", "up")
            house.run(*inside, "address", "add", f"{address}/24", "dev", self.inner)
            # Its system would announce the address, which had another MAC with the guest before.
            House(house.lab, "host2").exec(
                "ip", "-n", "far", "neigh", "flush", "all"
            )  # it may have lost power
        return str(self.port["fixed_ips"][0]["ip_address"])

    @property
    def inner(self) -> str:
        """The guest's own name of it."""
        return "inner0"

    def has_it(self, house: House) -> bool:
        return house.exec("ip", "-n", self.box, "link", "show", self.inner).returncode == 0

    def enter(self, house: House) -> bool:
        """Give the device to the guest, unless it has it."""
        if self.has_it(house):
            return False
        words = ("ip", "netns", "exec", self.box, *HYPERVISOR, "guest", self.device, self.inner)
        started = house.spawn(*words, name=self.box, stdout=subprocess.PIPE)
        assert started.stdout and started.stdout.readline() == b"runs\n"
        return True

    def fails_to_attach(self, house: House, target: str) -> str:
        raise AssertionError("plugging twice is no error")

    def detach(self, house: House, target: str) -> bool:
        """The guest goes first."""
        house.stop(self.box)
        if self.kind == "tap":
            until(lambda: not self.has_it(house), what="the guest has ended")
        return call(house, "unplug", self.kind, self.port["id"], self.device, "-").returncode == 0


class Veth(Tap):
    """A container of nova's."""

    kind, box, device = "veth", "box5", "vm2dev"

    @property
    def inner(self) -> str:
        return self.device

    def enter(self, house: House) -> bool:
        if self.has_it(house):
            return False
        house.run("ip", "link", "set", self.device, "netns", self.box)
        return True
