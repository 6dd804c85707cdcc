"""`-o sealane.router=NAME`: a network of Docker's is connected to a router, and parted from it again.

The network's label says which router it is, so whatever comes of a call that was cut off can be completed
or undone by the next.  A mirror is of a network that is connected already: nothing is done for it.
"""

from collections.abc import Iterable
from contextlib import suppress

from sealane.agent.docker.catalog import NetworkView, is_uuid
from sealane.client import ApiClient, Body
from sealane.errors import BadRequest, NotFound
from sealane.names import ROUTER, ROUTER_INTERFACE


class Routing:
    """Every method raises what ApiClient raises."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def named(self, text: str, project: str) -> str:
        """Id of the router that a user means by an id, or a name in the project. Raises BadRequest."""
        scope = {"id": text.lower()} if is_uuid(text) else {"name": text, "project_id": project}
        found = await self._api.list("routers", **scope)
        if not found:
            raise BadRequest(
                f"option '{ROUTER}': there is no router '{text}' in project '{project}';"
                " 'sealane router list' shows what there is, 'sealane router create' makes one"
            )
        if len(found) > 1:
            ids = ", ".join(sorted(str(body["id"]) for body in found))
            raise BadRequest(f"option '{ROUTER}': several routers are called '{text}': give one of {ids}")
        return str(found[0]["id"])

    async def connect(self, network: NetworkView) -> None:
        """Those of its subnets that are not yet, to the router of its label, if it has one."""
        router = network.labels.get(ROUTER)
        if router is None:
            return
        ports = await self._api.list("ports", network_id=network.id, device_id=router)
        there = {fixed["subnet_id"] for port in ports for fixed in port["fixed_ips"]}
        for subnet in network.subnets:
            if subnet.id not in there:
                path = f"routers/{router}/add_router_interface"
                await self._api.request("PUT", path, {"subnet_id": subnet.id})

    async def part(self, ports: Iterable[Body]) -> None:
        """Raises Conflict: the router needs it for a floating IP or a route."""
        for port in ports:
            path = f"routers/{port['device_id']}/remove_router_interface"
            with suppress(NotFound):
                await self._api.request("PUT", path, {"port_id": port["id"]})


def is_of(network: NetworkView, port: Body) -> bool:
    """Is it the router's port that `connect` has made?"""
    return (port["device_owner"], port["device_id"]) == (ROUTER_INTERFACE, network.labels.get(ROUTER))
