"""Addresses are claimed in the store, as ports: so they are unique in the whole cluster.

    RequestAddress  ──reserve──>  port (device_owner sealane:docker, this host)  ──take──>  endpoint
                                    └── nobody takes it: collect.py removes it

The port has its final shape at once, so OVN works on it while dockerd goes on.  Its MAC address follows
from its IPv4 address (the API sees to that): whoever gets the address next has the MAC as well, and no
neighbour is left with a stale one.  dockerd 20.10 sends no gratuitous ARP.

An IPv6 address can't be tied to the IPv4 address of the same endpoint before CreateEndpoint.  So it is
only promised, at random out of the pool, and claimed there.

A port that was made before (`sealane.port`) is adopted, and given back instead of deleted.
"""

import ipaddress
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from sealane import log, names
from sealane.agent import trunks
from sealane.agent.docker.catalog import NetworkView, SubnetView
from sealane.agent.docker.turns import Turns
from sealane.client import ApiClient, Body
from sealane.errors import (
    AddressesExhausted,
    AddressInUse,
    BadRequest,
    Conflict,
    DeadlineExceeded,
    NotFound,
    Unavailable,
)

OWNER, ADOPTED, AUXILIARY = names.DOCKER_PORT, names.ADOPTED_PORT, names.AUXILIARY_PORT

SMALL = 1 << 24
"""Addresses; a random one of a larger pool is hardly ever taken."""

