"""NetworkDriver.*: the life of an endpoint, from dockerd's calls to one Attachment.

    CreateEndpoint   the port is claimed; plumbing begins and goes on by itself
    Join             waits for the plumbing, and until OVN has the port's flows: the link comes up only
                     with its policy in force
    Program…/Revoke… publish ports of the host
    Leave            the sandbox is left
    DeleteEndpoint   the host's part goes, then the port

Every call may come again, out of order, or while an earlier one is under way; unknown endpoints are
left, revoked and deleted with success.
"""

import asyncio
import time
from dataclasses import replace
from typing import Protocol

from sealane import log, names
from sealane.agent import attachment as a
from sealane.agent.attachment import Attachment
from sealane.agent.docker import messages as m
from sealane.agent.docker.catalog import Catalog, NetworkView, SubnetView
from sealane.agent.docker.claims import Claim, Claims
from sealane.agent.docker.liveness import is_alive
from sealane.agent.docker.networks import Networks
from sealane.agent.docker.options import endpoint_options, mac_address, port_requests
from sealane.agent.docker.server import Calls, done
from sealane.agent.docker.turns import Turns
from sealane.agent.labels import GIVEN, QUARANTINE
from sealane.agent.memory import DockerNetwork, Memory
from sealane.agent.reconciler import Reconciler
from sealane.errors import BadRequest, NotFound, PortInUse
from sealane.names import METERING

JOIN_DEADLINE = 8.5
"""Seconds for Join with its waiting for OVN, so that its own answer comes before the plugin's deadline."""

_log = log.get("docker")


class Sandboxes(Protocol):
    """Who wants to know which networks a sandbox is on: the resolver's Feed."""

    async def attached(
        self, attachment_id: str, sandbox: str, network_id: str, port_id: str = ""
    ) -> None: ...

    async def detached(self, attachment_id: str) -> None: ...


