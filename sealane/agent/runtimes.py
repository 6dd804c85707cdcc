"""Labels of containers that came by CNI or netavark, which tell none: Podman and containerd are asked.

They hold the container's lock while the plugin runs, so they are asked when it has ended; until then the port
is in quarantine, where labels decide (api/container_groups.py).  Whatever goes wrong leaves it there, says
why, and is tried again.  labels.py does what a label says.
"""

import asyncio
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sealane import log
from sealane.agent.attachment import Attachment
from sealane.agent.docker.services import Services
from sealane.agent.labels import GIVEN, Labels
from sealane.agent.memory import Memory
from sealane.agent.targets import CONTAINERD
from sealane.errors import BadRequest, Conflict, HostError, SealaneError
from sealane.host import command

INTERVAL = 0.5  # seconds
FIRST, LONGEST = 0.5, 30.0
"""Seconds between two tries, doubled from one to the next."""
DEADLINE = 5.0
"""Seconds that a runtime may take to answer."""

Read = Callable[[str], Mapping[str, str] | None]
"""Labels by a container's id; None: it is not known. Raises SealaneError: it can't be said."""
_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$")
_log = log.get("runtimes")


class RuntimeLabels:
    def __init__(
        self, labels: Labels, memory: Memory, read: Read | None = None, services: Services | None = None
    ) -> None:
        self._labels = labels
        self._services = services
        self._memory = memory
        self._read = read or labels_of
        self._settled: set[str] = set()
        self._due: dict[str, tuple[float, float]] = {}  # attachment -> when, and after which pause

    async def follow(self) -> None:
        """One round: whoever is due is asked for."""
        here = self._memory.attachments
        self._settled &= here.keys()
        for gone in (self._due.keys() | self._labels.troubles.keys()) - here.keys():
            self._due.pop(gone, None)
            self._labels.troubles.pop(gone, None)
        for attachment in [a for a in here.values() if self._is_due(a)]:
            await self._follow(attachment)

    def _is_due(self, attachment: Attachment) -> bool:
        """Not before it is plugged in: the runtime still waits for us."""
        if attachment.door not in ("cni", "podman") or not attachment.sandbox:
            return False
        return (
            attachment.id not in self._settled and time.monotonic() >= self._due.get(attachment.id, (0, 0))[0]
        )

    async def _follow(self, attachment: Attachment) -> None:
        trouble = await self._try(attachment)
        if not trouble:
            self._settled.add(attachment.id)
            self._due.pop(attachment.id, None)
            return
        if self._labels.troubles.get(attachment.id) != trouble:
            _log.warning("labels are not known", container=attachment.key, reason=trouble)
        self._labels.troubles[attachment.id] = trouble
        pause = min(2 * self._due.get(attachment.id, (0, FIRST / 2))[1], LONGEST)
        self._due[attachment.id] = time.monotonic() + pause, pause

    async def _try(self, attachment: Attachment) -> str:
        """Why it did not work."""
        container = container_of(attachment)
        try:
            labels = await asyncio.to_thread(self._read, container)
            if labels is None and attachment.policy == GIVEN:
                return ""  # nothing of it depends on them
            if labels is None:
                return f"neither Podman nor containerd knows a container {container}"
            self._labels.troubles.pop(attachment.id, None)
            current = self._memory.attachments.get(attachment.id)
            mine = [current] if current else []
            await self._labels.follow(attachment.name or container, labels, mine)
            if self._services is not None:
                await self._services.offer(attachment.name or container, labels, mine)
        except SealaneError as exc:
            return exc.message
        return self._labels.troubles.get(attachment.id, "")


def container_of(attachment: Attachment) -> str:
    """The runtime's id, of the key DOOR:NETWORK:CONTAINER:IFNAME; Docker tells its endpoint's alone."""
    return attachment.key.rsplit(":", 2)[-2] if attachment.key else attachment.id


def labels_of(container: str) -> Mapping[str, str] | None:
    """Blocks. Raises SealaneError: a runtime did not answer, or several know the id."""
    if not _ID.fullmatch(container):
        raise BadRequest(f"{container[:80]!r} is no id of a container")
    found = [*_of_podman(container), *_of_containerd(container)]
    if len(found) > 1:
        raise Conflict(f"several containers have the id {container}")
    return found[0] if found else None


def _of_podman(container: str) -> Iterator[Mapping[str, str]]:
    """Podman takes names and beginnings of ids as well: only the id itself counts. A pod's interface is that
    of its infra container, which has none of the pod's labels."""
    if shutil.which("podman") is None:
        return
    told = _json(("podman", "container", "inspect", container))
    body = told[0] if isinstance(told, list) and told else {}
    if body.get("Id") != container:
        return
    if body.get("IsInfra") and body.get("Pod"):
        pod = _json(("podman", "pod", "inspect", str(body["Pod"])))
        yield _texts((pod[0] if isinstance(pod, list) else pod or {}).get("Labels"))
    else:
        yield _texts((body.get("Config") or {}).get("Labels"))


def _of_containerd(container: str) -> Iterator[Mapping[str, str]]:
    """In whatever namespace; nerdctl puts its name before the id."""
    if shutil.which("ctr") is None or not CONTAINERD.exists():
        return
    for space in command.run(("ctr", "namespaces", "list", "-q"), deadline=DEADLINE).split():
        for id in {container, container.removeprefix(f"{space}-")}:
            body = _json(("ctr", "--namespace", space, "containers", "info", id)) or {}
            if body.get("ID") == id:
                yield _texts(body.get("Labels"))


def _json(words: tuple[str, ...]) -> Any:
    """None: there is no such thing. Raises HostError."""
    try:
        return json.loads(command.run(words, deadline=DEADLINE))
    except ValueError as exc:
        raise HostError(f"what '{words[0]}' says of a container can't be read: {exc}") from exc
    except HostError as exc:
        if re.search("no such (container|pod)|not found", exc.message.lower()):
            return None
        raise


def _texts(labels: Any) -> Mapping[str, str]:
    return {str(key): str(value) for key, value in (labels or {}).items()}
