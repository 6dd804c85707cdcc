"""What this node knows of a container, process or namespace, for `sealane inspect`."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sealane import names
from sealane.agent.attachment import Attachment
from sealane.agent.memory import Memory
from sealane.agent.targets import Place, Targets
from sealane.client import ApiClient
from sealane.errors import NotFound, SealaneError
from sealane.host import link, netns, process, route
from sealane.host.netlink import Socket

_CGROUPS = Path("/sys/fs/cgroup")
_V1_LIMITS = ("net_cls.classid", "net_prio.ifpriomap")
_V1_CONTROLLERS = ("net_cls,net_prio", "net_cls", "net_prio")


class View:
    def __init__(self, api: ApiClient, memory: Memory, targets: Targets, host: str) -> None:
        self._api = api
        self._memory = memory
        self._targets = targets
        self._host = host

    async def place(self, target: str) -> dict[str, Any]:
        """Raises NotFound, Conflict (several, or it does not run)."""
        return asdict(await self._targets.running(target))

    async def everything(self, target: str) -> dict[str, Any]:
        """Also of a container that does not run.  Raises NotFound, Conflict."""
        place = await self._targets.find(target)
        attached = self._of(place)
        return {
            **asdict(place),
            "running": bool(place.sandbox),
            "host": self._host,
            "networks": [await self._attached(one) for one in attached],
            "interfaces": await asyncio.to_thread(_interfaces, place.sandbox) if place.sandbox else [],
            "cgroup": _cgroup(place.pid) if place.pid else {},
        }

    def _of(self, place: Place) -> list[Attachment]:
        """By sandbox, which Docker's endpoints have as well."""
        found = [
            a
            for a in self._memory.attachments.values()
            if (place.container and a.container == place.container) or _same(a.sandbox, place.sandbox)
        ]
        return sorted(found, key=lambda a: a.created)

    async def _attached(self, one: Attachment) -> dict[str, Any]:
        return {
            "id": one.id,
            "door": one.door,
            "network_id": one.network_id,
            "port_id": one.port_id,
            "mac": one.mac,
            "addresses": one.addresses,
            "gateways": one.gateways,
            "mtu": one.mtu,
            "ifname": one.ifname,
            "publish": [asdict(p) for p in one.publish],
            "persist": one.id in self._memory.wishes,
            "host_link": _first_there(names.host_link(one.port_id), names.ovs_port(one.port_id)),
            "ovs_port": (names.lent_port if one.device_kind == "lent" else names.ovs_port)(one.port_id),
            "logical_port": names.logical_port(one.port_id),
            "chassis": self._host,
            **await self._in_api(one),
        }

    async def _in_api(self, one: Attachment) -> dict[str, Any]:
        """Names and peers; what the API does not tell is left out."""
        try:
            network = await self._api.get("networks", one.network_id)
            ports = await self._api.list("ports", network_id=one.network_id)
        except SealaneError as exc:
            return {"api": exc.message}
        own = next((port for port in ports if port["id"] == one.port_id), {})
        hosts = {str(port.get("binding:host_id") or "") for port in ports} - {"", self._host}
        return {"network": network["name"], "status": own.get("status"), "tunnel_peers": sorted(hosts)}


def _same(one: str, other: str) -> bool:
    """Two paths of one namespace."""
    if not one or not other:
        return False
    try:
        return one == other or Path(one).stat().st_ino == Path(other).stat().st_ino
    except OSError:
        return False


def _first_there(*candidates: str) -> str:
    with Socket() as socket:
        return next((name for name in candidates if link.index(socket, name) is not None), "")


def _interfaces(sandbox: str) -> list[dict[str, Any]]:
    try:
        return netns.inside(sandbox, _listed)
    except NotFound:
        return []


def _listed() -> list[dict[str, Any]]:
    with Socket() as socket:
        addresses = route.all_addresses(socket)
        return [
            {
                "name": one.name,
                "mac": one.mac,
                "mtu": one.mtu,
                "up": one.up,
                "addresses": sorted(addresses.get(one.index, ())),
            }
            for one in link.every(socket)
        ]


def _cgroup(pid: int) -> dict[str, Any]:
    """Its place in the trees, and what limits its network: net_cls and net_prio of version 1."""
    found = process.cgroups(pid)
    told: dict[str, Any] = {controllers or "v2": path for controllers, path in found.items()}
    return told | {"limits": dict(_limits(found))}


def _limits(found: dict[str, str]) -> Iterable[tuple[str, str]]:
    for controllers in _V1_CONTROLLERS:
        for name in _V1_LIMITS if controllers in found else ():
            try:
                yield (
                    name,
                    (_CGROUPS / controllers / found[controllers].lstrip("/") / name).read_text().strip(),
                )
            except OSError:
                continue
