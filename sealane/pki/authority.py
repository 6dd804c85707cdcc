"""A certificate authority: makes itself, server certificates, and certificates for what nodes ask for.

Profile of RFC 5280 with ECDSA on P-256 (RFC 5480), which every OpenSSL since 1.1 verifies.  What a request
asks for is not copied: name, use and lifetime are ours to say.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from sealane.errors import BadRequest, HostError
from sealane.pki.certificate import CENTRAL, SKEW

LIFETIME = 10 * 365 * 86400
"""Seconds that an authority lives."""
REQUEST_LIMIT = 8192
"""Characters of a request; one with a P-256 key has about 400."""
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_KEY_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True)
class Authority:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        usage = _usage("key_cert_sign", "crl_sign")
        draft = _draft(_name(name), _name(name), key.public_key(), LIFETIME)
        made = (
            draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, made)

    @classmethod
    def load(cls, key: str, certificate: str) -> "Authority":
        """From PEM. Raises HostError when the two are damaged or don't belong together."""
        try:
            private = serialization.load_pem_private_key(key.encode(), None)
            found = x509.load_pem_x509_certificate(certificate.encode())
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise HostError(f"the authority's files can't be read: {exc}; restore them from a copy") from exc
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != found.public_key():
            raise HostError("the authority's key is not that of its certificate; restore both from a copy")
        return cls(private, found)

    @property
    def key_pem(self) -> str:
        return key_pem(self.key)

    @property
    def certificate_pem(self) -> str:
        return _pem(self.certificate)

    def issue_server(self, lifetime: int) -> tuple[str, str]:
        """A new key and its certificate for the central part, `lifetime` in seconds; PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(CENTRAL)])
        draft = self._leaf(CENTRAL, key.public_key(), (_SERVER,), lifetime)
        draft = draft.add_extension(names, critical=False)
        return key_pem(key), _pem(draft.sign(self.key, hashes.SHA256()))

    def issue_door(self, names: Sequence[str], lifetime: int) -> tuple[str, str]:
        """The same for where users come in; its names are host names and addresses, never CENTRAL's."""
        key = ec.generate_private_key(ec.SECP256R1())
        draft = self._leaf("sealane-users", key.public_key(), (_SERVER,), lifetime)
        draft = draft.add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        return key_pem(key), _pem(draft.sign(self.key, hashes.SHA256()))

    def issue_member(self, lifetime: int) -> tuple[str, str]:
        """The same for a member of the store's cluster, which is at both ends of connections."""
        key = ec.generate_private_key(ec.SECP256R1())
        draft = self._leaf("sealane-store", key.public_key(), (_SERVER, _CLIENT), lifetime)
        return key_pem(key), _pem(draft.sign(self.key, hashes.SHA256()))

    def sign_node(self, request: str, name: str, lifetime: int) -> str:
        """A client certificate of `lifetime` seconds for the node `name` and the key in `request`; PEM.

        Raises BadRequest unless the request is signed by its own key, on P-256, and is for that name.
        """
        found = _read_request(request)
        asked = [str(a.value) for a in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        if asked != [name]:
            raise BadRequest(f"the request is for {', '.join(asked) or 'nobody'}, not for '{name}'")
        key = found.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise BadRequest("the request's key is to be an EC key on P-256")
        return _pem(self._leaf(name, key, (_CLIENT,), lifetime).sign(self.key, hashes.SHA256()))

    def _leaf(
        self, name: str, key: ec.EllipticCurvePublicKey, uses: tuple[ObjectIdentifier, ...], lifetime: int
    ) -> x509.CertificateBuilder:
        draft = _draft(_name(name), self.certificate.subject, key, lifetime)
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=True)
            .add_extension(signer, critical=False)
        )


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(seconds=SKEW))
        .not_valid_after(now + datetime.timedelta(seconds=lifetime))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _read_request(text: str) -> x509.CertificateSigningRequest:
    if len(text) > REQUEST_LIMIT:
        raise BadRequest(f"the certificate request has over {REQUEST_LIMIT} characters")
    try:
        found = x509.load_pem_x509_csr(text.encode())
        signed = found.is_signature_valid
        found.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as exc:
        raise BadRequest(f"the certificate request can't be read: {exc}") from exc
    if not signed:
        raise BadRequest("the certificate request is not signed by its own key")
    return found


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*wanted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in wanted for usage in _KEY_USAGES})


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
