"""What an OVSDB server refuses, as types.

SealaneError
├── OvsdbError                     any error object of the server (RFC 7047 §3.1, `<error>`)
│   ├── ConstraintViolation        409  an index, a range, a size
│   ├── ReferentialIntegrity       409  a strong reference dangles or would dangle
│   ├── DuplicateUuid              409  a client-chosen row uuid exists already
│   ├── WaitFailed                 409  a `wait` operation did not hold
│   ├── NotOwner                   409  an `assert`ed lock is not ours
│   └── StorageFailed              503  disk or cluster: the outcome is unknown
└── Unavailable
    ├── DeadlineExceeded           503  no reply in time: the outcome is unknown
    ├── NotConnected               503  nothing was sent
    └── ConnectionLost             503  sent, no reply: the outcome is unknown
"""

from collections.abc import Mapping

from sealane.errors import Conflict, SealaneError, Unavailable


class OvsdbError(SealaneError):
    """One error object; `index` is the operation's position, -1 for the transaction as a whole."""

    type = "OvsdbError"

    def __init__(self, error: str, details: str = "", index: int = -1) -> None:
        super().__init__(f"OVSDB: {error}" + (f": {details}" if details else ""))
        self.error = error
        self.details = details
        self.index = index


class ConstraintViolation(Conflict, OvsdbError):
    pass


class ReferentialIntegrity(Conflict, OvsdbError):
    pass


class DuplicateUuid(Conflict, OvsdbError):
    pass


class WaitFailed(Conflict, OvsdbError):
    pass


class NotOwner(Conflict, OvsdbError):
    pass


class StorageFailed(Unavailable, OvsdbError):
    pass


class NotConnected(Unavailable):
    pass


class ConnectionLost(Unavailable):
    pass


_TYPES: Mapping[str, type[OvsdbError]] = {
    "constraint violation": ConstraintViolation,
    "referential integrity violation": ReferentialIntegrity,
    "duplicate uuid": DuplicateUuid,
    "timed out": WaitFailed,
    "not owner": NotOwner,
    "I/O error": StorageFailed,
    "cluster error": StorageFailed,
    "not leader": StorageFailed,
    "raft error": StorageFailed,
}


def from_wire(raw: object, index: int = -1) -> OvsdbError:
    """The typed error of an `<error>` object, or of whatever stands in its place."""
    if not isinstance(raw, Mapping):
        return OvsdbError(str(raw), index=index)
    error = str(raw.get("error", "unnamed error"))
    return _TYPES.get(error, OvsdbError)(error, str(raw.get("details", "")), index)
