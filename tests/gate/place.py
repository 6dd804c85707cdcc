"""A central part with a gate in a private directory, and peers that speak with the gate as nodes do.

Place: store, both OVN databases, northd, `python -m sealane.gate.server`
Peer:  one TLS connection with some certificate, JSON-RPC by hand
"""

import asyncio
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from sealane.config import Settings
from sealane.engine import central as engine
from sealane.model import Node, Token
from sealane.pki import central as pki
from sealane.pki import read, request, tls
from sealane.pki.certificate import CENTRAL
from sealane.store.changes import Create, Delete, Update
from sealane.store.create import SCHEMA
from sealane.store.db import Store
from tests.central import Central
from tests.daemons import PATIENCE, OvsdbServer, until

SOUTHBOUND = "OVN_Southbound"
T = TypeVar("T")


class Place:
    """`with Place(directory) as place:`; the directory's path must be short (unix(7))."""

    def __init__(self, directory: Path, host: str = "127.0.0.1") -> None:
        self.directory = directory
        self.host = host
        with socket.create_server((host, 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self.central = Central(directory)
        self.central.sb.options = engine.REMOTES["sb"]
        self.store = OvsdbServer(directory / "store", SCHEMA)
        run = directory / "run"
        run.mkdir(exist_ok=True)
        (run / "ovn").mkdir(exist_ok=True)
        (run / "store.sock").symlink_to(directory / "store" / "db.sock")
        (run / "ovn" / "ovnsb_db.sock").symlink_to(directory / "sb" / "db.sock")
        self.settings = Settings(
            run_dir=run,
            state_dir=directory / "state",
            etc_dir=directory / "etc",
            log_dir=directory / "log",
            host_name="central",
            encap_ip=host,
            southbound_bind=f":{self.port}",
        )
        self.gate: subprocess.Popen[bytes] | None = None
        self._token: Token | None = None

    @property
    def pki(self) -> pki.Directory:
        return pki.Directory(self.settings.pki_dir)

    def start_gate(self) -> None:
        with open(self.directory / "gate.log", "ab") as log:
            self.gate = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "sealane.gate.server"],
                env={**os.environ, **engine.environment(self.settings), "SEALANE_CONFIG": "/nonexistent"},
                stderr=log,
                stdout=log,
            )

    def kill_gate(self) -> None:
        assert self.gate is not None
        self.gate.kill()
        self.gate.wait(PATIENCE)

    def log(self) -> str:
        return (self.directory / "gate.log").read_text()

    def status(self) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PATIENCE)
            asking.connect(str(self.settings.gate_socket))
            asking.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answer = asking.makefile("rb").read()
        found: dict[str, Any] = json.loads(answer.split(b"\r\n\r\n", 1)[1])
        return found

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def connect_from(self, address: str) -> socket.socket:
        return socket.create_connection((self.host, self.port), PATIENCE, (address, 0))

    def commit(self, *changes: Create | Update | Delete) -> None:
        async def commit(store: Store) -> None:
            await store.commit(*changes)

        self.with_store(commit)

    def with_store(self, act: Callable[[Store], Awaitable[T]]) -> T:
        async def run() -> T:
            store = Store(self.store.remote)
            await store.start(PATIENCE)
            try:
                return await act(store)
            finally:
                await store.stop()

        return asyncio.run(run())

    def join(self, name: str, address: str, lifetime: int = 3600) -> "Member":
        """As if it had joined."""
        pki.ensure(self.pki)
        key, certificate = self.certificate(name, lifetime)
        file = self.directory / f"{name}.pem"
        file.write_text(key + certificate)
        serial = read.certificate(certificate).serial
        node = Node(id=str(uuid.uuid4()), project_id="", name=name, address=address, serials=(serial,))
        self.commit(Create(node))
        return Member(self, node, file)

    def certificate(self, name: str, lifetime: int = 3600) -> tuple[str, str]:
        key, asked = request.make(name)
        return key, pki.node_authority(self.pki).sign_node(asked, name, lifetime)

    def keep_open(self) -> None:
        """A token holds the door open between two tests: each opening takes the server two seconds."""
        if not self._token:
            self._token = self.token(seconds=3600)

    def token(self, seconds: float) -> Token:
        row = Token(
            id=str(uuid.uuid4()), project_id="", digest="0" * 64, expires_at=int(time.time() + seconds)
        )
        self.commit(Create(row))
        return row

    def __enter__(self) -> "Place":
        self.central.start()
        self.store.start()
        until(lambda: bool(self.central.sbctl("--bare", "list", "RBAC_Role")), "northd was there")
        self.start_gate()
        until(self.settings.gate_socket.exists, "the gate answers")
        return self

    def __exit__(self, *_: object) -> None:
        if self.gate is not None:
            self.kill_gate()
        self.store.kill()
        self.central.stop()


