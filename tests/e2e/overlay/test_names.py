"""Names for machines that are no containers: DHCP says whom to ask, and what is heard is the tenant's own."""

import json
import sys

import pytest

from sealane.names import RESOLVER
from tests.e2e.overlay.conftest import remove
from tests.e2e.overlay.machines import Machine, until

ASK = """
import json, sys
import dns.message, dns.query, dns.rcode, dns.reversename
server, name, kind, stream = sys.argv[1:]
name = dns.reversename.from_address(name) if kind == "PTR" else name
query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
exchange = dns.query.tcp if stream == "stream" else dns.query.udp
for tries in range(3):
    try:
        answer = exchange(query, server, timeout=5)
        break
    except (OSError, dns.exception.DNSException) as exc:
        told = repr(exc)
else:
    sys.exit(told)
texts = sorted(r.to_text().rstrip(".") for rrset in answer.answer for r in rrset)
print(json.dumps([dns.rcode.to_text(answer.rcode()), answer.edns, texts]))
"""
CLIENT = """#!/bin/sh
case $1 in
deconfig) ip -4 address flush dev eth0; ip link set eth0 up ;;
bound)
    ip address add "$ip/$mask" dev eth0
    set -- $staticroutes
    while [ $# -gt 1 ]; do
        case $2 in
        0.0.0.0) ip route replace "$1" dev eth0 ;;
        *) ip route replace "$1" via "$2" dev eth0 onlink ;;
        esac
        shift 2
    done
    for hop in $router; do ip route replace default via "$hop" dev eth0; done
    echo "nameserver $dns" > "$SEEN"
    ;;
esac
"""
Answer = tuple[str, list[str]]


def ask(machine: Machine, server: str, name: str, kind: str = "A", stream: bool = False) -> Answer:
    """The code and the records; ("", []) when nobody answers."""
    words = (server, name, kind, "stream" if stream else "datagram")
    done = machine.exec(sys.executable, "-c", ASK, *words, check=False)
    if done.returncode:
        return "", []
    code, edns, texts = json.loads(done.stdout)
    assert edns == 0, "EDNS is answered with EDNS"
    return code, texts


def knows(machine: Machine, server: str, name: str, *addresses: str) -> None:
    """Soon, for what the agents hear of comes after the API's answer."""
    wanted = ("NOERROR", sorted(addresses))
    until(lambda: ask(machine, server, name) == wanted, f"{machine.name} finds {name} at {server}")


def name(api, machine: Machine, text: str) -> Machine:
    api.update("ports", machine.port_id, {"dns_name": text})
    return machine


@pytest.fixture
def tenant(api):
    """A network of a project, with two machines that have names."""
    made = []

    def one(project: str, gateway: str = "host", **attributes):
        values = {"name": f"{project}-net", "project_id": project, "sealane:gateway": gateway, **attributes}
        network = api.create("networks", values)
        made.append(network["id"])
        subnet = {"network_id": network["id"], "cidr": "10.45.0.0/24", "project_id": project}
        api.create("subnets", {**subnet, "ip_version": 4})
        return network["id"]

    yield one
    for network_id in made:
        remove(api, network_id)


def test_a_machine_finds_names_and_addresses_in_its_network(put, api):
    one, two = name(api, put("host1", "n1"), "one"), name(api, put("host2", "n2"), "two")
    v4, v6 = two.addresses
    for server in ("10.44.0.1", "fd44::1"):
        knows(one, server, "two", v4)
        for stream in (False, True):
            assert ask(one, server, "two.blue", "AAAA", stream) == ("NOERROR", [v6])
            assert ask(one, server, v4, "PTR", stream) == ("NOERROR", ["two.blue.sealane.internal"])
            assert ask(one, server, "nobody.sealane.internal", "A", stream) == ("NXDOMAIN", [])
    knows(two, "10.44.0.1", "one", one.addresses[0])
    api.update("ports", two.port_id, {"dns_name": "renamed"})
    knows(one, "10.44.0.1", "renamed", v4)
    assert ask(one, "10.44.0.1", "two.blue.sealane.internal") == ("NXDOMAIN", [])


