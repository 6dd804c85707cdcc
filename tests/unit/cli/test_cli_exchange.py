"""One request over a unix socket, and answers of every kind that a server may give."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sealane.cli import exchange
from sealane.cli.api import Api
from sealane.errors import DeadlineExceeded, Unavailable


def served(path: Path, said: bytes, heard: list[bytes]) -> threading.Thread:
    """Answers one connection, whatever it asks."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        with listener, listener.accept()[0] as one:
            heard.append(one.recv(1 << 16))
            one.sendall(said)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def ask(path: Path, said: bytes, data: bytes | None = None) -> tuple[exchange.Reply, bytes]:
    heard: list[bytes] = []
    served(path, said, heard)
    reply = exchange.over_unix(str(path), 5, "POST", "/attach", data, {"Accept": "application/json"})
    return reply, heard[0]


def test_what_is_asked_and_answered(tmp_path: Path) -> None:
    said = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-Word:  a: b \r\n\r\n{}"
    reply, heard = ask(tmp_path / "a", said, b"[1]")
    assert (reply.status, reply.headers["x-word"], reply.raw) == (201, "a: b", b"{}")
    assert heard.startswith(b"POST /attach HTTP/1.1\r\nHost: localhost\r\n")
    assert heard.endswith(b"Content-Length: 3\r\n\r\n[1]")


def test_chunks(tmp_path: Path) -> None:
    body = b"2;x=y\r\n{}\r\na\r\n0123456789\r\n0\r\n\r\n"
    reply, _ = ask(tmp_path / "a", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert reply.raw == b"{}0123456789"


@pytest.mark.parametrize(
    "said",
    (
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ),
)
def test_half_an_answer_is_none(tmp_path: Path, said: bytes) -> None:
    served(tmp_path / "a", said, [])
    with pytest.raises(Unavailable, match="closed the connection"):
        Api(f"unix:{tmp_path}/a").request("GET", "/v2.0/networks")


def test_nobody_there_and_nobody_who_answers(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="sealane up"):
        Api(f"unix:{tmp_path}/none").request("GET", "/")
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        deaf.listen()
        with pytest.raises(DeadlineExceeded):
            Api(f"unix:{tmp_path}/deaf", deadline=0.1).request("GET", "/")


def test_sealane_attach_imports_no_more_than_it_needs() -> None:
    """Each of these costs milliseconds of every command."""
    program = (
        "import sys, json, sealane.cli.main, sealane.cli.attachment; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert not {"http.client", "email", "ssl", "tomllib", "rich", "asyncio"} & set(json.loads(done.stdout))
