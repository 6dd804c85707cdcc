"""Each route that there is, asked by each role: a new one, or a new kind, fails here until it is in a table.

What stands in the tables is what is open beside the rule.  The rule: without a token a 401; a reader changes
nothing; a node may nothing.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping

from starlette.routing import Route

import sealane.api
from sealane.api import openapi
from sealane.api.app import KINDS, ODL, create_app
from sealane.api.attributes import Kind
from sealane.api.desk import Desk
from sealane.api.look import Unbound
from sealane.config import Settings
from sealane.store.db import Store
from tests.api import (
    test_balancing_matrix,
    test_policy_matrix,
    test_qos_matrix,
    test_tenant_kinds,
    test_tenant_matrix,
)
from tests.api.house import house
from tests.api.test_policy_matrix import roles
from tests.daemons import OvsdbServer

NOTHING = "00000000-0000-4000-8000-000000000000"
WITHOUT_A_TOKEN = {
    "GET /": 200,
    "GET /openapi.json": 200,
    "GET /v2.0": 200,
    "GET /v2.0/": 200,
    "GET /v3": 200,
    "GET /v3/": 200,
    "POST /v3/auth/tokens": 400,
}
"""What is open to all, and its answer to an empty body."""
OF_READERS = {
    "POST /v3/auth/tokens": "to log in",
    "DELETE /v3/auth/tokens": "to log out",
    "POST /v3/users/{id}/password": "his own",
}
OF_NODES = {
    *("GET /", "GET /openapi.json", "GET /v2.0", "GET /v2.0/"),
    *("GET /v2.0/extensions", "GET /v2.0/extensions/{alias}", "GET /v2.0/availability_zones"),
    # its containers', and the networks that they are in
    *(f"{verb} /v2.0/{kind}s" for kind in ("network", "subnet", "port") for verb in ("GET", "POST")),
    *(f"{verb} /v2.0/{kind}s/{{id}}" for kind in ("network", "subnet", "port") for verb in ("GET", "DELETE")),
    *(f"GET /v2.0/{kind}s/{{id}}/tags" for kind in ("network", "subnet", "port")),
    *(f"GET /v2.0/{kind}s/{{id}}/tags/{{tag}}" for kind in ("network", "subnet", "port")),
    *("PUT /v2.0/networks/{id}", "PUT /v2.0/ports/{id}"),
    # found by their names
    *("GET /v2.0/security-groups", "GET /v2.0/security-groups/{id}", "GET /v2.0/qos/policies"),
    *("GET /v2.0/routers", "GET /v2.0/routers/{id}", "GET /v2.0/trunks", "GET /v2.0/trunks/{id}"),
    *("GET /v2.0/subnetpools", "GET /v2.0/metering/metering-labels", "GET /v2.0/segments"),
    *("GET /v2.0/taas/tap_services", "POST /v2.0/taas/tap_services"),
    *(f"PUT /v2.0/routers/{{id}}/{verb}_router_interface" for verb in ("add", "remove")),
    # between the parts of Sealane
    *(f"GET /v2.0/sealane/{what}" for what in ("announced", "ca", "changes", "free-cidr")),
    *("GET /v2.0/sealane/nodes", "GET /v2.0/sealane/nodes/{id}", "PUT /v2.0/sealane/nodes/{id}"),
    *(f"POST /v2.0/sealane/{what}" for what in ("join", "renew", "metered", "tapped")),
}
UNDESCRIBED: Mapping[str, str] = {
    r"/v2/lbaas/.*": "as below /v2.0/lbaas",
    r"/v2.0/lbaas/.*/(stats|statuses)": "other names, and counters that are always nought",
    r"/v2.0/lbaas/quotas/{project}/default": "as /v2.0/lbaas/quotas/defaults",
    r"/v2.0/quotas/{project}/details": "as details.json",
    r"/v2.0/qos/policies/.*/(minimum|packet)_.*": "refused: OVN has none",
    r"/v2.0/sealane/(metered|tapped)": "from agents of the same version",
    r"/controller/.*/(bgpvpns?|fw|l2-gateways|l2gateway-connections|sfc|vpn)(/.*)?": "none there is of it",
    r"/controller/.*/tap/flows": "all of them, whatever their service",
    r"/controller/.*/(add|remove)_router_interface": "as below /v2.0",
    r"/restconf/.*": "what OpenDaylight's driver asks for at its start",
    r"(/v2.0)?/(tenants|projects|domains)(/{id})?|/v3/tenants(/{id})?": "what old clients call it",
    r"/v2.0/|/v3/": "as without the slash",
    r"/openapi.json|/metrics": "no resource",
}
"""Paths that the document leaves out, and why."""
OF_THE_SERVER = {"agents", "log/entries", "sealane/events", "sealane/mismatches", "sealane/logged"}
"""What needs OVN's databases as well: test_server.py, test_events.py, test_logs.py."""
NO_FIELDS: Mapping[str, str] = {
    "agent": "of the southbound database",
    "network_ip_availability": "counted",
    "node": "test_membership.py",
    "token": "test_membership.py",
    "segment": "an admin's alone: test_segments.py",
}
"""Kinds that are in no matrix of fields, and why."""


