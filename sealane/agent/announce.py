"""Floating IPs that have come to this host are announced outside, at once.

    feed: floating IPs have moved ─┐
    a port has come to this host ──┴─> what the API says is here now ─ minus what was ─> ARP, PAUSES apart

A floating IP keeps its MAC wherever it is, so it is the switches that must hear of its new place: those
outside, and the bridge between br-int and the outside, which has learned it at its outer port.  So the
announcement begins where the network's patch port enters that bridge, and leaves as frames from br-int do.

OVN's ovn-controller announces it as well, but waits a second before the first time (23.03, pinctrl.c).
Several announcements, because none is answered, because the patch port may not be there yet, and because
the old host may have sent a last frame in between.  Announcing what is here already does no harm.
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sealane import log, names
from sealane.client import ApiClient
from sealane.config import Settings
from sealane.errors import HostError, SealaneError
from sealane.host import arp, command
from sealane.host.ovs import Switch

PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before each announcement; ovn-controller's own come after that."""
_log = log.get("announce")


@dataclass(frozen=True)
class Announced:
    """An address that is here, its MAC, and the external network: its id, where it is outside, the VLAN."""

    address: str
    mac: str
    network_id: str
    physical_network: str
    vlan: int | None

    @property
    def frame(self) -> bytes:
        return arp.announcement(self.address, self.mac, self.vlan)


Send = Callable[[Announced], None]


def parse(rows: Iterable[Mapping[str, Any]]) -> frozenset[Announced]:
    """Rows of GET sealane/announced."""
    return frozenset(
        Announced(
            str(row["floating_ip_address"]),
            str(row["mac_address"]),
            str(uuid.UUID(row["network_id"])),
            str(row["physical_network"]),
            row["segmentation_id"],
        )
        for row in rows
    )


class Announcer:
    def __init__(self, api: ApiClient, settings: Settings, switch: Switch, send: Send | None = None) -> None:
        self._api = api
        self._switch = switch
        self._settings = settings
        self._send = send or self._packet_out
        self._here: frozenset[Announced] = frozenset()
        self._under_way: set[asyncio.Task[None]] = set()

    async def look(self) -> None:
        """Announce what has come since the last look. Raises SealaneError."""
        query = [("node", self._settings.host_name)]
        answer = await self._api.request("GET", "sealane/announced", query=query)
        before, self._here = self._here, parse(answer["floating_ips"])
        if new := self._here - before:
            task = asyncio.create_task(self._announce(new), name="announcements")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _announce(self, new: frozenset[Announced]) -> None:
        for pause in PAUSES:
            await asyncio.sleep(pause)
            for one in new:
                if one not in self._here:
                    continue  # it has gone on
                try:
                    await asyncio.to_thread(self._send, one)
                except SealaneError as exc:
                    _log.debug("not announced", address=one.address, reason=exc.message)

    def _packet_out(self, one: Announced) -> None:
        """Raises HostError."""
        bridge = self._settings.ovs_run_dir / f"{names.physical_bridge(one.physical_network)}.mgmt"
        if not bridge.exists():  # it is the host's own
            own = self._settings.physical_networks.get(one.physical_network, "")
            bridge = self._settings.ovs_run_dir / f"{own}.mgmt"
        port = self._switch.number(f"patch-{names.physical_port(one.network_id)}-to-br-int")
        if port is None:
            raise HostError("its network has not been led to this host yet")
        packet = f"in_port={port} packet={one.frame.hex()} actions=NORMAL"
        command.run(("ovs-ofctl", "packet-out", f"unix:{bridge}", packet), deadline=2.0)
