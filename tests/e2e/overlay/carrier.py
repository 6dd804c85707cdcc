"""A namespace whose link carries a trunk, and stations behind it: one for each VLAN, with a tagger between.

    station m101 ── v101 ══ p101 ─ tagger ─┐
                                           ├─ eth0 of the carrier ── the parent's port
    station m102 ── v102 ══ p102 ─ tagger ─┘

The kernel need not know of VLANs (IEEE 802.1Q).
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import Machine, until
from tests.e2e.routers import tagger


@dataclass(frozen=True)
class Station(Machine):
    """What a sub-port is for; its link is called eth0 as well."""

    vlan: int = 0


def enter(lab: Lab, host: str, name: str, port: str, trunk: str) -> Machine:
    """A namespace with the port, by the name of its trunk where that is given."""
    lab.exec(host, "ip", "netns", "add", name)
    lab.exec(host, "ip", "-n", name, "link", "set", "lo", "up")
    asked = ("--trunk", trunk) if trunk else ("--port", port)
    lab.exec(host, "sealane", "attach", f"/run/netns/{name}", *asked)
    return Machine(lab, host, name, port, ())


@contextmanager
def station(carrier: Machine, api: Api, vlan: int, port: str) -> Iterator[Station]:
    """With the sub-port's MAC and addresses."""
    lab, host, name, plain = carrier.lab, carrier.host, f"m{vlan}", f"p{vlan}"
    row: Any = api.find("ports", port)
    addresses = tuple(fixed["ip_address"] for fixed in row["fixed_ips"])
    made = Station(lab, host, name, port, addresses, vlan)
    lab.exec(host, "ip", "netns", "add", name)
    try:
        words = ["link", "add", plain, "type", "veth", "peer", "name", "eth0", "netns", name]
        lab.exec(host, "ip", "-n", carrier.name, *words)
        made.exec("ip", "link", "set", "eth0", "address", row["mac_address"], "mtu", "1400")
        for machine, link in ((made, "eth0"), (carrier, plain)):
            machine.exec("ethtool", "-K", link, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
            machine.exec("ip", "link", "set", link, "up")
        for address in addresses:
            kind = ("/64", "nodad") if ":" in address else ("/24",)
            made.exec("ip", "address", "add", f"{address}{kind[0]}", "dev", "eth0", *kind[1:])
        inside = ["ip", "netns", "exec", carrier.name, "python3", tagger.__file__, plain, "eth0", str(vlan)]
        with subprocess.Popen(lab.command(host, inside)) as process:
            try:
                yield made
            finally:
                process.kill()
    finally:
        lab.exec(host, "ip", "-n", carrier.name, "link", "delete", plain, check=False)
        lab.exec(host, "ip", "netns", "delete", name)


@contextmanager
def carrying(
    lab: Lab, api: Api, host: str, parent: str, within: dict[int, str], trunk: str = ""
) -> Iterator[tuple[Machine, list[Station]]]:
    """The parent's namespace on that host, and a station for each VLAN."""
    carrier = enter(lab, host, "carrier", parent, trunk)
    try:
        with ExitStack() as stack:
            stations = [stack.enter_context(station(carrier, api, vlan, id)) for vlan, id in within.items()]
            yield carrier, stations
    finally:
        carrier.remove()


def active(api: Api, *ports: str) -> None:
    until(lambda: all(api.find("ports", id)["status"] == "ACTIVE" for id in ports), "the ports are ACTIVE")
