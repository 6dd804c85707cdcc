"""Chapter 3: two lab hosts, each with a kernel switch in its own network namespace, and Geneve between."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import IO

from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from tests.e2e.overlay import geneve, machines
from tests.e2e.overlay.machines import Machine
from tests.kernel import look
from tests.kernel.story import PATIENCE, Story, equal, until

DATABASE = "unix:/run/sealane/ovs/db.sock"
PIECES = 256  # of 64 KiB
STILL = 25  # answers, five a second


def tell(story: Story) -> None:
    with story.chapter("two lab hosts: 'sealane lab up --hosts 2'"):
        lab = Lab("story", hosts=2)
        try:
            lab.start(story.say)
            lab.wait(3 * PATIENCE, story.say)
            story.check("both hosts tell the kernel's datapath", lambda: tells_kernel(lab))
            between_hosts(story, lab)
        finally:
            lab.down()
        story.check(
            "'sealane lab down' leaves no link", lambda: equal(set(look.links().values()) & LAB_LINKS, set())
        )


LAB_LINKS = {"host1", "host2", "under0", "genev_sys_6081"}


def tells_kernel(lab: Lab) -> None:
    for host in lab.plan.host_names:
        assert "datapath  kernel" in lab.exec(host, "sealane", "status").stdout


def between_hosts(story: Story, lab: Lab) -> None:
    api = machines.api(lab)
    network = str(api.create("networks", {"name": "blue"})["id"])
    api.create("subnets", {"network_id": network, "cidr": "10.44.0.0/24", "ip_version": 4})
    one, two = (machines.attach(lab, host, name, network) for host, name in (("host1", "a"), ("host2", "b")))
    router = str(lab.plan.router.ip)
    story.check("each reaches the other", lambda: each((one, two.addresses[0]), (two, one.addresses[0])))
    story.check("each reaches the outside", lambda: each((one, router), (two, router)))
    story.check("the tunnel is Geneve, of the kernel", lambda: tunnel(lab, one, two))
    story.check("tunnel packets are taken from nodes alone", lambda: strangers(lab, one, two))
    for machine in (one, two):
        story.check(f"the link on {machine.host} ends at the switch", hang(lab, machine))
        story.check(f"offloads are on on {machine.host}", partial(look.keeps_offloads, inside(machine)))
    story.check(
        "full packets pass, and no packet of the tunnel is split", lambda: full_packets(lab, one, two)
    )
    story.check("bulk TCP arrives complete, there", lambda: bulk(one, two))
    story.check("bulk TCP arrives complete, back", lambda: bulk(two, one))
    for machine in (one, two):
        story.check(
            f"checksums were right on {machine.host}", partial(look.checksums_are_right, inside(machine))
        )
    story.check("segments cross the tunnel unsplit", lambda: large_segments(two))
    story.check("throughput of one flow, in the guest", lambda: throughput(one, two))
    story.check("ovs-vswitchd stopped: known flows go on", lambda: stands_still(lab, one, two))
    story.check("ovs-vswitchd killed: traffic comes back", lambda: killed(lab, one, two))
    story.check("after it the link still ends at the switch", hang(lab, one))


def inside(machine: Machine) -> look.Run:
    return lambda *argv: machine.exec(*argv).stdout


def on_host(lab: Lab, host: str) -> look.Run:
    return lambda *argv: lab.exec(host, *argv).stdout


def hang(lab: Lab, machine: Machine) -> Callable[[], object]:
    host = on_host(lab, machine.host)
    return lambda: look.hangs_on_the_switch(machine.port_id, inside(machine), DATABASE, host)


def reaches(source: Machine, address: str) -> None:
    until(lambda: source.reaches(address), f"{source.name} reaches {address}")


def each(*ways: tuple[Machine, str]) -> None:
    for source, address in ways:
        reaches(source, address)


def tunnel(lab: Lab, one: Machine, two: Machine) -> str:
    """A packet of the tunnel on the underlay, as tcpdump reads it."""
    expression = "udp port 6081 and greater 120"
    watch = ["timeout", "60", "tcpdump", "-i", "under0", "-n", "-c", "1", "-l", expression]
    with subprocess.Popen(
        lab.command(OUTSIDE, watch), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as tcpdump:
        assert tcpdump.stderr and tcpdump.stdout
        until(lambda: "listening" in tcpdump.stderr.readline(), "tcpdump listens")  # type: ignore[union-attr]
        reaches(one, two.addresses[0])
        seen = tcpdump.communicate(timeout=90)[0]
    assert "Geneve" in seen, seen or "no packet"
    for host in lab.plan.host_names:
        assert "genev_sys_6081" in lab.exec(host, "ovs-dpctl", "show").stdout
    return re.sub(r"^\S+ ", "", seen.splitlines()[0])[:120]


def strangers(lab: Lab, one: Machine, two: Machine) -> str:
    """The same packet from host2's address and from another one of the underlay."""
    target = str(lab.plan.address("host1").ip)
    with geneve.listener(one) as heard:
        geneve.inject(lab, geneve.packet(lab, two, one, str(lab.plan.address("host2").ip), target, "node."))
        until(lambda: "node." in heard(), "a node's packet arrives")
        before = geneve.dropped(lab, "host1")
        packet = geneve.packet(lab, two, one, str(lab.plan.router.ip), target, "stranger.")
        geneve.inject(lab, packet, times=20)
        until(lambda: geneve.dropped(lab, "host1") >= before + 20, "a stranger's are dropped")
        assert "stranger." not in heard()
    return f"{geneve.dropped(lab, 'host1')} dropped"


