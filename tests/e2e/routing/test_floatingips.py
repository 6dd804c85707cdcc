"""Floating IPs between the world and machines of two hosts; what is measured is printed."""

import subprocess
from typing import Any

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import until
from tests.e2e.routing.site import PORT, Tenant, ask
from tests.e2e.routing.world import GATEWAY, INTERFACE, SERVER, World, now, serving

PIPES: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def test_traffic_and_status_follow_an_association(world: World, red: Tenant) -> None:
    one, two = red.put("host1", "one"), red.put("host2", "two")
    floating = red.take()
    address = floating["floating_ip_address"]
    assert red.status(floating) == "DOWN"
    with world.watch(address, PORT) as watch:
        watch.says("-", now())
        for step, machine in (("associated", one), ("moved to another host", two), ("moved back", one)):
            begun = now()
            red.lead(floating, machine)
            took = watch.says(machine.name, begun)
            print(f"floating IP {step}: traffic follows after {took:.3f} s")
            until(lambda: red.status(floating) == "ACTIVE", "the status follows")
        until(lambda: world.ask("tcp", address, PORT)[0] == "one", "TCP as well")
        until(lambda: world.ask("udp", address, PORT) == ["one", GATEWAY], "the client's own address")
        begun = now()
        red.lead(floating, None)
        print(f"floating IP disassociated: traffic stops after {watch.says('-', begun):.3f} s")
    assert red.status(floating) == "DOWN"
    assert world.ask("tcp", address, PORT) == ["-"]


def test_the_host_that_it_comes_to_announces_it(world: World, red: Tenant, lab: Lab) -> None:
    """To the switches outside and its own. What ovn-controller announces later are shorter frames."""
    one, two = red.put("host1", "one"), red.put("host2", "two")
    floating = red.take()
    address = floating["floating_ip_address"]
    for machine in (one, two):
        words = f"timeout 60 tcpdump -lnei {INTERFACE} -c1 -Q out arp and greater 60".split()
        with subprocess.Popen(lab.command(machine.host, words), **PIPES) as capture:
            assert capture.stderr
            until(lambda pipe=capture.stderr: "listening on" in pipe.readline(), "tcpdump listens")  # type: ignore[misc]
            red.lead(floating, machine)
            heard, _ = capture.communicate(timeout=90)
        assert f"Request who-has {address} tell {address}" in heard, heard
        until(lambda name=machine.name: world.ask("udp", address, PORT)[0] == name, "it is reached")  # type: ignore[misc]


def test_machines_go_out_by_their_floating_ip_or_by_the_routers(world: World, red: Tenant) -> None:
    one, two = red.put("host1", "one"), red.put("host2", "two")
    address = red.take(port_id=two.port_id)["floating_ip_address"]
    (router,) = red.api.list("routers", id=red.router)
    own = router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"]
    with serving(world.command("python3", "-c", SERVER, "world", str(PORT))):
        until(lambda: ask(two, "tcp", GATEWAY) == ["world", address], "it goes out by its own address")
        until(lambda: ask(one, "tcp", GATEWAY) == ["world", own], "it goes out by the router's")
    assert world.ask("tcp", own, PORT) == ["-"], "nothing comes in that way"


def test_machines_reach_floating_ips_from_inside(world: World, red: Tenant) -> None:
    one, two = red.put("host1", "one"), red.put("host2", "two")
    first = red.take(port_id=one.port_id)["floating_ip_address"]
    second = red.take(port_id=two.port_id)["floating_ip_address"]
    for machine in (one, two):
        for address, name in ((first, "one"), (second, "two")):
            for kind in ("tcp", "udp"):
                until(
                    lambda m=machine, k=kind, a=address, n=name: ask(m, k, a)[0] == n,
                    f"{machine.name} reaches {name} at {address} by {kind}",
                )


