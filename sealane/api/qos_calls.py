"""The routes of rules of quality of service, which are below their policy, and which rules there are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api import policy, qos
from sealane.api.answers import answer
from sealane.api.attributes import Kind, Values
from sealane.api.caller import caller_of
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.api.qos import LIMITS, MARKINGS, POLICIES
from sealane.api.query import Query
from sealane.api.resources import Handlers, Resource
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import QosPolicy

BELOW = "/v2.0/qos/policies/{policy_id}"
NOT_HERE = {
    "minimum_bandwidth_rules": "min_kbps: no bandwidth can be set apart for a port by the engine",
    "minimum_packet_rate_rules": "min_kpps: no packet rate can be set apart for a port by the engine",
    "packet_rate_limit_rules": "max_kpps: bits of a port are limited, not packets; use bandwidth_limit_rules",
}
"""Neutron's other rules -> why not."""


def _made_below_their_policy(id: str, values: Values, draft: Draft) -> Any:
    raise NotImplementedError


Make = Callable[[str, Values, QosPolicy, Draft], Any]


@dataclass(frozen=True)
class RuleHandlers(Handlers):
    """Of the policy of the path; all others are not there."""

    new: Make

    def routes(self) -> tuple[Route, ...]:
        base = f"{BELOW}/{self.kind.plural}"
        return (
            Route(base, self.list, methods=["GET"]),
            Route(base, self.create, methods=["POST"]),
            Route(f"{base}/{{id}}", self.show, methods=["GET"]),
            Route(f"{base}/{{id}}", self.update, methods=["PUT"]),
            Route(f"{base}/{{id}}", self.delete, methods=["DELETE"]),
        )

    def make(self, request: Request, id: str, values: Values, draft: Draft) -> Any:
        return self.new(id, values, _policy(request, draft.look), draft)

    def among(self, request: Request, wanted: Query, look: Look) -> Query:
        found = _policy(request, look)
        return replace(wanted, tests=(lambda row, look: row.qos_policy_id == found.id, *wanted.tests))

    def find(self, request: Request, look: Look) -> Any:
        found, row = _policy(request, look), super().find(request, look)
        if row.qos_policy_id != found.id:
            raise self.kind.missing(row.id)
        return row


def routes(desk: Desk) -> tuple[Route, ...]:
    def resource(kind: Kind, update: Any) -> Resource:
        return Resource(kind, _made_below_their_policy, update, qos.delete_rule)

    return (
        *RuleHandlers(resource(LIMITS, qos.update_limit), desk, qos.create_limit).routes(),
        *RuleHandlers(resource(MARKINGS, qos.update_marking), desk, qos.create_marking).routes(),
        *(Route(f"{BELOW}/{name}", _other(name, desk), methods=["GET", "POST"]) for name in NOT_HERE),
        Route("/v2.0/qos/rule-types", _types, methods=["GET"]),
        Route("/v2.0/qos/rule-types/{type}", _type, methods=["GET"]),
    )


async def _types(request: Request) -> Response:
    """Those that the engine can do; with `all_rules` also those that Neutron knows (qos-rule-type-filter)."""
    asked = request.query_params
    if unknown := sorted(set(asked) - {"type", "all_rules", "all_supported", "fields"}):
        raise BadRequest(f"'{unknown[0][:255]}' is invalid attribute for filtering", type="HTTPBadRequest")
    every = asked.get("all_rules", "false").lower() == "true"
    others = (name.removesuffix("_rules") for name in NOT_HERE) if every else ()
    wanted = asked.getlist("type")
    found = [name for name in (*qos.TYPES, *others) if not wanted or name in wanted]
    return answer({"rule_types": [{"type": name} for name in found]})


async def _type(request: Request) -> Response:
    """What a rule can say (qos-rule-type-details). Raises NotFound, with the reason where there is one."""
    name = request.path_params["type"]
    if name not in qos.TYPES:
        why = NOT_HERE.get(f"{name}_rules")
        raise NotFound(
            f"Rule type {name[:255]} could not be found{f': {why}' if why else ''}.",
            type="QosRuleTypeNotFound",
        )
    given = (a for a in qos.TYPES[name].attributes if a.post)
    driver = {"name": "ovn", "supported_parameters": [_parameter(a.name, a.type.schema) for a in given]}
    return answer({"rule_type": {"type": name, "drivers": [driver]}})


def _parameter(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        return {"parameter_name": name, "parameter_type": "choices", "parameter_values": schema["enum"]}
    values = {"start": schema["minimum"], "end": schema["maximum"]}
    return {"parameter_name": name, "parameter_type": "range", "parameter_values": values}


def _other(name: str, desk: Desk) -> Callable[[Request], Any]:
    """Of rules that there are none of."""

    async def handler(request: Request) -> Response:
        _policy(request, desk.look())
        if request.method == "POST":
            raise Conflict(
                f"Rule {name.removesuffix('_rules')} is not supported: {NOT_HERE[name]}.",
                type="QosRuleNotSupported",
            )
        return answer({name: []})

    return handler


def _policy(request: Request, look: Look) -> QosPolicy:
    """Raises NotFound."""
    found: QosPolicy = POLICIES.find(look.state, request.path_params["policy_id"])
    if not policy.sees(caller_of(request), found, look):
        raise POLICIES.missing(found.id)
    return found