class NetworkDriver:
    def __init__(
        self, networks: Networks, catalog: Catalog, claims: Claims, memory: Memory, reconciler: Reconciler
    ) -> None:
        self._networks = networks
        self._catalog = catalog
        self._claims = claims
        self._memory = memory
        self._reconciler = reconciler
        self.sandboxes: Sandboxes | None = None
        self._turns = Turns()
        self._plumbing: dict[str, asyncio.Task[None]] = {}

    def calls(self) -> Calls:
        return {
            "NetworkDriver.GetCapabilities": (None, _capabilities),
            "NetworkDriver.CreateNetwork": (m.CreateNetwork, self._networks.create),
            "NetworkDriver.DeleteNetwork": (m.NetworkRef, self._networks.delete),
            "NetworkDriver.CreateEndpoint": (m.CreateEndpoint, self.create_endpoint),
            "NetworkDriver.EndpointOperInfo": (m.EndpointRef, _oper_info),
            "NetworkDriver.Join": (m.Join, self.join),
            "NetworkDriver.ProgramExternalConnectivity": (m.ProgramExternal, self.program_external),
            "NetworkDriver.RevokeExternalConnectivity": (m.EndpointRef, self.revoke_external),
            "NetworkDriver.Leave": (m.EndpointRef, self.leave),
            "NetworkDriver.DeleteEndpoint": (m.EndpointRef, self.delete_endpoint),
            "NetworkDriver.DiscoverNew": (m.Discovery, done),
            "NetworkDriver.DiscoverDelete": (m.Discovery, done),
            "NetworkDriver.AllocateNetwork": (m.AllocateNetwork, _allocate_network),
            "NetworkDriver.FreeNetwork": (m.NetworkRef, done),
        }

    def attachments(self) -> dict[str, Attachment]:
        """Of this door, by endpoint id."""
        return {key: value for key, value in self._memory.attachments.items() if value.door == "docker"}

    async def create_endpoint(self, request: m.CreateEndpoint) -> m.Created:
        asked = request.interface or m.Interface()
        async with self._turns.of(request.endpoint_id):
            attachment = self.attachments().get(request.endpoint_id)
            if attachment is None:
                attachment = await self._attach(request, asked)
                self._memory.put(attachment)
            self._plumb(attachment)
            return _created(attachment, asked)

    async def join(self, request: m.Join) -> m.Joined:
        until = time.monotonic() + JOIN_DEADLINE
        async with self._turns.of(request.endpoint_id):
            attachment = self.attachments().get(request.endpoint_id)
            if attachment is None:
                raise NotFound(f"endpoint {request.endpoint_id[:12]} is unknown: start the container again")
            network = await self._catalog.network(attachment.network_id)
            await asyncio.shield(self._plumb(attachment))
            await self._reconciler.wait_bound(attachment.port_id, max(until - time.monotonic(), 0.1))
            attachment = replace(self.attachments()[attachment.id], sandbox=request.sandbox)
            self._memory.put(attachment)
            await self.announce(attachment)
            return _joined(attachment, network)

    async def program_external(self, request: m.ProgramExternal) -> m.Empty:
        wanted = port_requests(request.options)
        async with self._turns.of(request.endpoint_id):
            attachment = self.attachments().get(request.endpoint_id)
            if attachment is None:
                raise NotFound(f"endpoint {request.endpoint_id[:12]} is unknown: start the container again")
            if attachment.internal or not wanted:
                return m.Empty()
            try:
                await self._reconciler.publish(attachment.id, wanted)
            except PortInUse:
                if not await self._withdraw_the_dead(attachment.id):
                    raise
                await self._reconciler.publish(attachment.id, wanted)
        return m.Empty()

    async def revoke_external(self, request: m.EndpointRef) -> m.Empty:
        async with self._turns.of(request.endpoint_id):
            if request.endpoint_id in self.attachments():
                await self._reconciler.unpublish(request.endpoint_id)
        return m.Empty()

    async def leave(self, request: m.EndpointRef) -> m.Empty:
        async with self._turns.of(request.endpoint_id):
            await self._leave(request.endpoint_id)
        return m.Empty()

    async def delete_endpoint(self, request: m.EndpointRef) -> m.Empty:
        async with self._turns.of(request.endpoint_id):
            await self._delete(request.endpoint_id)
        return m.Empty()

    async def announce(self, attachment: Attachment) -> None:
        """Tell the resolver about a sandbox, at Join and when the agent starts."""
        if self.sandboxes is not None and attachment.sandbox:
            await self.sandboxes.attached(
                attachment.id, attachment.sandbox, attachment.network_id, attachment.port_id
            )

    async def collect(self, endpoint_id: str) -> None:
        """Remove an endpoint that dockerd does not have any more, with its sandbox's names."""
        async with self._turns.of(endpoint_id):
            await self._leave(endpoint_id)
            await self._delete(endpoint_id)

    async def clear(self, network_id: str) -> None:
        """Remove all endpoints on a network that dockerd has removed: it has none on it any more."""
        for endpoint_id, attachment in self.attachments().items():
            if attachment.network_id == network_id:
                await self.collect(endpoint_id)

    async def evict(self, port_id: str) -> bool:
        """Take the endpoint behind a port off this host if it is dead; is the port free now?

        Called while another endpoint's turn is on, never our own: a new endpoint wants the address.
        """
        holders = [x for x in self.attachments().values() if x.port_id == port_id]
        if any(self._is_alive(holder) for holder in holders):
            return False
        for holder in holders:
            _log.info("a dead endpoint makes room", endpoint=holder.id, port=port_id)
            await self._reconciler.remove(holder.id)
        return True

    def _is_alive(self, attachment: Attachment) -> bool:
        return is_alive(attachment, waits=self._reconciler.awaits_sandbox(attachment.port_id))

    async def _withdraw_the_dead(self, living_id: str) -> bool:
        """Unpublish what dead endpoints hold; was there anything?

        A dockerd that starts after a crash forgets its endpoints without telling the driver, and starts
        containers with a restart policy before the collector can know.
        """
        holders = [x for x in self.attachments().values() if x.publish and x.id != living_id]
        dead = [x for x in holders if not self._is_alive(x)]
        for holder in dead:
            _log.info("a dead endpoint gives its ports back", endpoint=holder.id)
            await self._reconciler.unpublish(holder.id)
        return bool(dead)

    async def _leave(self, endpoint_id: str) -> None:
        if self.sandboxes is not None:
            await self.sandboxes.detached(endpoint_id)
        attachment = self._memory.attachments.get(endpoint_id)
        if attachment is not None and attachment.sandbox:
            self._memory.put(replace(attachment, sandbox=""))

    async def _delete(self, endpoint_id: str) -> None:
        """On the host and in the API at once; what fails of either, collect.py does later."""
        attachment = self.attachments().get(endpoint_id)
        if attachment is None:
            return
        await self._stop_plumbing(endpoint_id)
        ended = await asyncio.gather(
            self._reconciler.remove(endpoint_id),
            self._claims.release(attachment.port_id, adopted=attachment.adopted),
            return_exceptions=True,
        )
        for failure in ended:
            if failure is not None:
                raise failure

    async def _attach(self, request: m.CreateEndpoint, asked: m.Interface) -> Attachment:
        options = endpoint_options(request.options)
        record = await self._networks.record(request.network_id)
        network = await self._catalog.network(record.network_id)
        mac = mac_address(asked.mac)
        addresses = tuple(address for address in (asked.address, asked.address6) if address)
        groups = None
        if options.security_groups is not None:
            groups = await self._catalog.groups(network, options.security_groups)
        marks = options.watched.port()
        if options.qos:
            marks["qos_policy_id"] = await self._catalog.policy(network.project, options.qos)
        await self._catalog.check_meters(network.project, options.watched.meters)
        if options.watched.meters and (record.internal or network.gateway in ("docker", "none")):
            raise BadRequest(f"{METERING}: nothing leaves this network where it is counted; leave it out")
        port = await self._claims.parent(options.trunk) if options.trunk else options.port
        port = port or self._claims.carrier(network, addresses)
        if port:
            if groups is not None:
                raise BadRequest(f"port {port} has groups of its own: leave the option out")
            if first := options.watched.first():
                raise BadRequest(f"port {port} says itself how it is watched: leave {first} out")
            claim = await self._claims.adopt(network, port, mac, addresses)
        else:
            claim = await self._claims.take(network, mac, addresses, groups)
        if options.watched.tap_port:
            await self._catalog.tap_to(network.project, options.watched.tap_port, claim.port_id)
        if marks:
            await self._claims.mark(claim.port_id, marks)
        made = replace(_attachment(request.endpoint_id, record, network, claim), service=options.service)
        return made if groups is None else replace(made, policy=GIVEN)

    def _plumb(self, attachment: Attachment) -> asyncio.Task[None]:
        """The task that makes the host as the attachment wants it; begun once, and again if it failed."""
        task = self._plumbing.get(attachment.id)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.create_task(self._reconciler.set(attachment), name=f"plumb {attachment.id[:12]}")
            task.add_done_callback(_note_failure)
            self._plumbing[attachment.id] = task
        return task

    async def _stop_plumbing(self, endpoint_id: str) -> None:
        """Let it end: what is half done could not be taken back in order."""
        task = self._plumbing.pop(endpoint_id, None)
        if task is not None:
            await asyncio.wait([task])


