"""Names for machines that are no containers: DHCP says whom to ask, and what is heard is the tenant's own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealane.lab.lab import Lab
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
    for server in $dns; do echo "nameserver $server"; done > "$SEEN"
    ;;
esac
"""
SERVER = """
import socketserver, sys, threading
import dns.message, dns.rcode, dns.rrset
def answer(wire):
    query = dns.message.from_wire(wire)
    name = query.question[0].name
    print(name.to_text(), flush=True)
    response = dns.message.make_response(query)
    if name.to_text() != "www.example.com.":
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif query.question[0].rdtype == 1:
        response.answer.append(dns.rrset.from_text(name, 1, "IN", "A", sys.argv[1]))
    return response.to_wire()
class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(answer(self.request[0]), self.client_address)
class Stream(socketserver.StreamRequestHandler):
    def handle(self):
        while size := int.from_bytes(self.rfile.read(2), "big"):
            told = answer(self.rfile.read(size))
            self.wfile.write(len(told).to_bytes(2, "big") + told)
socketserver.ThreadingTCPServer.allow_reuse_address = True
for kind, handler in ((socketserver.UDPServer, Datagram), (socketserver.ThreadingTCPServer, Stream)):
    threading.Thread(target=kind(("", 53), handler).serve_forever, daemon=True).start()
print("listens", flush=True)
sys.stdin.read()  # until whoever started it lets go
"""
LIBC = 'mount --bind "$SEEN" /etc/resolv.conf && exec getent "$@"'
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


@contextmanager
def nameserver(lab: Lab, host: str, answer: str, *enter: str) -> Iterator[Callable[[], set[str]]]:
    """A server that knows www.example.com alone; gives the names that it was asked for."""
    words = lab.command(host, [*enter, sys.executable, "-c", SERVER, answer])
    with (
        tempfile.NamedTemporaryFile("r") as heard,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=heard.fileno()) as running,
    ):

        def asked() -> set[str]:
            return set(Path(heard.name).read_text().split())

        try:
            until(lambda: "listens" in asked(), "the server listens")
            yield asked
        finally:
            assert running.stdin
            running.stdin.close()


def by_dhcp(machine: Machine, directory: Path) -> Path:
    """Let udhcpc configure it; the resolv.conf that came of it."""
    script, seen = directory / "client", directory / f"{machine.name}.conf"
    script.write_text(CLIENT)
    script.chmod(0o755)
    client = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", str(script), "-O", "staticroutes")
    machine.exec("env", f"SEEN={seen}", *client)
    return seen


def libc(machine: Machine, conf: Path, *words: str) -> list[str]:
    """What the C library finds with that resolv.conf, word by word of the first line."""
    shell = ("unshare", "-m", "sh", "-c", LIBC, "sh", *words)
    done = machine.exec("env", f"SEEN={conf}", *shell, check=False)
    assert done.returncode in (0, 2), done.stderr
    return done.stdout.partition("\n")[0].split()


def name(api, machine: Machine, text: str) -> Machine:
    api.update("ports", machine.port_id, {"dns_name": text})
    return machine


@pytest.fixture
def tenant(api):
    """A network of a project, with two machines that have names."""
    made = []

    def one(project: str, gateway: str = "host", servers: tuple[str, ...] = (), **attributes):
        values = {"name": f"{project}-net", "project_id": project, "sealane:gateway": gateway, **attributes}
        network = api.create("networks", values)
        made.append(network["id"])
        subnet = {"network_id": network["id"], "cidr": "10.45.0.0/24", "project_id": project}
        api.create("subnets", {**subnet, "ip_version": 4, "dns_nameservers": list(servers)})
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
    assert by_dhcp(one, tmp_path).read_text() == f"nameserver {RESOLVER}\n"
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


@pytest.mark.parametrize("gateway", ("host", "router", "none"))
def test_a_network_with_servers_of_its_own_has_its_names_as_well(tenant, put, api, lab, tmp_path, gateway):
    """The C library of machines that know what DHCP has told them. Where the host leads outside, our resolver
    asks the server there; elsewhere the machine asks one on its network, on the other host."""
    outside = gateway == "host"
    server = str(lab.plan.router.ip) if outside else "10.45.0.53"
    red, green = tenant("red", gateway, (server,)), tenant("green", gateway, (server,))
    ours = name(api, put("host1", "r1", red, "10.45.0.5"), "db")
    name(api, put("host2", "r2", red, "10.45.0.6"), "web")
    theirs = name(api, put("host1", "g1", green, "10.45.0.6"), "db")
    resolver = "10.45.0.1" if outside else RESOLVER
    enter = () if outside else ("ip", "netns", "exec", put("host2", "r3", red, "10.45.0.53").name)
    knows(ours, resolver, "web", "10.45.0.6")
    knows(theirs, resolver, "db", "10.45.0.6")
    with nameserver(lab, "outside" if outside else "host2", "192.0.2.80", *enter) as asked:
        conf, other = by_dhcp(ours, tmp_path), by_dhcp(theirs, tmp_path)
        assert conf.read_text() == other.read_text() == f"nameserver {resolver}\nnameserver {server}\n"
        for options in ("", "options edns0\n", "options use-vc\n"):
            conf.write_text(f"nameserver {resolver}\nnameserver {server}\n{options}")
            for spelling in ("web", "web.red-net.sealane.internal"):
                assert libc(ours, conf, "ahostsv4", spelling)[:1] == ["10.45.0.6"], (options, spelling)
            assert libc(ours, conf, "hosts", "10.45.0.6")[1:] == ["web.red-net.sealane.internal"]
            if options == "options use-vc\n" and not outside:
                continue  # glibc goes on after a refusal by UDP only; TCP comes after UDP otherwise
            assert libc(ours, conf, "ahostsv4", "www.example.com")[:1] == ["192.0.2.80"], options
            assert libc(ours, conf, "ahostsv4", "nobody.example.com") == []
        assert libc(theirs, other, "ahostsv4", "db")[:1] == ["10.45.0.6"]
        assert libc(theirs, other, "hosts", "10.45.0.6")[1:] == ["db.green-net.sealane.internal"]
        hidden = "web.red-net.sealane.internal"
        assert libc(theirs, other, "ahostsv4", hidden) == [], "another tenant's name"
        if not outside:
            assert libc(theirs, other, "ahostsv4", "www.example.com") == [], "another tenant's server"
        leaked = {one for one in asked() if one.startswith(("web", "db")) or "10.in-addr" in one}
    assert not leaked, "no name of the overlay is asked of the network's server"


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
