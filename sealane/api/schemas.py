"""Pieces of /openapi.json: schemas and parameters of a table, bodies, answers."""

from collections.abc import Callable, Mapping
from typing import Any

from sealane.api.attributes import CHOSEN, REQUIRED, Attribute, Kind
from sealane.api.convert import Schema
from sealane.api.query import SINCE

Part = dict[str, Any]
ERRORS = {
    "400": "the request can't be understood, or asks for what can't be",
    "401": "no token, or none that is good",
    "403": "not for this node, or this role",
    "404": "not there",
    "409": "in use, taken, or over the quota",
    "412": "of another revision than If-Match says",
    "413": "the body is too large",
    "429": "too many failed log-ins",
    "503": "the store does not answer; try again",
}
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


def schema(kind: Kind, wanted: Callable[[Attribute], bool], *, required: bool = False) -> Part:
    found: Part = {
        "type": "object",
        "properties": {a.name: described(a) for a in kind.attributes if wanted(a)},
    }
    needed = [a.name for a in kind.attributes if a.default is REQUIRED]
    if required:
        found["additionalProperties"] = False
        if needed:
            found["required"] = needed
    return found


def described(attribute: Attribute) -> Part:
    found = dict(attribute.type.schema)
    if attribute.default not in (REQUIRED, CHOSEN):
        default = attribute.default
        found["default"] = list(default) if isinstance(default, tuple) else default
    if not attribute.post and not attribute.put:
        found["readOnly"] = True
    return found


def parameters(kind: Kind) -> list[Part]:
    filters: Part = {
        a.name: {"type": "array", "items": {"type": "string"}} for a in kind.attributes if a.filter
    }
    since: Part = {SINCE: {"type": "string"}} if kind.followed else {}
    return [
        {"name": name, "in": "query", "schema": schema}
        for name, schema in {**filters, **LIST_PARAMETERS, **since}.items()
    ]


def in_path(name: str) -> Part:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def wrapped(key: str, schema: Schema) -> Part:
    return {"type": "object", "properties": {key: schema}, "required": [key]}


def body(schema: Schema) -> Part:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def responses(status: str, schema: Schema | None) -> Part:
    good: Part = {"description": "done"}
    if schema is not None:
        good["content"] = {"application/json": {"schema": schema}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: good, **{code: {"description": text, "content": error} for code, text in ERRORS.items()}}


def error() -> Part:
    texts = {name: {"type": "string"} for name in ("type", "message", "detail")}
    return wrapped("NeutronError", {"type": "object", "properties": texts, "required": list(texts)})


def asked(*names: str) -> list[Part]:
    return [{"name": name, "in": "query", "schema": {"type": "integer", "minimum": 0}} for name in names]
