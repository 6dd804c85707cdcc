"""How large the packets of a new network may be: what the engine of this host found out."""

from typing import Annotated

import msgspec

from sealane.config import Settings

ETHERNET = 1442
"""What Geneve over IPv4 leaves of 1500 bytes: 20 IPv4, 8 UDP, 8 Geneve, 8 OVN's option, 14 Ethernet."""


class Facts(msgspec.Struct):
    mtu: Annotated[int, msgspec.Meta(ge=576, le=9000)]


def default_mtu(settings: Settings) -> int:
    """Of RUN/datapath.json; Ethernet's where no node runs beside this API."""
    try:
        raw = (settings.run_dir / "datapath.json").read_bytes()
        return msgspec.json.decode(raw, type=Facts).mtu
    except (OSError, msgspec.MsgspecError):
        return ETHERNET
