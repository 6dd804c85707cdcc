"""The text of a token, with which a machine becomes a node: who asks, the secret, and whom to trust.

    slt1_<id of the token, 32 hex>_<secret, 43>_<SHA-256 of the central authority, 43>

The last two are 32 bytes each in base64url (RFC 4648, 5) without padding.  That alphabet has the
separator in it, so the parts are told by their length.
"""

import base64
import hashlib
import hmac
import re
import secrets
import ssl
import uuid
from dataclasses import dataclass, field

from sealane.errors import BadRequest

_TEXT = re.compile(r"slt1_([0-9a-f]{32})_([A-Za-z0-9_-]{43})_([A-Za-z0-9_-]{43})", re.ASCII)
_MADE_BY = "make one with 'sealane token create' on the central machine"


@dataclass(frozen=True)
class JoinToken:
    """What the text says."""

    id: str
    """A uuid with its dashes, as in the store."""
    secret: str = field(repr=False)
    fingerprint: str
    """Of the central authority, see `fingerprint`."""

    def __str__(self) -> str:
        return f"slt1_{self.id.replace('-', '')}_{self.secret}_{self.fingerprint}"


def parse(text: str) -> JoinToken:
    """Raises BadRequest; its message never holds the secret."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        kind = "cut off or has been changed" if text.strip().startswith("slt1_") else "no token of Sealane"
        raise BadRequest(f"the token is {kind}; {_MADE_BY}")
    return JoinToken(str(uuid.UUID(found[1])), found[2], found[3])


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What the store keeps of a secret: SHA-256, in hex. The secret is random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, kept: str) -> bool:
    """In the same time whatever is shown."""
    return hmac.compare_digest(digest(secret).encode(), kept.encode())


def fingerprint(certificate: str) -> str:
    """SHA-256 of a certificate (PEM) in DER, base64url. Raises BadRequest."""
    try:
        der = ssl.PEM_cert_to_DER_cert(certificate.strip() + "\n")
    except ValueError as exc:
        raise BadRequest(f"that is no certificate in PEM: {exc}") from exc
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
