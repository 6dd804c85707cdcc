"""Ports of this host that may have the fast path: what is attached, and gateways."""

from collections.abc import Iterable

from sealane import names
from sealane.agent import locators, wanted
from sealane.agent.attachment import Attachment
from sealane.agent.facts import Gateway
from sealane.fastpath.rows import Port
from sealane.host import link
from sealane.host.netlink import Socket


def is_eligible(attachment: Attachment) -> bool:
    """Those with a veth pair whose other end is in a namespace of their own."""
    own = not attachment.device and not attachment.bridge and not attachment.parent
    return own and attachment.door != "host"


def links(host: Socket, attachments: Iterable[Attachment]) -> dict[str, tuple[int, int]]:
    """Port -> the container's or gateway's link and the switch's, of those that have both."""
    everyone = list(attachments)
    named = {
        a.port_id: (names.host_link(a.port_id), names.switch_link(a.port_id))
        for a in everyone
        if is_eligible(a)
    } | {
        names.gateway_port(id): (names.gateway_link(id), names.gateway_switch_link(id))
        for id in wanted.gateways(everyone)
    }
    found = {}
    for port_id, pair in named.items():
        one, door = (link.index(host, name) for name in pair)
        if one is not None and door is not None:
            found[port_id] = (one, door)
    return found


def port(attachment: Attachment, one: int, door: int, at: locators.Locator | None) -> Port:
    return Port(
        one,
        door,
        attachment.network_id,
        attachment.mac,
        attachment.addresses,
        attachment.mtu,
        vni=at.vni if at else 0,
        number=at.number if at else 0,
        answers=attachment.is_led_to(),
    )


def way(leg: Gateway, one: int, door: int) -> Port:
    """Of this host alone: it has no number, by which other hosts could be sent to."""
    addresses = tuple(sorted(leg.addresses))
    return Port(one, door, leg.network_id, leg.mac, addresses, leg.mtu, outside=True)
