"""All doors, by name; each host has one of its own of each."""

from collections.abc import Callable, Mapping

from tests.e2e.doors.doors import Cni, Container, Docker, Door, HostPort, Namespace, Netavark, Process
from tests.e2e.doors.guests import Tap, Veth
from tests.e2e.doors.house import House
from tests.e2e.doors.machines import Lxc, Nspawn

DOORS: Mapping[str, Callable[[], Door]] = {
    "docker": Docker,
    "container": Container,
    "process": Process,
    "namespace": Namespace,
    "lxc": Lxc,
    "nspawn": Nspawn,
    "cni": Cni,
    "netavark": Netavark,
    "tap": Tap,
    "veth": Veth,
    "host": HostPort,
}


class Tenant:
    """What lives behind one door of a host."""

    def __init__(self, house: House, name: str) -> None:
        self.house = house
        self.name = name
        self.door = DOORS[name]()
        self.target = ""
        self.address = ""

    def live(self) -> None:
        self.target = self.door.live(self.house)

    def attach(self) -> None:
        self.address = self.door.attach(self.house, self.target)

    def detach(self) -> bool:
        return self.door.detach(self.house, self.target)

    def die(self) -> None:
        self.door.die(self.house, self.target)

    def reaches(self) -> None:
        self.house.reaches(self.target)


def tenants(house: House) -> list[Tenant]:
    """One of each kind, alive."""
    found = [Tenant(house, name) for name in DOORS]
    for tenant in found:
        tenant.live()
    return found
