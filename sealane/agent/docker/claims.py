"""Addresses are claimed in the store, as ports: so they are unique in the whole cluster.

    RequestAddress  ──reserve──>  port (device_owner sealane:docker, this host)  ──take──>  endpoint
                                    └── nobody takes it: collect.py removes it

The port has its final shape at once, so OVN works on it while dockerd goes on.  An endpoint's MAC
address, which dockerd chooses before it asks for addresses, ties the IPv4 and the IPv6 request together.
A port that was made before (`sealane.port`) is adopted, and given back instead of deleted.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from sealane import log
from sealane.agent.docker.catalog import NetworkView, SubnetView
from sealane.agent.docker.turns import Turns
from sealane.client import ApiClient
from sealane.errors import AddressesExhausted, AddressInUse, BadRequest, Conflict, NotFound

OWNER = "sealane:docker"
"""device_owner of a port whose life is that of a container's endpoint."""

ADOPTED = "sealane:docker:adopted"
"""device_owner of a port that was made by somebody else and is used by an endpoint."""

AUXILIARY = "sealane:auxiliary"
"""device_owner of what keeps an --aux-address from being given to a container."""

_log = log.get("docker")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A port in the store; addresses as "10.0.0.2/24"."""

    port_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]
    adopted: bool = False
    born: float = 0.0  # on the monotonic clock

    def address(self, version: int) -> str:
        return next((a for a in self.addresses if (":" in a) == (version == 6)), "")


Evict = Callable[[str], Awaitable[bool]]
"""Takes the endpoint behind a port id off this host if it is dead; says whether the port is free now."""


class Claims:
    def __init__(self, api: ApiClient, host: str) -> None:
        self._api = api
        self._host = host
        self.evict: Evict = _evict_nobody
        self._open: dict[tuple[str, str], Claim] = {}
        self._turns = Turns()

    def open_ports(self) -> set[str]:
        """Ports that are reserved and not yet taken."""
        return {claim.port_id for claim in self._open.values()}

    def expire(self, age: float) -> None:
        """Let go of what was reserved longer than `age` seconds ago: it counts as an orphan now."""
        limit = time.monotonic() - age
        self._open = {key: claim for key, claim in self._open.items() if claim.born >= limit}

    async def reserve(
        self, network: NetworkView, subnet: SubnetView, mac: str, address: str, name: str
    ) -> str:
        """An address of the subnet (or, when it is exhausted, of a sibling) for an endpoint-to-be.

        Answers "10.0.0.5/24". The same request again has the same answer.
        """
        async with self._turns.of(f"{network.id} {mac}"):
            claim = self._open.get((network.id, mac))
            if claim is None:
                claim = await self._reserve_port(network, subnet, mac, address, name)
            elif not claim.address(subnet.version):
                claim = await self._extend(network, claim, _wish(subnet, address))
            granted = claim.address(subnet.version)
            if address and granted.split("/")[0] != address:
                raise Conflict(f"MAC address {mac} has {granted} already; leave one of the two out")
            self._open[network.id, mac] = claim
            return granted

    async def release_reserved(self, network_id: str, address: str) -> None:
        """Undo a reservation; an address that an endpoint holds is the endpoint's to release."""
        for key, claim in list(self._open.items()):
            if key[0] == network_id and any(a.split("/")[0] == address for a in claim.addresses):
                del self._open[key]
                if not claim.adopted:
                    await self.release(claim.port_id, adopted=False)

    async def take(self, network: NetworkView, mac: str, addresses: tuple[str, ...]) -> Claim:
        """The port for an endpoint: the reserved one, or, with another IPAM, one with these addresses."""
        claim = self._open.pop((network.id, mac), None) if mac else None
        if claim is None and mac:
            claim = await self._find_orphan(network, mac)
        if claim is None:
            wishes = [_fixed(network, address) for address in addresses]
            claim = await self._create(network, wishes, mac, "")
        if claim.adopted:
            raise Conflict(
                f"the address {claim.addresses[0]} belongs to port {claim.port_id}, made before: "
                f"add driver-opt=sealane.port={claim.port_id} to use it"
            )
        return claim

    async def adopt(self, network: NetworkView, port_id: str, mac: str, addresses: tuple[str, ...]) -> Claim:
        """Use a port made before. Raises BadRequest when dockerd has settled for other addresses."""
        body = await self._api.get("ports", port_id)
        claim = _claim(network, body)
        if body["network_id"] != network.id:
            raise BadRequest(f"port {port_id} is on another network than '{network.name}'")
        if set(addresses) - set(claim.addresses):
            wanted = claim.addresses[0].split("/")[0]
            raise BadRequest(f"port {port_id} has other addresses than the container: add --ip {wanted}")
        await self._check_free(body)
        self._open.pop((network.id, mac), None)
        changes: dict[str, Any] = {"binding:host_id": self._host, "device_owner": ADOPTED}
        if mac and mac != claim.mac:
            changes["mac_address"] = mac
        return replace(_claim(network, await self._api.update("ports", port_id, changes)), adopted=True)

    async def release(self, port_id: str, *, adopted: bool) -> None:
        """Delete the port, or give it back; one that is gone is success."""
        try:
            if adopted:
                free = {"binding:host_id": "", "device_owner": "", "device_id": ""}
                await self._api.update("ports", port_id, free)
            else:
                await self._api.delete("ports", port_id)
        except NotFound:
            return

    async def reserve_auxiliary(self, network: NetworkView, name: str, address: str) -> None:
        """Keep an address from containers; one that is taken already is kept as well."""
        body = {
            "network_id": network.id,
            "project_id": network.project,
            "name": name,
            "device_owner": AUXILIARY,
            "fixed_ips": [_fixed(network, address)],
        }
        try:
            await self._api.create("ports", body)
        except AddressInUse:
            _log.info("auxiliary address is taken already", network=network.id, address=address)

    async def _reserve_port(
        self, network: NetworkView, subnet: SubnetView, mac: str, address: str, name: str
    ) -> Claim:
        try:
            return await self._create(network, [_wish(subnet, address)], mac, name)
        except AddressInUse:
            if not address:
                raise
            return await self._of_holder(network, subnet, mac, address)
        except AddressesExhausted:
            return await self._from_sibling(network, subnet, mac, name)
        except Conflict:
            orphan = await self._find_orphan(network, mac)
            if orphan is None:
                raise
            return orphan

    async def _from_sibling(self, network: NetworkView, subnet: SubnetView, mac: str, name: str) -> Claim:
        """dockerd can't read "exhausted" from a remote IPAM, so the next --subnet is tried here."""
        for other in network.subnets:
            if other.version == subnet.version and other.id != subnet.id:
                try:
                    return await self._create(network, [_wish(other, "")], mac, name)
                except AddressesExhausted:
                    continue
        raise AddressesExhausted(f"network '{network.name}' has no free address left")

    async def _of_holder(self, network: NetworkView, subnet: SubnetView, mac: str, address: str) -> Claim:
        """A wanted address that a port holds: made before and idle, or left over from a dead endpoint."""
        for body in await self._api.list("ports", network_id=network.id):
            if address not in (ip["ip_address"] for ip in body["fixed_ips"]):
                continue
            if not body.get("device_owner") and not body.get("binding:host_id"):
                return replace(_claim(network, body), adopted=True)
            if self._is_ours(body) and await self._is_dead(body):
                await self.release(body["id"], adopted=body["device_owner"] == ADOPTED)
                return await self._create(network, [_wish(subnet, address)], mac, "")
            raise AddressInUse(f"address {address} is in use by port {body['id']} ({body.get('name', '')})")
        raise AddressInUse(f"address {address} of network '{network.name}' is in use")

    async def _check_free(self, body: dict[str, Any]) -> None:
        owner, host = body.get("device_owner") or "", body.get("binding:host_id") or ""
        if not owner and host in ("", self._host):
            return
        if self._is_ours(body) and owner == ADOPTED and await self._is_dead(body):
            return
        raise Conflict(f"port {body['id']} is in use ({owner or 'bound'} on host '{host}')")

    def _is_ours(self, body: dict[str, Any]) -> bool:
        return body.get("device_owner") in (OWNER, ADOPTED) and body.get("binding:host_id") == self._host

    async def _is_dead(self, body: dict[str, Any]) -> bool:
        return body["id"] not in self.open_ports() and await self.evict(body["id"])

    async def _find_orphan(self, network: NetworkView, mac: str) -> Claim | None:
        """A port that was reserved before the agent restarted."""
        for body in await self._api.list("ports", network_id=network.id, mac_address=mac):
            if body["mac_address"] == mac and self._is_ours(body) and await self._is_dead(body):
                return _claim(network, body)
        return None

    async def _extend(self, network: NetworkView, claim: Claim, wish: dict[str, str]) -> Claim:
        kept = [_fixed(network, address) for address in claim.addresses]
        body = await self._api.update("ports", claim.port_id, {"fixed_ips": [*kept, wish]})
        return _claim(network, body)

    async def _create(self, network: NetworkView, wishes: list[dict[str, str]], mac: str, name: str) -> Claim:
        body: dict[str, Any] = {
            "network_id": network.id,
            "project_id": network.project,
            "device_owner": OWNER,
            "binding:host_id": self._host,
        }
        optional = {
            "fixed_ips": wishes,
            "mac_address": mac,
            "name": name,
            "dns_name": name,
            "sealane:allocate_from": "top" if network.from_top else "",
        }
        body.update({key: value for key, value in optional.items() if value})
        return _claim(network, await self._api.create("ports", body))


async def _evict_nobody(port_id: str) -> bool:
    return False


def _wish(subnet: SubnetView, address: str) -> dict[str, str]:
    return {"subnet_id": subnet.id, **({"ip_address": address} if address else {})}


def _fixed(network: NetworkView, address: str) -> dict[str, str]:
    subnet = network.subnet_of(address)
    if subnet is None:
        raise BadRequest(f"address {address} is in no subnet of network '{network.name}'")
    return _wish(subnet, address.split("/")[0])


def _claim(network: NetworkView, body: dict[str, Any]) -> Claim:
    lengths = {subnet.id: subnet.length for subnet in network.subnets}
    try:
        addresses = tuple(f"{ip['ip_address']}/{lengths[ip['subnet_id']]}" for ip in body["fixed_ips"])
    except KeyError as exc:
        raise Conflict(f"network '{network.name}' has changed meanwhile: try again") from exc
    return Claim(
        port_id=str(body["id"]),
        network_id=str(body["network_id"]),
        mac=str(body["mac_address"]).lower(),
        addresses=addresses,
        born=time.monotonic(),
    )
