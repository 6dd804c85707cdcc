"""A router's gateway goes to another host when its own loses power; the gap is printed.

Both hosts that lead outside watch each other, and host3, by which the one that is left knows that it is not
cut off itself.  The servers of load balancers that were on that host are left out until they are back.
"""

import json

from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import Machine, until
from tests.e2e.routing.site import PORT, Tenant, ask
from tests.e2e.routing.test_loadbalancers import LBAAS, Shop, all_answer, by, shop
from tests.e2e.routing.world import CABLED, GATEWAY, SERVER, WATCH, Watch, World, now, serving

AT = 5300
"""Port of the floating IP that is forwarded; like SNAT it is translated at the gateway."""


def test_the_gateway_moves_when_its_host_dies_and_back_when_it_lives(
    world: World, red: Tenant, lab: Lab
) -> None:
    one, two, client = (red.put(h, n) for h, n in (("host1", "one"), ("host2", "two"), ("host3", "client")))
    own = red.gateway_on("host2")
    floating = red.take()
    red.forward(floating, one, "udp", AT)
    until(lambda: red.holder() == "host2", "the gateway is on the host that comes first")
    until(lambda: all(_bfd(lab, host) == ["up", "up"] for host in CABLED), "the hosts watch each other")
    out = lab.command("host1", ["ip", "netns", "exec", "one", "python3", "-c", WATCH, GATEWAY, str(PORT)])
    with (
        serving(world.command("python3", "-c", SERVER, "world", str(PORT))),
        Watch(out) as outward,
        world.watch(floating["floating_ip_address"], AT) as inward,
        shop(red, "tcp", "udp") as made,
    ):
        for machine in (one, two):
            made.add(machine)
        monitor = {"pool_id": made.pools["tcp"], "type": "TCP", "delay": 2, "timeout": 1, "max_retries": 1}
        red.api.create(f"{LBAAS}/healthmonitors", monitor)
        until(lambda: _of(two, made) == {"tcp": "ONLINE", "udp": "NO_MONITOR"}, "the servers are well")
        watches = {"out, by SNAT": (outward, "world"), "in, by a forwarded port": (inward, "one")}
        until(lambda: ask(one, "udp", GATEWAY) == ["world", own], "it goes out by the router's address")
        _settle(watches, "before")
        begun = now()
        lab.power_cut("host2")
        _settle(watches, "its host lost power", begun)
        until(lambda: red.holder() == "host1", "the other host has the gateway")
        until(lambda: ask(one, "udp", GATEWAY) == ["world", own], "as the same router")
        until(lambda: _of(two, made) == {"tcp": "ERROR", "udp": "ERROR"}, "its server is out", 120)
        print(f"its host lost power: a server there is out after {now() - begun:.0f} s")
        for kind in made.pools:
            all_answer(by(client), kind, made.address, "one")
        red.machines.remove(two)
        begun = now()
        lab.host("host2").boot()
        world.plug("host2")
        lab.wait()
        until(lambda: red.holder() == "host2", "the first has it again")
        _settle(watches, "its host is back", begun)
        until(lambda: not red.api.list("ports", id=two.port_id), "its port is collected", 120)
        red.put("host2", "again", two.addresses[0])
        until(lambda: _of(two, made) == {"tcp": "ONLINE", "udp": "NO_MONITOR"}, "another one has come", 120)
        for kind in made.pools:
            all_answer(by(client), kind, made.address, "one", "again")


def _of(machine: Machine, made: Shop) -> dict[str, str]:
    """What the pools say of that server."""
    address = machine.addresses[0]
    rows = {kind: made.tenant.api.list(made.below(kind), address=address) for kind in made.pools}
    return {kind: row["operating_status"] for kind, (row,) in rows.items()}


def _settle(watches: dict[str, tuple[Watch, str]], what: str, since: float | None = None) -> None:
    begun = now()
    for way, (watch, who) in watches.items():
        watch.settles(who, begun)
        if since is not None:
            print(f"{what}: {way}, {watch.gap(who, since) * 1000:.0f} ms without an answer")


def _bfd(lab: Lab, host: str) -> list[str]:
    """States of the sessions that it has (ovs-vswitchd.conf.db(5), Interface.bfd_status)."""
    words = ("--format=json", "--columns=bfd_status", "find", "Interface", "type=geneve")
    said = lab.exec(host, "ovs-vsctl", "--db=unix:/run/sealane/ovs/db.sock", *words).stdout
    return [dict(status[1]).get("state", "none") for (status,) in json.loads(said)["data"]]
