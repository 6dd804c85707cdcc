"""/openapi.json: written from the tables, so it can't say anything else than the code does."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

import sealane
from sealane.api.answers import answer
from sealane.api.attributes import CHOSEN, REQUIRED, Attribute, Kind
from sealane.api.convert import Schema
from sealane.api.nodes import NODES
from sealane.api.query import SINCE
from sealane.api.tokens import TOKENS

Part = dict[str, Any]
ERRORS = {"400": "the request", "401": "no token", "404": "not there", "409": "in use", "503": "no store"}
LIST_PARAMETERS: Mapping[str, Part] = {
    "fields": {"type": "array", "items": {"type": "string"}},
    "sort_key": {"type": "array", "items": {"type": "string"}},
    "sort_dir": {"type": "array", "items": {"enum": ["asc", "desc"]}},
    "limit": {"type": "integer", "minimum": 0},
    "marker": {"type": "string"},
    "page_reverse": {"type": "boolean"},
    "tags": {"type": "string"},
    "tags-any": {"type": "string"},
    "not-tags": {"type": "string"},
    "not-tags-any": {"type": "string"},
}


def document(kinds: Iterable[Kind]) -> Part:
    kinds = tuple(kinds)
    paths: Part = {}
    for kind in kinds:
        paths |= _paths(kind) | _tag_paths(kind)
    paths |= EXTRA_PATHS
    return {
        "openapi": "3.0.3",
        "info": {"title": "Sealane: OpenStack Networking API v2.0", "version": sealane.__version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            "schemas": {"Error": _error(), **{k.singular: _schema(k, lambda a: a.visible) for k in kinds}},
        },
    }


def handler(kinds: Iterable[Kind]) -> Callable[[Request], Awaitable[Response]]:
    body = document(kinds)

    async def openapi_document(request: Request) -> Response:
        return answer(body)

    return openapi_document


def _paths(kind: Kind) -> Part:
    one, many = kind.singular, kind.plural
    shown = {"$ref": f"#/components/schemas/{one}"}
    create = _schema(kind, lambda a: a.post, required=True)
    listing = {**_wrapped(many, {"type": "array", "items": shown})}
    return {
        f"/v2.0/{many}": {
            "get": {"parameters": _parameters(kind), "responses": _responses("200", listing)},
            "post": {
                "requestBody": _body(
                    {
                        "oneOf": [
                            _wrapped(one, create),
                            _wrapped(many, {"type": "array", "items": create, "minItems": 1}),
                        ]
                    }
                ),
                "responses": _responses("201", {"type": "object"}),
            },
        },
        f"/v2.0/{many}/{{id}}": {
            "parameters": [_in_path("id")],
            "get": {"responses": _responses("200", _wrapped(one, shown))},
            "put": {
                "requestBody": _body(_wrapped(one, _schema(kind, lambda a: a.put))),
                "responses": _responses("200", _wrapped(one, shown)),
            },
            "delete": {"responses": _responses("204", None)},
        },
    }


def _tag_paths(kind: Kind) -> Part:
    base = f"/v2.0/{kind.plural}/{{id}}/tags"
    tags = _wrapped("tags", kind.by_name["tags"].type.schema)
    id, tag = _in_path("id"), _in_path("tag")
    return {
        base: {
            "parameters": [id],
            "get": {"responses": _responses("200", tags)},
            "put": {"requestBody": _body(tags), "responses": _responses("200", tags)},
            "delete": {"responses": _responses("204", None)},
        },
        f"{base}/{{tag}}": {
            "parameters": [id, tag],
            "get": {"responses": _responses("204", None)},
            "put": {"responses": _responses("201", None)},
            "delete": {"responses": _responses("204", None)},
        },
    }


def _schema(kind: Kind, wanted: Callable[[Attribute], bool], *, required: bool = False) -> Part:
    found: Part = {
        "type": "object",
        "properties": {a.name: _property(a) for a in kind.attributes if wanted(a)},
    }
    needed = [a.name for a in kind.attributes if a.default is REQUIRED]
    if required:
        found["additionalProperties"] = False
        if needed:
            found["required"] = needed
    return found


def _property(attribute: Attribute) -> Part:
    found = dict(attribute.type.schema)
    if attribute.default not in (REQUIRED, CHOSEN):
        default = attribute.default
        found["default"] = list(default) if isinstance(default, tuple) else default
    if not attribute.post and not attribute.put:
        found["readOnly"] = True
    return found


def _parameters(kind: Kind) -> list[Part]:
    filters: Part = {
        a.name: {"type": "array", "items": {"type": "string"}} for a in kind.attributes if a.filter
    }
    since: Part = {SINCE: {"type": "string"}} if kind.followed else {}
    return [
        {"name": name, "in": "query", "schema": schema}
        for name, schema in {**filters, **LIST_PARAMETERS, **since}.items()
    ]


def _in_path(name: str) -> Part:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _wrapped(key: str, schema: Schema) -> Part:
    return {"type": "object", "properties": {key: schema}, "required": [key]}


def _body(schema: Schema) -> Part:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _responses(status: str, schema: Schema | None) -> Part:
    good: Part = {"description": "done"}
    if schema is not None:
        good["content"] = {"application/json": {"schema": schema}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: good, **{code: {"description": text, "content": error} for code, text in ERRORS.items()}}


def _error() -> Part:
    texts = {name: {"type": "string"} for name in ("type", "message", "detail")}
    return _wrapped("NeutronError", {"type": "object", "properties": texts, "required": list(texts)})


def _asked(*names: str) -> list[Part]:
    return [{"name": name, "in": "query", "schema": {"type": "integer", "minimum": 0}} for name in names]


EXTRA_PATHS: Part = {
    "/v2.0/sealane/changes": {
        "get": {
            "description": "Wait at most `timeout` seconds until the state is another than `after`.",
            "parameters": _asked("after", "timeout"),
            "responses": _responses(
                "200",
                {
                    "type": "object",
                    "properties": {
                        "sequence": {"type": "integer"},
                        "changed": {"type": "array", "items": {"type": "string"}},
                    },
                },
            ),
        }
    },
    "/v2.0/sealane/events": {
        "get": {
            "description": "Events after number `after`; waits at most `timeout` seconds for the "
            "first of them. `gone`: some after that number are not to be had any more.",
            "parameters": _asked("after", "timeout"),
            "responses": _responses(
                "200",
                {
                    "type": "object",
                    "properties": {
                        "events": {"type": "array", "items": {"type": "object"}},
                        "last": {"type": "integer"},
                        "gone": {"type": "boolean"},
                    },
                },
            ),
        }
    },
    "/v2.0/sealane/mismatches": {
        "get": {
            "description": "Ports that another host has than the one they are meant for.",
            "responses": _responses(
                "200", _wrapped("mismatches", {"type": "array", "items": {"type": "object"}})
            ),
        }
    },
    "/v2.0/sealane/free-cidr": {
        "get": {
            "description": "A subnet of the pool that overlaps none; it is not reserved.",
            "parameters": _asked("ip_version"),
            "responses": _responses("200", _wrapped("cidr", {"type": "string"})),
        }
    },
}


def _texts(*names: str) -> Part:
    found = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": found, "required": list(names), "additionalProperties": False}


def _sealane(kind: Kind, create: str) -> Part:
    """A resource of ours that is made one by one, and whose own path has what the table of routes says."""
    one, many = kind.singular, kind.plural
    shown = _schema(kind, lambda a: a.visible)
    made = _body(_wrapped(one, _schema(kind, lambda a: a.post, required=True)))
    return {
        f"/v2.0/sealane/{many}": {
            "get": {
                "parameters": _parameters(kind),
                "responses": _responses("200", _wrapped(many, {"type": "array", "items": shown})),
            },
            "post": {
                "description": create,
                "requestBody": made,
                "responses": _responses("201", _wrapped(one, shown)),
            },
        },
        f"/v2.0/sealane/{many}/{{id}}": {
            "parameters": [_in_path("id")],
            "get": {"responses": _responses("200", _wrapped(one, shown))},
            "delete": {"responses": _responses("204", None)},
        },
    }


def _called(body: str, given: Part, description: str) -> Part:
    credentials = _wrapped(body, {"type": "object"})
    responses = _responses("201", credentials)
    return {
        "post": {
            "description": description,
            "requestBody": _body(_wrapped(body, given)),
            "responses": responses,
        }
    }


def _membership() -> Part:
    found = _sealane(TOKENS, "The answer holds the token; nothing else ever does.")
    found |= _sealane(NODES, "What the central part says of its own node; others join.")
    one = found["/v2.0/sealane/nodes/{id}"]
    change = _body(_wrapped("node", _schema(NODES, lambda a: a.put)))
    one["put"] = {"requestBody": change, "responses": _responses("200", _wrapped("node", {"type": "object"}))}
    one["delete"]["parameters"] = [{"name": "force", "in": "query", "schema": {"type": "boolean"}}]
    authority = _wrapped("ca", _texts("certificate"))
    found["/v2.0/sealane/ca"] = {"get": {"responses": _responses("200", authority)}}
    joining = _texts("token_id", "secret", "request", "name", "address")
    found["/v2.0/sealane/join"] = _called("join", joining, "A token and a request for a certificate (PEM).")
    found["/v2.0/sealane/renew"] = _called("renewal", _texts("request"), "For the node that asks.")
    return found


EXTRA_PATHS |= _membership()
