"""A store that others may join: by TLS with the members' own certificates, and with no other."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from sealane.config import Settings
from sealane.engine import central
from sealane.engine.process import Child
from sealane.pki import central as pki
from sealane.pki import member, request
from tests.daemons import PATIENCE, until


class Store:
    """The engine's child `store`, as it would run it."""

    def __init__(self, directory: Path, address: str) -> None:
        self.settings = Settings(
            run_dir=directory / "run",
            state_dir=directory / "state",
            encap_ip="127.0.0.1",
            raft_address=address,
        )
        self.settings.run_dir.mkdir(parents=True)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def child(self) -> Child:
        return next(c for c in central.children(self.settings) if c.name == "store")

    @property
    def file(self) -> Path:
        return self.settings.state_dir / "store" / "sealane.db"

    async def start(self) -> None:
        child = self.child
        assert child.before is not None
        await child.before()
        self.spawn()

    def spawn(self) -> None:
        self._process = subprocess.Popen(self.child.argv, stderr=subprocess.DEVNULL)
        until((self.settings.run_dir / "store.sock").exists, "the store listens")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)

    def status(self) -> str:
        control = str(self.settings.run_dir / "store.ctl")
        words = ["ovs-appctl", "-t", control, "--timeout=20", "cluster/status", "Sealane"]
        return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE).stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as closing:
        yield closing


async def store(directory: Path, stack: ExitStack) -> tuple[Store, int]:
    port = free_port()
    made = Store(directory, f"ssl:127.0.0.1:{port}")
    stack.callback(made.kill)
    await made.start()
    return made, port


def is_refused(
    port: int, certificate: Path | None, *, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> bool:
    context = ssl._create_unverified_context()
    context.maximum_version = newest
    if newest < ssl.TLSVersion.TLSv1_2:
        context.minimum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
    if certificate:
        context.load_cert_chain(certificate)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as plain,
            context.wrap_socket(plain) as peer,
        ):
            return peer.recv(100) == b""  # RAFT greets by itself
    except OSError:
        return True


async def test_only_members_are_let_in(directory: Path, stack: ExitStack) -> None:
    running, port = await store(directory, stack)
    own = member.Member(running.settings.pki_dir)
    until(lambda: not is_refused(port, own.certificate), "a member is greeted")
    pki.ensure(pki.Directory(running.settings.pki_dir))
    key, asked = request.make("host2")
    node = directory / "node.pem"
    node.write_text(
        key + pki.node_authority(pki.Directory(running.settings.pki_dir)).sign_node(asked, "host2", 60)
    )
    assert is_refused(port, None), "no certificate"
    assert is_refused(port, node), "a node's"
    assert is_refused(port, running.settings.pki_dir / "server.pem"), "the listeners'"
    for path in (own.certificate, own.authority, own.authority.with_suffix(".key")):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_tls_is_refused(directory: Path, stack: ExitStack) -> None:
    running, port = await store(directory, stack)
    own = member.Member(running.settings.pki_dir).certificate
    until(lambda: not is_refused(port, own, newest=ssl.TLSVersion.TLSv1_2), "TLS 1.2 is enough")
    assert is_refused(port, own, newest=ssl.TLSVersion.TLSv1_1)


async def test_a_second_member_joins(directory: Path, stack: ExitStack) -> None:
    """What a further central machine will do: the same authority, its own address."""
    first, port = await store(directory / "1", stack)
    second = Store(directory / "2", f"ssl:127.0.0.1:{free_port()}")
    stack.callback(second.kill)
    second.settings.pki_dir.mkdir(parents=True)
    for path in (first.settings.pki_dir / name for name in ("store-ca.pem", "member.pem")):
        (second.settings.pki_dir / path.name).write_bytes(path.read_bytes())
    second.file.parent.mkdir(parents=True)
    tls = member.Member(second.settings.pki_dir).options
    words = ("ovsdb-tool", "join-cluster", str(second.file), "Sealane", second.settings.raft_address)
    subprocess.run([*words, f"ssl:127.0.0.1:{port}"], check=True, timeout=PATIENCE)
    assert set(tls) <= set(second.child.argv)
    second.spawn()
    until(lambda: "Status: cluster member" in second.status(), "it has joined")
    assert first.status().count("ssl:127.0.0.1") >= 2


async def test_without_the_setting_there_is_no_port(directory: Path, stack: ExitStack) -> None:
    made = Store(directory, "")
    made.settings = replace(made.settings, raft_address="")
    assert not any("private-key" in word for word in made.child.argv)
    stack.callback(made.kill)
    await made.start()
    assert not member.Member(made.settings.pki_dir).certificate.exists()
    assert "unix:" in made.status()
