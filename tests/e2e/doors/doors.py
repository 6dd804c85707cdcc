"""The doors, as the lifecycle suite uses them: something that lives, and how it is attached and detached."""

import json
from dataclasses import dataclass
from typing import Any, Protocol

from tests.e2e.docker.engines import IMAGE
from tests.e2e.doors.house import House


class Door(Protocol):
    """`live` makes something to attach and names it as `sealane exec` does; `die` ends it at once."""

    duplicate_is_error: bool
    detach_twice_is_error: bool

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

    def attach(self, house: House, target: str) -> str:
        body: dict[str, Any] = json.loads(
            house.sealane("attach", target, "--network", "blue", "--ifname", "net0", "-o", "json")
        )
        return str(body["addresses"][0]).partition("/")[0]

    def fails_to_attach(self, house: House, target: str) -> str:
        return house.refused("attach", target, "--network", "blue", "--ifname", "net0")

    def detach(self, house: House, target: str) -> bool:
        return house.exec("sealane", "detach", target).returncode == 0


class Docker(Attach):
    def live(self, house: House) -> str:
        house.docker("run", "-d", "--name", "web", "--network", "none", IMAGE, "sleep", "3600")
        return "web"

    def die(self, house: House, target: str) -> None:
        house.docker("rm", "-f", target)


class Process(Attach):
    def live(self, house: House) -> str:
        return str(house.sleeper())

    def die(self, house: House, target: str) -> None:
        house.run("kill", "-9", target)


class Namespace(Attach):
    def live(self, house: House) -> str:
        house.run("ip", "netns", "add", "box1")
        return "netns:box1"

    def die(self, house: House, target: str) -> None:
        house.run("ip", "netns", "delete", "box1")


@dataclass(frozen=True)
class Named:
    name: str
    door: Door


DOORS = (Named("docker", Docker()), Named("process", Process()), Named("namespace", Namespace()))
