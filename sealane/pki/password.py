"""Passwords at rest: scrypt (RFC 7914) with a salt, and its cost in the text, so that the cost may rise.

    scrypt$14$8$5$<salt>$<hash>          log2(N), r, p; 16 and 32 bytes in base64url without padding

16 MiB and some 0.2 s of one processor, as OWASP's cheat sheet of password storage asks for that memory.
"""

import base64
import hashlib
import hmac
import secrets
from functools import cache

COST = (14, 8, 5)
LONGEST = 1024
"""Characters of a password."""
_MEMORY = 64 * 2**20
_SCHEME = "scrypt"


def hashed(password: str) -> str:
    """Slow on purpose: not for an event loop."""
    salt = secrets.token_bytes(16)
    return "$".join((_SCHEME, *map(str, COST), _text(salt), _text(_scrypt(password, salt, COST))))


def matches(password: str, kept: str) -> bool:
    """As slow for a user that has no password (`kept` is empty), or does not exist: not for an event loop."""
    cost, salt, digest = _parts(kept or _nobodys())
    found = _scrypt(password, salt, cost)
    return hmac.compare_digest(found, digest) and bool(kept)


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    log, r, p = cost
    raw = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(raw, salt=salt, n=1 << log, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _parts(kept: str) -> tuple[tuple[int, int, int], bytes, bytes]:
    _, log, r, p, salt, digest = kept.split("$")
    return (int(log), int(r), int(p)), _bytes(salt), _bytes(digest)


@cache
def _nobodys() -> str:
    """The hash of what nobody knows."""
    return "$".join(
        (_SCHEME, *map(str, COST), _text(secrets.token_bytes(16)), _text(secrets.token_bytes(32)))
    )


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
