"""The door for hypervisors (os-vif): a device on the host that leads to a port, for a guest to use.

The port is nova's, or whoever made it: it is neither made nor deleted here.  The device lasts until it is
unplugged; nobody can tell from it whether its guest still lives.
"""

import re
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

import msgspec

from sealane.agent.asked import IFNAME
from sealane.agent.attachment import Attachment, checked
from sealane.agent.docker.turns import Turns
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.client import ApiClient, Body
from sealane.errors import BadRequest, Conflict, NotFound

_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class PlugRequest(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    port: str
    kind: Literal["tap", "veth", "bridge"]
    device: str
    bridge: str = ""
    mac: str = ""
    name: str = ""  # of the instance


class UnplugRequest(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    port: str


class PlugDoor:
    def __init__(self, api: ApiClient, memory: Memory, reconciler: Reconciler, host: str) -> None:
        self._api = api
        self._memory = memory
        self._reconciler = reconciler
        self._host = host
        self._turns = Turns()

    async def plug(self, request: PlugRequest, *, lent: bool = False) -> Attachment:
        """Repeating it is harmless; `lent`: the device is its caller's.

        Raises BadRequest, NotFound (the port), Conflict.
        """
        _check(request)
        async with self._turns.of(request.port):
            port = await self._bound(await self._api.get("ports", request.port), request)
            known = self._memory.attachments.get(port["id"])
            made = await self._attachment(request, port)
            if known is not None:
                made = replace(made, created=known.created)
            if lent:
                made = replace(made, device_kind="lent")
            self._check_free(made)
            await self._reconciler.set(made)
            return made

    async def unplug(self, request: UnplugRequest) -> None:
        """What is not there is success; the port stays bound for nova to say."""
        if not _UUID.fullmatch(request.port):
            raise BadRequest(f"port: {request.port[:80]!r} is no id of a port")
        async with self._turns.of(request.port):
            known = self._memory.attachments.get(request.port)
            if known is None or known.door != "os-vif":
                return
            await self._reconciler.remove(known.id)
            if known.adopted:
                with suppress(NotFound):
                    await self._api.update("ports", known.port_id, {"binding:host_id": ""})

    async def _bound(self, port: Body, request: PlugRequest) -> Body:
        host = port.get("binding:host_id") or ""
        if host not in ("", self._host):
            raise Conflict(f"port {request.port} is bound to host '{host}', not to this one")
        if request.mac and request.mac.lower() != port["mac_address"].lower():
            raise BadRequest(f"mac: port {request.port} has {port['mac_address']}, not {request.mac}")
        if host:
            return port
        return await self._api.update("ports", port["id"], {"binding:host_id": self._host})

    async def _attachment(self, request: PlugRequest, port: Body) -> Attachment:
        network = await self._api.get("networks", port["network_id"])
        subnets = {s["id"]: s for s in await self._api.list("subnets", network_id=network["id"])}
        used = [(subnets[ip["subnet_id"]], ip["ip_address"]) for ip in port["fixed_ips"]]
        mode = network.get("sealane:gateway", "host")
        found: dict[int, str] = {}
        for subnet, _ in used:
            if subnet.get("gateway_ip") and mode != "none":
                found.setdefault(int(subnet["ip_version"]), subnet["gateway_ip"])
        known = self._memory.attachments.get(port["id"])
        made: dict[str, Any] = {
            "id": port["id"],
            "network_id": network["id"],
            "port_id": port["id"],
            "mac": port["mac_address"].lower(),
            "addresses": tuple(f"{ip}/{subnet['cidr'].split('/')[1]}" for subnet, ip in used),
            "mtu": int(network["mtu"]),
            "gateways": tuple(found[version] for version in sorted(found)),
        }
        return checked(
            Attachment(
                **made,
                door="os-vif",
                device=request.device,
                device_kind=request.kind,
                bridge=request.bridge,
                name=request.name,
                internal=mode == "none",
                gateway_mode=mode,
                guarded=port["port_security_enabled"],
                adopted=known.adopted if known else not port.get("device_owner"),
                created=time.time(),
            )
        )

    def _check_free(self, made: Attachment) -> None:
        for other in self._memory.attachments.values():
            if other.id != made.id and other.port_id == made.port_id:
                raise Conflict(
                    f"port {made.port_id} is in use by {other.name or other.container or other.door}"
                )
            if other.id != made.id and other.device == made.device:
                raise Conflict(f"vif_name: {made.device} is the device of port {other.port_id}")


def _check(request: PlugRequest) -> None:
    if not _UUID.fullmatch(request.port):
        raise BadRequest(f"port: {request.port[:80]!r} is no id of a port")
    if not IFNAME.fullmatch(request.device):
        raise BadRequest(f"vif_name: {request.device!r} is no name of an interface; 15 letters at most")
    if request.kind == "bridge" and not IFNAME.fullmatch(request.bridge):
        raise BadRequest(f"bridge_name: {request.bridge!r} is no name of a bridge; 15 letters at most")
