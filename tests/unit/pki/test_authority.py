"""Authorities, certificates and requests, judged by real TLS handshakes."""

import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from sealane.errors import BadRequest, HostError
from sealane.pki import central, read, request, tls
from sealane.pki.authority import Authority
from sealane.pki.certificate import SKEW
from tests.unit.pki.handshake import shake

DAY = 86400


@pytest.fixture
def directory(tmp_path: Path) -> central.Directory:
    made = central.Directory(tmp_path / "pki")
    central.ensure(made)
    return made


def node_file(directory: central.Directory, name: str = "host2", lifetime: int = DAY) -> Path:
    key, asked = request.make(name)
    path = directory.path / f"{name}.pem"
    path.write_text(key + central.node_authority(directory).sign_node(asked, name, lifetime))
    return path


def listener(directory: central.Directory, *, required: bool = True) -> ssl.SSLContext:
    return tls.server(directory.server, directory.node_ca, required=required)


def test_a_node_is_known_by_name_and_serial(directory: central.Directory) -> None:
    path = node_file(directory)
    peer = shake(listener(directory), tls.client(directory.central_ca, path))
    assert peer == read.certificate(path.read_text())
    assert peer.name == "host2"
    assert abs(peer.made - time.time()) < 60
    assert peer.not_after - peer.made == DAY
    assert peer.due - peer.made == DAY - DAY // 3


def test_without_a_certificate_nobody_is_known(directory: central.Directory) -> None:
    client = tls.client(directory.central_ca)
    assert shake(listener(directory, required=False), client) is None
    with pytest.raises(ssl.SSLError):
        shake(listener(directory), client)


def test_a_certificate_of_another_authority_is_refused(directory: central.Directory, tmp_path: Path) -> None:
    other = central.Directory(tmp_path / "other")
    central.ensure(other)
    foreign = tls.client(directory.central_ca, node_file(other))
    for required in (True, False):
        with pytest.raises(ssl.SSLError, match="certificate verify failed"):
            shake(listener(directory, required=required), foreign)
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        shake(listener(directory), tls.client(other.central_ca, node_file(directory)))


def test_an_expired_certificate_is_refused(directory: central.Directory) -> None:
    expired = tls.client(directory.central_ca, node_file(directory, lifetime=-1))
    with pytest.raises(ssl.SSLError, match="certificate has expired"):
        shake(listener(directory, required=False), expired)


def test_no_node_can_play_the_central_part(directory: central.Directory) -> None:
    """Not even with a certificate in the central part's name, nor one signed by the central authority."""
    impostor = node_file(directory, "sealane-central")
    client = tls.client(directory.central_ca)
    with pytest.raises(ssl.SSLError, match="certificate verify failed"):
        shake(tls.server(impostor, directory.node_ca, required=False), client)
    key, asked = request.make("sealane-central")
    wrong_use = central.central_authority(directory).sign_node(asked, "sealane-central", DAY)
    impostor.write_text(key + wrong_use)
    with pytest.raises(ssl.SSLError, match="unsuitable certificate purpose"):
        shake(tls.server(impostor, directory.node_ca, required=False), client)


def test_the_central_part_is_no_node(directory: central.Directory) -> None:
    with pytest.raises(ssl.SSLError):
        shake(listener(directory), tls.client(directory.central_ca, directory.server))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(directory: central.Directory) -> None:
    client = tls.client(directory.central_ca, node_file(directory))
    client.minimum_version = ssl.TLSVersion.TLSv1
    client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        shake(listener(directory), client)


def test_a_renewed_file_is_shown_without_a_new_context(directory: central.Directory) -> None:
    path = node_file(directory)
    files, client = tls.Files(path), tls.client(directory.central_ca, path)
    assert files.moved()
    assert not files.moved()
    first = shake(listener(directory), client)
    path.unlink()
    node_file(directory)
    assert files.moved()
    tls.reload(client, path)
    second = shake(listener(directory), client)
    assert first is not None
    assert second is not None
    assert (first.name, first.serial != second.serial) == (second.name, True)


