"""One attachment through one door, inside a host: how long the call took, and until the first answer.

    python door_call.py KIND

prints {"call": seconds, "packet": seconds}, both counted from the moment of the call.  The namespace is there
before, and asks the other end each millisecond from the start; afterwards everything is taken off again.
"""

import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from sealane.host import netns

BOX = "bench-box"
PATH = f"/run/netns/{BOX}"
FAR = "10.7.0.250"
"""On the other host; the peers have nobody there, and ask their own bridge."""

DEADLINE = 30.0  # seconds for a call, and for the first answer
EVERY = 0.001  # seconds between two echo requests

HAND = """
ip link add hand-in type veth peer name hand-out
ip link set hand-out master hand0 up
ip link set hand-in netns {box} name eth0
ip -n {box} address add 10.99.0.2/24 dev eth0
ip -n {box} link set eth0 up
ip -n {box} route add default via 10.99.0.1
"""

BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "reference",
    "type": "bridge",
    "bridge": "ref0",
    "isGateway": True,
    "ipam": {
        "type": "host-local",
        "dataDir": "/run/bench-cni",
        "ranges": [[{"subnet": "10.98.0.0/24"}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    },
}
OURS = {"cniVersion": "1.0.0", "name": "blue", "type": "sealane"}
NETAVARK = {
    "container_id": "c" * 64,
    "container_name": BOX,
    "port_mappings": None,
    "network": {"name": "blue", "id": "b" * 64, "driver": "sealane", "internal": False},
    "network_options": {
        "interface_name": "eth0",
        "aliases": None,
        "static_ips": None,
        "static_mac": None,
    },
}


@dataclass(frozen=True)
class Way:
    """The commands, what they read, their environment, and whom the namespace then asks."""

    attach: tuple[str, ...]
    detach: tuple[str, ...]
    peer: str = FAR
    stdin: Mapping[str, object] = field(default_factory=dict)
    cni: bool = False


WAYS = {
    "CNI bridge": Way(
        ("/usr/lib/cni/bridge",), ("/usr/lib/cni/bridge",), "10.98.0.1", stdin=BRIDGE, cni=True
    ),
    "by hand": Way(
        ("sh", "-ec", HAND.format(box=BOX)), ("ip", "link", "delete", "hand-out"), peer="10.99.0.1"
    ),
    "sealane attach": Way(("sealane", "attach", BOX, "--network", "blue"), ("sealane", "detach", BOX)),
    "sealane CNI": Way(("/run/cni/bin/sealane",), ("/run/cni/bin/sealane",), stdin=OURS, cni=True),
    "sealane netavark": Way(
        ("/run/netavark/sealane", "setup", PATH),
        ("/run/netavark/sealane", "teardown", PATH),
        stdin=NETAVARK,
    ),
}


def main() -> int:
    print(json.dumps(measure(WAYS[sys.argv[1]])))
    return 0


def measure(way: Way) -> dict[str, float]:
    """Raises RuntimeError when a command fails or nobody answers."""
    _run(("ip", "netns", "add", BOX))
    answered: list[float] = []
    stop = threading.Event()
    prober = threading.Thread(target=lambda: answered.extend(_first_answer(way.peer, stop)))
    prober.start()
    try:
        start = time.monotonic()
        _call(way, way.attach, "ADD")
        done = time.monotonic()
        prober.join(DEADLINE)
    finally:
        stop.set()
        prober.join()
        _call(way, way.detach, "DEL")
        _run(("ip", "netns", "delete", BOX))
    if not answered:
        raise RuntimeError(f"{way.peer} did not answer within {DEADLINE:g} s")
    return {"call": done - start, "packet": answered[0] - start}


def _call(way: Way, words: tuple[str, ...], command: str) -> None:
    more = {
        "COMMAND": command,
        "CONTAINERID": "bench",
        "NETNS": PATH,
        "IFNAME": "eth0",
        "PATH": "/usr/lib/cni",
    }
    env = dict(os.environ) | ({f"CNI_{key}": value for key, value in more.items()} if way.cni else {})
    _run(words, env, json.dumps(way.stdin) if way.stdin else "")


def _run(words: tuple[str, ...], env: Mapping[str, str] | None = None, text: str = "") -> None:
    done = subprocess.run(words, input=text, env=env, capture_output=True, text=True, timeout=DEADLINE)
    if done.returncode:
        raise RuntimeError(f"{words[0]}: {done.stderr}{done.stdout}")


def _first_answer(peer: str, stop: threading.Event) -> list[float]:
    return netns.inside(PATH, lambda: _ask(peer, stop))


def _ask(peer: str, stop: threading.Event) -> list[float]:
    """When the first echo reply came; empty when it was stopped before."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.setblocking(False)
        while not stop.is_set():
            with suppress(OSError):  # no route to it yet
                raw.sendto(_echo_request(), (peer, 0))
            if select.select([raw], [], [], EVERY)[0] and _is_reply(raw.recv(2048)):
                return [time.monotonic()]
    return []


def _echo_request() -> bytes:
    """RFC 792, with identifier and sequence number 1."""
    return struct.pack("!BBHHH", 8, 0, 0xFFFF - 0x0800 - 2, 1, 1)


def _is_reply(packet: bytes) -> bool:
    header = (packet[0] & 15) * 4
    return packet[header] == 0


if __name__ == "__main__":
    sys.exit(main())
