"""/v2.0/agents: the hosts that OVN knows, in the words of Neutron's agent extension."""

from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api.answers import answer
from sealane.errors import NotFound
from sealane.ovn.southbound import Chassis


class Agents:
    def __init__(self, hosts: Callable[[], Iterable[Chassis]]) -> None:
        self._hosts = hosts

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("/v2.0/agents", self.list, methods=["GET"]),
            Route("/v2.0/agents/{id}", self.show, methods=["GET"]),
        )

    async def list(self, request: Request) -> Response:
        wanted = request.query_params.getlist("host")
        found = [_agent(c) for c in self._hosts() if not wanted or c.hostname in wanted]
        return answer({"agents": found})

    async def show(self, request: Request) -> Response:
        id = request.path_params["id"]
        for chassis in self._hosts():
            if chassis.name == id:
                return answer({"agent": _agent(chassis)})
        raise NotFound(f"Agent {id} could not be found.", type="AgentNotFound")


def _agent(chassis: Chassis) -> dict[str, Any]:
    return {
        "id": chassis.name,
        "agent_type": "OVN Controller agent",
        "binary": "ovn-controller",
        "host": chassis.hostname,
        "topic": "n/a",
        "alive": True,
        "admin_state_up": True,
        "availability_zone": "",
        "description": "",
        "configurations": {},
        "resources_synced": None,
    }
