"""What Neutron does not have: waiting for changes, a free subnet, what a host tells the outside."""

import asyncio
import random
from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from sealane.api import ipam, policy
from sealane.api.answers import answer
from sealane.api.caller import caller_of
from sealane.api.desk import Desk
from sealane.api.either import first_of
from sealane.errors import BadRequest, Forbidden, NotFound
from sealane.model import State
from sealane.store import draws
from sealane.translate.floatingips import is_out_there, servers

MAX_WAIT = 60.0
"""Seconds that a long poll may last."""
PREFIX6 = 64
PASSED_OVER = 64
"""Free subnets of a pool of which one is told."""
COLLECTIONS = (
    *("networks", "subnets", "ports", "nodes", "floatingips", "trunks", "sub_ports"),
    *("tap_services", "tap_flows", "tap_mirrors", "security_groups"),
)


class Extras:
    """`closing` ends waits when the server is about to stop."""

    def __init__(self, desk: Desk, closing: asyncio.Event) -> None:
        self._desk = desk
        self._closing = closing

    async def changes(self, request: Request) -> Response:
        """Wait until the state is newer than `after`, and say which collections moved since.

        A state that is from another database is news too, in all of them.
        """
        after = _integer(request, "after", 0)
        timeout = min(float(_integer(request, "timeout", 25)), MAX_WAIT)
        if self._desk.look().state.sequence == after:
            await first_of(self._desk.store.changed(after, timeout), self._closing.wait(), timeout=timeout)
        state = self._desk.look().state
        return answer({"sequence": state.sequence, "changed": _changed(state, after)})

    async def free_cidr(self, request: Request) -> Response:
        """A subnet of the configured pool that overlaps no subnet of anybody; not reserved."""
        settings = self._desk.settings
        if "subnetpool_id" in request.query_params:
            return answer({"cidr": self._of_pool(request)})
        version = _integer(request, "ip_version", 4)
        if version not in (4, 6):
            raise BadRequest(f"ip_version '{version}' is none of 4 and 6")
        pool = settings.network_pool if version == 4 else settings.network_pool6
        prefix = settings.network_prefix if version == 4 else PREFIX6
        taken = [s.cidr for s in self._desk.look().state.subnets.values()]
        return answer({"cidr": ipam.free_cidr(pool, prefix, taken, random.SystemRandom())})

    def _of_pool(self, request: Request) -> str:
        """One of a pool. By chance, so that two who ask at once rarely get the same."""
        draft, id = self._desk.draft(), request.query_params["subnetpool_id"]
        pool = draft.look.state.subnetpools.get(id)
        if pool is None or not policy.sees(caller_of(request), pool, draft.look):
            raise NotFound(f"Subnet pool {id[:255]} could not be found.", type="SubnetPoolNotFound")
        taken = draws.of_pool(pool.id, draft.look.state.subnets.values())
        return draws.free(pool, pool.default_prefixlen, taken, random.SystemRandom().randrange(PASSED_OVER))

    async def announced(self, request: Request) -> Response:
        """Floating IPs that are translated on the node of their port, and how the outside finds them there.

        `node` chooses one. A node is shown its own.
        """
        caller, name = caller_of(request), request.query_params.get("node", "")
        if caller.node and name not in ("", caller.node):
            raise Forbidden(f"Node '{caller.node}' may not ask what node '{name[:63]}' announces.")
        rows = _announced(self._desk.look().state)
        wanted = name or caller.node
        return answer({"floating_ips": [row for row in rows if wanted in ("", row["node"])]})


def _announced(state: State) -> Iterator[dict[str, object]]:
    nodes = {node.name: node for node in state.nodes.values()}
    answering = servers(state)
    for floating in state.floatingips.values():
        inner, outer = state.ports.get(floating.port_id or ""), state.ports.get(floating.floating_port_id)
        network = state.networks.get(floating.floating_network_id)
        if inner is None or outer is None or network is None or network.physical_network is None:
            continue
        if not floating.router_id or inner.id in answering:
            continue
        if is_out_there(inner, nodes.get(inner.host), network):
            yield {
                "id": floating.id,
                "node": inner.host,
                "port_id": inner.id,
                "floating_ip_address": floating.floating_ip_address,
                "mac_address": outer.mac_address,
                "network_id": network.id,
                "physical_network": network.physical_network,
                "segmentation_id": network.segmentation_id,
            }


def _changed(state: State, after: int) -> list[str]:
    known = after if after <= state.sequence else 0
    return [kind for kind in COLLECTIONS if state.moved.get(kind, 0) > known]


def _integer(request: Request, key: str, default: int) -> int:
    value = request.query_params.get(key, str(default))
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise BadRequest(f"'{key}' should be an integer of 0 or greater, got '{value[:40]}'")
    return int(value)
