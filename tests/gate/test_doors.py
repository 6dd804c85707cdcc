"""Who gets in: a node with its certificate as long as it is one, and nobody else; when there is a door."""

import asyncio
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from sealane.api import health
from sealane.pki import authority, request, tls
from sealane.pki import central as pki
from sealane.store.changes import Create
from tests.daemons import PATIENCE, until
from tests.gate.place import Gone, Member, Peer, Place

ECHO = b'{"id":1,"method":"echo","params":[]}'


def test_it_listens_only_while_somebody_may_come(place: Place) -> None:
    assert not place.listens() and place.status()["open"] == ""
    place.token(seconds=3)
    until(place.listens, "a token opens it")
    until(lambda: not place.listens(), "the token's end closes it")
    joined = place.join("host2", "192.0.2.2")
    until(place.listens, "a node opens it")
    joined.remove()
    until(lambda: not place.listens(), "the last node's end closes it")
    assert place.status()["open"] == ""


def test_a_node_is_let_in_and_served(place: Place, member: Member) -> None:
    with member.connect() as peer:
        assert peer.ask("list_dbs")["result"] == ["OVN_Southbound", "_Server"]
        assert peer.ask("get_schema", "OVN_Southbound")["result"]["name"] == "OVN_Southbound"
        assert isinstance(peer.socket, ssl.SSLSocket) and peer.socket.version() in ("TLSv1.2", "TLSv1.3")
        assert place.status()["nodes"] == ["host2"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(member: Member) -> None:
    context = member.context
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert is_refused(member.place, context)


def test_tls_1_2_is_enough(member: Member) -> None:
    context = member.context
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Peer.of(member.place, context) as peer:
        assert peer.ask("list_dbs")["error"] is None


def is_refused(place: Place, context: ssl.SSLContext) -> bool:
    """With TLS 1.3 a client hears of it only when it reads."""
    try:
        with Peer.of(place, context) as peer:
            peer.send(ECHO)
            peer.receive()
    except Gone:
        return True
    return False


def with_certificate(place: Place, text: str) -> ssl.SSLContext:
    file = place.directory / "shown.pem"
    file.write_text(text)
    return tls.client(place.pki.central_ca, file)


def self_signed(name: str) -> str:
    made = authority.Authority.make(name)
    return made.key_pem + made.certificate_pem


def foreign(name: str) -> str:
    """Even an authority of the same name."""
    made = authority.Authority.make("sealane node authority")
    key, asked = request.make(name)
    return key + made.sign_node(asked, name, 3600)


def of_central_authority(place: Place) -> str:
    """What only a thief of the central authority could have."""
    key, asked = request.make("host2")
    return key + pki.central_authority(place.pki).sign_node(asked, "host2", 3600)


def for_servers(place: Place) -> str:
    """Of the right authority and name, but for the other side of a connection (RFC 5280, 4.2.1.12)."""
    signer = pki.node_authority(place.pki)
    key = ec.generate_private_key(ec.SECP256R1())
    proper = x509.load_pem_x509_certificate(place.certificate("host2")[1].encode())
    draft = x509.CertificateBuilder(
        issuer_name=proper.issuer,
        subject_name=proper.subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=proper.not_valid_before_utc,
        not_valid_after=proper.not_valid_after_utc,
    ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=True)
    made = draft.sign(signer.key, hashes.SHA256())
    return authority.key_pem(key) + authority._pem(made)


def expired(place: Place) -> str:
    key, certificate = place.certificate("host2", lifetime=-60)
    return key + certificate


def not_the_nodes(place: Place) -> str:
    """Well made and for this name, but not the one that the node has: renewed since, or stolen."""
    key, certificate = place.certificate("host2")
    return key + certificate


def of_no_node(place: Place) -> str:
    key, certificate = place.certificate("host3")
    return key + certificate


CERTIFICATES = {
    "self-signed": lambda place: self_signed("host2"),
    "of another authority": lambda place: foreign("host2"),
    "of the authority for servers": of_central_authority,
    "the server's own": lambda place: place.pki.server.read_text(),
    "for servers": for_servers,
    "expired": expired,
    "replaced": not_the_nodes,
    "of no node": of_no_node,
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_other_certificates_are_refused(kind: str, place: Place, member: Member) -> None:
    assert is_refused(place, with_certificate(place, CERTIFICATES[kind](place)))
    with member.connect() as peer:
        assert peer.ask("list_dbs")["error"] is None, "the node's own still works"


def test_no_certificate_is_refused(place: Place, member: Member) -> None:
    assert is_refused(place, tls.client(place.pki.central_ca))


def test_no_tls_is_refused(place: Place, member: Member) -> None:
    for noise in (ECHO, b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100, os.urandom(500)):
        with socket.create_connection((place.host, place.port), PATIENCE) as plain:
            plain.sendall(noise)
            with_answer = b"".join(iter(lambda: receive(plain), b""))
            assert b"result" not in with_answer


def receive(plain: socket.socket) -> bytes:
    try:
        return plain.recv(4096)
    except OSError:
        return b""


def test_a_removed_node_is_thrown_out_at_once(place: Place, member: Member) -> None:
    other = place.join("host3", "192.0.2.3")  # so that the door stays open
    with member.connect() as peer, other.connect() as stays:
        assert peer.ask("list_dbs")["error"] is None and stays.ask("list_dbs")["error"] is None
        member.remove()
        begun = time.monotonic()
        assert peer.is_closed()
        assert time.monotonic() - begun < 5
        assert is_refused(place, member.context), "nor does it get in again"
        assert stays.ask("list_dbs")["error"] is None
    place.commit(Create(member.node))
    other.remove()


def test_a_certificate_that_is_replaced_ends_its_session(place: Place, member: Member) -> None:
    with member.connect() as peer:
        assert peer.ask("list_dbs")["error"] is None
        member.change(serials=("1234",))
        assert peer.is_closed()
        assert is_refused(place, member.context)


def test_a_certificate_that_runs_out_ends_its_session(place: Place, member: Member) -> None:
    short = place.join("host3", "192.0.2.3", lifetime=4)
    with short.connect() as peer:
        assert peer.ask("list_dbs")["error"] is None
        assert peer.is_closed(), "it was open for longer than its certificate was good"
    short.remove()


def test_slow_strangers_hold_up_nobody(place: Place, member: Member) -> None:
    """Connections that say nothing, and handshakes that never end."""
    silent = [socket.create_connection((place.host, place.port), PATIENCE) for _ in range(12)]
    try:
        for number, plain in enumerate(silent):
            if number % 2:
                plain.sendall(b"\x16\x03\x01\x02\x00\x01")
        from_elsewhere = place.connect_from("127.0.0.9")
        with Peer.over(from_elsewhere, member.context) as peer:
            assert peer.ask("list_dbs")["error"] is None
        begun = time.monotonic()
        for plain in silent:
            plain.settimeout(PATIENCE)
            assert receive(plain) == b"", "closed when its time was over"
        assert time.monotonic() - begun < 30
    finally:
        for plain in silent:
            plain.close()


def test_a_node_that_reads_nothing_holds_up_only_itself(place: Place, member: Member) -> None:
    with member.connect() as lazy:
        for number in range(200):  # answers of 100 KB each: more than all buffers together
            lazy.socket.settimeout(0.2)
            try:
                lazy.socket.sendall(
                    json.dumps({"id": number, "method": "get_schema", "params": ["OVN_Southbound"]}).encode()
                )
            except OSError:
                break
        with member.connect() as peer:
            begun = time.monotonic()
            assert peer.ask("list_dbs")["error"] is None
            assert time.monotonic() - begun < 10


def test_a_node_has_few_connections(place: Place, member: Member) -> None:
    """One more ends the oldest: a host that lost its power must not be locked out by its own past."""
    peers = [member.connect() for _ in range(6)]
    try:
        for peer in peers[2:]:
            assert peer.ask("list_dbs")["error"] is None
        assert all(peer.is_closed() for peer in peers[:2])
    finally:
        for peer in peers:
            peer.close()


@pytest.fixture
def killed(place: Place) -> Iterator[None]:
    yield
    if place.gate is None or place.gate.poll() is not None:
        place.start_gate()
        until(lambda: place.settings.gate_socket.exists(), "the gate runs again")


def test_killed_and_started_it_is_as_before(place: Place, member: Member, killed: None) -> None:
    with member.connect() as peer:
        assert peer.ask("list_dbs")["error"] is None
        assert place.gate is not None
        os.kill(place.gate.pid, signal.SIGKILL)
        place.gate.wait(PATIENCE)
        assert peer.is_closed()
    place.start_gate()
    until(place.listens, "it is open again")
    with member.connect() as peer:
        assert peer.ask("list_dbs")["result"] == ["OVN_Southbound", "_Server"]


def test_healthz_tells_of_it(place: Place, member: Member, killed: None) -> None:
    probe = health.gate_answers(place.settings)
    with member.connect() as peer:
        peer.ask("list_dbs")
        assert asyncio.run(probe()) == "open, 1 nodes"
    place.kill_gate()
    with pytest.raises(OSError):
        asyncio.run(probe())
    place.settings.gate_socket.unlink()
    assert asyncio.run(probe()) == "none here"


def test_many_connections_from_one_address_are_too_many(place: Place, member: Member) -> None:
    flood = [socket.create_connection((place.host, place.port), PATIENCE) for _ in range(60)]
    try:
        closed = 0
        for plain in flood:
            plain.settimeout(0.5)
            try:
                closed += plain.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                closed += 1
        assert closed >= 60 - 8
    finally:
        for plain in flood:
            plain.close()


def test_the_files_of_the_inner_link_are_root_s(place: Place, member: Member) -> None:
    with member.connect() as peer:
        peer.ask("list_dbs")
    paths = list((place.settings.run_dir / "gate").iterdir())
    assert {path.suffix for path in paths} == {".key", ".pem", ".ca"} and len(paths) == 3
    for path in (*paths, Path(place.settings.gate_socket)):
        assert path.stat().st_mode & 0o077 == 0
