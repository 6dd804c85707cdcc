"""Servers of load balancers that die and come back, and clients that come again soon."""

import subprocess
from collections import Counter
from contextlib import ExitStack

from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import until
from tests.e2e.overlay.test_faults import kill, parts
from tests.e2e.routing.site import PORT, Tenant
from tests.e2e.routing.test_loadbalancers import (
    LBAAS,
    VIP_PORT,
    Customer,
    all_answer,
    by,
    from_outside,
    shop,
)
from tests.e2e.routing.world import SERVER, World, now, serving

DELAY, TIMEOUT, UP, DOWN = 2, 1, 1, 2
SILENCE = "add table inet silent; add chain inet silent in {type filter hook input priority 0; policy drop;}"
LOUD = "ip netns exec two nft delete table inet silent"
"""Of a server that is cut off: a link that is down would be mended by the agent."""
ROOM = 15
"""Seconds that a busy machine may take beside, to tell all hosts."""
OUT = DELAY * DOWN + TIMEOUT + ROOM
IN = DELAY * UP + TIMEOUT + ROOM


def test_a_server_that_is_dead_is_out_in_the_monitor_s_time_and_back(
    world: World, red: Tenant, lab: Lab
) -> None:
    """One that refuses, and one that is silent; by packets. A new ovn-controller changes nothing."""
    one, two, client = (red.put(h, n) for h, n in (("host1", "one"), ("host2", "two"), ("host1", "client")))
    with shop(red, "tcp") as made:
        made.add(one)
        made.add(two)
        monitor = {"type": "TCP", "delay": DELAY, "timeout": TIMEOUT}
        counts = {"max_retries": UP, "max_retries_down": DOWN}
        red.api.create(f"{LBAAS}/healthmonitors", {"pool_id": made.pools["tcp"], **monitor, **counts})
        good = {machine.addresses[0]: "ONLINE" for machine in (one, two)}
        until(lambda: made.statuses() == good, "both are found well")
        bad = {**good, two.addresses[0]: "ERROR"}
        with ExitStack() as stack, Customer(client, made.address, patience=1.0) as customer:
            for death, revival in (
                ("kill $(ip netns pids two)", f"ip netns exec two python3 -c '{SERVER}' two {PORT}"),
                (f"ip netns exec two nft '{SILENCE}'", f"{LOUD}; echo serves; exec sleep 600"),
            ):
                customer.is_served_by("one", "two")
                lab.exec("host2", "sh", "-c", death)
                begun = now()
                until(lambda: made.statuses() == bad, "it is found dead")
                customer.is_served_by("one")
                out = customer.last("two") - begun
                stack.enter_context(serving(lab.command("host2", ["sh", "-c", revival])))
                begun = now()
                customer.is_served_by("one", "two")
                back = customer.first("two", begun) - begun
                print(f"load balancer: '{death}': out after {out:.1f} s, back after {back:.1f} s")
                assert out < OUT and back < IN
        until(lambda: made.statuses() == good, "it is found well again")
        with Customer(client, made.address) as customer:
            customer.is_served_by("one", "two")
            kill(lab, "host2", "ovn-controller")
            customer.is_served_by("one", "two")
            assert customer.failures == [] and made.statuses() == good


PORTS = """
import socket, sys, time
address, port, number, pause = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
for n in range(number):
    try:
        with socket.socket() as asking:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asking.bind(("", 20000 + n % 50))
            asking.settimeout(10)
            asking.connect((address, port))
            said = b""
            while piece := asking.recv(99):
                said += piece
        print(said.decode().split()[0] if said else "-", flush=True)
    except OSError as exc:
        print(f"-{type(exc).__name__}", flush=True)
    time.sleep(pause)
"""
"""One connection after the other from fifty ports in turn: each comes again within seconds."""


def test_ports_may_come_again_soon(world: World, red: Tenant, lab: Lab) -> None:
    """By a load balancer, by floating IPs and straight to a server, sooner than Open vSwitch forgets.

    Servers forget at once: one that remembers a connection's end takes one that was translated to the same
    ports for a piece of it (docs/decisions/0033-load-balancers.md).
    """
    one, two, client = (red.put(h, n) for h, n in (("host1", "one"), ("host2", "two"), ("host1", "client")))
    inside = lab.command("host1", ["ip", "netns", "exec", client.name])
    before = {host: parts(lab, host)["ovs-vswitchd"]["pid"] for host in lab.plan.host_names}
    with shop(red, "tcp") as made:
        made.add(one)
        made.add(two)
        balanced = red.take(port_id=made.balancer["vip_port_id"])["floating_ip_address"]
        plain = red.take(port_id=client.port_id)["floating_ip_address"]
        for server in (one, two, client):
            server.exec("sysctl", "-q", "-w", "net.ipv4.tcp_max_tw_buckets=0")
        all_answer(by(client), "tcp", made.address, "one", "two")
        all_answer(from_outside(world), "tcp", balanced, "one", "two")
        for who, address, port in (
            (inside, made.address, VIP_PORT),
            (inside, two.addresses[0], PORT),
            (world.command(), balanced, VIP_PORT),
            (world.command(), plain, PORT),
        ):
            argv = [*who, "python3", "-c", PORTS, address, str(port), "200", "0.01"]
            said = Counter(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split())
            print(f"load balancer: 200 connections of 50 ports to {address}: {dict(said)}")
            assert set(said) <= {"one", "two", "client"}, said
    assert before == {host: parts(lab, host)["ovs-vswitchd"]["pid"] for host in lab.plan.host_names}
