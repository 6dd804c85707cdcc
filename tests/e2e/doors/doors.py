"""The doors, as the lifecycle suite uses them: something that lives, and how it is attached and detached."""

import json
import subprocess
from pathlib import Path
from typing import Any, Protocol

from tests.e2e.docker.engines import IMAGE, until
from tests.e2e.doors.house import HOST, House

RUNTIME = Path(__file__).with_name("runtime.py")


class Door(Protocol):
    """`live` makes something to attach and names it as `sealane exec` does; `die` ends it at once."""

    duplicate_is_error: bool
    detach_twice_is_error: bool
    comes_back: bool
    """By itself, when its host has lost power and boots."""

    def live(self, house: House) -> str: ...
    def die(self, house: House, target: str) -> None: ...
    def attach(self, house: House, target: str) -> str:
        """Its address."""
        ...

    def fails_to_attach(self, house: House, target: str) -> str:
        """The error, in the door's own format."""
        ...

    def detach(self, house: House, target: str) -> bool:
        """Was it a success?"""
        ...


class Attach:
    """`sealane attach`, whatever lives."""

    duplicate_is_error = True
    detach_twice_is_error = True
    comes_back = False

    def attach(self, house: House, target: str) -> str:
        body: dict[str, Any] = json.loads(
            house.sealane("attach", target, "--network", "blue", "--ifname", "net0", "-o", "json")
        )
        return str(body["addresses"][0]).partition("/")[0]

    def fails_to_attach(self, house: House, target: str) -> str:
        return house.refused("attach", target, "--network", "blue", "--ifname", "net0")

    def detach(self, house: House, target: str) -> bool:
        return house.exec("sealane", "detach", target).returncode == 0


class Container(Attach):
    def live(self, house: House) -> str:
        house.docker.raw("rm", "-f", "web")  # it is there still, when its host was booted
        house.docker("run", "-d", "--name", "web", "--network", "none", IMAGE, "sleep", "3600")
        return "web"

    def die(self, house: House, target: str) -> None:
        house.docker("rm", "-f", target)


class Docker:
    """Docker's own command, and the driver behind it."""

    duplicate_is_error = True
    detach_twice_is_error = True
    comes_back = True

    def live(self, house: House) -> str:
        until(lambda: "blue" in house.docker.networks(), what="Docker knows the network")
        house.docker("run", "-d", "--restart", "always", "--name", "shop", IMAGE, "sleep", "3600")
        return "shop"

    def die(self, house: House, target: str) -> None:
        house.docker("rm", "-f", target)

    def attach(self, house: House, target: str) -> str:
        house.docker("network", "connect", "blue", target)
        return house.docker.address(target, "blue")

    def fails_to_attach(self, house: House, target: str) -> str:
        done = house.docker.raw("network", "connect", "blue", target)
        assert done.returncode == 1 and done.stderr.startswith("Error response from daemon: ")
        return done.stderr

    def detach(self, house: House, target: str) -> bool:
        return house.docker.raw("network", "disconnect", "blue", target).returncode == 0


class HostPort:
    """The host itself; its door has no life of its own but that of its port."""

    duplicate_is_error = True
    detach_twice_is_error = True
    comes_back = True

    def live(self, house: House) -> str:
        return HOST

    def die(self, house: House, target: str) -> None:
        (row,) = [row for row in house.json("ps") if row["door"] == "host"]
        house.central.sealane("port", "delete", row["port_id"])

    def attach(self, house: House, target: str) -> str:
        made = house.json("host-port", "add", "blue", "--ifname", "blue0")
        return str(made["addresses"][0]).partition("/")[0]

    def fails_to_attach(self, house: House, target: str) -> str:
        return house.refused("host-port", "add", "blue", "--ifname", "blue0")

    def detach(self, house: House, target: str) -> bool:
        return house.exec("sealane", "host-port", "remove", "blue0").returncode == 0


class Process(Attach):
    def live(self, house: House) -> str:
        return str(house.sleeper())

    def die(self, house: House, target: str) -> None:
        house.run("kill", "-9", target)


class Namespace(Attach):
    box = "box1"

    def live(self, house: House) -> str:
        house.run("ip", "netns", "add", self.box)
        return f"netns:{self.box}"

    def die(self, house: House, target: str) -> None:
        house.run("ip", "netns", "delete", self.box)


class Cni(Namespace):
    """As a runtime calls it, with the namespace that it has made."""

    box = "box2"
    detach_twice_is_error = False
    conflist = "/etc/cni/net.d/10-sealane-blue.conflist"

    def live(self, house: House) -> str:
        house.sealane("cni", "install", "blue", "--cni-version", "1.1.0", "--bin-dir", "/run/cni/bin")
        return super().live(house)

    def attach(self, house: House, target: str) -> str:
        done = self.call(house, "ADD")
        assert done.returncode == 0, done.stdout + done.stderr
        address: str = json.loads(done.stdout)["ips"][0]["address"]
        return address.partition("/")[0]

    def fails_to_attach(self, house: House, target: str) -> str:
        done = self.call(house, "ADD")
        assert done.returncode > 100
        body = json.loads(done.stdout)
        assert set(body) == {"cniVersion", "code", "msg", "details"}
        return str(body["msg"])

    def detach(self, house: House, target: str) -> bool:
        return self.call(house, "DEL").returncode == 0

    def call(
        self, house: House, command: str, container: str = "c1", capabilities: str = "{}", netns: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        words = ("python3", str(RUNTIME), command, self.conflist, container)
        return house.exec(*words, netns or f"/run/netns/{self.box}", "eth0", capabilities)


class Netavark(Namespace):
    """As netavark calls a plugin."""

    box = "box3"
    detach_twice_is_error = False
    program = "/run/netavark/sealane"

    def live(self, house: House) -> str:
        house.sealane("podman", "install", "--plugin-dir", "/run/netavark")
        return super().live(house)

    def attach(self, house: House, target: str) -> str:
        done = self.call(house, "setup")
        assert done.returncode == 0, done.stdout + done.stderr
        address: str = json.loads(done.stdout)["interfaces"]["eth0"]["subnets"][0]["ipnet"]
        return address.partition("/")[0]

    def fails_to_attach(self, house: House, target: str) -> str:
        done = self.call(house, "setup")
        assert done.returncode == 1
        body = json.loads(done.stdout)
        assert set(body) == {"error"}
        return str(body["error"])

    def detach(self, house: House, target: str) -> bool:
        return self.call(house, "teardown").returncode == 0

    def call(self, house: House, verb: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        network = {"name": "blue", "id": "b" * 64, "driver": "sealane", "internal": False}
        options = {"interface_name": "eth0", "aliases": None, "static_ips": None, "static_mac": None}
        body = {
            "container_id": "c" * 64,
            "container_name": "cellar",
            "port_mappings": None,
            "network": network | more.pop("network", {}),
            "network_options": options | more.pop("network_options", {}),
        }
        text = more.pop("text", None) or json.dumps(body | more)
        return house.exec(self.program, verb, f"/run/netns/{self.box}", stdin=text)