def routes() -> list[tuple[str, str]]:
    """Method and path of each, as the application has them."""
    app = create_app(Desk(Settings(), Store("unix:/nonexistent"), Unbound()), "token")
    return sorted(
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    )


def lines() -> Iterator[tuple[str, str, object]]:
    """`GET /v2.0/networks/{id}`, the request about nothing that there is, and its body."""
    for method, path in routes():
        asked = re.sub(r"\{[^}]*\}", NOTHING, path.replace("{project}", "mine"))
        query = "?timeout=0" if path.endswith("/changes") else ""
        yield f"{method} {path}", f"{method} {asked}{query}", {} if method[0] == "P" else None


async def test_without_a_token_and_for_readers_all_is_closed_but_what_is_named(
    database: OvsdbServer,
) -> None:
    async with house(database) as (rooms, users):
        wrong = []
        for name, line, body in lines():
            found = (await rooms.root.call(line, body, headers={"X-Auth-Token": ""})).status
            if found != WITHOUT_A_TOKEN.get(name, 401):
                wrong.append(f"without a token: {name}: {found}")
            if name.startswith("GET ") or name in OF_READERS:
                continue
            found = (await users["reader"].call(line, body)).status
            if found != 403:
                wrong.append(f"a reader: {name}: {found}")
        assert not wrong, "\n".join(wrong)


async def test_for_nodes_all_is_closed_but_what_is_named(database: OvsdbServer) -> None:
    async with roles(database) as (_, node):
        answers = {name: (await node.call(line, body)).status for name, line, body in lines()}
        assert {name for name, status in answers.items() if status != 403} == OF_NODES


def test_each_route_is_described_or_it_is_said_why_not() -> None:
    document = openapi.document(KINDS, [resource.kind for resource in ODL])["paths"]
    verbs = {"get", "post", "put", "delete", "patch"}
    described = {(verb.upper(), path) for path, parts in document.items() for verb in verbs & parts.keys()}
    there = set(routes())
    assert {path.removeprefix("/v2.0/").partition("/{")[0] for _, path in described - there} == OF_THE_SERVER
    silent = {path for _, path in there - described}
    assert [path for path in silent if not any(re.fullmatch(p, path) for p in UNDESCRIBED)] == []
    assert [p for p in UNDESCRIBED if not any(re.fullmatch(p, path) for path in silent)] == []


def test_each_kind_is_in_a_matrix_of_roles_and_fields() -> None:
    kinds = {
        value.singular
        for module in pkgutil.iter_modules(sealane.api.__path__)
        for value in vars(importlib.import_module(f"sealane.api.{module.name}")).values()
        if isinstance(value, Kind)
    }
    of_users = (
        test_tenant_matrix.PUTS.keys()
        | test_tenant_kinds.PUTS.keys()
        | test_balancing_matrix.PUTS.keys()
        | test_qos_matrix.RULES.keys()
    )
    assert kinds == of_users | NO_FIELDS.keys()
    assert not of_users & NO_FIELDS.keys()
    assert test_policy_matrix.PUTS.keys() <= of_users, "a node's"
