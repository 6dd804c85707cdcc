"""A life that faults strike: a network and a container come and go, beside two containers that stay.

    network create · run -p · network connect · network disconnect · rm · network rm

Each step is a docker command on one host and must end within PATIENCE: done, or refused.  After a refusal the
rest is undone, as a user would.
"""

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from faults.site import CENTRAL, Late, Site, until
from tests.e2e.docker.engines import IMAGE, Engine

NETWORK, CONTAINER = "brief", "probe"
HOME, HOME_CIDR = "home", "10.81.0.0/24"
STAY = {"host1": ("stay1", "10.81.0.11"), "host2": ("stay2", "10.81.0.12")}
SLEEP = ("sleep", "3600")
OUR_IPAM = ("-d", "sealane", "--ipam-driver", "sealane")

STEPS: dict[str, tuple[str, ...]] = {
    "network create": ("network", "create", *OUR_IPAM, NETWORK),
    "run": ("run", "-d", "--name", CONTAINER, "--network", NETWORK, "-p", "8099:80", IMAGE, *SLEEP),
    "network connect": ("network", "connect", HOME, CONTAINER),
    "network disconnect": ("network", "disconnect", HOME, CONTAINER),
    "rm": ("rm", "-f", CONTAINER),
    "network rm": ("network", "rm", NETWORK),
}
UNDO: tuple[tuple[str, ...], ...] = (STEPS["rm"], STEPS["network rm"])
PATIENCE = 60.0
"""Seconds for one command: dockerd repeats a call for 15, and a container has several."""


@dataclass
class Told:
    """How the steps of one life ended."""

    done: list[str] = field(default_factory=list)
    refused: str = ""
    why: str = ""
    hung: str = ""
    wrong: str = ""
    """A success that was none."""
    slowest: float = 0.0


class Life:
    """Lived in a thread, so that a fault can be made meanwhile."""

    def __init__(self, site: Site, host: str = CENTRAL) -> None:
        self.engine = Engine(site.lab, host)
        self.told = Told()
        self._thread = threading.Thread(target=self._live, name="life")

    def __enter__(self) -> "Life":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def _live(self) -> None:
        for name, argv in STEPS.items():
            if not self._step(name, argv):
                break
        if self.told.refused or self.told.hung:
            undo(self.engine)
        elif NETWORK in self.engine.networks():
            self.told.wrong = "network rm"

    def _step(self, name: str, argv: Sequence[str]) -> bool:
        begin = time.monotonic()
        try:
            done = self.engine.raw(*argv, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.told.hung = name
            return False
        finally:
            self.told.slowest = max(self.told.slowest, time.monotonic() - begin)
        if done.returncode != 0:
            self.told.refused, self.told.why = name, done.stderr.strip()[-300:]
            return False
        self.told.done.append(name)
        if name == "run" and not self._has_network():
            self.told.wrong = "run"
        return True

    def _has_network(self) -> bool:
        """A container that docker run has started reaches its gateway: soon, if a part is just away."""
        gateway = self.engine.raw("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", NETWORK)
        address = gateway.stdout.strip().split("/")[0]
        try:
            until(lambda: self.engine.reaches(CONTAINER, address), "the gateway answers", 30)
        except (Late, subprocess.TimeoutExpired):
            return self.engine.raw("inspect", "-f", "{{.State.Running}}", CONTAINER).stdout.strip() != "true"
        return True


def undo(engine: Engine) -> None:
    """Take away what an unfinished life has left; what the engine never had is refused, and no matter."""
    until(engine.answers, "the engine answers")
    for argv in UNDO:
        engine.raw(*argv, timeout=PATIENCE)


def begin(site: Site) -> None:
    """The network and the containers that stay; also after a campaign that was killed."""
    one, two = (Engine(site.lab, host) for host in STAY)
    for engine in (one, two):
        engine.clear()
        if engine.raw("image", "inspect", IMAGE).returncode != 0:
            engine.image()
    for name in one.networks() - {HOME}:
        one.raw("network", "rm", name)
    if HOME not in one.networks():
        one("network", "create", *OUR_IPAM, "--subnet", HOME_CIDR, HOME)
    until(lambda: HOME in two.networks(), "the mirror is there")
    for host, (name, address) in STAY.items():
        Engine(site.lab, host).run(name, HOME, "--ip", address, "--restart", "always")


def end(site: Site) -> None:
    for host in STAY:
        Engine(site.lab, host).clear()
    Engine(site.lab, "host1").raw("network", "rm", HOME)


def alive(site: Site) -> list[str]:
    """Who of those that stay does not reach the other by name; asks once."""
    lost = []
    for host, (name, _) in STAY.items():
        other = next(n for h, (n, _) in STAY.items() if h != host)
        if not Engine(site.lab, host).reaches(name, other):
            lost.append(name)
    return lost


def wait_alive(site: Site, seconds: float = 30.0) -> tuple[float, list[str]]:
    """Seconds until all who stay reach each other by name, and who still does not then."""
    begin = time.monotonic()
    while lost := alive(site):
        if time.monotonic() - begin > seconds:
            return seconds, lost
        time.sleep(0.2)
    return time.monotonic() - begin, []