def test_tenants_with_the_same_names_and_addresses_do_not_hear_of_each_other(tenant, put, api):
    red, green = tenant("red", dns_domain="corp.example."), tenant("green", dns_domain="corp.example.")
    ours = name(api, put("host1", "r1", red, "10.45.0.5"), "db")
    name(api, put("host2", "r2", red, "10.45.0.6"), "web")
    theirs = name(api, put("host1", "g1", green, "10.45.0.6"), "db")
    name(api, put("host2", "g2", green, "10.45.0.5"), "secret")
    for machine, db, other in ((ours, "10.45.0.5", "web"), (theirs, "10.45.0.6", "secret")):
        for spelling in ("db", "db.corp.example"):
            knows(machine, "10.45.0.1", spelling, db)
        assert ask(machine, "10.45.0.1", db, "PTR")[1][0].startswith("db.")
        until(lambda m=machine, o=other: ask(m, "10.45.0.1", o)[1], other)  # type: ignore[misc]
    for hidden in ("secret.green-net.sealane.internal", "db.green-net.sealane.internal"):
        assert ask(ours, "10.45.0.1", hidden) == ("NXDOMAIN", [])
    for spelling in ("secret", "secret.corp.example"):
        assert ask(ours, "10.45.0.1", spelling)[1] == []
    assert ask(theirs, "10.45.0.1", "web")[1] == []


@pytest.mark.parametrize("gateway", ("none", "router"))
def test_a_machine_without_a_gateway_here_finds_names_too(tenant, put, api, tmp_path, gateway):
    """By DHCP alone: address, the way to the resolver, and whom to ask."""
    network = tenant("lone", gateway)
    one, two = name(api, put("host1", "l1", network), "one"), name(api, put("host2", "l2", network), "two")
    script, seen = tmp_path / "client", tmp_path / "resolv.conf"
    script.write_text(CLIENT)
    script.chmod(0o755)
    client = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", str(script), "-O", "staticroutes")
    one.exec("env", f"SEEN={seen}", *client)
    assert seen.read_text() == f"nameserver {RESOLVER}\n"
    assert one.addresses[0] in one.exec("ip", "-4", "address", "show", "eth0").stdout
    assert two.still_reaches(one.addresses[0])
    for machine in (one, two):
        knows(machine, RESOLVER, "one", one.addresses[0])
        knows(machine, RESOLVER, "two.lone-net.sealane.internal", two.addresses[0])
        assert ask(machine, RESOLVER, one.addresses[0], "PTR", stream=True)[1]
    code, texts = ask(one, RESOLVER, "www.example.com")
    assert not texts and (code == "REFUSED") == (gateway == "none"), (
        "nothing is asked outside of an inner one"
    )
    one.exec("ip", "route", "replace", "default", "via", RESOLVER, "dev", "eth0", "onlink")
    assert not one.reaches(str(one.lab.plan.router.ip)), "the resolver's namespace leads nowhere"


def test_another_gateway_takes_over_while_machines_are_there(tenant, put, api):
    """The way to the resolver comes with it, for machines that were attached before."""
    network = tenant("shifting")
    one, two = name(api, put("host1", "s1", network), "one"), name(api, put("host2", "s2", network), "two")
    outside = str(one.lab.plan.router.ip)
    knows(one, "10.45.0.1", "two", two.addresses[0])
    one.soon_reaches(outside)
    api.update("networks", network, {"sealane:gateway": "router"})
    for machine in (one, two):
        knows(machine, RESOLVER, "one", one.addresses[0])
    assert not one.reaches(outside)
    api.update("networks", network, {"sealane:gateway": "host"})
    knows(one, "10.45.0.1", "two", two.addresses[0])
    one.soon_reaches(outside)
