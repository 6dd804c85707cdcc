"""/openapi.json: written from the tables, so it can't say anything else than the code does."""

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response

import sealane
from sealane.api import identity_paths, octavia_paths, odl
from sealane.api.answers import answer
from sealane.api.attributes import Kind
from sealane.api.paths import EXTRA_PATHS
from sealane.api.schemas import Part, body, error, in_path, parameters, responses, schema, wrapped


def document(kinds: Iterable[Kind], of_odl: Iterable[Kind] = ()) -> Part:
    """of_odl: those that are served below OpenDaylight's path as well."""
    kinds = tuple(kinds)
    paths: Part = {}
    for kind in kinds:
        paths |= _paths(kind) | _tag_paths(kind)
    for kind in (*of_odl, *(each.kind for each in odl.MORE)):
        paths |= _odl_paths(kind)
    paths |= EXTRA_PATHS | octavia_paths.paths()
    return {
        "openapi": "3.0.3",
        "info": {"title": "Sealane: OpenStack Networking API v2.0", "version": sealane.__version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "basic": {"type": "http", "scheme": "basic"},
            },
            "schemas": {
                "Error": error(),
                "IdentityError": identity_paths.error(),
                **octavia_paths.schemas(),
                **{k.singular: schema(k, lambda a: a.visible) for k in kinds},
            },
        },
    }


def handler(kinds: Iterable[Kind], of_odl: Iterable[Kind] = ()) -> Callable[[Request], Awaitable[Response]]:
    described = document(kinds, of_odl)

    async def openapi_document(request: Request) -> Response:
        return answer(described)

    return openapi_document


def _paths(kind: Kind) -> Part:
    one, many = kind.singular, kind.plural
    shown = {"$ref": f"#/components/schemas/{one}"}
    create = schema(kind, lambda a: a.post, required=True)
    listing = {**wrapped(many, {"type": "array", "items": shown})}
    base = f"/v2.0/{kind.path}"
    return {
        base: {
            "get": {"parameters": parameters(kind), "responses": responses("200", listing)},
            "post": {
                "requestBody": body(
                    {
                        "oneOf": [
                            wrapped(one, create),
                            wrapped(many, {"type": "array", "items": create, "minItems": 1}),
                        ]
                    }
                ),
                "responses": responses("201", {"type": "object"}),
            },
        },
        f"{base}/{{id}}": {
            "parameters": [in_path("id")],
            "get": {"responses": responses("200", wrapped(one, shown))},
            "put": {
                "requestBody": body(wrapped(one, schema(kind, lambda a: a.put))),
                "responses": responses("200", wrapped(one, shown)),
            },
            "delete": {"responses": responses("204", None)},
        },
    }


def _odl_paths(kind: Kind) -> Part:
    """The same below OpenDaylight's path, where attributes that are not known are passed over."""
    many, one = _paths(kind).values()
    shown = schema(kind, lambda a: a.visible)
    whole: Part = {"allOf": [shown], "type": "object"}
    both = {"oneOf": [wrapped(kind.singular, whole), wrapped(kind.plural, {"type": "array", "items": whole})]}
    basic: Part = {"security": [{"basic": []}, {"token": []}]}
    base = f"{odl.BASE}/{kind.path}"
    above = [in_path(name) for name in ("pool_id", "tap_service_id") if f"{{{name}}}" in base]
    return {
        base: {
            "parameters": above,
            "get": {**many["get"], **basic},
            "post": {"requestBody": body(both), "responses": responses("201", {"type": "object"}), **basic},
        },
        f"{base}/{{id}}": {
            "parameters": [*above, *one["parameters"]],
            "get": {**one["get"], **basic},
            "put": {
                "requestBody": body(wrapped(kind.singular, whole)),
                "responses": responses("200", wrapped(kind.singular, shown)),
                **basic,
            },
            "delete": {**one["delete"], **basic},
        },
    }


def _tag_paths(kind: Kind) -> Part:
    base = f"/v2.0/{kind.path}/{{id}}/tags"
    tags = wrapped("tags", kind.by_name["tags"].type.schema)
    id, tag = in_path("id"), in_path("tag")
    return {
        base: {
            "parameters": [id],
            "get": {"responses": responses("200", tags)},
            "put": {"requestBody": body(tags), "responses": responses("200", tags)},
            "delete": {"responses": responses("204", None)},
        },
        f"{base}/{{tag}}": {
            "parameters": [id, tag],
            "get": {"responses": responses("204", None)},
            "put": {"responses": responses("201", None)},
            "delete": {"responses": responses("204", None)},
        },
    }
