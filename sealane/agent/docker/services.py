"""Services by a container's label: `docker run --label sealane.service=web:80:8080`.

The API makes a load balancer of all containers in a network that carry the same one (api/services.py).  A
container that Docker finds unhealthy, or has not found healthy yet, is withdrawn until it is.
"""

from collections.abc import Iterable

from sealane import log
from sealane.agent.attachment import Attachment
from sealane.agent.docker.engine import EngineContainer
from sealane.agent.docker.options import label_options
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

    async def follow(self, container: EngineContainer, mine: Iterable[Attachment]) -> None:
        text = label_options(container.labels).get(SERVICE, "")
        offers = tuple(word.strip() for word in text.split(",") if word.strip())
        wanted = (offers, not container.well) if offers else NOTHING
        for attachment in mine:
            if self._told.get(attachment.id, NOTHING) != wanted:
                await self._tell(container, attachment, wanted)

    def forget(self, attachments: Iterable[str]) -> None:
        for gone in attachments:
            self._told.pop(gone, None)

    async def _tell(self, container: EngineContainer, attachment: Attachment, wanted: Offer) -> None:
        offers, withdrawn = wanted
        body = {"sealane:services": list(offers), "sealane:withdrawn": withdrawn}
        try:
            await self._api.update("ports", attachment.port_id, body)
        except NotFound:
            return
        except (BadRequest, Conflict) as exc:
            _log.warning("the service can't be offered", container=container.name, reason=exc.message)
        else:
            _log.info("service", container=container.name, offers=offers, withdrawn=withdrawn)
        self._told[attachment.id] = wanted
