"""What /openapi.json says of the Load Balancer API; the same is served below /v2/lbaas."""

from typing import Any

from sealane.api.attributes import Kind
from sealane.api.octavia import BALANCERS, KINDS, LISTENERS, MEMBERS, MONITORS, POOLS
from sealane.api.octavia_quotas import NAMES
from sealane.api.schemas import Part, body, in_path, parameters, responses, schema, wrapped

BASE = "/v2.0/lbaas"
MEMBERS_OF = f"{BASE}/pools/{{pool_id}}/members"
FLAG: Part = {"type": "boolean"}
OBJECT: Part = {"type": "object"}


def error() -> Part:
    """Octavia's shape of errors."""
    properties: Part = {
        "faultcode": {"enum": ["Client", "Server"]},
        "faultstring": {"type": "string"},
        "debuginfo": {"type": "string", "nullable": True},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def schemas() -> Part:
    return {"Fault": error(), **{kind.singular: schema(kind, lambda a: a.visible) for kind in KINDS}}


def paths() -> Part:
    found: Part = {}
    for each in (BALANCERS, LISTENERS, POOLS, MONITORS):
        found |= _of(each.kind, f"{BASE}/{each.kind.plural}")
    found |= _of(MEMBERS.kind, MEMBERS_OF, "pool_id")
    found[f"{BASE}/loadbalancers/{{id}}"]["delete"]["parameters"] = [_asked("cascade")]
    many = {"type": "array", "items": schema(MEMBERS.kind, lambda a: a.post, required=True)}
    found[MEMBERS_OF]["put"] = {
        "description": "These and no others from now on.",
        "parameters": [_asked("additive_only")],
        "requestBody": body(wrapped("members", many)),
        "responses": responses("202", None),
    }
    statuses = responses("200", wrapped("statuses", OBJECT))
    found[f"{BASE}/loadbalancers/{{id}}/status"] = {
        "parameters": [in_path("id")],
        "get": {"description": "The tree of all that belongs to it.", "responses": statuses},
    }
    found[f"{BASE}/providers"] = {"get": {"responses": responses("200", OBJECT)}}
    described: Part = _with_faults(found | _quotas())
    return described


def _of(kind: Kind, base: str, *above: str) -> Part:
    one, many, shown = kind.singular, kind.plural, {"$ref": f"#/components/schemas/{kind.singular}"}
    create = schema(kind, lambda a: a.post, required=True)
    several = {"type": "array", "items": create, "minItems": 1}
    made = {"oneOf": [wrapped(one, create), wrapped(many, several)]}
    listing = wrapped(many, {"type": "array", "items": shown})
    changed = body(wrapped(one, schema(kind, lambda a: a.put)))
    place = {"parameters": [in_path(name) for name in above]} if above else {}
    return {
        base: {
            **place,
            "get": {"parameters": parameters(kind), "responses": responses("200", listing)},
            "post": {"requestBody": body(made), "responses": responses("201", OBJECT)},
        },
        f"{base}/{{id}}": {
            "parameters": [in_path(name) for name in (*above, "id")],
            "get": {"responses": responses("200", wrapped(one, shown))},
            "put": {"requestBody": changed, "responses": responses("200", wrapped(one, shown))},
            "delete": {"responses": responses("204", None)},
        },
    }


def _quotas() -> Part:
    limit: Part = {"type": "integer", "minimum": -1, "maximum": 2**31 - 1}
    given: Part = {
        "type": "object",
        "properties": {name: {**limit, "nullable": True} for name in NAMES},
        "additionalProperties": False,
    }
    shown = wrapped("quota", OBJECT)
    return {
        f"{BASE}/quotas": {
            "get": {"responses": responses("200", wrapped("quotas", {"type": "array", "items": OBJECT}))}
        },
        f"{BASE}/quotas/defaults": {"get": {"responses": responses("200", shown)}},
        f"{BASE}/quotas/{{project}}": {
            "parameters": [in_path("project")],
            "get": {"responses": responses("200", shown)},
            "put": {"requestBody": body(wrapped("quota", given)), "responses": responses("202", shown)},
            "delete": {"responses": responses("204", None)},
        },
    }


def _asked(name: str) -> Part:
    return {"name": name, "in": "query", "schema": FLAG}


def _with_faults(part: Any) -> Any:
    """The same, but that errors have Octavia's shape."""
    if isinstance(part, dict):
        return {
            key: "#/components/schemas/Fault"
            if value == "#/components/schemas/Error"
            else _with_faults(value)
            for key, value in part.items()
        }
    return [_with_faults(one) for one in part] if isinstance(part, list) else part
