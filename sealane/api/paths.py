"""The paths of /openapi.json that no table of networks, subnets and ports describes."""

from sealane.api import identity_paths
from sealane.api.address_groups import ADDRESS_GROUPS, ADDRESSES
from sealane.api.agents import AGENTS
from sealane.api.attributes import Kind
from sealane.api.availability import AVAILABILITIES
from sealane.api.convert import ID
from sealane.api.nodes import NODES
from sealane.api.port_forwardings import PORT_FORWARDINGS
from sealane.api.qos import LIMITS, MARKINGS
from sealane.api.quotas import FLAGS, LIMITED
from sealane.api.router_gateways import GATEWAYS
from sealane.api.router_routes import ROUTES
from sealane.api.schemas import Part, asked, body, in_path, parameters, responses, schema, wrapped
from sealane.api.segments import SEGMENTS
from sealane.api.subnet_pools import PREFIXES, SUBNET_POOLS
from sealane.api.tokens import TOKENS
from sealane.api.trunks import NAMED, TRUNKS, WISHES

EXTRA_PATHS: Part = {
    "/v2.0/sealane/changes": {
        "get": {
            "description": "Wait at most `timeout` seconds until the state is another than `after`.",
            "parameters": asked("after", "timeout"),
            "responses": responses(
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
            "parameters": asked("after", "timeout"),
            "responses": responses(
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
    "/v2.0/log/entries": {
        "get": {
            "description": "Packets that were logged after number `after`; waits at most `timeout` seconds "
            "for the first of them. `gone`: some after that number are not to be had any more.",
            "parameters": asked("after", "timeout"),
            "responses": responses(
                "200",
                {
                    "type": "object",
                    "properties": {
                        "entries": {"type": "array", "items": {"type": "object"}},
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
            "responses": responses(
                "200", wrapped("mismatches", {"type": "array", "items": {"type": "object"}})
            ),
        }
    },
    "/v2.0/sealane/free-cidr": {
        "get": {
            "description": "A subnet of the pool that overlaps none; it is not reserved.",
            "parameters": [
                *asked("ip_version"),
                {"name": "subnetpool_id", "in": "query", "schema": dict(ID.schema)},
            ],
            "responses": responses("200", wrapped("cidr", {"type": "string"})),
        }
    },
    "/v2.0/sealane/taps": {
        "get": {
            "description": "What a node is to copy for taps, its digest, and the one that it has told; a "
            "node is shown its own.",
            "parameters": [{"name": "node", "in": "query", "schema": {"type": "string"}}],
            "responses": responses(
                "200",
                {
                    "type": "object",
                    "properties": {
                        "taps": {"type": "array", "items": {"type": "object"}},
                        "digest": {"type": "string"},
                        "told": {"type": "string"},
                        "any": {"type": "boolean"},
                    },
                },
            ),
        }
    },
    "/v2.0/sealane/metering": {
        "get": {
            "description": "Which rules in a node's br-int count for which metering labels, and what the "
            "node has told last; a node is shown its own.",
            "parameters": [{"name": "node", "in": "query", "schema": {"type": "string"}}],
            "responses": responses(
                "200",
                {
                    "type": "object",
                    "properties": {
                        "rules": {"type": "array", "items": {"type": "object"}},
                        "gateways": {"type": "object"},
                        "digest": {"type": "string"},
                        "acked": {"type": "string"},
                        "labels": {"type": "array", "items": {"type": "string"}},
                        "told": {"type": "object", "nullable": True},
                    },
                },
            ),
        }
    },
    "/v2.0/sealane/announced": {
        "get": {
            "description": "Floating IPs that are translated on their ports' nodes; a node is shown its own.",
            "parameters": [{"name": "node", "in": "query", "schema": {"type": "string"}}],
            "responses": responses(
                "200", wrapped("floating_ips", {"type": "array", "items": {"type": "object"}})
            ),
        }
    },
}


def _texts(*names: str) -> Part:
    found = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": found, "required": list(names), "additionalProperties": False}


def _router_calls() -> Part:
    """Calls of a router; each answers with what it is about afterwards."""
    interface: Part = {
        "type": "object",
        "properties": {key: dict(ID.schema) for key in ("subnet_id", "port_id")},
        "additionalProperties": False,
    }
    routes = wrapped("router", wrapped("routes", ROUTES.schema))
    gateways = wrapped("router", wrapped("external_gateways", GATEWAYS.schema))
    given = {
        **dict.fromkeys(("add_router_interface", "remove_router_interface"), interface),
        **dict.fromkeys(("add_extraroutes", "remove_extraroutes"), routes),
        **dict.fromkeys(
            ("add_external_gateways", "update_external_gateways", "remove_external_gateways"), gateways
        ),
    }
    shown: Part = {"type": "object"}
    return {
        f"/v2.0/routers/{{id}}/{call}": {
            "parameters": [in_path("id")],
            "put": {"requestBody": body(taken), "responses": responses("200", shown)},
        }
        for call, taken in given.items()
    }


EXTRA_PATHS |= _router_calls()


def _sealane(kind: Kind, create: str) -> Part:
    """A resource of ours that is made one by one, and whose own path has what the table of routes says."""
    one, many = kind.singular, kind.plural
    shown = schema(kind, lambda a: a.visible)
    made = body(wrapped(one, schema(kind, lambda a: a.post, required=True)))
    return {
        f"/v2.0/sealane/{many}": {
            "get": {
                "parameters": parameters(kind),
                "responses": responses("200", wrapped(many, {"type": "array", "items": shown})),
            },
            "post": {
                "description": create,
                "requestBody": made,
                "responses": responses("201", wrapped(one, shown)),
            },
        },
        f"/v2.0/sealane/{many}/{{id}}": {
            "parameters": [in_path("id")],
            "get": {"responses": responses("200", wrapped(one, shown))},
            "delete": {"responses": responses("204", None)},
        },
    }


def _called(key: str, given: Part, description: str) -> Part:
    credentials = wrapped(key, {"type": "object"})
    return {
        "post": {
            "description": description,
            "requestBody": body(wrapped(key, given)),
            "responses": responses("201", credentials),
        }
    }


def _membership() -> Part:
    found = _sealane(TOKENS, "The answer holds the token; nothing else ever does.")
    found |= _sealane(NODES, "What the central part says of its own node; others join.")
    one = found["/v2.0/sealane/nodes/{id}"]
    change = body(wrapped("node", schema(NODES, lambda a: a.put)))
    one["put"] = {"requestBody": change, "responses": responses("200", wrapped("node", {"type": "object"}))}
    one["delete"]["parameters"] = [{"name": "force", "in": "query", "schema": {"type": "boolean"}}]
    authority = wrapped("ca", _texts("certificate"))
    found["/v2.0/sealane/ca"] = {"get": {"responses": responses("200", authority)}}
    joining = _texts("token_id", "secret", "request", "name", "address")
    found["/v2.0/sealane/join"] = _called("join", joining, "A token and a request for a certificate (PEM).")
    found["/v2.0/sealane/renew"] = _called("renewal", _texts("request"), "For the node that asks.")
    return found


EXTRA_PATHS |= _membership()


def _read(shown: Part, *named: str, description: str = "") -> Part:
    """A path that can only be read."""
    get: Part = {"responses": responses("200", shown)}
    if description:
        get["description"] = description
    return {"get": get, **({"parameters": [in_path(name) for name in named]} if named else {})}


def _many(shown: Part) -> Part:
    return {"type": "array", "items": shown}


OBJECT: Part = {"type": "object"}
LIMIT: Part = {"type": "integer", "minimum": -1, "maximum": 2**31 - 1}


def _quotas() -> Part:
    one = "/v2.0/quotas/{project}"
    limits = dict.fromkeys(LIMITED, LIMIT)
    whose = {"project_id": {"type": "string"}, "tenant_id": {"type": "string"}}
    shown: Part = {
        "type": "object",
        "properties": {**limits, **whose},
        "required": [*limits, *whose],
        "additionalProperties": False,
    }
    given: Part = {
        "type": "object",
        "properties": {**limits, **{key: {"type": "boolean"} for key in FLAGS}},
        "additionalProperties": False,
    }
    counts = {key: {"type": "integer"} for key in ("limit", "used", "reserved")}
    detail: Part = {"type": "object", "properties": counts, "required": list(counts)}
    details: Part = {
        "type": "object",
        "properties": dict.fromkeys(LIMITED, detail),
        "required": list(LIMITED),
    }
    change = {
        "requestBody": body(wrapped("quota", given)),
        "responses": responses("200", wrapped("quota", shown)),
    }
    return {
        "/v2.0/quotas": _read(wrapped("quotas", _many(shown))),
        one: {
            **_read(wrapped("quota", shown), "project"),
            "put": change,
            "delete": {"responses": responses("204", None)},
        },
        f"{one}/default": _read(wrapped("quota", shown), "project"),
        f"{one}/details.json": _read(wrapped("quota", details), "project"),
    }


def _address_groups() -> Part:
    one = wrapped("address_group", {"$ref": "#/components/schemas/address_group"})
    change = body(wrapped("addresses", ADDRESSES.schema))
    base = f"/v2.0/{ADDRESS_GROUPS.path}/{{id}}"
    return {
        f"{base}/{verb}_addresses": {
            "parameters": [in_path("id")],
            "put": {"requestBody": change, "responses": responses("200", one)},
        }
        for verb in ("add", "remove")
    }


def _subnet_pools() -> Part:
    base = f"/v2.0/{SUBNET_POOLS.path}/{{id}}"
    prefixes = wrapped("prefixes", PREFIXES.schema)
    taken = _many(_texts("id", "cidr"))
    found: Part = {
        f"{base}/{verb}_prefixes": {
            "parameters": [in_path("id")],
            "put": {"requestBody": body(prefixes), "responses": responses("200", prefixes)},
        }
        for verb in ("add", "remove")
    }
    found[f"{base}/onboard_network_subnets"] = {
        "parameters": [in_path("id")],
        "put": {
            "description": "The network's subnets of the pool's family, which have no pool yet, become its.",
            "requestBody": body(wrapped("network_id", dict(ID.schema))),
            "responses": responses("200", wrapped("onboarded_subnets", taken)),
        },
    }
    return found


def _trunks() -> Part:
    base = f"/v2.0/{TRUNKS.path}/{{id}}"
    given = {"add": WISHES.schema, "remove": NAMED.schema}
    shown = {"type": "object"}
    calls = {
        f"{base}/{verb}_subports": {
            "parameters": [in_path("id")],
            "put": {
                "requestBody": body(wrapped("sub_ports", schema)),
                "responses": responses("200", shown),
            },
        }
        for verb, schema in given.items()
    }
    return calls | {f"{base}/get_subports": _read(wrapped("sub_ports", _many(OBJECT)), "id")}


def _logged() -> Part:
    return {"type": "object", "properties": {"host": {"type": "string"}, "seen": _many(OBJECT)}}


def _segments() -> Part:
    shown = schema(SEGMENTS, lambda a: a.visible)
    made = schema(SEGMENTS, lambda a: a.post, required=True)
    several = {"type": "array", "items": made, "minItems": 1}
    change = body(wrapped("segment", schema(SEGMENTS, lambda a: a.put)))
    base = f"/v2.0/{SEGMENTS.path}"
    return {
        base: {
            "get": {
                "parameters": parameters(SEGMENTS),
                "responses": responses("200", wrapped("segments", _many(shown))),
            },
            "post": {
                "description": "A further segment of a network of type vlan or flat, on a physical network "
                "of its own; an admin's to make. A list is made as a whole or not at all.",
                "requestBody": body({"oneOf": [wrapped("segment", made), wrapped("segments", several)]}),
                "responses": responses("201", OBJECT),
            },
        },
        f"{base}/{{id}}": {
            "parameters": [in_path("id")],
            "get": {"responses": responses("200", wrapped("segment", shown))},
            "put": {"requestBody": change, "responses": responses("200", wrapped("segment", shown))},
            "delete": {
                "description": "Refused while a subnet or a bound port is in it; also the network's own.",
                "responses": responses("204", None),
            },
        },
    }


def _documents() -> Part:
    extension = _texts("alias", "name", "description", "updated")
    extension["properties"]["links"] = {"type": "array", "items": {}}
    agent = schema(AGENTS, lambda a: a.visible)
    available = schema(AVAILABILITIES, lambda a: a.visible)
    return {
        "/": _read(wrapped("versions", _many(OBJECT))),
        "/v2.0": _read(wrapped("version", OBJECT)),
        "/v2.0/extensions": _read(wrapped("extensions", _many(extension))),
        "/v2.0/extensions/{alias}": _read(wrapped("extension", extension), "alias"),
        "/v2.0/log/loggable-resources": _read(wrapped("loggable_resources", _many(_texts("type")))),
        "/v2.0/qos/rule-types": _read(wrapped("rule_types", _many(_texts("type")))),
        "/v2.0/qos/rule-types/{type}": _read(wrapped("rule_type", OBJECT), "type"),
        "/v2.0/service-providers": _read(wrapped("service_providers", _many(OBJECT))),
        "/v2.0/flavors": _read(wrapped("flavors", _many(OBJECT))),
        "/v2.0/service_profiles": _read(wrapped("service_profiles", _many(OBJECT))),
        f"/v2.0/{AVAILABILITIES.path}": {
            "get": {
                "parameters": parameters(AVAILABILITIES),
                "responses": responses("200", wrapped(AVAILABILITIES.plural, _many(available))),
            }
        },
        f"/v2.0/{AVAILABILITIES.path}/{{id}}": _read(wrapped(AVAILABILITIES.singular, available), "id"),
        "/v2.0/sealane/logged": {
            "post": {
                "description": "A host tells which packets it has logged, of its own ports.",
                "requestBody": body(wrapped("packets", _logged())),
                "responses": responses("204", None),
            }
        },
        "/v2.0/availability_zones": _read(wrapped("availability_zones", _many(OBJECT))),
        "/v2.0/agents": {
            "get": {
                "description": "Hosts. `alive`: its agent has asked within 75 s.",
                "parameters": parameters(AGENTS),
                "responses": responses("200", wrapped("agents", _many(agent))),
            }
        },
        "/v2.0/agents/{id}": _read(wrapped("agent", agent), "id"),
    }


def _below(kind: Kind, parent: str, named: str) -> Part:
    """Rows that are below others in the path, as theirs."""
    base = f"/v2.0/{parent}/{{{named}}}/{kind.plural}"
    one, many, shown = kind.singular, kind.plural, schema(kind, lambda a: a.visible)
    made = wrapped(one, schema(kind, lambda a: a.post, required=True))
    change = body(wrapped(one, schema(kind, lambda a: a.put)))
    return {
        base: {
            "parameters": [in_path(named)],
            "get": {
                "parameters": parameters(kind),
                "responses": responses("200", wrapped(many, _many(shown))),
            },
            "post": {"requestBody": body(made), "responses": responses("201", OBJECT)},
        },
        f"{base}/{{id}}": {
            "parameters": [in_path(named), in_path("id")],
            "get": {"responses": responses("200", wrapped(one, shown))},
            "put": {"requestBody": change, "responses": responses("200", wrapped(one, shown))},
            "delete": {"responses": responses("204", None)},
        },
    }


EXTRA_PATHS |= _quotas() | _documents() | _address_groups() | _subnet_pools() | _trunks() | _segments()
EXTRA_PATHS |= _below(PORT_FORWARDINGS, "floatingips", "floatingip_id")
for _kind in (LIMITS, MARKINGS):
    EXTRA_PATHS |= _below(_kind, "qos/policies", "policy_id")
EXTRA_PATHS |= identity_paths.paths()
