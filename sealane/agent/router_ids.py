"""Which router it is that has a MAC on a network: asked of the API, for whoever wants to see it."""

from sealane import log
from sealane.client import ApiClient
from sealane.errors import SealaneError

_log = log.get("fastpath")


async def find(api: ApiClient, network: str, mac: str) -> str:
    """ "" where there is none, or the API does not answer.  Not remembered: a MAC follows its address."""
    try:
        there = await api.list("ports", ("device_id",), network_id=network, mac_address=mac)
    except SealaneError as exc:
        _log.debug("the API does not tell a router", error=str(exc))
        return ""
    return str(there[0]["device_id"]) if there else ""