def test_files_are_for_root_and_made_once(directory: central.Directory) -> None:
    before = {path.name: path.read_bytes() for path in directory.path.iterdir()}
    assert set(before) == {
        *("central-ca.key", "central-ca.pem", "node-ca.key", "node-ca.pem"),
        "server.pem",
    }
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in directory.path.iterdir())
    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert not central.ensure(directory)
    assert before == {path.name: path.read_bytes() for path in directory.path.iterdir()}


def test_the_server_certificate_is_renewed_when_due_or_damaged(directory: central.Directory) -> None:
    first = read.certificate(directory.server.read_text()).serial
    directory.server.write_text("what is this\n")
    assert central.ensure(directory, server_lifetime=0)
    second = read.certificate(directory.server.read_text()).serial
    assert central.ensure(directory)
    assert len({first, second, read.certificate(directory.server.read_text()).serial}) == 3
    assert not central.ensure(directory)


def test_an_authority_without_a_certificate_was_never_used(directory: central.Directory) -> None:
    directory.node_ca.unlink()
    central.ensure(directory)
    assert directory.node_ca.exists()
    central.node_authority(directory)


def test_a_damaged_authority_is_not_replaced(directory: central.Directory) -> None:
    directory.central_ca.with_suffix(".key").write_text(directory.node_ca.with_suffix(".key").read_text())
    with pytest.raises(HostError, match="not that of its certificate; restore"):
        central.ensure(directory)
    directory.central_ca.with_suffix(".key").write_text("-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(HostError, match="can't be read"):
        central.ensure(directory)


def asked_by(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *names: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    wish = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return wish.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_what_a_request_wishes_is_not_granted() -> None:
    authority = Authority.make("test")
    pem = authority.sign_node(asked_by(ec.generate_private_key(ec.SECP256R1()), "host2"), "host2", DAY)
    found = x509.load_pem_x509_certificate(pem.encode()).extensions
    assert not found.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not found.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_bad_requests_are_refused() -> None:
    authority = Authority.make("test")
    key = ec.generate_private_key(ec.SECP256R1())
    good = asked_by(key, "host2")
    for text in (
        "",
        "x",
        good[:200],
        good.replace("M", "N", 1),
        "é" * 10,
        "-----BEGIN CERTIFICATE REQUEST-----",
    ):
        with pytest.raises(BadRequest, match="can't be read"):
            authority.sign_node(text, "host2", DAY)
    with pytest.raises(BadRequest, match="over 8192"):
        authority.sign_node(good + " " * 9000, "host2", DAY)
    with pytest.raises(BadRequest, match="is for host2, not for 'host3'"):
        authority.sign_node(good, "host3", DAY)
    for names in ((), ("host2", "host3")):
        with pytest.raises(BadRequest, match="not for 'host2'"):
            authority.sign_node(asked_by(key, *names), "host2", DAY)
    for other in (ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)):
        with pytest.raises(BadRequest, match="P-256"):
            authority.sign_node(asked_by(other, "host2"), "host2", DAY)


def test_a_request_signed_by_another_key_is_refused() -> None:
    der = bytearray(
        x509.load_pem_x509_csr(
            asked_by(ec.generate_private_key(ec.SECP256R1()), "host2").encode()
        ).public_bytes(serialization.Encoding.DER)
    )
    der[-1] ^= 1  # the last byte of the signature
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(BadRequest, match="not signed by its own key"):
        Authority.make("test").sign_node(forged, "host2", DAY)


def test_certificates_that_are_none() -> None:
    for text in ("", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(BadRequest, match="can't be read"):
            read.certificate(text)


def test_clocks_may_differ_a_little() -> None:
    key, asked = request.make("host2")
    found = read.certificate(Authority.make("test").sign_node(asked, "host2", DAY))
    assert found.not_before <= time.time() - SKEW + 5
    assert "PRIVATE KEY" in key
