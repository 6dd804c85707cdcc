"""The arms: pairs of places that do the same work, each by another network.

underlay, control   the two hosts themselves; twice, so that the run shows how much it can be trusted
veth                two namespaces with one veth pair between them: all that one host can give
bridge              two containers on Docker's own bridge
overlay             two containers on Swarm's overlay, on two engines
ovn, fast           two containers on a Sealane network, on two engines; without the fast path and with it
ovn-local, fast-local       the same on one engine
out-…, in-…         a container asks somebody outside of the hosts by its host's NAT, or is asked at a
                    published port; on Docker's bridge (out-bridge) and on a Sealane network
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product

from bench import engine
from bench.data.probe import PORTS, Place
from bench.engine import Engine
from sealane.errors import SealaneError
from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE

NEAR, FAR = "bench-near", "bench-far"
"""Namespaces of the veth pair."""
FAST = {
    "ovn": False,
    "fast": True,
    "ovn-local": False,
    "fast-local": True,
    "out-ovn": False,
    "out-fast": True,
    "in-ovn": False,
    "in-fast": True,
}
"""Arms on a Sealane network, and whether the fast path is on."""
ARMS = ("underlay", "control", "veth", "bridge", "overlay", "out-bridge", "in-bridge", *FAST)
WITH_FAST_PATH = tuple(arm for arm, is_on in FAST.items() if is_on)
SHIFTS = {"in-bridge": 1000, "in-ovn": 2000, "in-fast": 3000}
"""By so much are published ports higher than the container's."""
FAILURES = (RuntimeError, SealaneError, OSError, subprocess.SubprocessError)
"""What an arm may fail by while the others go on."""


@dataclass
class Arms:
    """Where each arm is; `absent` says why one can't be had."""

    lab: Lab
    places: dict[str, Place] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    is_on: bool | None = None
    """The fast path, on all hosts; None while nobody knows."""

    def switch(self, arm: str) -> None:
        """The fast path, on all hosts, as the arm wants it; off for those of others. Raises SealaneError."""
        wanted = arm in WITH_FAST_PATH
        if self.is_on != wanted:
            self.is_on = None
            self._everywhere(
                lambda host: self.lab.exec(host, "sealane", "fastpath", "on" if wanted else "off")
            )
            self.is_on = wanted

    def counted(self) -> tuple[int, int]:
        """Packets that containers of all hosts have sent, and how many were fast. Raises SealaneError."""
        told = self._everywhere(
            lambda host: self.lab.exec(host, "sealane", "fastpath", "status", "-o", "json")
        )
        ports = [port for answer in told for port in json.loads(answer.stdout).get("ports", ())]
        return sum(port["packets"] for port in ports), sum(port["fast"] for port in ports)

    def _everywhere(
        self, command: Callable[[str], "subprocess.CompletedProcess[str]"]
    ) -> list["subprocess.CompletedProcess[str]"]:
        """On all hosts at once."""
        with ThreadPoolExecutor() as threads:
            return list(threads.map(command, self.lab.plan.host_names))


@contextmanager
def prepared(lab: Lab, wanted: Sequence[str]) -> Iterator[Arms]:
    """Networks and containers of all arms. Raises RuntimeError, SealaneError."""
    engines = [Engine(lab, host) for host in lab.plan.host_names]
    arms = Arms(lab)
    try:
        for one in engines:
            one.clean()
            one.import_image()
        kinds = ("bridge", "overlay", "sealane+ipam")
        absent = engine.make_networks(engines, kinds)
        for arm in wanted:
            try:
                arms.places[arm] = _place(lab, engines, arm, absent)
            except FAILURES as exc:
                arms.absent[arm] = str(exc)
        yield arms
    finally:
        for one in engines:
            one.clean()
        for name in (NEAR, FAR):
            lab.exec(engines[0].host, "ip", "netns", "delete", name, check=False)


def _place(lab: Lab, engines: Sequence[Engine], arm: str, absent: Mapping[str, str]) -> Place:
    near, far = engines
    if arm in ("underlay", "control"):
        return Place(lab.command(near.host, []), lab.command(far.host, []), far.address)
    if arm == "veth":
        return _veth(lab, near.host)
    kind = "sealane+ipam" if arm in FAST else arm.removeprefix("out-").removeprefix("in-")
    if kind in absent:
        raise RuntimeError(absent[kind])
    if arm.startswith(("out-", "in-")):
        return _outside(lab, near, arm, kind)
    is_local = arm == "bridge" or arm.endswith("-local")
    if kind == "sealane+ipam":
        far.wait_for(kind)
    (_, client) = near.start(kind, f"-{arm}-client")
    (address, server) = (near if is_local else far).start(kind, f"-{arm}-server")
    return Place(client, server, address)


def _outside(lab: Lab, near: Engine, arm: str, kind: str) -> Place:
    world = lab.command(OUTSIDE, [])
    if arm.startswith("out-"):
        return Place(near.start(kind, f"-{arm}")[1], world, str(lab.plan.router.ip))
    shift = SHIFTS[arm]
    ports = [f"{port + shift}:{port}/{how}" for port, how in product(PORTS, ("tcp", "udp"))]
    (_, container) = near.start(kind, f"-{arm}", [word for port in ports for word in ("-p", port)])
    return Place(world, container, near.address, shift)


def _veth(lab: Lab, host: str) -> Place:
    for name in (NEAR, FAR):
        lab.exec(host, "ip", "netns", "add", name)
    lab.exec(host, "ip", "-n", NEAR, "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", FAR)
    for name, address in ((NEAR, "192.0.2.1/30"), (FAR, "192.0.2.2/30")):
        lab.exec(host, "ip", "-n", name, "address", "add", address, "dev", "v0")
        lab.exec(host, "ip", "-n", name, "link", "set", "v0", "up")
    words = (lab.command(host, ["ip", "netns", "exec", name]) for name in (NEAR, FAR))
    return Place(next(words), next(words), "192.0.2.2")
