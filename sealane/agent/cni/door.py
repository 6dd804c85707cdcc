"""ADD, DEL, CHECK, GC and STATUS, carried out by the door for namespaces.

An attachment is known by network, container and interface name, so DEL needs no namespace to be there.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from sealane import log, names
from sealane.agent import inside, wanted
from sealane.agent.asked import AttachRequest
from sealane.agent.attachment import Attachment
from sealane.agent.cni import ipam, messages
from sealane.agent.cni.messages import Call, Refusal
from sealane.agent.docker.options import group_names, label_options
from sealane.agent.docker.turns import Turns
from sealane.agent.door import NetnsDoor
from sealane.errors import NotFound, SealaneError, Unavailable
from sealane.host import netns

_log = log.get("cni")
Answer = dict[str, Any] | None


class CniRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the shim sends: CNI_* and the text of standard input."""

    env: dict[str, str]
    config: str


class CniDoor:
    """`ready`: says why nothing can be attached now, or ""."""

    def __init__(self, door: NetnsDoor, ready: Callable[[], Awaitable[str]], userspace: bool) -> None:
        self._door = door
        self._ready = ready
        self._userspace = userspace
        self._turns = Turns()
        self._verbs: Mapping[str, Callable[[Call], Awaitable[Answer]]] = {
            "ADD": self._add,
            "DEL": self._del,
            "CHECK": self._check,
            "GC": self._gc,
            "STATUS": self._status,
        }

    async def answer(self, request: CniRequest) -> dict[str, Any]:
        """Exit status and standard output of the plugin."""
        version = messages.VERSIONS[-1]
        try:
            call = messages.call(request.env, request.config)
            version = call.version
            async with self._turns.of(call.key):
                told = await self._verbs[call.command](call)
            return {"status": 0, "output": json.dumps(told) if told is not None else ""}
        except SealaneError as exc:
            failure = messages.refusal(exc)
        except Refusal as exc:
            failure = exc
        _log.warning("refused", command=request.env.get("CNI_COMMAND"), error=failure.message)
        body = {"cniVersion": version, "code": failure.code, "msg": failure.message}
        return {"status": 1, "output": json.dumps(body | {"details": failure.details})}

    async def _add(self, call: Call) -> Answer:
        request = _request(call)  # raises before anything is done
        if not await asyncio.to_thread(_is_there, call.netns):
            raise Refusal(messages.UNKNOWN_CONTAINER, f"CNI_NETNS {call.netns!r} is no network namespace")
        known = self._door.known_as(call.key)
        if known is not None:
            raise Refusal(
                messages.REFUSED, f"{call.container} has {call.ifname} already", f"port {known.port_id}"
            )
        if not call.ipam:
            return self._result(call, await self._door.attach(request))
        leased = await asyncio.to_thread(ipam.delegate, call, "ADD")
        try:
            told = {"ips": leased.addresses, "gateway": leased.gateway, "routes": leased.routes}
            return self._result(call, await self._door.attach(msgspec.structs.replace(request, **told)))
        except BaseException:
            with suppress(Refusal):
                await asyncio.to_thread(ipam.delegate, call, "DEL")
            raise

    async def _del(self, call: Call) -> Answer:
        """Whatever is gone is success."""
        if call.ipam:
            await asyncio.to_thread(ipam.delegate, call, "DEL")
        await self._detach(self._door.known_as(call.key))
        return None

    async def _detach(self, attachment: Attachment | None) -> None:
        """The port that the API could not be told of is collected later."""
        if attachment is not None:
            with suppress(NotFound, Unavailable):
                await self._door.detach(attachment.id)

    async def _check(self, call: Call) -> Answer:
        if not messages.previous(call):
            raise Refusal(messages.INVALID, "prevResult is missing")
        attachment = self._door.known_as(call.key)
        if attachment is None:
            raise Refusal(messages.DIFFERENT, f"{call.container} has no {call.ifname} of Sealane")
        _compare(call, attachment)
        fact = wanted.inside(attachment)
        if await asyncio.to_thread(inside.find, fact) != fact:
            raise Refusal(messages.DIFFERENT, f"{call.ifname} in {call.netns} is not as it was made")
        if call.ipam:
            await asyncio.to_thread(ipam.delegate, call, "CHECK")
        return None

    async def _gc(self, call: Call) -> Answer:
        """Goes on after an error, and tells the first."""
        valid, failures = messages.valid(call), []
        for attachment in self._door.keyed(call.prefix):
            if attachment.key not in valid:
                try:
                    await self._detach(attachment)
                except SealaneError as exc:
                    failures.append(messages.refusal(exc))
        if call.ipam:
            await asyncio.to_thread(ipam.delegate, call, "GC")
        if failures:
            raise failures[0]
        return None

    async def _status(self, call: Call) -> Answer:
        trouble = await self._ready()
        if trouble:
            raise Refusal(messages.NOT_AVAILABLE, trouble)
        return None

    def _result(self, call: Call, made: Attachment) -> Answer:
        link = names.host_link if self._userspace else names.ovs_port
        return messages.result(call, made, link(made.port_id), made.servers())


def _request(call: Call) -> AttachRequest:
    gateway = call.config.get("gateway") or ""
    groups = call.config.get("securityGroups") or []
    if not isinstance(gateway, str) or not isinstance(groups, list):
        raise Refusal(messages.INVALID, "gateway is a text and securityGroups a list")
    label = label_options(messages.labels(call)).get(names.SECURITY_GROUPS)
    if label is not None and not groups:
        groups = list(group_names(label))
    return AttachRequest(
        target=call.netns,
        network=call.network,
        ips=messages.addresses(call),
        mac=messages.mac(call),
        ifname=call.ifname,
        gateway=gateway,
        security_groups=tuple(str(group) for group in groups),
        aliases=messages.aliases(call),
        publish=messages.mappings(call),
        name=call.args.get("K8S_POD_NAME", ""),
        door="cni",
        key=call.key,
    )


def _compare(call: Call, attachment: Attachment) -> None:
    listed = {str(ip.get("address")) for ip in messages.previous(call).get("ips") or ()}
    missing = set(attachment.addresses) - listed
    if missing:
        raise Refusal(messages.DIFFERENT, f"prevResult lacks {', '.join(sorted(missing))}")


def _is_there(path: str) -> bool:
    try:
        netns.inside(path, lambda: None)
    except NotFound:
        return False
    return True