@dataclass
class Member:
    """A node with its certificate."""

    place: Place
    node: Node
    file: Path

    @property
    def context(self) -> ssl.SSLContext:
        return tls.client(self.place.pki.central_ca, self.file)

    def connect(self) -> "Peer":
        return Peer.of(self.place, self.context)

    def remove(self) -> None:
        async def remove(store: Store) -> None:
            await store.commit(Delete(store.state.nodes[self.node.id]))

        self.place.with_store(remove)

    def change(self, **values: Any) -> None:
        async def change(store: Store) -> None:
            now = store.state.nodes[self.node.id]
            await store.commit(Update(now, replace(now, **values)))

        self.place.with_store(change)


class Gone(Exception):
    """The gate has closed the connection, or refused it."""


class Peer:
    """Raises Gone where the other side ends it."""

    def __init__(self, connection: socket.socket) -> None:
        self._ids = itertools.count(1)
        self._buffer = ""
        self.socket = connection

    @classmethod
    def of(cls, place: Place, context: ssl.SSLContext) -> "Peer":
        return cls.over(socket.create_connection((place.host, place.port), PATIENCE), context)

    @classmethod
    def over(cls, plain: socket.socket, context: ssl.SSLContext) -> "Peer":
        try:
            return cls(context.wrap_socket(plain, server_hostname=CENTRAL))
        except OSError as exc:
            plain.close()
            raise Gone(str(exc)) from exc

    @classmethod
    def root(cls, place: Place) -> "Peer":
        """Over the southbound server's unix socket: no gate, no role."""
        plain = socket.socket(socket.AF_UNIX)
        plain.connect(place.central.sb.remote.removeprefix("unix:"))
        return cls(plain)

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as exc:
            raise Gone(str(exc)) from exc

    def receive(self) -> dict[str, Any]:
        while True:
            if self._buffer:
                try:
                    message, end = json.JSONDecoder().raw_decode(self._buffer)
                except ValueError:
                    pass
                else:
                    self._buffer = self._buffer[end:].lstrip()
                    return dict(message)
            try:
                data = self.socket.recv(1 << 16)
            except OSError as exc:
                raise Gone(str(exc)) from exc
            if not data:
                raise Gone("closed")
            self._buffer += data.decode()

    def ask(self, method: str, *params: object) -> dict[str, Any]:
        """The reply to this request."""
        number = next(self._ids)
        self.send(json.dumps({"method": method, "params": params, "id": number}).encode())
        while (reply := self.receive()).get("id") != number or "method" in reply:
            pass
        return reply

    def transact(self, *operations: object) -> list[Any]:
        reply = self.ask("transact", SOUTHBOUND, *operations)
        assert reply["error"] is None, reply
        return list(reply["result"])

    def is_closed(self, within: float = PATIENCE) -> bool:
        self.socket.settimeout(within)
        try:
            while True:
                self.receive()
        except TimeoutError:
            return False
        except Gone as exc:
            return not isinstance(exc.__cause__, TimeoutError)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fails(result: list[Any]) -> bool:
    return any(isinstance(one, dict) and "error" in one for one in result)