def test_ports_are_forwarded_one_by_one(world: World, red: Tenant) -> None:
    one, two = red.put("host1", "one"), red.put("host2", "two")
    floating = red.take()
    address, below = floating["floating_ip_address"], f"floatingips/{floating['id']}/port_forwardings"
    made = red.forward(floating, one, "tcp", 8080)
    red.forward(floating, two, "udp", 5353)
    red.forward(floating, two, "tcp", 8081)
    until(lambda: world.ask("tcp", address, 8080)[0] == "one", "TCP is forwarded")
    until(lambda: world.ask("udp", address, 5353)[0] == "two", "UDP is forwarded")
    until(lambda: world.ask("tcp", address, 8081)[0] == "two", "another port leads elsewhere")
    for kind, at in (("udp", 8080), ("tcp", 5353), ("tcp", PORT), ("udp", PORT)):
        assert world.ask(kind, address, at) == ["-"], f"nobody said that {kind} {at} is forwarded"
    until(lambda: ask(one, "tcp", address, 8081)[0] == "two", "it is from inside, too")
    assert red.status(floating) == "ACTIVE"
    red.api.delete(below, made["id"])
    until(lambda: world.ask("tcp", address, 8080) == ["-"], "it is forwarded no longer")
    until(lambda: world.ask("tcp", address, 8081)[0] == "two", "the other one still is")


def test_ranges_are_forwarded_port_by_port_or_all_to_one(world: World, red: Tenant) -> None:
    one, two = red.put("host1", "one"), red.put("host2", "two")
    floating = red.take()
    address, below = floating["floating_ip_address"], f"floatingips/{floating['id']}/port_forwardings"
    for outside, inside, machine in (("8000:8002", f"{PORT - 1}:{PORT + 1}", one), ("9000:9002", PORT, two)):
        ranges = {"external_port_range": outside, "internal_port_range": inside}
        red.api.create(below, {"protocol": "tcp", "internal_port_id": machine.port_id, **ranges})
    until(lambda: world.ask("tcp", address, 8001)[0] == "one", "each port leads to the one beside it")
    for at in (9000, 9001, 9002):
        until(lambda at=at: world.ask("tcp", address, at)[0] == "two", f"{at} leads to the same port")
    until(lambda: ask(one, "tcp", address, 9002)[0] == "two", "it does from inside, too")
    for at in (8000, 8002, 9003):
        assert world.ask("tcp", address, at) == ["-"], f"nobody serves where {at} leads"


def test_tenants_with_the_same_addresses_stay_apart(
    world: World, red: Tenant, lab: Lab, api: Api, outside: str
) -> None:
    mine = red.put("host1", "mine", "10.44.0.5")
    with Tenant(lab, api, outside, "blue") as blue:
        theirs = blue.put("host1", "theirs", "10.44.0.5")
        first = red.take(port_id=mine.port_id)["floating_ip_address"]
        second = blue.take(port_id=theirs.port_id)["floating_ip_address"]
        until(lambda: world.ask("tcp", first, PORT)[0] == "mine", "one tenant's is reached")
        until(lambda: world.ask("tcp", second, PORT)[0] == "theirs", "so is the other's")
        until(lambda: ask(mine, "tcp", second) == ["theirs", first], "by the outside they meet")


def test_the_groups_of_the_port_decide(world: World, red: Tenant) -> None:
    one = red.put("host1", "one")
    address = red.take(port_id=one.port_id)["floating_ip_address"]
    until(lambda: world.ask("tcp", address, PORT)[0] == "one", "what a rule lets in comes in")
    other = PORT + 1
    words = ["ip", "netns", "exec", "one", "python3", "-c", SERVER, "one", str(other)]
    with serving(red.lab.command("host1", words)):
        assert world.ask("tcp", address, other) == ["-"] == world.ask("udp", address, other)
        red.api.update("ports", one.port_id, {"security_groups": []})
        until(lambda: world.ask("tcp", address, PORT) == ["-"], "without groups nothing comes in")
