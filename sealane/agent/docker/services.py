"""Services by a container's label: `docker run --label sealane.service=web:80:8080`.

The API makes a load balancer of all containers in a network that carry the same one (api/services.py).  A
container that Docker finds unhealthy, or has not found healthy yet, is withdrawn until it is.  One that is
told to end (`docker stop`) is withdrawn at once: what goes on to accept for a moment loses no connection.

What an endpoint's option says (`driver-opt=sealane.service=…`) goes before the label.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping

from sealane import log
from sealane.agent.attachment import Attachment
from sealane.agent.docker.engine import EngineContainer
from sealane.agent.docker.options import label_options, service_names
from sealane.client import ApiClient
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.names import SERVICE

Offer = tuple[tuple[str, ...], bool]
NOTHING: Offer = ((), False)
_log = log.get("docker")


class Services:
    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._told: dict[str, Offer] = {}
        """By attachment. After a restart it is told once more, which changes nothing."""
        self._ending: set[str] = set()
        """Containers that have been told to end."""
        self._turn = asyncio.Lock()

    async def follow(self, container: EngineContainer, mine: Iterable[Attachment]) -> None:
        async with self._turn:
            well = container.well and container.id not in self._ending
            for attachment in mine:
                await self._offer(container.name, container.labels, attachment, well=well)

    async def offer(self, name: str, labels: Mapping[str, str], mine: Iterable[Attachment]) -> None:
        """Of a container whose runtime tells nothing of its health. Raises BadRequest, Conflict."""
        async with self._turn:
            for attachment in mine:
                await self._offer(name, labels, attachment, well=True)

    async def end(self, container: str, mine: Iterable[Attachment]) -> None:
        """It was told to: nobody new is led to it, until it has been started again."""
        async with self._turn:
            self._ending.add(container)
            for attachment in mine:
                offers, _ = self._told.get(attachment.id, NOTHING)
                if offers:
                    await self._tell(container[:12], attachment, (offers, True))

    def start(self, container: str) -> None:
        self._ending.discard(container)

    def keep(self, containers: Collection[str]) -> None:
        """Only these run."""
        self._ending.intersection_update(containers)

    async def _offer(
        self, name: str, labels: Mapping[str, str], attachment: Attachment, *, well: bool
    ) -> None:
        text = attachment.service or label_options(labels).get(SERVICE, "")
        offers = service_names(text)
        wanted = (offers, not well) if offers else NOTHING
        if self._told.get(attachment.id, NOTHING) != wanted:
            await self._tell(name, attachment, wanted)

    def forget(self, attachments: Iterable[str]) -> None:
        for gone in attachments:
            self._told.pop(gone, None)

    async def _tell(self, container: str, attachment: Attachment, wanted: Offer) -> None:
        offers, withdrawn = wanted
        body = {"sealane:services": list(offers), "sealane:withdrawn": withdrawn}
        try:
            await self._api.update("ports", attachment.port_id, body)
        except NotFound:
            return
        except (BadRequest, Conflict) as exc:
            _log.warning("the service can't be offered", container=container, reason=exc.message)
        else:
            _log.info("service", container=container, offers=offers, withdrawn=withdrawn)
        self._told[attachment.id] = wanted
