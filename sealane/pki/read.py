"""Read a certificate in PEM."""

from cryptography import x509
from cryptography.x509.oid import NameOID

from sealane.errors import BadRequest
from sealane.pki.certificate import Certificate, serial_text


def certificate(pem: str) -> Certificate:
    """The first one in the text. Raises BadRequest."""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        names = [str(a.value) for a in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except ValueError as exc:
        raise BadRequest(f"the certificate can't be read: {exc}") from exc
    return Certificate(
        name=names[0] if len(names) == 1 else "",
        serial=serial_text(found.serial_number),
        not_before=int(found.not_valid_before_utc.timestamp()),
        not_after=int(found.not_valid_after_utc.timestamp()),
    )
