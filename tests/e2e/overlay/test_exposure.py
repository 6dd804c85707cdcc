"""What of the lab's hosts can be reached, and by whom: every port of every host, tunnels from strangers."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from tests.e2e.overlay import geneve
from tests.e2e.overlay.machines import until

HERE = Path(__file__).parent
HOSTS = ("host1", "host2")
API, SOUTHBOUND, LOCAL_API = 9698, 6642, 9696
EXPECTED = {"host1": [SOUTHBOUND, API], "host2": []}
"""Open to the outside."""


def scan(lab: Lab, where: str, kind: str, *addresses: str) -> dict[str, list[int]]:
    said = lab.exec(where, "python3", str(HERE / "scan.py"), kind, *addresses, timeout=280)
    found: dict[str, list[int]] = json.loads(said.stdout)
    return found


def addresses(lab: Lab, host: str) -> tuple[str, str]:
    return str(lab.plan.address(host).ip), str(lab.plan.address6(host).ip)


@pytest.mark.parametrize("host", HOSTS)
def test_from_outside_only_the_two_doors_are_open(lab: Lab, host: str) -> None:
    v4, v6 = addresses(lab, host)
    found = scan(lab, OUTSIDE, "tcp", v4, v6)
    assert found == {v4: EXPECTED[host], v6: []}


@pytest.mark.parametrize("host", HOSTS)
def test_no_udp_port_answers(lab: Lab, host: str) -> None:
    v4, v6 = addresses(lab, host)
    assert scan(lab, OUTSIDE, "udp", v4, v6) == {v4: [], v6: []}
    for namespace in ((), ("nsenter", "--net=/run/sealane/netns/switch")):
        assert listed(lab, host, *namespace, "ss", "-Hlnu") == []


def listed(lab: Lab, host: str, *argv: str) -> list[str]:
    return lab.exec(host, *argv).stdout.splitlines()


@pytest.mark.parametrize("host", HOSTS)
def test_on_loopback_all_ask_who_is_there(lab: Lab, host: str) -> None:
    """The API's door for this host's users wants the token; ovsdb-server's wants the gate's certificate."""
    found = scan(lab, host, "tcp", "127.0.0.1", "::1")
    assert found["::1"] == []
    others = [port for port in found["127.0.0.1"] if port != LOCAL_API]
    assert len(others) == (1 if host == "host1" else 0), found
    for port in others:
        assert refuses_strangers(lab, host, f"127.0.0.1:{port}")
    if host == "host1":
        assert LOCAL_API in found["127.0.0.1"]
        words = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}")
        for path in ("networks", "ports", "sealane/nodes", "sealane/ca", "sealane/tokens"):
            url = f"http://127.0.0.1:{LOCAL_API}/v2.0/{path}"
            assert lab.exec(host, *words, url, check=False).stdout == "401", path


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_listed_as_listening_is_what_was_found(lab: Lab, host: str) -> None:
    """A scan misses what a firewall hides; the kernel's own list does not."""
    words = [line.split()[3] for line in listed(lab, host, "ss", "-Hlnt")]
    found = sorted(words, key=lambda word: int(word.rpartition(":")[2]))
    away = [word for word in found if not word.startswith(("127.", "[::1]"))]
    v4, _ = addresses(lab, host)
    assert away == [f"{v4}:{port}" for port in EXPECTED[host]]
    assert listed(lab, host, "nsenter", "--net=/run/sealane/netns/switch", "ss", "-Hlnt") == []


@pytest.mark.parametrize("host", HOSTS)
def test_unix_sockets_are_root_s_alone(lab: Lab, host: str) -> None:
    bound = {line.split()[4] for line in listed(lab, host, "ss", "-Hlx")}
    assert not [path for path in bound if path.startswith("@")], "an abstract socket has no mode"
    # ss tells the name that a socket was bound to, also after it was moved: so the files count.
    found = listed(lab, host, "find", "/run/sealane", "-type", "s", "-printf", "%m %u %p\\n")
    assert "600 root /run/sealane/agent.sock" in found
    assert [line for line in found if line.split()[:2] not in (["600", "root"], ["700", "root"])] == []


