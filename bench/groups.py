"""From a change of a security group to its effect on packets, beside OVN alone: ovn-nbctl acl-add, acl-del.

Two namespaces on two hosts; one sends a datagram each millisecond to two ports of the other, which notes when
the first one comes and when the last one came.  One port is let by a rule of ours, the other by an ACL of a
port group that is nobody's; both are on the same logical port.  The hosts of a lab have one clock.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from sealane.cli.api import Api
from sealane.lab.lab import Lab

PORTS = {"sealane": 7001, "ovn-nbctl": 7002}
PATIENCE = 30.0
QUIET = 0.25
"""Seconds without a datagram: it is closed."""
GROUP = "bench_groups"

SEND = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    for port in sys.argv[2:]:
        try:
            s.sendto(b"x", (sys.argv[1], int(port)))
        except OSError:
            pass
    time.sleep(0.001)
"""
LISTEN = """
import select, socket, sys, time
quiet = float(sys.argv[1])
socks = {}
for port in sys.argv[2:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("", int(port)))
    socks[s] = [port, None]
print("listens", flush=True)
while True:
    ready, _, _ = select.select(list(socks), [], [], 0.02)
    now = time.monotonic()
    for s in ready:
        s.recv(100)
        port, last = socks[s]
        if last is None:
            print("open", port, now, flush=True)
        socks[s][1] = now
    for port, last in list(socks.values()):
        if last is not None and now - last > quiet:
            print("closed", port, last, flush=True)
            next(v for v in socks.values() if v[0] == port)[1] = None
"""
Samples = dict[str, dict[str, list[float]]]


def measure(lab: Lab, rounds: int) -> Samples:
    """Seconds by kind and by change. Raises RuntimeError when nothing happens, SealaneError."""
    api = Api(f"unix:{lab.plan.api_socket}")
    network = api.create("networks", {"name": "bench"})
    api.create("subnets", {"network_id": network["id"], "cidr": "10.90.0.0/24"})
    group = api.create("security-groups", {"name": "bench"})
    _attach(lab, "host1", "bench-from", network["id"])
    target = _attach(lab, "host2", "bench-to", network["id"])
    api.wait = 30
    api.update("ports", target["port_id"], {"security_groups": [group["id"]]})
    api.wait = None
    _nbctl(lab, "pg-add", GROUP, target["port_id"])
    kinds: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
        "sealane": (lambda: _let(api, group["id"]), lambda rule: api.delete("security-group-rules", rule)),
        "ovn-nbctl": (lambda: _add(lab), lambda _: _delete(lab)),
    }
    found: Samples = {kind: {"let": [], "forbid": []} for kind in kinds}
    address = target["addresses"][0].partition("/")[0]
    with _listening(lab) as lines, _sending(lab, address):
        for _ in range(rounds):
            for kind, (let, forbid) in kinds.items():
                begun = time.monotonic()
                made = let()
                found[kind]["let"].append(_wait(lines, "open", PORTS[kind]) - begun)
                begun = time.monotonic()
                forbid(made)
                found[kind]["forbid"].append(_wait(lines, "closed", PORTS[kind]) - begun)
    return found


def _attach(lab: Lab, host: str, name: str, network: str) -> Any:
    lab.exec(host, "ip", "netns", "add", name)
    said = lab.exec(host, "sealane", "attach", f"/run/netns/{name}", "--network", network, "-o", "json")
    return json.loads(said.stdout)


def _let(api: Api, group: str) -> str:
    port = PORTS["sealane"]
    rule = {
        "security_group_id": group,
        "direction": "ingress",
        "protocol": "udp",
        "port_range_min": port,
        "port_range_max": port,
    }
    return str(api.create("security-group-rules", rule)["id"])


def _match() -> str:
    return f"outport == @{GROUP} && ip4 && udp && udp.dst == {PORTS['ovn-nbctl']}"


def _add(lab: Lab) -> None:
    _nbctl(lab, "--type=port-group", "acl-add", GROUP, "to-lport", "1002", _match(), "allow-related")


def _delete(lab: Lab) -> None:
    _nbctl(lab, "--type=port-group", "acl-del", GROUP, "to-lport", "1002", _match())


def _nbctl(lab: Lab, *words: str) -> None:
    """From the machine itself, as our API is called: entering the host would count for the peer only."""
    socket = f"/proc/{lab.host('host1').need_pid()}/root/run/sealane/ovn/ovnnb_db.sock"
    argv = ["ovn-nbctl", f"--db=unix:{socket}", "--timeout=20", *words]
    subprocess.run(argv, check=True, capture_output=True, timeout=PATIENCE)


@contextmanager
def _running(lab: Lab, host: str, name: str, script: str, *words: str) -> Iterator[IO[str]]:
    command = lab.command(host, ["ip", "netns", "exec", name, "python3", "-c", script, *words])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()


@contextmanager
def _sending(lab: Lab, address: str) -> Iterator[None]:
    with _running(lab, "host1", "bench-from", SEND, address, *map(str, PORTS.values())):
        yield


@contextmanager
def _listening(lab: Lab) -> Iterator[IO[str]]:
    words = (str(QUIET), *map(str, PORTS.values()))
    with _running(lab, "host2", "bench-to", LISTEN, *words) as lines:
        if lines.readline() != "listens\n":
            raise RuntimeError("the receiver does not listen")
        yield lines


def _wait(lines: IO[str], what: str, port: int) -> float:
    """When it happened. Other lines are of an earlier change."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = re.fullmatch(r"(\w+) (\d+) ([\d.]+)\n", lines.readline())
        if found and (found[1], int(found[2])) == (what, port):
            return float(found[3])
    raise RuntimeError(f"port {port} is not {what} within {PATIENCE:.0f} s")
