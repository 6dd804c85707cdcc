"""Every error that Sealane raises on purpose.

    SealaneError
    ├── BadRequest            400  the caller's input; names the field and the cure
    ├── Unauthorized          401
    ├── Forbidden             403
    ├── NotFound              404
    ├── Conflict              409  in use, taken, overlapping
    │   ├── AddressInUse
    │   ├── AddressesExhausted
    │   └── PortInUse              a port of the host that is to be published
    ├── OverQuota             409  no Conflict: another try gets the same answer
    ├── RevisionMismatch      412
    ├── MissingDependency     442  OpenDaylight's own: what a resource refers to isn't there
    ├── TooMany               429  failed log-ins; says when to come again
    ├── Unavailable           503  the other end is dead or slow
    │   └── DeadlineExceeded
    └── HostError             500  the kernel or a program of the host refused

`type` is what Neutron's clients see in {"NeutronError": {"type", "message", "detail"}}.
"""


class SealaneError(Exception):
    status = 500
    type = "SealaneError"

    def __init__(self, message: str, *, type: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if type is not None:
            self.type = type


class BadRequest(SealaneError):
    status = 400
    type = "BadRequest"


class Unauthorized(SealaneError):
    status = 401
    type = "Unauthorized"


class Forbidden(SealaneError):
    status = 403
    type = "PolicyNotAuthorized"


class NotFound(SealaneError):
    status = 404
    type = "NotFound"


class Conflict(SealaneError):
    status = 409
    type = "Conflict"


class AddressInUse(Conflict):
    type = "IpAddressAlreadyAllocated"


class AddressesExhausted(Conflict):
    type = "IpAddressGenerationFailure"


class PortInUse(Conflict):
    type = "HostPortInUse"


class OverQuota(SealaneError):
    status = 409
    type = "OverQuota"


class RevisionMismatch(SealaneError):
    status = 412
    type = "RevisionNumberConstraintFailed"


class MissingDependency(SealaneError):
    status = 442
    type = "MissingDependency"


class TooMany(SealaneError):
    status = 429
    type = "TooManyRequests"

    def __init__(self, message: str, *, after: int) -> None:
        super().__init__(message)
        self.after = after
        """Seconds."""


class Unavailable(SealaneError):
    status = 503
    type = "ServiceUnavailable"


class DeadlineExceeded(Unavailable):
    type = "DeadlineExceeded"


class HostError(SealaneError):
    status = 500
    type = "HostError"
