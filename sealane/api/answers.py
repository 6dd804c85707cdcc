"""What goes out: JSON, and every error in Neutron's one shape."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sealane.errors import SealaneError, TooMany

_encode = msgspec.json.Encoder().encode

IDENTITY = "/v3/"
BALANCING = ("/v2.0/lbaas/", "/v2/lbaas/")
HTTP_TYPES = {400: "HTTPBadRequest", 404: "HTTPNotFound", 405: "HTTPMethodNotAllowed", 413: "RequestTooLarge"}

NOT_SERVED = {
    "auto-allocated-topology": "auto-allocated-topology",
    "address-groups": "address-group",
    "floatingips": "router",
    "routers": "router",
    "security-group-rules": "security-group",
    "security-groups": "security-group",
}
"""Collection that a client may look for -> the extension that it belongs to."""


def answer(body: Any, status: int = 200) -> Response:
    return Response(_encode(body), status, media_type="application/json")


def empty() -> Response:
    return Response(status_code=204)


def error(status: int, type: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {"NeutronError": {"type": type, "message": message, "detail": ""}}
    response = answer(body, status)
    response.headers.update(headers or {})
    return response


def identity_error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Keystone's shape, in which clients of /v3 look for the message."""
    body = {"error": {"code": status, "message": message, "title": HTTPStatus(status).phrase}}
    response = answer(body, status)
    response.headers.update(headers or {})
    return response


def balancing_error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Octavia's shape."""
    fault = "Server" if status >= 500 else "Client"
    response = answer({"faultcode": fault, "faultstring": message, "debuginfo": None}, status)
    response.headers.update(headers or {})
    return response


def of_error(exc: SealaneError, path: str = "") -> Response:
    odl = path.startswith(("/controller/", "/restconf/"))
    headers = (
        {"WWW-Authenticate": 'Basic realm="opendaylight"' if odl else "Token"} if exc.status == 401 else {}
    )
    headers |= {"Retry-After": "1"} if exc.status == 503 else {}
    headers |= {"Retry-After": str(exc.after)} if isinstance(exc, TooMany) else {}
    if path.startswith(IDENTITY):
        return identity_error(exc.status, exc.message, headers)
    if path.startswith(BALANCING):
        return balancing_error(exc.status, exc.message, headers)
    return error(exc.status, exc.type, exc.message, headers)


def of_http(request: object, exc: Exception) -> Response:
    """Starlette's own refusals: no such path, no such method there."""
    assert isinstance(exc, HTTPException) and isinstance(request, Request)
    if request.scope["path"].startswith(IDENTITY):
        return identity_error(exc.status_code, f"{exc.detail}.", exc.headers)
    if request.scope["path"].startswith(BALANCING):
        return balancing_error(exc.status_code, f"{exc.detail}.", exc.headers)
    collection = request.scope["path"].removeprefix("/v2.0/").split("/")[0]
    if exc.status_code == 404 and collection in NOT_SERVED:
        text = f"'{collection}' is not served here: the extension '{NOT_SERVED[collection]}' is not loaded."
        return error(404, HTTP_TYPES[404], text)
    kind = HTTP_TYPES.get(exc.status_code, "HTTPError")
    return error(exc.status_code, kind, f"{exc.detail}.", exc.headers)
