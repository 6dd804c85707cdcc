"""The ports in the API that namespaces are attached to: made for them, or made before and adopted.

A port of ours says by device_owner and binding:host_id that it is ours to delete, or to give back.
"""

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Any

from sealane import log, names
from sealane.agent import trunks
from sealane.agent.asked import AttachRequest
from sealane.client import ApiClient, Body, Changes
from sealane.errors import BadRequest, Conflict, NotFound

DNS_NAME = re.compile(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
MADE, ADOPTED, RUNTIME = names.NETNS_PORT, names.NETNS_ADOPTED_PORT, names.RUNTIME_PORT
LANS = ("vlan", "flat")
_log = log.get("leases")


def owns_dhcp(request: AttachRequest, network: Body, subnets: Iterable[Body]) -> bool:
    """Is it the network's own server that is to be asked, and not the LAN's?  Raises BadRequest: neither."""
    own = any(subnet["enable_dhcp"] and subnet["ip_version"] == 4 for subnet in subnets)
    if request.physical:
        return False
    if not own and network.get("provider:network_type") not in LANS:
        raise BadRequest(
            f"dhcp: network {network['name'] or network['id']} has no IPv4 subnet with DHCP, and no LAN"
            " behind it; leave --dhcp out, or switch DHCP on in a subnet"
        )
    return own


class Leases:
    def __init__(self, api: ApiClient, host: str) -> None:
        self._api = api
        self._host = host

    async def network(self, wanted: str) -> Body:
        """By id, then by name.  Raises NotFound, Conflict."""
        if UUID.fullmatch(wanted):
            with suppress(NotFound, BadRequest):
                return await self._api.get("networks", wanted)
        return await self._one("networks", wanted)

    async def segment(self, physical: str, vlan: int) -> Body:
        """The network that has this part of a physical network as a segment, its own or a further one.

        vlan 0: what has no tag.  Raises NotFound.
        """
        tag = {"segmentation_id": str(vlan)} if vlan else {}
        kind = "vlan" if vlan else "flat"
        found = await self._api.list("segments", physical_network=physical, network_type=kind, **tag)
        if found:
            return await self._api.get("networks", str(found[0]["network_id"]))
        words = f"--physical-network {physical}" + (f" --vlan {vlan}" if vlan else "")
        field, what = ("vlan", f"VLAN {vlan}") if vlan else ("physical", "the untagged part")
        raise NotFound(
            f"{field}: no network is {what} of the physical network '{physical}'; make one:"
            f" sealane network create {physical}{vlan or ''} {words} --subnet SUBNET"
        )

    async def parent(self, trunk: str) -> str:
        """The port that carries it.  Raises NotFound, Conflict."""
        return await trunks.parent_of(trunk, self._api)

    async def subnets(self, network_id: str) -> list[Body]:
        return await self._api.list("subnets", network_id=network_id)

    async def take(self, request: AttachRequest, network: Body | None, device: str, name: str) -> Body:
        """A port of this host.  Raises Conflict (in use), AddressInUse, BadRequest, NotFound."""
        if request.port:
            return await self._adopt(request, network, device)
        assert network is not None
        body: dict[str, Any] = {
            "network_id": network["id"],
            "project_id": network["project_id"],
            "device_id": device,
            "device_owner": RUNTIME if request.door in ("cni", "podman") else MADE,
            "binding:host_id": self._host,
        }
        if request.dhcp and not owns_dhcp(request, network, await self.subnets(network["id"])):
            body["fixed_ips"] = []
        optional = {
            "fixed_ips": [{"ip_address": ip} for ip in request.addresses],
            "mac_address": request.mac,
            "name": name,
            "dns_name": name if DNS_NAME.fullmatch(name) else "",
            "security_groups": [await self._group(group) for group in request.security_groups],
            "sealane:dns_aliases": list(request.aliases),
        }
        return await self._api.create(
            "ports", body | {key: value for key, value in optional.items() if value}
        )

    async def name(self, port_id: str, device: str, name: str) -> None:
        """Of a port that was made before anybody knew for whom.  Raises NotFound."""
        dns_name = name if DNS_NAME.match(name) else ""
        await self._api.update("ports", port_id, {"device_id": device, "name": name, "dns_name": dns_name})

    async def changes(self, after: int) -> Changes:
        """What has moved since, at once; also which state that is."""
        return await self._api.changes(after, timeout=0)

    async def group(self, group_id: str) -> Body | None:
        with suppress(NotFound):
            return await self._api.get("security-groups", group_id)
        return None

    async def learned(self, port_id: str, address: str) -> Body:
        """The port has this address alone, "" for none; in force on this host when it returns.

        Raises AddressInUse, BadRequest (no subnet of the network holds it).
        """
        fixed = [{"ip_address": address}] if address else []
        return await self._api.update("ports", port_id, {"fixed_ips": fixed}, applied_on=self._host)

    async def again(self, port_id: str) -> Body:
        """A port that has been kept for a container that starts anew.  Raises NotFound."""
        return await self._api.get("ports", port_id)

    async def release(self, port_id: str, *, adopted: bool) -> None:
        """Delete it, or give it back; one that is gone is success."""
        with suppress(NotFound):
            if adopted:
                free = {"binding:host_id": "", "device_owner": "", "device_id": ""}
                await self._api.update("ports", port_id, free)
            else:
                await self._api.delete("ports", port_id)

    async def collect(self, used: Collection[str], pending: Collection[str]) -> None:
        """Release what is ours and used by nobody; `pending`: devices that are being attached."""
        for owner in (MADE, ADOPTED, RUNTIME):
            for port in await self._api.list("ports", device_owner=owner):
                mine = port.get("binding:host_id") == self._host
                if mine and port["id"] not in used and port.get("device_id") not in pending:
                    _log.info("a port has no attachment", port=port["id"])
                    await self.release(port["id"], adopted=owner == ADOPTED)

    async def gone(self, ports: Iterable[str]) -> set[str]:
        """Those that are not in the API.  Raises Unavailable."""
        mine = await self._api.list("ports", ("id",), **{"binding:host_id": self._host})
        missing = set(ports) - {port["id"] for port in mine}
        return {port for port in missing if await self._is_gone(port)}

    async def _is_gone(self, port: str) -> bool:
        """One that is bound to nobody, or elsewhere, is there all the same."""
        try:
            await self._api.get("ports", port)
        except NotFound:
            return True
        return False

    async def _adopt(self, request: AttachRequest, network: Body | None, device: str) -> Body:
        port = await self._api.get("ports", request.port)
        if network is not None and port["network_id"] != network["id"]:
            raise BadRequest(
                f"port: {request.port} is on another network than {network['name'] or network['id']}"
            )
        there = {fixed["ip_address"] for fixed in port["fixed_ips"]}
        for ip in request.addresses:
            if ip not in there:
                raise BadRequest(
                    f"ip: port {request.port} has the addresses {', '.join(sorted(there))}, not {ip}"
                )
        if request.mac and request.mac.lower() != port["mac_address"].lower():
            raise BadRequest(f"mac: port {request.port} has {port['mac_address']}; leave it out")
        owner, host = port.get("device_owner") or "", port.get("binding:host_id") or ""
        theirs = request.door == "os-vif" and host == self._host
        if not theirs and (owner or host not in ("", self._host)):
            raise Conflict(
                f"port {request.port} is in use ({owner or f'bound on host {host}'}); give another one"
            )
        if theirs:  # nova's: bound by it, and unbound
            return port
        changes = {"binding:host_id": self._host, "device_owner": ADOPTED, "device_id": device}
        return await self._api.update("ports", request.port, changes)

    async def _group(self, wanted: str) -> str:
        with suppress(NotFound, BadRequest):
            return str((await self._api.get("security-groups", wanted))["id"])
        return str((await self._one("security-groups", wanted))["id"])

    async def _one(self, collection: str, name: str) -> Body:
        noun = collection.removesuffix("s").replace("-", " ")
        found = await self._api.list(collection, name=name)
        if not found:
            raise NotFound(f"there is no {noun} {name!r}; 'sealane {noun} list' shows all")
        if len(found) > 1:
            raise Conflict(f"{len(found)} of {collection} are called {name!r}; give the id")
        return found[0]
