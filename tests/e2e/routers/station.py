"""A link of the world in a VLAN of `lan`, a bridge outside of a lab's hosts."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from sealane.lab.lab import Lab
from tests.e2e.routers import tagger


@contextmanager
def station(lab: Lab, vlan: int) -> Iterator[None]:
    """172.31.VLAN.1 and fd31:VLAN::1; the kernel need not know of VLANs."""
    link, plain, trunk = f"w{vlan}", f"p{vlan}", f"t{vlan}"
    outside(lab, "ip", "link", "add", link, "type", "veth", "peer", "name", plain)
    outside(lab, "ip", "link", "add", f"l{vlan}", "type", "veth", "peer", "name", trunk)
    outside(lab, "ip", "link", "set", f"l{vlan}", "master", "lan")
    for each in (link, plain, trunk, f"l{vlan}"):
        outside(lab, "ethtool", "-K", each, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        outside(lab, "ip", "link", "set", each, "up")
    outside(lab, "ip", "address", "add", f"172.31.{vlan}.1/24", "dev", link)
    outside(lab, "ip", "address", "add", f"fd31:{vlan}::1/64", "dev", link, "nodad")
    words = ["nsenter", f"--net={lab.plan.outside}", "python3", tagger.__file__, plain, trunk, str(vlan)]
    process = subprocess.Popen(words)
    try:
        yield
    finally:
        process.kill()
        process.wait(60)
        for each in (link, trunk):
            outside(lab, "ip", "link", "delete", each)


def outside(lab: Lab, *argv: str) -> str:
    words = ["nsenter", f"--net={lab.plan.outside}", *argv]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
