"""How large the packets of a network may be: what carries them decides.

    geneve       what tunnels leave of path_mtu and this host's underlay (RUN/datapath.json), the smaller
    vlan, flat   physical_network_mtus for its physical network, else global_physnet_mtu

The settings have the names of Neutron's ([DEFAULT] and [ml2] of its configuration reference), and so has what
they mean, but that a physical network's own entry holds also where it is the larger one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from sealane.config import Settings

MAX = 9000
"""Bytes; of a network, whatever carries more."""
ETHERNET, INSIDE = 1500, 1442
"""Bytes; Geneve over IPv4 leaves that: 20 IPv4, 8 UDP, 8 Geneve, 8 OVN's option, 14 Ethernet."""


class Facts(msgspec.Struct):
    mtu: Annotated[int, msgspec.Meta(ge=576)] = INSIDE
    link_mtu: int = 0  # 0: not told

    @property
    def overhead(self) -> int:
        return self.link_mtu - self.mtu if self.link_mtu else ETHERNET - INSIDE


@dataclass(frozen=True)
class Room:
    """Bytes that a packet may have, headers of IP included."""

    overlay: int = INSIDE
    wire: int = ETHERNET
    physical: Mapping[str, int] = field(default_factory=dict)

    def most(self, *physical_networks: str | None) -> int:
        """Of a network whose segments are there; None: in tunnels."""
        return min(self._of(one) for one in physical_networks)

    def _of(self, physical_network: str | None) -> int:
        if physical_network is None:
            return self.overlay
        return self.physical.get(physical_network, self.wire)


def room(settings: Settings) -> Room:
    """Ethernet's where no node runs beside this API."""
    facts = _facts(settings)
    told = settings.path_mtu - facts.overhead if settings.path_mtu else MAX
    return Room(min(facts.mtu, told, MAX), settings.global_physnet_mtu, settings.physical_mtus)


def _facts(settings: Settings) -> Facts:
    try:
        raw = (settings.run_dir / "datapath.json").read_bytes()
        return msgspec.json.decode(raw, type=Facts)
    except (OSError, msgspec.MsgspecError):
        return Facts(mtu=settings.path_mtu - (ETHERNET - INSIDE) if settings.path_mtu else INSIDE)