def full_packets(lab: Lab, one: Machine, two: Machine) -> str:
    mtu = int(one.exec("cat", "/sys/class/net/eth0/mtu").stdout)
    equal(mtu, 1442)
    before = look.counters(on_host(lab, "host1"))["Ip.FragCreates"]
    one.exec("busybox", "ping", "-c", "3", "-W", "10", "-s", str(mtu - 28), two.addresses[0])
    equal(look.counters(on_host(lab, "host1"))["Ip.FragCreates"], before)
    return f"MTU {mtu}"


def bulk(source: Machine, sink: Machine) -> str:
    begin = time.monotonic()
    sent, arrived = machines.transfer(source, sink, PIECES)
    equal(arrived, sent)
    return f"{PIECES * 65536 >> 20} MiB in {time.monotonic() - begin:.1f} s"


def large_segments(sink: Machine) -> str:
    """What arrived as one piece is larger than any packet: TSO on one side, GRO on the other."""
    received = look.counters(inside(sink))["Ip.InReceives"]
    size = PIECES * 65536 / received
    assert size > 1442, f"{size:.0f} bytes each"
    return f"{size:.0f} bytes each"


def throughput(one: Machine, two: Machine) -> str:
    """By iperf3, 5 s; as slow as the emulated processor is."""
    serve = two.lab.command(
        two.host, ["ip", "netns", "exec", two.name, "timeout", "90", "iperf3", "-s", "-1"]
    )
    call = ("iperf3", "-c", two.addresses[0], "-C", "cubic", "-t", "5", "-f", "m")
    told: list[str] = []

    def measured() -> bool:
        done = one.exec(*call, check=False)
        told.append(done.stdout)
        return done.returncode == 0

    with subprocess.Popen(serve, stdout=subprocess.DEVNULL):
        until(measured, "the server listens", 60)
    receiver = next(line for line in told[-1].splitlines() if line.rstrip().endswith("receiver"))
    return " ".join(receiver.split()[6:8])


def stands_still(lab: Lab, one: Machine, two: Machine) -> str:
    """A flow that the kernel knows needs no ovs-vswitchd: it goes on while that one is stopped."""
    pid = vswitchd(lab, one.host)
    with pinging(lab, one, two) as ping:
        assert ping.stdout
        answers(ping.stdout, 10)
        lab.exec(one.host, "kill", "-STOP", pid)
        try:
            begin = time.monotonic()
            answers(ping.stdout, STILL)
            seconds = time.monotonic() - begin
        finally:
            lab.exec(one.host, "kill", "-CONT", pid)
        ping.terminate()
    return f"{STILL} answers in {seconds:.1f} s"


def killed(lab: Lab, one: Machine, two: Machine) -> str:
    """Five packets a second while it is killed and started again."""
    pid = vswitchd(lab, one.host)
    with pinging(lab, one, two) as ping:
        assert ping.stdout
        answers(ping.stdout, 10)
        lab.exec(one.host, "kill", "-KILL", pid)
        told = ping.communicate(timeout=90)[0]
    sent, got = (int(n) for n in re.findall(r"(\d+) packets (?:transmitted|received)", told))
    reaches(one, two.addresses[0])
    assert got > sent / 2, told
    return f"{sent - got} of {sent} packets lost, five a second"


def vswitchd(lab: Lab, host: str) -> str:
    parts = json.loads(lab.exec(host, "sealane", "status", "-o", "json").stdout)["parts"]
    return next(str(part["pid"]) for part in parts if part["name"] == "ovs-vswitchd")


def pinging(lab: Lab, one: Machine, two: Machine) -> subprocess.Popen[str]:
    words = ["ip", "netns", "exec", one.name, "busybox", "ping", "-i", "0.2", "-w", "25", two.addresses[0]]
    return subprocess.Popen(lab.command(one.host, words), stdout=subprocess.PIPE, text=True)


def answers(lines: IO[str], number: int) -> None:
    """Read that many; ping itself ends after 25 s."""
    for _ in range(number):
        while "seq=" not in (line := lines.readline()):
            assert line and "packets transmitted" not in line, "ping ended"
