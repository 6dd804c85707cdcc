"""ps, attach and detach against an agent's socket."""

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

ROW = {
    "id": "0804af1b-6e01-46e7-be2a-9edc4eb596e9",
    "door": "docker",
    "addresses": ["10.1.0.3/24"],
    "publish": [{"protocol": "tcp", "host_ip": "::", "host_port": 8080, "port": 80}],
}

WAITS = {"id": "77", "door": "ready", "addresses": ["10.1.0.4/24"], "publish": []}
WISH = {"id": "5204af1b", "name": "sleeper", "request": {"door": "netns"}}
PLACE = {"container": "docker:0804", "name": "web", "running": True, "cgroup": {"v2": "/"}}
LINK = {"name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1442, "up": True, "addresses": ["10.1.0.3/24"]}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(
            200,
            {
                "attachments": [ROW, WAITS],
                "awaited": [WISH],
                "quarantine": {ROW["id"]: "its labels have not been read yet"},
            },
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/inspect":
            return self._answer(200, {**PLACE, "networks": [ROW], "interfaces": [LINK]})
        if body["target"] == "/nowhere":
            error = {"type": "NotFound", "message": "no namespace at /nowhere", "detail": ""}
            return self._answer(404, {"NeutronError": error})
        self._answer(201, {"attachment": {**ROW, "sandbox": body["target"], "asked": body}})

    def _answer(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[None]:
    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "agent.sock"), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield
        server.shutdown()
        thread.join(timeout=10)


def test_ps_shows_what_is_published(agent, sealane):
    outcome = sealane("ps")
    assert outcome.status == 0
    assert "[::]:8080->80/tcp" in outcome.out
    row = {**ROW, "quarantine": "its labels have not been read yet"}
    assert json.loads(sealane("ps", "-o", "json").out) == [row, {**WISH, "door": "netns"}]
    everyone = json.loads(sealane("ps", "--all", "-o", "json").out)
    assert [one["id"] for one in everyone] == [ROW["id"], WAITS["id"], WISH["id"]]


def test_attach_sends_what_was_asked(agent, sealane):
    outcome = sealane("attach", "/run/netns/m1", "--network", "blue", "--ip", "10.1.0.3", "-o", "json")
    asked = {"target": "/run/netns/m1", "network": "blue", "ips": ["10.1.0.3"]}
    assert json.loads(outcome.out)["asked"] == asked


def test_attach_sends_routes_as_the_agent_reads_them(agent, sealane):
    words = ("--gateway", "none", "--route", "10.9.0.0/16=10.1.0.1", "--security-group", "web", "--persist")
    asked = json.loads(sealane("attach", "web", "--network", "blue", *words, "-o", "json").out)["asked"]
    assert asked["routes"] == [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.1"}]
    assert (asked["gateway"], asked["security_groups"], asked["persist"]) == ("none", ["web"], True)
    wrong = sealane("attach", "web", "--network", "blue", "--route", "10.9.0.0/16")
    assert (wrong.status, wrong.err.count("\n")) == (1, 1) and "DESTINATION=NEXTHOP" in wrong.err


def test_ps_shows_what_waits_for_its_container(agent, sealane):
    lines = sealane("ps").out.splitlines()
    assert any("sleeper" in line and "/run" not in line for line in lines)


def test_inspect_shows_networks_and_interfaces(agent, sealane):
    out = sealane("inspect", "web").out
    assert "docker:0804" in out and "10.1.0.3/24" in out and "02:00:00:00:00:01" in out
    assert json.loads(sealane("inspect", "web", "-o", "json").out)["networks"] == [ROW]


def test_refusal_of_the_agent_is_one_line(agent, sealane):
    outcome = sealane("attach", "/nowhere", "--network", "blue")
    assert (outcome.status, outcome.err) == (1, "sealane: no namespace at /nowhere\n")


def test_detach(agent, sealane):
    assert sealane("detach", "/run/netns/m1").status == 0


def test_no_agent(sealane):
    outcome = sealane("ps")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
