"""The node's own row in the API, and the certificate with which it comes in.

The central part's own node says who it is at each start; a node that has joined says where it is.
"""

import asyncio
import json

from sealane import log
from sealane.agent import ways
from sealane.client import ApiClient
from sealane.config import Settings
from sealane.errors import NotFound, SealaneError, Unavailable
from sealane.pki.node import Credentials

RETRY = 5.0
"""Seconds."""
_log = log.get("agent")


def is_remote(settings: Settings) -> bool:
    """Whether the central part is on another machine, where certificates count."""
    return settings.api_url.startswith("https:")


def credentials(settings: Settings) -> Credentials | None:
    return Credentials(settings.pki_dir) if is_remote(settings) else None


async def register(api: ApiClient, settings: Settings) -> None:
    """Until it has been done. What is refused is logged: what runs goes on."""
    told = ""
    while True:
        try:
            await _say(api, settings)
        except SealaneError as exc:
            if str(exc) != told:
                _log.error("could not tell the API where this node is; tries again", error=str(exc))
            told = str(exc)
            await asyncio.sleep(RETRY)
        else:
            return


async def keep_registered(api: ApiClient, settings: Settings) -> None:
    """For ever: at the start, and when a way to a physical network has come or gone."""
    while True:
        said = ways.found(settings)
        await register(api, settings)
        while ways.found(settings) == said:
            await asyncio.sleep(RETRY)


async def _say(api: ApiClient, settings: Settings) -> None:
    values = {
        "address": underlay_address(settings),
        "physical_networks": ways.found(settings),
        "datapath_type": datapath_type(settings),
    }
    if not is_remote(settings):
        values = {"name": settings.host_name, **values}
        await api.request("POST", "sealane/nodes", {"node": values})
        return
    found = await api.list("sealane/nodes", name=settings.host_name)
    if not found:
        raise NotFound(f"there is no node '{settings.host_name}' (any more); join again")
    moved = {key: value for key, value in values.items() if found[0][key] != value}
    if moved:
        await api.update("sealane/nodes", str(found[0]["id"]), moved)
        _log.info("told the API where this node is now", **moved)


def underlay_address(settings: Settings) -> str:
    """What the engine found at its start. Raises Unavailable."""
    return _found(settings, "address")


def datapath_type(settings: Settings) -> str:
    """Of br-int, as Open vSwitch calls it. Raises Unavailable."""
    return "system" if _found(settings, "kind") == "kernel" else "netdev"


def _found(settings: Settings, what: str) -> str:
    path = settings.run_dir / "datapath.json"
    try:
        return str(json.loads(path.read_text())[what])
    except (OSError, ValueError, KeyError) as exc:
        raise Unavailable(f"{path} can't be read ({exc}); start the node with 'sealane node'") from exc
