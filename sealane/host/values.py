"""Plain values that the host's edge takes and gives; pure, so that deciding code may name them."""

import hashlib
import ipaddress
from dataclasses import dataclass

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Table:
    """An nft table of ours: `chains` is what stands between its braces."""

    family: str  # "inet", "ip"
    name: str
    chains: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.chains.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class SwitchPort:
    """A port of ours on br-int; OVN binds the logical port `iface_id` to it."""

    name: str
    iface_id: str
    mac: str

    @property
    def key(self) -> tuple[str, str]:
        return ("switch-port", self.name)
