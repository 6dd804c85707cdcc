"""Groups and limits by a container's label: `docker run --label sealane.security-groups=web,db`.

No driver and no plugin is told labels, so the runtime is asked when the container has started: Docker's
engine by docker/identity.py, others by runtimes.py. Where that would be too late the port begins in
quarantine (api/container_groups.py), and leaves it here: into the groups of the label or, without one, into
what its network says.

A label that can't be followed puts the port into quarantine: a mistyped policy must not be a missing one.
An endpoint's own option and an adopted port's groups go before.

`sealane.qos=NAME` gives a port that policy of quality of service, unless it has one; a name that there is
none of is told in the log, and the port keeps what its network says.

`sealane.tap`, `sealane.log`, `sealane.metering` and `sealane.tap-port` (docker/watched.py) say how what the
port carries is watched, unless the port itself says so; what can't be followed is told in the log.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sealane import log
from sealane.agent.attachment import Attachment
from sealane.agent.docker.catalog import Catalog
from sealane.agent.docker.options import group_names, label_options
from sealane.agent.docker.watched import KEYS, watched
from sealane.agent.memory import Memory
from sealane.client import ApiClient
from sealane.errors import BadRequest, Conflict, Forbidden, NotFound
from sealane.names import QOS, SECURITY_GROUPS, TAP_PORT

GIVEN, QUARANTINE, LABEL = "given", "quarantine", "label "
"""Of Attachment.policy; the last is followed by the label's text, as it was followed."""
_log = log.get("docker")


class Labels:
    def __init__(self, api: ApiClient, catalog: Catalog, memory: Memory) -> None:
        self._api = api
        self._catalog = catalog
        self._memory = memory
        self.troubles: dict[str, str] = {}
        """Attachment -> why it is not in the groups that its container's labels name."""
        self._watched: dict[tuple[str, str], str] = {}
        """Attachment and key -> the label by which it is watched, or can't be."""
        self._shaped: dict[str, str] = {}
        """Attachment -> the label by which it has a policy of quality of service, or can't have one."""

    async def follow(self, container: str, labels: Mapping[str, str], mine: Collection[Attachment]) -> None:
        """Once for each attachment. Raises Unavailable, and is then asked again. `container`: its name."""
        given = label_options(labels)
        if QOS in given:
            for attachment in mine:
                await self._shape(attachment, given[QOS], container)
        for key in given.keys() & {*KEYS, TAP_PORT}:
            for attachment in mine:
                await self._watch(attachment, key, given[key], container)
        text = given.get(SECURITY_GROUPS)
        wanted = "" if text is None else LABEL + text
        for attachment in mine:
            if attachment.policy in (GIVEN, wanted):
                continue
            if await self._place(attachment, text):
                self._note(attachment, wanted)
                self.troubles.pop(attachment.id, None)
                _log.info("groups by label", container=container, label=text or "")

    async def _shape(self, attachment: Attachment, text: str, container: str) -> None:
        if self._shaped.get(attachment.id) == text:
            return
        try:
            network = await self._catalog.network(attachment.network_id)
            policy = await self._catalog.policy(network.project, text)
            port = await self._api.get("ports", attachment.port_id)
            if port["qos_policy_id"] is None:
                await self._api.update("ports", attachment.port_id, {"qos_policy_id": policy})
                _log.info("limits by label", container=container, label=text)
        except NotFound:
            return
        except (BadRequest, Conflict, Forbidden) as exc:
            _log.warning("the label can't be followed", container=container, label=text, reason=exc.message)
        self._shaped[attachment.id] = text
        for gone in self._shaped.keys() - self._memory.attachments.keys():
            del self._shaped[gone]

    async def _watch(self, attachment: Attachment, key: str, text: str, container: str) -> None:
        if self._watched.get((attachment.id, key)) == text:
            return
        try:
            asked = watched({key: text})
            network = await self._catalog.network(attachment.network_id)
            await self._catalog.check_meters(network.project, asked.meters)
            if asked.tap_port:
                await self._catalog.tap_to(network.project, asked.tap_port, attachment.port_id)
            port, wanted = await self._api.get("ports", attachment.port_id), asked.port()
            if wanted and not any(port[name] for name in wanted):
                await self._api.update("ports", attachment.port_id, wanted)
                _log.info("watched by label", container=container, key=key, label=text)
        except NotFound:
            return
        except (BadRequest, Conflict, Forbidden) as exc:
            _log.warning("the label can't be followed", container=container, label=text, reason=exc.message)
        self._watched[attachment.id, key] = text
        for gone in [one for one in self._watched if one[0] not in self._memory.attachments]:
            del self._watched[gone]

    def reasons(self) -> dict[str, str]:
        """Attachment in quarantine -> why."""
        waiting = (a.id for a in self._memory.attachments.values() if a.policy == QUARANTINE)
        return {id: self.troubles.get(id, "its labels have not been read yet") for id in waiting}

    def _note(self, attachment: Attachment, policy: str) -> None:
        """Unless it has gone meanwhile."""
        current = self._memory.attachments.get(attachment.id)
        if current is not None:
            self._memory.put(replace(current, policy=policy))

    async def _place(self, attachment: Attachment, text: str | None) -> bool:
        try:
            body: dict[str, Any] = {"sealane:quarantine": False}
            if text is not None:
                network = await self._catalog.network(attachment.network_id)
                body["security_groups"] = await self._catalog.groups(network, group_names(text))
            await self._api.update("ports", attachment.port_id, body)
        except NotFound:
            return False
        except BadRequest as exc:
            _log.warning("the label can't be followed: in quarantine", label=text, reason=exc.message)
            self.troubles[attachment.id] = exc.message
            if attachment.policy != QUARANTINE:
                await self._api.update("ports", attachment.port_id, {"sealane:quarantine": True})
                self._note(attachment, QUARANTINE)
            return False
        return True
