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


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(200, {"attachments": [ROW]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["netns"] == "/nowhere":
            error = {"type": "NotFound", "message": "no namespace at /nowhere", "detail": ""}
            return self._answer(404, {"NeutronError": error})
        self._answer(201, {"attachment": {**ROW, "sandbox": body["netns"], "asked": body}})

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
    assert json.loads(sealane("ps", "-o", "json").out) == [ROW]


def test_attach_sends_what_was_asked(agent, sealane):
    outcome = sealane("attach", "/run/netns/m1", "--network", "blue", "--ip", "10.1.0.3", "-o", "json")
    asked = {"netns": "/run/netns/m1", "network": "blue", "ip": "10.1.0.3", "mac": "", "ifname": "eth0"}
    assert json.loads(outcome.out)["asked"] == asked


def test_refusal_of_the_agent_is_one_line(agent, sealane):
    outcome = sealane("attach", "/nowhere", "--network", "blue")
    assert (outcome.status, outcome.err) == (1, "sealane: no namespace at /nowhere\n")


def test_detach(agent, sealane):
    assert sealane("detach", "/run/netns/m1").status == 0


def test_no_agent(sealane):
    outcome = sealane("ps")
    assert (outcome.status, outcome.err.count("\n")) == (1, 1)
