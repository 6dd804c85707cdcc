"""The paths of /v3 in /openapi.json."""

from sealane.api.schemas import ERRORS, Part, body, in_path, wrapped

OBJECT: Part = {"type": "object"}
NAMED: Part = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "name": {"type": "string"}},
    "required": ["id", "name"],
}
_SUBJECT: Part = {
    "name": "X-Subject-Token",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": "^[!-~]+$"},
}
_PROJECT: Part = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": {"type": "string", "maxLength": 1024},
        "enabled": {"type": "boolean"},
    },
}
_USER: Part = {
    "type": "object",
    "properties": {
        **_PROJECT["properties"],
        "email": {"type": "string", "maxLength": 255},
        "default_project_id": {"type": "string", "maxLength": 255},
        "password": {"type": "string", "minLength": 1, "maxLength": 1024},
    },
}
_PASSWORD: Part = {
    "type": "object",
    "properties": {"original_password": {"type": "string"}, "password": {"type": "string"}},
    "required": ["original_password", "password"],
}


def error() -> Part:
    """Keystone's shape."""
    shown = {"code": {"type": "integer"}, "message": {"type": "string"}, "title": {"type": "string"}}
    return wrapped("error", {"type": "object", "properties": shown, "required": list(shown)})


def _answers(status: str, shown: Part | None = None) -> Part:
    good: Part = {"description": "done"}
    if shown is not None:
        good["content"] = {"application/json": {"schema": shown}}
    failed = {"application/json": {"schema": {"$ref": "#/components/schemas/IdentityError"}}}
    return {status: good, **{code: {"description": text, "content": failed} for code, text in ERRORS.items()}}


def _read(shown: Part) -> Part:
    return {"responses": _answers("200", shown)}


def _done() -> Part:
    return {"responses": _answers("204")}


def _given(key: str, given: Part, status: str, shown: Part | None) -> Part:
    return {"requestBody": body(wrapped(key, given)), "responses": _answers(status, shown)}


def _many(key: str) -> Part:
    return wrapped(key, {"type": "array", "items": NAMED})


def _kind(one: str, given: Part) -> Part:
    """A resource that an admin manages."""
    needed = {**given, "required": ["name"]}
    shown = wrapped(one, NAMED)
    return {
        f"/v3/{one}s": {"get": _read(_many(f"{one}s")), "post": _given(one, needed, "201", shown)},
        f"/v3/{one}s/{{id}}": {
            "parameters": [in_path("id")],
            "get": _read(shown),
            "patch": _given(one, given, "200", shown),
            "delete": _done(),
        },
    }


def paths() -> Part:
    held = "/v3/projects/{project}/users/{user}/roles"
    where = [in_path("project"), in_path("user")]
    shown = wrapped("token", OBJECT)
    return {
        "/v3": {"get": _read(wrapped("version", OBJECT))},
        "/v3/auth/tokens": {
            "post": {"security": [], **_given("auth", OBJECT, "201", shown)},
            "get": {"parameters": [_SUBJECT], **_read(shown)},
            "delete": {"parameters": [_SUBJECT], **_done()},
        },
        "/v3/auth/catalog": {"get": _read(wrapped("catalog", {"type": "array", "items": OBJECT}))},
        "/v3/auth/projects": {"get": _read(_many("projects"))},
        "/v3/auth/domains": {"get": _read(_many("domains"))},
        "/v3/domains": {"get": _read(_many("domains"))},
        "/v3/domains/{id}": {"parameters": [in_path("id")], "get": _read(wrapped("domain", NAMED))},
        **_kind("project", _PROJECT),
        **_kind("user", _USER),
        "/v3/users/{id}/password": {
            "parameters": [in_path("id")],
            "post": _given("user", _PASSWORD, "204", None),
        },
        "/v3/users/{id}/projects": {"parameters": [in_path("id")], "get": _read(_many("projects"))},
        "/v3/roles": {"get": _read(_many("roles"))},
        "/v3/roles/{id}": {"parameters": [in_path("id")], "get": _read(wrapped("role", NAMED))},
        "/v3/role_assignments": {
            "get": _read(wrapped("role_assignments", {"type": "array", "items": OBJECT}))
        },
        held: {"parameters": where, "get": _read(_many("roles"))},
        f"{held}/{{role}}": {
            "parameters": [*where, in_path("role")],
            "get": _done(),
            "put": _done(),
            "delete": _done(),
        },
    }
