"""Names: what Docker calls networks and containers becomes what the API and DNS call them.

The drivers are told neither names nor labels, so they are read from the engine:

    network    name, labels                         -> network.name, sealane:labels
    container  name, id, --network-alias, hostname  -> port.name, device_id, dns_name, sealane:dns_aliases

One pass compares everything; events only make it happen at once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sealane import log
from sealane.agent.attachment import Attachment
from sealane.agent.docker import watched
from sealane.agent.docker.catalog import BUILTIN_LABEL, Catalog, NetworkView, network_tag
from sealane.agent.docker.engine import Engine, EngineContainer, EngineNetwork
from sealane.agent.docker.networks import settled
from sealane.agent.docker.options import label_options
from sealane.agent.docker.services import Services
from sealane.agent.labels import Labels
from sealane.agent.memory import Memory
from sealane.client import ApiClient
from sealane.errors import BadRequest, NotFound
from sealane.names import BY_LABEL, QOS, ROUTER, SECURITY_GROUPS, SERVICE, TAP_PORT

SERVICE_LABEL = "com.docker.compose.service"
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
DNS_NAME = re.compile(rf"^({LABEL}\.)*{LABEL}$")
OPTIONS = frozenset({ROUTER, *watched.KEYS})
"""Labels of a network that its options alone can make: they are checked."""
KEPT = frozenset({BUILTIN_LABEL, SECURITY_GROUPS, BY_LABEL, *OPTIONS})
"""Labels of a network that its options made."""
FOLLOWED = frozenset({SECURITY_GROUPS, QOS, SERVICE, TAP_PORT, *watched.KEYS})
"""Labels of a container that have an effect."""
_log = log.get("docker")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a port is to be called."""

    name: str
    device_id: str
    dns_name: str
    dns_aliases: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "device_id": self.device_id,
            "dns_name": self.dns_name,
            "sealane:dns_aliases": list(self.dns_aliases),
        }


class Identities:
    def __init__(self, api: ApiClient, catalog: Catalog, engine: Engine, memory: Memory) -> None:
        self._api = api
        self._catalog = catalog
        self._engine = engine
        self._memory = memory
        self.labels = Labels(api, catalog, memory)
        self.services = Services(api)
        self._told: dict[str, Identity] = {}
        self._aliases: dict[str, tuple[str, ...]] = {}

    async def networks(self, listed: Iterable[EngineNetwork], known: Mapping[str, NetworkView]) -> None:
        """Settle the records of networks that the engine lists, and name those that it made."""
        for network in listed:
            record = self._memory.networks.get(network.id)
            if record is None:
                continue
            self._memory.put_network(settled(record, network.name))
            view = known.get(record.network_id)
            if view is not None and not record.joined and view.origin == "docker":
                await self._name_network(network, view)

    async def containers(self, listed: Iterable[EngineContainer]) -> None:
        """Tell the API who is behind each endpoint that this host has."""
        attached = {key: a for key, a in self._memory.attachments.items() if a.door == "docker"}
        listed = tuple(listed)
        self.services.keep({container.id for container in listed})
        for container in listed:
            mine = [attached[e] for e in container.endpoints.values() if e in attached]
            await self.labels.follow(container.name, container.labels, mine)
            await self.services.follow(container, mine)
            if any(self._is_news(container, attachment) for attachment in mine):
                await self._introduce(container, mine)
        for gone in self._told.keys() - attached.keys():
            del self._told[gone]
            self._aliases.pop(gone, None)
            self.services.forget([gone])

    async def end(self, container: str) -> None:
        """A container has been told to end."""
        of = {key for key, told in self._told.items() if told.device_id == container}
        await self.services.end(container, [a for k, a in self._memory.attachments.items() if k in of])

    async def _name_network(self, network: EngineNetwork, view: NetworkView) -> None:
        """Once: a name given through the API later is not ours to change."""
        if view.name or network_tag(network.id) not in view.tags:
            return
        kept = {key: value for key, value in view.labels.items() if key in KEPT}
        given = {key: value for key, value in network.labels.items() if key not in OPTIONS}
        labels = {**given, **kept}
        await self._api.update("networks", view.id, {"name": network.name, "sealane:labels": labels})
        _log.info("network named", network=view.id, name=network.name)

    def _is_news(self, container: EngineContainer, attachment: Attachment) -> bool:
        told = self._told.get(attachment.id)
        return told is None or (told.name, told.device_id) != (container.name, container.id)

    async def _introduce(self, container: EngineContainer, mine: Iterable[Attachment]) -> None:
        try:
            found = await self._engine.aliases(container.id)
        except NotFound:
            return
        for attachment in mine:
            aliases = (*found.of_endpoint.get(attachment.id, ()), container.labels.get(SERVICE_LABEL, ""))
            identity = identity_of(container, (*aliases, found.hostname))
            if self._told.get(attachment.id) != identity:
                await self._tell(attachment, identity)
        for key in label_options(container.labels).keys() - FOLLOWED:
            _log.warning("this label has no effect yet", container=container.name, label=key)

    async def _tell(self, attachment: Attachment, identity: Identity) -> None:
        try:
            await self._api.update("ports", attachment.port_id, identity.body())
        except NotFound:
            _log.debug("port is gone before it was named", port=attachment.port_id)
        except BadRequest as exc:  # a name that the API refuses
            _log.warning("port not named", port=attachment.port_id, name=identity.name, reason=exc.message)
        self._told[attachment.id] = identity


def identity_of(container: EngineContainer, aliases: Iterable[str]) -> Identity:
    """The names that DNS can carry, each once; the container's own name first."""
    fit = [
        alias for alias in (*aliases, container.id[:12]) if len(alias) <= 253 and DNS_NAME.fullmatch(alias)
    ]
    own = container.name if DNS_NAME.fullmatch(container.name) else ""
    return Identity(
        name=container.name,
        device_id=container.id,
        dns_name=own,
        dns_aliases=tuple(alias for alias in dict.fromkeys(fit) if alias != own),
    )
