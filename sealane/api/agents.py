"""/v2.0/agents: the hosts that OVN and the store know, in the words of Neutron's agent extension.

Read-only: a host is added with `sealane node --join` and removed with `sealane node remove`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api import convert, query
from sealane.api.answers import answer
from sealane.api.attributes import Attribute, Kind, constant
from sealane.api.desk import Desk
from sealane.api.seen import Seen
from sealane.errors import NotFound
from sealane.model import Resource
from sealane.ovn.southbound import Chassis


@dataclass(frozen=True, kw_only=True)
class Agent(Resource):
    """One host. Times as Neutron writes those of agents: "2026-01-31 12:00:00", UTC."""

    host: str
    heartbeat_timestamp: str | None
    alive: bool


AGENTS = Kind(
    singular="agent",
    plural="agents",
    collection=lambda state: {},
    attributes=(
        Attribute(name="id", type=convert.NAME),
        constant("agent_type", "OVN Controller agent", convert.NAME, filter=True),
        constant("binary", "ovn-controller", convert.NAME, filter=True),
        Attribute(name="host", type=convert.NAME),
        constant("topic", "n/a", convert.NAME, filter=True),
        Attribute(name="alive", type=convert.BOOLEAN),
        constant("admin_state_up", True, convert.BOOLEAN, filter=True),
        constant("availability_zone", "default", convert.NAME, filter=True),
        constant("description", "", convert.NAME, filter=True),
        constant("configurations", {}),
        constant("resources_synced", None),
        Attribute(name="created_at", type=convert.NAME, filter=False),
        Attribute(name="started_at", type=convert.NAME, field="created_at", filter=False),
        Attribute(name="heartbeat_timestamp", type=convert.nullable(convert.NAME), filter=False),
    ),
)


class Agents:
    def __init__(self, desk: Desk, chassis: Callable[[], Iterable[Chassis]], seen: Seen) -> None:
        self._desk = desk
        self._chassis = chassis
        self._seen = seen

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("/v2.0/agents", self.list, methods=["GET"]),
            Route("/v2.0/agents/{id}", self.show, methods=["GET"]),
        )

    async def list(self, request: Request) -> Response:
        raw = request.scope["query_string"].decode("latin-1")
        wanted = query.parse(AGENTS, raw)
        found = self._all()
        kind = replace(AGENTS, collection=lambda state: found)
        rows = query.select(kind, wanted, self._desk.look(), raw).rows
        return answer({"agents": [AGENTS.show(row, self._desk.look(), wanted.fields) for row in rows]})

    async def show(self, request: Request) -> Response:
        id = request.path_params["id"]
        found = self._all().get(id)
        if found is None:
            raise NotFound(f"Agent {id} could not be found.", type="AgentNotFound")
        return answer({"agent": AGENTS.show(found, self._desk.look())})

    def _all(self) -> Mapping[str, Agent]:
        """By the name of the chassis, which is that of the node."""
        nodes = {node.name: node.created_at for node in self._desk.look().state.nodes.values()}
        hosts = {chassis.name: chassis.hostname for chassis in self._chassis()}
        return {
            name: self._agent(name, hosts.get(name, name), nodes.get(name, ""))
            for name in sorted({*nodes, *hosts})
        }

    def _agent(self, name: str, host: str, created_at: str) -> Agent:
        at = self._seen.at(name)
        return Agent(
            id=name,
            project_id="",
            host=host,
            created_at=created_at.replace("T", " ").removesuffix("Z"),
            heartbeat_timestamp=_text(at) if at is not None else None,
            alive=self._seen.alive(name),
        )


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
