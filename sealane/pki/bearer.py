"""The token that a log-in gives: what it says, signed by a secret of the central part.

    slu1_<JSON array, base64url>.<HMAC-SHA256 of what is before the dot, base64url>

It says who logged in, when, and to which project; what that user may is looked up in the store for each
request, so it holds nothing that could be out of date.
"""

import base64
import binascii
import hashlib
import hmac

import msgspec

from sealane.errors import Unauthorized

PREFIX = "slu1_"
LONGEST = 4096


class Bearer(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    user: str
    project: str
    """A project's id as the identity API has it; empty: the token is unscoped."""
    methods: tuple[str, ...]
    issued: int
    """Unix time in seconds, as `expires`."""
    expires: int
    epoch: int
    audit: tuple[str, ...]
    """Ids of this token and of the one that its chain of tokens began with; revoking either ends it."""


_decode = msgspec.json.Decoder(Bearer).decode
_encode = msgspec.json.Encoder().encode


class Signer:
    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"sealane log-in token\0" + secret.encode()).digest()

    def write(self, bearer: Bearer) -> str:
        head = PREFIX + _text(_encode(bearer))
        return f"{head}.{_text(self._mac(head))}"

    def read(self, text: str) -> Bearer:
        """Raises Unauthorized unless we have written it; whether its time is over is not looked at."""
        head, dot, mac = text.rpartition(".")
        given = mac.encode("utf-8", "replace")
        if len(text) > LONGEST or not dot or not hmac.compare_digest(_text(self._mac(head)).encode(), given):
            raise Unauthorized("The token is none of ours, or has been changed: log in again.")
        try:
            raw = head.removeprefix(PREFIX)
            return _decode(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))
        except (msgspec.MsgspecError, binascii.Error, ValueError) as exc:
            raise Unauthorized("The token is of another version of Sealane: log in again.") from exc

    def _mac(self, head: str) -> bytes:
        return hmac.digest(self._key, head.encode("utf-8", "replace"), "sha256")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
