"""The door for namespaces of this host, of containers and processes of any kind (`sealane attach`, CNI, …).

Unlike Docker, its caller sets nothing up: link, name, addresses and routes are ours.  The namespace is
the attachment's life: once it is gone, `bury` and `collect` remove what is left of it.  A wish outlives
it: its port is kept, and `fulfil` attaches the container whenever it runs.  A port of the host itself is
always wished for: the host runs again after each boot.
"""

import asyncio
import time
import uuid
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from sealane import log, names
from sealane.agent import inside, leased
from sealane.agent.asked import AttachRequest, check
from sealane.agent.attachment import Attachment, checked
from sealane.agent.docker.turns import Turns
from sealane.agent.leases import ADOPTED, MADE, RUNTIME, Leases, owns_dhcp
from sealane.agent.making import Known, defaults, made_of
from sealane.agent.memory import Memory, Wish
from sealane.agent.ready import Ready
from sealane.agent.reconciler import Reconciler
from sealane.agent.targets import Place, Targets, is_alive
from sealane.agent.ways import Ways
from sealane.client import ApiClient, Body
from sealane.config import Settings
from sealane.errors import BadRequest, Conflict, NotFound, SealaneError

BOUND_DEADLINE = 20.0  # seconds that OVN may take to bind the port
_UNFINISHED = 120.0  # seconds after which an attachment without sandbox is an attempt that died
_log = log.get("netns-door")


class _Dismissed(Exception):
    """A port that was ready has gone meanwhile."""