@pytest.mark.parametrize("port", [API, SOUTHBOUND])
def test_the_doors_speak_nothing_but_tls(lab: Lab, port: int) -> None:
    v4, _ = addresses(lab, "host1")
    script = (
        "import socket,sys; s=socket.create_connection((sys.argv[1],int(sys.argv[2])),20); s.settimeout(20)\n"
    )
    script += "s.sendall(b'GET /v2.0/sealane/ca HTTP/1.0\\r\\n\\r\\n')\n"
    script += "try:\n    print(s.recv(100))\nexcept OSError as e: print(e)"
    said = lab.exec(OUTSIDE, "python3", "-c", script, v4, str(port)).stdout
    assert "HTTP" not in said and "result" not in said


PATHS = (
    *("/", "/v2.0", "/healthz", "/metrics", "/openapi.json", "/v2.0/networks", "/v2.0/sealane/ca/"),
    *(f"/v2.0/sealane/{name}" for name in ("nodes", "tokens", "events", "renew", "changes")),
)


ASK = """
import http.client, json, ssl, sys
address, requests = sys.argv[1], json.loads(sys.argv[2])
found = []
for method, path in requests:
    server = http.client.HTTPSConnection(address, timeout=20, context=ssl._create_unverified_context())
    server.request(method, path)
    found.append(server.getresponse().status)
    server.close()
print(json.dumps(found))
"""


def test_without_a_certificate_the_api_only_lets_join(lab: Lab) -> None:
    v4, _ = addresses(lab, "host1")
    closed = [(method, path) for method in ("GET", "POST", "PUT", "DELETE", "HEAD") for path in PATHS]
    asked = [("GET", "/v2.0/sealane/ca"), ("POST", "/v2.0/sealane/join"), *closed]
    said = lab.exec(OUTSIDE, "python3", "-c", ASK, f"{v4}:{API}", json.dumps(asked)).stdout
    found = list(zip(asked, json.loads(said), strict=True))
    assert [status for _, status in found[:2]] == [200, 400]
    assert [(request, status) for request, status in found[2:] if status != 401] == []


def test_without_a_certificate_the_southbound_lets_nobody_in(lab: Lab) -> None:
    v4, _ = addresses(lab, "host1")
    assert refuses_strangers(lab, OUTSIDE, f"{v4}:{SOUTHBOUND}")


def refuses_strangers(lab: Lab, where: str, target: str) -> bool:
    """A handshake without a certificate comes to nothing, and plain JSON-RPC gets no answer."""
    script = """
import socket, ssl, sys
host, _, port = sys.argv[1].rpartition(":")
context = ssl._create_unverified_context()
for tls in (True, False):
    s = socket.create_connection((host, int(port)), 20)
    s.settimeout(20)
    try:
        if tls:
            s = context.wrap_socket(s)
        s.sendall(b'{"id":1,"method":"list_dbs","params":[]}')
        print(s.recv(1000))
    except OSError as exc:
        print("refused")
"""
    said = lab.exec(where, "python3", "-c", script, target).stdout
    return len(said.splitlines()) == 2 and "result" not in said and "OVN" not in said


def test_tunnels_are_taken_from_nodes_alone(lab: Lab, put: Any) -> None:
    """The same packet, from the address of a node and from another one of the underlay."""
    one, two = put("host1", "a"), put("host2", "b")
    one.soon_reaches(two.addresses[0])
    target = lab.plan.address("host1").ip
    with geneve.listener(one) as heard:
        for source, arrives in (
            (str(lab.plan.address("host2").ip), True),
            (str(lab.plan.router.ip), False),
            (str(lab.plan.address("host1").ip + 77), False),
        ):
            text = f"from {source}."
            packet = geneve.packet(lab, two, one, source, str(target), text)
            before = geneve.dropped(lab, "host1")
            if arrives:
                geneve.inject(lab, packet)
                until(lambda text=text: text in heard(), f"it arrives {text}")  # type: ignore[misc]
                continue
            geneve.inject(lab, packet, times=20)
            seen = before + 20
            until(lambda seen=seen: geneve.dropped(lab, "host1") >= seen, "all were dropped by the table")  # type: ignore[misc]
            assert text not in heard()


