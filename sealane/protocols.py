"""IP protocols by the names that Neutron knows (IANA, protocol-numbers), and what rules can say of them."""

NUMBERS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ip": 0,
    "ipip": 4,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
ICMP, ICMP6 = 1, 58
WITH_PORTS = frozenset({6, 17, 132})
"""tcp, udp, sctp.  Of dccp and udplite OVN sees no ports (ovn-sb(5), Logical_Flow.match)."""
IPV6_ONLY = frozenset({41, 43, 44, 58, 59, 60})


def number(protocol: str, ethertype: str) -> int:
    """`icmp` of an IPv6 rule is ICMPv6, as in Neutron. Raises KeyError for a name that is none."""
    found = int(protocol) if protocol.isdigit() else NUMBERS[protocol]
    return ICMP6 if found == ICMP and ethertype == "IPv6" else found
