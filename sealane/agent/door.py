"""The netns door: puts any network namespace of this host on a network (`sealane attach`).

Unlike Docker, its caller sets nothing up: link, name, addresses and routes are ours.  The namespace is
the attachment's life: once it is gone, `bury` and `collect` remove what is left of it.
"""

import ipaddress
import re
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sealane import log, names
from sealane.agent.attachment import Attachment, Route, checked
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.client import ApiClient, Body
from sealane.errors import BadRequest, Conflict, NotFound, SealaneError
from sealane.host import netns

OWNER = names.NETNS_PORT

BOUND_DEADLINE = 20.0  # seconds that OVN may take to bind the port
_UNFINISHED = 120.0  # seconds after which an attachment without sandbox is an attempt that died
_IFNAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")
_log = log.get("netns-door")


@dataclass(frozen=True, kw_only=True)
class AttachRequest:
    netns: str  # path of the namespace
    network: str  # id or name
    ip: str = ""
    mac: str = ""
    ifname: str = "eth0"


class NetnsDoor:
    def __init__(self, api: ApiClient, memory: Memory, reconciler: Reconciler, host_name: str) -> None:
        self._api = api
        self._memory = memory
        self._reconciler = reconciler
        self._host_name = host_name
        self._pending: set[str] = set()

    async def attach(self, request: AttachRequest) -> Attachment:
        """Returns when the namespace can talk; on any error nothing is left.

        Raises BadRequest, NotFound, Conflict, Unavailable, DeadlineExceeded (OVN did not bind).
        """
        self._check(request)
        network = await self._network(request.network)
        attachment_id = str(uuid.uuid4())
        self._pending.add(attachment_id)
        try:
            port = await self._api.create("ports", self._port(request, network, attachment_id))
            try:
                attachment = await self._attachment(attachment_id, request, network, port)
                return await self._plug(attachment, request.netns)
            except BaseException:
                await self._undo(attachment_id, port["id"])
                raise
        finally:
            self._pending.discard(attachment_id)

    async def detach(self, attachment_id: str) -> None:
        """Remove the link and the port.  Raises NotFound."""
        attachment = self._memory.attachments.get(attachment_id)
        if attachment is None or attachment.door != "netns":
            raise NotFound(f"there is no attachment {attachment_id}")
        await self._reconciler.remove(attachment_id)
        with suppress(NotFound):
            await self._api.delete("ports", attachment.port_id)

    def find(self, netns_path: str, ifname: str) -> Attachment:
        for attachment in self._memory.attachments.values():
            if (attachment.door, attachment.sandbox) == ("netns", netns_path) and attachment.ifname == ifname:
                return attachment
        raise NotFound(f"{netns_path} has no attachment {ifname} of Sealane")

    async def bury(self) -> None:
        """Take down attachments whose namespace is gone; their ports are left to `collect`."""
        for attachment in list(self._memory.attachments.values()):
            if attachment.door == "netns" and self._is_dead(attachment):
                _log.info("the namespace is gone", attachment=attachment.id, sandbox=attachment.sandbox)
                await self._reconciler.remove(attachment.id)

    async def collect(self) -> None:
        """Delete ports of this door and host that have no attachment.  Raises Unavailable."""
        for port in await self._api.list("ports", device_owner=OWNER):
            known = {a.port_id for a in self._memory.attachments.values()}
            mine = port.get("binding:host_id") == self._host_name
            if mine and port["id"] not in known and port.get("device_id") not in self._pending:
                _log.info("a port has no attachment", port=port["id"])
                with suppress(NotFound):
                    await self._api.delete("ports", port["id"])

    def _is_dead(self, attachment: Attachment) -> bool:
        if attachment.id in self._pending:
            return False
        if not attachment.sandbox:
            return time.time() - attachment.created > _UNFINISHED
        return not netns.exists(Path(attachment.sandbox))

    async def _plug(self, attachment: Attachment, sandbox: str) -> Attachment:
        """The link goes into the sandbox only when OVN's flows, policy included, are there."""
        await self._reconciler.set(attachment)
        await self._reconciler.wait_bound(attachment.port_id, BOUND_DEADLINE)
        inside = replace(attachment, sandbox=sandbox)
        await self._reconciler.set(inside)
        return inside

    async def _undo(self, attachment_id: str, port_id: str) -> None:
        """What fails here is left to `collect`; the first error is the one to tell."""
        for step in (self._reconciler.remove(attachment_id), self._api.delete("ports", port_id)):
            try:
                await step
            except SealaneError as exc:
                _log.warning("undoing an attachment", attachment=attachment_id, error=str(exc))

    def _check(self, request: AttachRequest) -> None:
        if not request.netns.startswith("/") or not netns.exists(Path(request.netns)):
            raise BadRequest(f"netns: there is no network namespace at {request.netns!r}; give its path")
        if not _IFNAME.match(request.ifname):
            raise BadRequest(f"ifname: {request.ifname!r} is no name of an interface")
        with suppress(NotFound):
            self.find(request.netns, request.ifname)
            raise Conflict(f"{request.netns} is attached as {request.ifname} already; detach it first")
        try:
            if request.ip:
                ipaddress.ip_address(request.ip)
        except ValueError as exc:
            raise BadRequest(f"ip: {exc}") from exc

    async def _network(self, wanted: str) -> Body:
        with suppress(NotFound, BadRequest):
            return await self._api.get("networks", wanted)
        found = await self._api.list("networks", name=wanted)
        if not found:
            raise NotFound(f"there is no network {wanted!r}")
        if len(found) > 1:
            raise Conflict(f"{len(found)} networks are called {wanted!r}; give the id")
        return found[0]

    def _port(self, request: AttachRequest, network: Body, attachment_id: str) -> dict[str, Any]:
        port: dict[str, Any] = {
            "network_id": network["id"],
            "project_id": network["project_id"],
            "device_id": attachment_id,
            "device_owner": OWNER,
            "binding:host_id": self._host_name,
        }
        if request.ip:
            port["fixed_ips"] = [{"ip_address": request.ip}]
        if request.mac:
            port["mac_address"] = request.mac
        return port

    async def _attachment(
        self, attachment_id: str, request: AttachRequest, network: Body, port: Body
    ) -> Attachment:
        subnets = {s["id"]: s for s in await self._api.list("subnets", network_id=network["id"])}
        used = [(subnets[ip["subnet_id"]], ip["ip_address"]) for ip in port["fixed_ips"]]
        mode = network.get("sealane:gateway", "host")
        return checked(
            Attachment(
                id=attachment_id,
                door="netns",
                network_id=network["id"],
                port_id=port["id"],
                mac=port["mac_address"].lower(),
                addresses=tuple(f"{ip}/{subnet['cidr'].split('/')[1]}" for subnet, ip in used),
                mtu=int(network["mtu"]),
                gateways=_gateways([subnet for subnet, _ in used]) if mode != "none" else (),
                routes=tuple(_route(r) for subnet, _ in used for r in subnet.get("host_routes") or ()),
                ifname=request.ifname,
                internal=mode == "none",
                gateway_mode=mode,
                created=time.time(),
            )
        )


def _gateways(subnets: list[Body]) -> tuple[str, ...]:
    """The first gateway of each family."""
    found: dict[int, str] = {}
    for subnet in subnets:
        if subnet.get("gateway_ip"):
            found.setdefault(int(subnet["ip_version"]), subnet["gateway_ip"])
    return tuple(found[version] for version in sorted(found))


def _route(body: Mapping[str, str]) -> Route:
    return Route(destination=body["destination"], nexthop=body["nexthop"])