def _note_failure(task: asyncio.Task[None]) -> None:
    """Join reports it to dockerd; a CreateEndpoint without Join would leave it unseen."""
    if not task.cancelled() and (failure := task.exception()) is not None:
        _log.warning("plumbing failed", task=task.get_name(), reason=str(failure))


async def _capabilities(_: None) -> m.NetworkCapabilities:
    return m.NetworkCapabilities()


async def _oper_info(_: m.EndpointRef) -> m.OperInfo:
    """dockerd asks often, and has a use only for what JSON can't carry (its own types of port bindings)."""
    return m.OperInfo()


async def _allocate_network(_: m.AllocateNetwork) -> m.Allocated:
    return m.Allocated()


def _created(attachment: Attachment, asked: m.Interface) -> m.Created:
    """Only what was left open: dockerd takes a repetition for a change and undoes the endpoint."""
    v4 = next((x for x in attachment.addresses if ":" not in x), "")
    v6 = next((x for x in attachment.addresses if ":" in x), "")
    answer = m.Interface(
        address="" if asked.address else v4,
        address6="" if asked.address6 or asked.address else v6,
        mac="" if asked.mac else attachment.mac,
    )
    return m.Created(interface=answer if answer != m.Interface() else None)


def _attachment(endpoint_id: str, record: DockerNetwork, network: NetworkView, claim: Claim) -> Attachment:
    subnets = _subnets(network, claim.addresses)
    return a.checked(
        Attachment(
            id=endpoint_id,
            door="docker",
            network_id=network.id,
            port_id=claim.port_id,
            mac=claim.mac,
            addresses=claim.addresses,
            mtu=network.mtu,
            gateways=tuple(s.gateway for s in subnets if s.gateway),
            routes=tuple(
                a.Route(destination=r.destination, nexthop=r.nexthop) for s in subnets for r in s.routes
            ),
            internal=record.internal,
            gateway_mode=network.gateway,
            adopted=claim.adopted,
            guarded=claim.guarded,
            policy=GIVEN if claim.adopted else QUARANTINE if claim.quarantined else "",
            created=time.time(),
        )
    )


def _subnets(network: NetworkView, addresses: tuple[str, ...]) -> list[SubnetView]:
    """One a family at most: the subnets of the first IPv4 and the first IPv6 address."""
    found: dict[int, SubnetView] = {}
    for address in addresses:
        subnet = network.subnet_of(address)
        if subnet is not None:
            found.setdefault(subnet.version, subnet)
    return list(found.values())


def _joined(attachment: Attachment, network: NetworkView) -> m.Joined:
    """Gateway host and router: ours. docker: none, so that dockerd adds docker_gwbridge. Else nobody."""
    ours = network.gateway in ("host", "router") and not attachment.internal
    gateways = attachment.gateways if ours else ()
    return m.Joined(
        interface=m.InterfaceName(source=names.container_link(attachment.port_id)),
        gateway=next((g for g in gateways if ":" not in g), ""),
        gateway6=next((g for g in gateways if ":" in g), ""),
        routes=[m.StaticRoute(destination=r.destination, next_hop=r.nexthop) for r in attachment.routes],
        no_gateway_service=not gateways and (network.gateway != "docker" or attachment.internal),
    )
