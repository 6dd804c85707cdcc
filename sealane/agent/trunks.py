"""Sub-ports of trunks whose parent is attached here.

OVN takes their frames off the parent's link and puts them on it, and needs nothing of ours for that.  But
a sub-port is in a network of its own, and like everybody there it wants this host to be its gateway, to
answer for names, and to let no forged router advertisement pass.  So each is an attachment without a link:

    parent ── slh… ══ sls… ── br-int ──┬── its own network          Attachment(port)
                                       └─ VLAN 101 ── another one   Attachment(sub-port, parent=port)
"""

from collections.abc import Awaitable, Collection, Iterator
from contextlib import suppress
from typing import Any

from sealane import log, names
from sealane.agent.attachment import Attachment, checked
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.client import ApiClient, Body
from sealane.errors import BadRequest, Conflict, HostError, NotFound, SealaneError

TRUNKS = frozenset({"trunks", "sub_ports"})
PLACES = frozenset({"ports", "networks", "subnets"})
"""Collections of which what is known of a sub-port was made."""
FIELDS = ("id", "name", "network_id", "mac_address", "fixed_ips", "port_security_enabled", "binding:profile")
_log = log.get("trunks")


async def parent_of(trunk: str, api: ApiClient) -> str:
    """The port that carries it, by the trunk's id or name.  Raises NotFound, Conflict."""
    with suppress(NotFound, BadRequest):
        return str((await api.get("trunks", trunk))["port_id"])
    found = await api.list("trunks", ("id", "port_id"), name=trunk)
    if not found:
        raise NotFound(f"there is no trunk {trunk!r}; 'sealane trunk list' shows all")
    if len(found) > 1:
        raise Conflict(f"{len(found)} trunks are called {trunk!r}; give the id")
    return str(found[0]["port_id"])


class Trunks:
    def __init__(self, api: ApiClient, memory: Memory, reconciler: Reconciler, host: str) -> None:
        self._api = api
        self._memory = memory
        self._reconciler = reconciler
        self._host = host

    def asks(self, collections: Collection[str]) -> bool:
        """Whether a look is worth it when these have moved."""
        return not TRUNKS.isdisjoint(collections) or (
            bool(self._known()) and not PLACES.isdisjoint(collections)
        )

    async def look(self) -> None:
        """Take in what has come, let go what has gone; where one fails the others go on.

        Raises Unavailable, HostError.
        """
        wanted, failed = {made.id: made for made in await self._wanted()}, list[str]()
        for gone in self._known().keys() - wanted.keys():
            _log.info("no sub-port here any more", port=gone)
            await _try(self._reconciler.remove(gone), gone, failed)
        for id, attachment in wanted.items():
            if self._memory.attachments.get(id) != attachment:
                await _try(self._reconciler.set(attachment), id, failed)
        if failed:
            raise HostError(f"sub-ports: {'; '.join(failed)}")

    def _known(self) -> dict[str, Attachment]:
        return {id: a for id, a in self._memory.attachments.items() if a.parent}

    async def _wanted(self) -> list[Attachment]:
        parents = {a.port_id for a in self._memory.attachments.values() if not a.parent}
        if not parents:
            return []
        here = {"device_owner": names.SUBPORT, "binding:host_id": self._host}
        ports = [
            port
            for port in await self._api.list("ports", FIELDS, **here)
            if port["binding:profile"].get("parent_name") in parents
        ]
        networks = {id: await self._network(id) for id in sorted({port["network_id"] for port in ports})}
        pairs = [(port, networks[port["network_id"]]) for port in ports]
        return [checked(_attachment(port, *found)) for port, found in pairs if found is not None]

    async def _network(self, id: str) -> tuple[Body, list[Body]] | None:
        """None: it is no more, or not for this node to see."""
        try:
            return await self._api.get("networks", id), await self._api.list("subnets", network_id=id)
        except NotFound:
            return None


async def _try(change: Awaitable[object], port: str, failed: list[str]) -> None:
    try:
        await change
    except SealaneError as exc:
        failed.append(f"{port}: {exc.message}")


def _attachment(port: Body, network: Body, subnets: list[Body]) -> Attachment:
    known = {subnet["id"]: subnet for subnet in subnets}
    used = [
        (known[ip["subnet_id"]], ip["ip_address"]) for ip in port["fixed_ips"] if ip["subnet_id"] in known
    ]
    mode: Any = network.get("sealane:gateway", "host")
    return Attachment(
        id=port["id"],
        door="trunk",
        network_id=network["id"],
        port_id=port["id"],
        parent=port["binding:profile"]["parent_name"],
        mac=port["mac_address"].lower(),
        addresses=tuple(f"{ip}/{subnet['cidr'].split('/')[1]}" for subnet, ip in used),
        mtu=int(network["mtu"]),
        gateways=tuple(_gateways([subnet for subnet, _ in used])) if mode != "none" else (),
        name=port["name"],
        internal=mode == "none",
        gateway_mode=mode,
        guarded=port["port_security_enabled"],
    )


def _gateways(subnets: list[Body]) -> Iterator[str]:
    """The first of each family."""
    for version in (4, 6):
        gateway = next(
            (s["gateway_ip"] for s in subnets if s["ip_version"] == version and s["gateway_ip"]), ""
        )
        if gateway:
            yield gateway
