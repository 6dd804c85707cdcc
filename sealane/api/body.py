"""What comes in: a JSON object of bounded size."""

from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request

from sealane.errors import BadRequest, SealaneError

LIMIT = 8 * 2**20
"""Bytes; a thousand ports in bulk are about half a MiB."""

_decode = msgspec.json.Decoder().decode


class TooLarge(SealaneError):
    status = 413
    type = "RequestTooLarge"


async def read_object(request: Request, limit: int = LIMIT) -> dict[str, Any]:
    """Raises TooLarge before it reads more than `limit` bytes, BadRequest for anything but an object."""
    raw = await _read(request, limit)
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise BadRequest(f"The request body is no valid JSON: {exc}", type="HTTPBadRequest") from exc
    if not isinstance(body, dict):
        raise BadRequest("The request body is to be a JSON object", type="HTTPBadRequest")
    return body


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
    except ClientDisconnect as exc:
        raise BadRequest("the client hung up within its request") from exc
    return b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is larger than {limit} bytes; send it in parts")
