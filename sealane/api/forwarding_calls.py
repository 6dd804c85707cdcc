"""The routes of port forwardings, which are below their floating IP's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from sealane.api import policy, port_forwardings
from sealane.api.attributes import Values
from sealane.api.caller import caller_of
from sealane.api.draft import Draft
from sealane.api.floatingips import FLOATINGIPS
from sealane.api.look import Look
from sealane.api.port_forwardings import PORT_FORWARDINGS
from sealane.api.query import Query
from sealane.api.resources import Handlers, Resource
from sealane.model import FloatingIP, PortForwarding


def _made_below_their_floating_ip(id: str, values: Values, draft: Draft) -> Any:
    raise NotImplementedError


RESOURCE = Resource(
    PORT_FORWARDINGS, _made_below_their_floating_ip, port_forwardings.update, port_forwardings.delete
)
BASE = "/v2.0/floatingips/{floatingip_id}/port_forwardings"


class ForwardingHandlers(Handlers):
    """Of the floating IP of the path; all others are not there."""

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(BASE, self.list, methods=["GET"]),
            Route(BASE, self.create, methods=["POST"]),
            Route(f"{BASE}/{{id}}", self.show, methods=["GET"]),
            Route(f"{BASE}/{{id}}", self.update, methods=["PUT"]),
            Route(f"{BASE}/{{id}}", self.delete, methods=["DELETE"]),
        )

    def make(self, request: Request, id: str, values: Values, draft: Draft) -> PortForwarding:
        return port_forwardings.create(id, values, self._floating(request, draft.look), draft)

    def among(self, request: Request, wanted: Query, look: Look) -> Query:
        floating = self._floating(request, look)
        return replace(wanted, tests=(lambda row, look: row.floatingip_id == floating.id, *wanted.tests))

    def find(self, request: Request, look: Look) -> Any:
        floating, row = self._floating(request, look), super().find(request, look)
        if row.floatingip_id != floating.id:
            raise self.kind.missing(row.id)
        return row

    def _floating(self, request: Request, look: Look) -> FloatingIP:
        """Raises NotFound."""
        path: Mapping[str, str] = request.path_params
        found: FloatingIP = FLOATINGIPS.find(look.state, path["floatingip_id"])
        if not policy.sees(caller_of(request), found, look):
            raise FLOATINGIPS.missing(found.id)
        return found