TRIES = 1000
_CHANCE = random.SystemRandom()
_log = log.get("docker")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A port in the store; addresses as "10.0.0.2/24"."""

    port_id: str
    network_id: str
    mac: str
    addresses: tuple[str, ...]
    adopted: bool = False
    carries: bool = False
    """It is the parent of a trunk."""
    quarantined: bool = False
    guarded: bool = True
    born: float = 0.0  # on the monotonic clock


Groups = list[str] | None
"""Ids of security groups; None: nobody has asked for any."""

Evict = Callable[[str], Awaitable[bool]]
"""Takes the endpoint behind a port id off this host if it is dead; says whether the port is free now."""


class Claims:
    def __init__(self, api: ApiClient, host: str) -> None:
        self._api = api
        self.host = host
        self.evict: Evict = _evict_nobody
        self._open: dict[tuple[str, str], Claim] = {}
        self._promised: dict[tuple[str, str], float] = {}
        self._turns = Turns()

    def open_ports(self) -> set[str]:
        """Ports that are reserved and not yet taken."""
        return {claim.port_id for claim in self._open.values()}

    def is_idle(self, port: Body, used: Collection[str]) -> bool:
        """Has nobody a container on the port?  `used`: ports of this host's attachments.

        An endpoint that is gone can have left its port, when its removal was cut off; and dockerd never
        releases an address if it did not hear that it was granted.
        """
        if port["device_owner"] == AUXILIARY:
            return True
        mine = port["device_owner"] == OWNER and port["binding:host_id"] == self.host
        return mine and port["id"] not in used

    def forget(self, network_id: str) -> None:
        """All that is reserved on a network that goes."""
        self._open = {key: claim for key, claim in self._open.items() if key[0] != network_id}
        self._promised = {key: born for key, born in self._promised.items() if key[0] != network_id}

    def expire(self, age: float) -> None:
        """Let go of what was reserved longer than `age` seconds ago: it counts as an orphan now."""
        limit = time.monotonic() - age
        self._open = {key: claim for key, claim in self._open.items() if claim.born >= limit}
        self._promised = {key: born for key, born in self._promised.items() if born >= limit}

    async def reserve(self, network: NetworkView, subnet: SubnetView, address: str, name: str) -> str:
        """An address of the subnet (or, when it is exhausted, of a sibling) for an endpoint-to-be.

        `address` "" is any.  Answers "10.0.0.5/24".  The same address again has the same answer.
        """
        if subnet.version == 6:
            return await self._promise(network, subnet, address)
        if not address:
            return self._opened(await self._reserve_port(network, subnet, "", name))
        async with self._turns.of(f"{network.id} {address}"):
            claim = self._open.get((network.id, address))
            return self._opened(claim or await self._reserve_port(network, subnet, address, name))

    def _opened(self, claim: Claim) -> str:
        self._open[claim.network_id, _bare(claim.addresses[0])] = claim
        return claim.addresses[0]

    async def release_reserved(self, network_id: str, address: str) -> None:
        """Undo a reservation; an address that an endpoint holds is the endpoint's to release."""
        self._promised.pop((network_id, address), None)
        claim = self._open.pop((network_id, address), None)
        if claim is not None and not claim.adopted:
            await self.release(claim.port_id, adopted=False)

    async def take(
        self, network: NetworkView, mac: str, addresses: tuple[str, ...], groups: Groups = None
    ) -> Claim:
        """The port for an endpoint: the reserved one, or, with another IPAM, one with these addresses."""
        key = network.id, _bare(addresses[0]) if addresses else ""
        claim = self._open.get(key)
        if claim is None:
            return await self._take_new(network, mac, addresses, groups)
        if claim.adopted:
            raise Conflict(
                f"the address {claim.addresses[0]} belongs to port {claim.port_id}, made before: "
                f"add driver-opt=sealane.port={claim.port_id} to use it"
            )
        claim = await self._complete(network, claim, mac, addresses, groups)
        self._open.pop(key, None)
        return claim

    def carrier(self, network: NetworkView, addresses: tuple[str, ...]) -> str | None:
        """The port that was asked for by its address, where it is a trunk's parent, made before.

        A compose file of version 2 or 3 can't give an endpoint's options, but it can give an address.
        """
        claims = (self._open.get((network.id, _bare(address))) for address in addresses)
        return next((c.port_id for c in claims if c is not None and c.adopted and c.carries), None)

    async def parent(self, trunk: str) -> str:
        """The port that carries it, to be adopted. Raises NotFound, Conflict."""
        return await trunks.parent_of(trunk, self._api)

    async def adopt(self, network: NetworkView, port_id: str, mac: str, addresses: tuple[str, ...]) -> Claim:
        """Use a port made before. Raises BadRequest when dockerd has settled for other addresses."""
        body = await self._api.get("ports", port_id)
        claim = _claim(network, body)
        if body["network_id"] != network.id:
            raise BadRequest(f"port {port_id} is on another network than '{network.name}'")
        if set(addresses) - set(claim.addresses):
            wanted = _bare(claim.addresses[0])
            raise BadRequest(f"port {port_id} has other addresses than the container: add --ip {wanted}")
        await self._check_free(body)
        for address in addresses:
            self._open.pop((network.id, _bare(address)), None)
        changes: dict[str, Any] = {"binding:host_id": self.host, "device_owner": ADOPTED}
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
        claim = self._open.pop((network.id, address), None)
        if claim is not None:  # RequestAddress could not know what it is for
            await self.release(claim.port_id, adopted=claim.adopted)
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

    async def _reserve_port(self, network: NetworkView, subnet: SubnetView, address: str, name: str) -> Claim:
        try:
            return await self._create(network, [_wish(subnet, address)], "", name)
        except AddressInUse:
            if not address:
                raise
            return await self._of_holder(network, address, "")
        except AddressesExhausted:
            return await self._from_sibling(network, subnet, name)

    async def _take_new(
        self, network: NetworkView, mac: str, addresses: tuple[str, ...], groups: Groups
    ) -> Claim:
        """Addresses of Docker's own IPAM; or ours, reserved before the agent restarted."""
        wishes = [_fixed(network, address) for address in addresses]
        try:
            return await self._create(network, wishes, mac, "", groups)
        except AddressInUse:
            claim = await self._of_holder(network, _bare(addresses[0]), mac)
            if claim.adopted:
                raise
            return await self._complete(network, claim, mac, addresses, groups)

    async def _complete(
        self, network: NetworkView, claim: Claim, mac: str, addresses: tuple[str, ...], groups: Groups
    ) -> Claim:
        """Add what RequestAddress did not know: the IPv6 address, MAC and groups if they were given.

        With groups the answer is waited for until this host has applied them: the link comes up later.
        """
        changes: dict[str, Any] = {}
        if set(addresses) - set(claim.addresses):
            changes["fixed_ips"] = [_fixed(network, address) for address in addresses]
        if mac and mac != claim.mac:
            changes["mac_address"] = mac
        if groups is not None:
            changes |= {"security_groups": groups, "sealane:quarantine": False}
        if not changes:
            return claim
        applied_on = self.host if groups is not None else ""
        body = await self._api.update("ports", claim.port_id, changes, applied_on=applied_on)
        return _claim(network, body)

    async def mark(self, port_id: str, marks: Body) -> None:
        """Limits, taps, logs of the port; returns when this host has applied it: the link comes up later."""
        await self._api.update("ports", port_id, marks, applied_on=self.host)

    async def _promise(self, network: NetworkView, subnet: SubnetView, address: str) -> str:
        """At random: two hosts hardly promise the same one of a /64; in a small pool, of the free ones."""
        if not address:
            used = {a for n, a in self._promised if n == network.id}
            if subnet.size < SMALL:
                for body in await self._api.list("ports", network_id=network.id):
                    used |= {ip["ip_address"] for ip in body["fixed_ips"]}
            address = _any_of(subnet, used)
        self._promised[network.id, address] = time.monotonic()
        return f"{address}/{subnet.length}"

    async def _from_sibling(self, network: NetworkView, subnet: SubnetView, name: str) -> Claim:
        """dockerd can't read "exhausted" from a remote IPAM, so the next --subnet is tried here."""
        for other in network.subnets:
            same = (other.version, other.segment) == (subnet.version, subnet.segment)
            if same and other.id != subnet.id:
                try:
                    return await self._create(network, [_wish(other, "")], "", name)
                except AddressesExhausted:
                    continue
        raise AddressesExhausted(f"network '{network.name}' has no free address left")

    async def _of_holder(self, network: NetworkView, address: str, mac: str) -> Claim:
        """A wanted address that a port holds: made before and idle, or left over from a dead endpoint."""
        for body in await self._api.list("ports", network_id=network.id):
            if address not in (ip["ip_address"] for ip in body["fixed_ips"]):
                continue
            if not body.get("device_owner") and not body.get("binding:host_id"):
                return replace(_claim(network, body), adopted=True)
            if self._is_ours(body) and await self._is_dead(body):
                await self.release(body["id"], adopted=body["device_owner"] == ADOPTED)
                return await self._create(network, [_fixed(network, address)], mac, "")
            raise AddressInUse(f"address {address} is in use by port {body['id']} ({body.get('name', '')})")
        raise AddressInUse(f"address {address} of network '{network.name}' is in use")

    async def _check_free(self, body: dict[str, Any]) -> None:
        owner, host = body.get("device_owner") or "", body.get("binding:host_id") or ""
        if not owner and host in ("", self.host):
            return
        if self._is_ours(body) and owner == ADOPTED and await self._is_dead(body):
            return
        raise Conflict(f"port {body['id']} is in use ({owner or 'bound'} on host '{host}')")

    def _is_ours(self, body: dict[str, Any]) -> bool:
        return body.get("device_owner") in (OWNER, ADOPTED) and body.get("binding:host_id") == self.host

    async def _is_dead(self, body: dict[str, Any]) -> bool:
        return body["id"] not in self.open_ports() and await self.evict(body["id"])

    async def _create(
        self,
        network: NetworkView,
        wishes: list[dict[str, str]],
        mac: str,
        name: str,
        groups: Groups = None,
    ) -> Claim:
        body: dict[str, Any] = {
            "network_id": network.id,
            "project_id": network.project,
            "device_owner": OWNER,
            "binding:host_id": self.host,
        }
        optional = {
            "fixed_ips": wishes,
            "mac_address": mac,
            "name": name,
            "dns_name": name,
            "sealane:allocate_from": "top" if network.from_top else "",
        }
        body.update({key: value for key, value in optional.items() if value})
        body |= {} if groups is None else {"security_groups": groups}
        return _claim(network, await self._create_once(body))

    async def _create_once(self, body: Body) -> Body:
        """The API may die over it: then its successor is asked whether the port is there.

        What it is recognised by is replaced by the container's id when identity.py knows it.
        """
        mark = {"device_id": f"claim-{uuid.uuid4()}"}
        try:
            return await self._api.create("ports", {**body, **mark})
        except DeadlineExceeded:
            raise
        except Unavailable:
            found = await self._api.list("ports", **mark)
            return found[0] if found else await self._api.create("ports", {**body, **mark})


async def _evict_nobody(port_id: str) -> bool:
    return False


def _bare(address: str) -> str:
    return address.split("/")[0]


def _any_of(subnet: SubnetView, used: set[str]) -> str:
    """An address of the subnet's pools that is not in `used`. Raises AddressesExhausted."""
    for _ in range(TRIES):
        first, last = _CHANCE.choice(subnet.pools)
        address = str(ipaddress.IPv6Address(_CHANCE.randint(first, last)))
        if address not in used:
            return address
    raise AddressesExhausted(f"subnet {subnet.cidr} has no free address left")


def _wish(subnet: SubnetView, address: str) -> dict[str, str]:
    return {"subnet_id": subnet.id, **({"ip_address": address} if address else {})}


def _fixed(network: NetworkView, address: str) -> dict[str, str]:
    subnet = network.subnet_of(address)
    if subnet is None:
        raise BadRequest(f"address {address} is in no subnet of network '{network.name}'")
    return _wish(subnet, _bare(address))


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
        guarded=body.get("port_security_enabled") is not False,
        quarantined=body.get("sealane:quarantine") is True,
        carries=bool(body.get("trunk_details")),
        born=time.monotonic(),
    )
