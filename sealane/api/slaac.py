"""Addresses that follow from the MAC: IPv6 subnets whose machines make their own (RFC 4862, slaac).

In such a subnet each port has the address that its machine makes of the router's advertisement, and no other:
OVN lets no other pass.  Containers are an exception, Docker gives them theirs, and so is what belongs to the
network itself.
"""

import ipaddress
from collections.abc import Iterable

from sealane import names
from sealane.api import ipam
from sealane.api.convert import WantedIP
from sealane.errors import BadRequest
from sealane.model import Subnet

MODES = frozenset({"slaac", "dhcpv6-stateless"})
_EXEMPT = frozenset({*names.CONTAINER_PORTS, names.AUXILIARY_PORT, names.BALANCER_PORT, names.HEALTH_PORT})


def follows(device_owner: str) -> bool:
    """Whether the addresses of such a port follow from its MAC."""
    return device_owner not in _EXEMPT and not device_owner.startswith("network:")


def addresses(subnets: Iterable[Subnet], mac: str) -> tuple[WantedIP, ...]:
    """What a station with the MAC has, one in each such subnet."""
    return tuple(WantedIP(s.id, eui64(s.cidr, mac)) for s in subnets if chosen_by_machines(s))


def chosen_by_machines(subnet: Subnet) -> bool:
    return subnet.ipv6_address_mode in MODES or subnet.ipv6_ra_mode in MODES


def check(subnet: Subnet) -> None:
    """Raises BadRequest."""
    if chosen_by_machines(subnet) and not subnet.cidr.endswith("/64"):
        raise BadRequest(
            f"Invalid input for operation: Invalid CIDR {subnet.cidr} for IPv6 address mode. "
            "Addresses are of the EUI-64 format, which requires the prefix to be /64.",
            type="InvalidInput",
        )


def others(
    wanted: tuple[WantedIP, ...], own: Iterable[WantedIP], subnets: Iterable[Subnet]
) -> tuple[WantedIP, ...]:
    """What is wished for beside these. Raises BadRequest for another address in such a subnet."""
    mine = {wish.subnet_id: wish.ip_address for wish in own}
    cidrs = {subnet.id: subnet.cidr for subnet in subnets if subnet.id in mine}
    left = []
    for wish in wanted:
        place = wish.subnet_id or _place(wish.ip_address, cidrs)
        if place not in mine:
            left.append(wish)
        elif wish.ip_address not in (None, mine[place]):
            raise BadRequest(
                f"Invalid input for operation: IPv6 address {wish.ip_address} can not be directly assigned "
                f"to a port on subnet {place} as the subnet is configured for automatic addresses; "
                f"with its MAC the port has {mine[place]}.",
                type="AllocationOnAutoAddressSubnet",
            )
    return tuple(left)


def eui64(cidr: str, mac: str) -> str:
    """RFC 4291, appendix A; of a subnet that is a /64."""
    octets = [int(octet, 16) for octet in mac.split(":")]
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    network = ipaddress.IPv6Network(cidr)
    return str(network.network_address + int.from_bytes(identifier, "big"))


def _place(ip_address: str | None, cidrs: dict[str, str]) -> str | None:
    return next((id for id, cidr in cidrs.items() if ip_address and ipam.contains(cidr, ip_address)), None)