class NetnsDoor:
    def __init__(
        self,
        api: ApiClient,
        memory: Memory,
        reconciler: Reconciler,
        targets: Targets,
        ways: Ways,
        settings: Settings,
    ) -> None:
        self._memory = memory
        self._reconciler = reconciler
        self._leases = Leases(api, settings.host_name)
        self._targets = targets
        self._ways = ways
        self._turns = Turns()
        self._pending: set[str] = set()
        self.ready = Ready(self._leases, memory, reconciler, settings.ready_ports, self._pending)
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def attach(self, request: AttachRequest) -> Attachment:
        """Returns when the namespace can talk; on any error nothing is left.

        Raises BadRequest, NotFound, Conflict, Unavailable, DeadlineExceeded (OVN did not bind).
        """
        check(request)
        if request.trunk:
            port = await self._leases.parent(request.trunk)
            request = msgspec.structs.replace(request, port=port, trunk="")
        here = request.door == "host"
        place = self._targets.host() if here else await self._targets.running(request.netns or request.target)
        if request.persist and not _comes_back(place):
            raise BadRequest("persist: a process never comes back; name a container or a named namespace")
        async with self._turns.of(place.sandbox):
            await self.bury()
            attachment = await self._attach(str(uuid.uuid4()), request, place)
            if request.persist or here:
                self._memory.put_wish(_wish(attachment, request))
            return attachment

    async def detach(self, attachment_id: str) -> None:
        """Remove the link, the port and the wish.  Raises NotFound."""
        attachment = self._own().get(attachment_id)
        wish = self._memory.wishes.get(attachment_id)
        if attachment is None and wish is None:
            raise NotFound(f"there is no attachment {attachment_id}")
        self._memory.remove_wish(attachment_id)
        await self._reconciler.remove(attachment_id)
        if attachment is not None:
            await self._release(attachment)
        elif wish is not None:
            await self._leases.release(wish.port_id, adopted=wish.adopted)

    async def find(self, target: str, ifname: str = "") -> str:
        """Id of an attachment or a wish.  Raises NotFound, Conflict (several)."""
        known = await self._names(target)
        found = {a.id: a.ifname for a in self._own().values() if known & {a.sandbox, a.container, a.name}}
        found |= {w.id: w.ifname for w in self._memory.wishes.values() if known & {w.container, w.name}}
        fitting = [key for key, name in found.items() if ifname in ("", name)]
        if not fitting:
            raise NotFound(f"{target} has no attachment {ifname or 'of Sealane'}; 'sealane ps' shows all")
        if len(fitting) > 1:
            listed = ", ".join(sorted(found.values()))
            raise Conflict(f"{target} is attached by {listed}; say which one with --ifname")
        return fitting[0]

    def known_as(self, key: str) -> Attachment | None:
        """By the key of the door's caller."""
        return next((a for a in self._own().values() if a.key == key), None)

    def keyed(self, prefix: str) -> list[Attachment]:
        return [a for a in self._own().values() if a.key.startswith(prefix)]

    async def network(self, wanted: str) -> Body:
        """Raises NotFound, Conflict (several)."""
        return await self._leases.network(wanted)

    async def bury(self) -> None:
        """Take down attachments whose namespace is gone, and their ports, unless they are to come back."""
        for attachment in list(self._own().values()):
            if self._is_dead(attachment):
                _log.info("the namespace is gone", attachment=attachment.id, sandbox=attachment.sandbox)
                await self._reconciler.remove(attachment.id)
                if attachment.id not in self._memory.wishes:
                    with suppress(SealaneError):  # `collect` sees to it
                        await self._release(attachment)

    async def collect(self) -> None:
        """Release ports of this door and host that have no attachment; take down what has no port any more.

        Raises Unavailable.
        """
        used = {a.port_id for a in self._memory.attachments.values()}
        used |= {wish.port_id for wish in self._memory.wishes.values()}
        await self._leases.collect(used, self._pending)
        owned = {a.id: a.port_id for a in self._own().values() if a.id not in self._pending}
        owned |= {wish.id: wish.port_id for wish in self._memory.wishes.values()}
        gone = await self._leases.gone(owned.values()) if owned else set()
        for key in [key for key, port in owned.items() if port in gone]:
            _log.info("its port was deleted", attachment=key, port=owned[key])
            with suppress(NotFound):
                await self.detach(key)

    async def fulfil(self, kind: str = "") -> None:
        """Attach what is to be attached whenever it runs; what fails is tried again.  `kind`: "netns:"."""
        for wish in [w for w in self._memory.wishes.values() if w.container.startswith(kind)]:
            try:
                await self._in_turn(wish)
            except SealaneError as exc:
                _log.warning("not attached again", container=wish.name, error=exc.message)

    async def _in_turn(self, wish: Wish) -> None:
        """A DHCP server may be silent for long, for which nobody else need wait."""
        if not wish.request.dhcp:
            async with self._turns.of(wish.id):
                await self._fulfil(wish)
        elif wish.id not in self._asking:
            self._asking[wish.id] = asyncio.create_task(self._fulfil_quietly(wish), name="dhcp")

    async def _fulfil_quietly(self, wish: Wish) -> None:
        try:
            async with self._turns.of(wish.id):
                await self._fulfil(wish)
        except SealaneError as exc:
            _log.warning("not attached again", container=wish.name, error=exc.message)
        finally:
            del self._asking[wish.id]

    async def _fulfil(self, wish: Wish) -> None:
        try:
            place = await self._targets.find(wish.container)
        except (NotFound, BadRequest):
            if wish.container.startswith("docker:"):  # removed: dockerd itself says so
                await self.detach(wish.id)
            return
        current = self._memory.attachments.get(wish.id)
        if current is not None and self._is_dead(current):
            await self._reconciler.remove(wish.id)
            current = None
        if current is not None or not place.sandbox or wish.id not in self._memory.wishes:
            return
        async with self._turns.of(place.sandbox):
            await self._attach(wish.id, wish.request, place, wish)

    async def _release(self, attachment: Attachment) -> None:
        """Nova's own port, which was not adopted, is nova's to unbind."""
        if attachment.adopted or attachment.door != "os-vif":
            await self._leases.release(attachment.port_id, adopted=attachment.adopted)

    async def _names(self, target: str) -> set[str]:
        """What the target may be known by; also one that is gone."""
        names = {target}
        with suppress(SealaneError):
            place = await self._targets.find(target)
            names = {place.container or place.sandbox, place.sandbox or place.container}
        return names - {""}

    def _own(self) -> dict[str, Attachment]:
        return {
            key: a
            for key, a in self._memory.attachments.items()
            if a.door not in ("docker", "trunk", "ready")
        }

    def _is_dead(self, attachment: Attachment) -> bool:
        if attachment.id in self._pending or attachment.device:
            return False
        if not attachment.sandbox:
            return time.time() - attachment.created > _UNFINISHED
        return not is_alive(attachment)

    async def _attach(
        self, attachment_id: str, request: AttachRequest, place: Place, wish: Wish | None = None
    ) -> Attachment:
        asking = asyncio.ensure_future(self.ready.ask(request)) if wish is None else None
        try:
            survey = await asyncio.to_thread(inside.survey, place.sandbox)
            ifname = self._ifname(wish.ifname if wish else request.ifname, place, survey)
            ready = self.ready.take(await asking) if asking else None
        finally:
            if asking:
                asking.cancel()
        if ready is not None:
            with suppress(_Dismissed):
                return await self._plug_ready(ready, ifname, request, place, survey)
        self._pending.add(attachment_id)
        try:
            port, known = await self._port(attachment_id, request, place, wish)
            try:
                adopted = port["device_owner"] == ADOPTED
                own: dict[str, Any] = {"ifname": ifname, "adopted": adopted, "container": place.container}
                own["name"] = request.name or place.name
                known = known or await self._known(port)
                made = replace(made_of(attachment_id, request, port, survey, known), **own)
                if request.dhcp:
                    made = replace(await self._learned(checked(made), request, survey), **own)
                return await self._plug(checked(made), request, place)
            except BaseException:
                await self._undo(attachment_id, port, wish)
                raise
        finally:
            self._pending.discard(attachment_id)

    async def _plug_ready(
        self, ready: Attachment, ifname: str, request: AttachRequest, place: Place, survey: inside.Survey
    ) -> Attachment:
        """Its name is told while the link is made.  Raises _Dismissed: the port gave way to another."""
        name = request.name or place.name
        hops = defaults(request.gateway, ready.gateways, survey.defaults)
        own: dict[str, Any] = {"door": request.door, "key": request.key, "ifname": ifname, "name": name}
        own |= {"container": place.container, "defaults": hops, "routes": ready.routes + request.routes}
        made = replace(ready, **own, created=time.time())
        self._pending |= {made.id, names.READY + made.id}
        named = asyncio.ensure_future(self._leases.name(made.port_id, made.id, name))
        entered = asyncio.ensure_future(self._enter(checked(made), request, place))
        try:
            plugged, _ = await asyncio.gather(entered, named)
            return plugged
        except BaseException as exc:
            for one in (named, entered):
                one.cancel()
            await asyncio.wait([named, entered])
            await self._undo(made.id, {"id": made.port_id, "device_owner": RUNTIME}, None)
            if not named.cancelled() and isinstance(named.exception(), NotFound):
                raise _Dismissed from exc
            raise
        finally:
            self._pending -= {made.id, names.READY + made.id}
            self.ready.let_go(made.id)

    async def _port(
        self, device: str, request: AttachRequest, place: Place, wish: Wish | None
    ) -> tuple[Body, Known | None]:
        """And what has been learned of its network on the way."""
        if wish is not None:
            return await self._again(wish), None
        network, name = await self._network(request), request.name or place.name
        if network is None:
            return await self._leases.take(request, None, device, name), None
        if not request.ifname:
            self._check_first(network, place)
        subnets = asyncio.create_task(self._leases.subnets(network["id"]))
        try:
            port = await self._leases.take(request, network, device, name)
        except BaseException:
            subnets.cancel()
            raise
        with suppress(SealaneError):  # it is asked again where the port is let go of
            listed = await subnets
            if {ip["subnet_id"] for ip in port["fixed_ips"]} <= {subnet["id"] for subnet in listed}:
                return port, (network, listed)
        return port, None

    async def _network(self, request: AttachRequest) -> Body | None:
        """None: that of the port."""
        if request.physical:
            self._ways.check(request.physical)
            return await self._leases.segment(request.physical, request.vlan)
        return await self._leases.network(request.network) if request.network else None

    async def _known(self, port: Body) -> Known:
        network = await self._leases.network(port["network_id"])
        return network, await self._leases.subnets(network["id"])

    async def _again(self, wish: Wish) -> Body:
        """Its port, without the address that a LAN's server gave to it the last time."""
        port = await self._leases.again(wish.port_id)
        if wish.request.dhcp:
            network = await self._leases.network(port["network_id"])
            if not owns_dhcp(wish.request, network, await self._leases.subnets(network["id"])):
                return await self._leases.learned(port["id"], "")
        return port

    async def _learned(self, made: Attachment, request: AttachRequest, survey: inside.Survey) -> Attachment:
        """With the address that a DHCP server says, before anything is in the sandbox."""
        await self._reconciler.set(made)
        await self._reconciler.wait_bound(made.port_id, BOUND_DEADLINE)
        where = f"the physical network '{request.physical}'" if request.physical else f"'{request.network}'"
        said = await leased.ask(made, where)
        if made.addresses:
            leased.check_own(made, said)
            return made
        try:
            port = await self._leases.learned(made.port_id, said.address)
        except (BadRequest, Conflict) as exc:
            raise Conflict(
                f"dhcp: {said.server} says {said.address}, which can't be had: {exc.message}"
            ) from exc
        return leased.with_lease(
            made_of(made.id, request, port, survey, await self._known(port)), said, request.gateway
        )

    async def expire(self, attachment: Attachment) -> None:
        """Its address is its own no more; a wish has it made anew."""
        await self._reconciler.remove(attachment.id)
        if attachment.id not in self._memory.wishes:
            await self._release(attachment)

    async def _plug(self, attachment: Attachment, request: AttachRequest, place: Place) -> Attachment:
        """The link goes into the sandbox only when OVN's flows, policy included, are there."""
        await self._reconciler.set(attachment)
        return await self._enter(attachment, request, place)

    async def _enter(self, attachment: Attachment, request: AttachRequest, place: Place) -> Attachment:
        await self._reconciler.wait_bound(attachment.port_id, BOUND_DEADLINE)
        inner = replace(attachment, sandbox=place.sandbox, started=place.started)
        if not is_alive(inner):  # its pid may be somebody else's by now
            raise NotFound(f"{place.name or place.container or place.sandbox} ended meanwhile")
        await self._reconciler.set(inner)
        if request.publish:
            await self._reconciler.publish(attachment.id, request.publish)
        return self._memory.attachments[attachment.id]

    async def _undo(self, attachment_id: str, port: Body, wish: Wish | None) -> None:
        """What fails here is left to `collect`; the first error is the one to tell."""
        steps = [self._reconciler.remove(attachment_id)]
        if wish is None and port["device_owner"] in (MADE, ADOPTED, RUNTIME):
            steps.append(self._leases.release(port["id"], adopted=port["device_owner"] == ADOPTED))
        for step in steps:
            try:
                await step
            except SealaneError as exc:
                _log.warning("undoing an attachment", attachment=attachment_id, error=str(exc))

    def _check_first(self, network: Body, place: Place) -> None:
        for one in self._memory.attachments.values():
            if (one.sandbox, one.network_id) == (place.sandbox, network["id"]):
                raise Conflict(
                    f"{place.name or place.sandbox} is on {network['name'] or network['id']} already"
                    f" ({one.ifname or one.door}); a second interface there needs --ifname"
                )

    def _ifname(self, wanted: str, place: Place, survey: inside.Survey) -> str:
        taken = set(survey.links)
        taken |= {a.ifname for a in self._own().values() if a.sandbox == place.sandbox}
        if wanted in taken:
            raise Conflict(
                f"{place.name or place.sandbox} has an interface {wanted} already; ask for another ifname"
            )
        return wanted or next(name for n in range(len(taken) + 1) if (name := f"eth{n}") not in taken)


def _comes_back(place: Place) -> bool:
    return bool(place.container) and not place.container.startswith("pid:")


def _wish(attachment: Attachment, request: AttachRequest) -> Wish:
    return Wish(
        id=attachment.id,
        container=attachment.container,
        name=attachment.name,
        request=request,
        port_id=attachment.port_id,
        ifname=attachment.ifname,
        adopted=attachment.adopted,
    )
