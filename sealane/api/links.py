"""Where links of answers lead: back to where the caller has called."""

import re

from starlette.requests import Request

HOST = re.compile(r"^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$|^\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?$")


def origin(request: Request) -> str:
    """Scheme and host for links. A host name that is none is not echoed."""
    host = request.headers.get("host", "")
    scheme = request.scope.get("scheme", "http")
    return f"{scheme}://{host}" if HOST.fullmatch(host) else "http://localhost"
