"""What ovs-appctl says of connections that were translated."""

from ipaddress import IPv4Address

import pytest

from sealane.agent.conntrack import Entry, parsed
from sealane.fastpath.shared import Tuple

INSIDE, WORLD, OUTSIDE = IPv4Address("10.51.0.2"), IPv4Address("192.0.2.9"), IPv4Address("203.0.113.2")
LINE = (
    "tcp,orig=(src=10.51.0.2,dst=192.0.2.9,sport=4000,dport=80),"
    "reply=(src=192.0.2.9,dst=203.0.113.2,sport=80,dport=5001),zone=1,protoinfo=(state=ESTABLISHED)\n"
)
FOUND = Entry(Tuple(6, INSIDE, 4000, WORLD, 80), OUTSIDE, 5001)


def test_who_has_become_whom() -> None:
    other = LINE.replace("tcp", "udp").replace(",protoinfo=(state=ESTABLISHED)", ",mark=1,labels=0x2")
    assert list(parsed(LINE + other)) == [FOUND, Entry(Tuple(17, INSIDE, 4000, WORLD, 80), OUTSIDE, 5001)]


@pytest.mark.parametrize(
    "line",
    [
        "",
        LINE.replace("203.0.113.2", "10.51.0.2"),
        LINE.replace("src=192.0.2.9", "src=192.0.2.10"),
        LINE.replace("sport=80,", "sport=81,"),
        LINE.replace("tcp", "sctp"),
        "icmp,orig=(src=10.51.0.2,dst=192.0.2.9,id=1,type=8,code=0),reply=(src=192.0.2.9,dst=203.0.113.2,id=1,type=0,code=0),zone=1\n",
        LINE.replace("10.51.0.2", "fd00::2")
        .replace("192.0.2.9", "fd00::9")
        .replace("203.0.113.2", "fd00::1"),
        LINE[:60],
    ],
    ids=["nothing", "nobody", "receiver", "receiver's port", "protocol", "ICMP", "IPv6", "cut off"],
)
def test_what_else_there_is(line: str) -> None:
    assert list(parsed(line)) == []