def test_no_container_makes_itself_a_tunnel(lab: Lab, api: Api, put: Any) -> None:
    """One of another network knows all keys; by its host's translation it would speak as that host."""
    one, two = put("host1", "a"), put("host2", "b")
    one.soon_reaches(two.addresses[0])
    red = api.create("networks", {"name": "red"})["id"]
    api.create("subnets", {"network_id": red, "cidr": "10.45.0.0/24", "ip_version": 4})
    thief = put("host1", "thief", red)
    here, there = (str(lab.plan.address(host).ip) for host in HOSTS)
    thief.soon_reaches(there)
    with geneve.listener(two) as heard:
        geneve.inject(lab, geneve.packet(lab, one, two, here, there, "from a node."))
        until(lambda: "from a node." in heard(), "a node's packet arrives")
        packet = geneve.packet(lab, one, two, here, there, "from a thief.")
        before = geneve.dropped(lab, "host1")
        geneve.say(thief, packet, times=20)
        until(lambda: geneve.dropped(lab, "host1") >= before + 20, "its host has dropped all of them")
        assert "thief" not in heard()


def test_a_new_node_is_known_without_a_gap(lab: Lab, api: Api, put: Any) -> None:
    """Traffic flows on while the table is replaced, three times."""
    one, two = put("host1", "a"), put("host2", "b")
    one.soon_reaches(two.addresses[0])
    words = ["ip", "netns", "exec", "a", "busybox", "ping", "-i", "0.02", "-c", "300", two.addresses[0]]
    with subprocess.Popen(lab.command("host1", words), stdout=subprocess.PIPE, text=True) as pinging:
        for number in (201, 202, 203):
            address = str(lab.plan.router.ip + number - 1)
            made = api.request(
                "POST", "/v2.0/sealane/nodes", {"node": {"name": f"x{number}", "address": address}}
            )
            for host in HOSTS:
                until(
                    lambda host=host, address=address: address in peers(lab, host), f"{host} knows {address}"
                )  # type: ignore[misc]
            api.request("DELETE", f"/v2.0/sealane/nodes/{made['node']['id']}?force=true")
            until(lambda address=address: address not in peers(lab, "host1"), "and forgets it")  # type: ignore[misc]
        said = pinging.communicate(timeout=120)[0]
    assert " 0% packet loss" in said, said


def peers(lab: Lab, host: str) -> str:
    return lab.exec(host, "nft", "list", "set", "inet", "sealane_peers", "peers4").stdout


def test_a_port_on_the_wrong_host_is_an_alarm_within_5_seconds(lab: Lab, api: Api, network: str) -> None:
    """Bound by root at the southbound database itself: no node can do that."""
    port = api.create("ports", {"network_id": network, "name": "stolen", "binding:host_id": "host9"})
    southbound = ("ovn-sbctl", "--timeout=20", "--db=unix:/run/sealane/ovn/ovnsb_db.sock")
    lab.exec("host1", *southbound, "chassis-add", "ghost", "geneve", str(lab.plan.router.ip))
    try:
        until(
            lambda: port["id"] in lab.exec("host1", *southbound, "list", "Port_Binding").stdout,
            "northd was there",
        )
        begun = time.monotonic()
        lab.exec("host1", *southbound, "lsp-bind", port["id"], "ghost")
        until(lambda: api.health().get("binding_mismatches") == 1, "the alarm")
        assert time.monotonic() - begun < 5
        fetch = ("curl", "-s", "--unix-socket", "/run/sealane/api.sock", "http://localhost/metrics")
        assert "sealane_binding_mismatches 1.0" in lab.exec("host1", *fetch).stdout
        log = lab.exec("host1", "cat", "/var/log/sealane/api.log").stdout
        assert any("misbound" in line and port["id"] in line for line in log.splitlines())
        said = lab.exec("host1", "sealane", "status", check=False)
        assert said.returncode == 1 and "stolen" in said.stdout
    finally:
        lab.exec("host1", *southbound, "chassis-del", "ghost")
        api.delete("ports", port["id"])
    until(lambda: api.health().get("binding_mismatches") == 0, "all is well again")


def test_tls_of_the_doors_is_1_2_or_newer(lab: Lab) -> None:
    v4, _ = addresses(lab, "host1")
    for port in (API, SOUTHBOUND):
        for version in ("TLSv1", "TLSv1_1"):
            script = (
                "import socket, ssl, sys\n"
                "c = ssl._create_unverified_context(); c.set_ciphers('ALL:@SECLEVEL=0')\n"
                f"c.minimum_version = c.maximum_version = ssl.TLSVersion.{version}\n"
                "try:\n    c.wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2])), 20))\n"
                "except OSError as exc: print('refused', exc)\n"
            )
            said = lab.exec(OUTSIDE, "python3", "-W", "ignore", "-c", script, v4, str(port)).stdout
            assert said.startswith("refused"), (port, version)
