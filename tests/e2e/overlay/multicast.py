"""Groups that machines join, what they hear there, and what they say to them (RFC 3376, RFC 3810)."""

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.e2e.overlay.machines import Machine, listening, until

PORT = 5007
JOIN = f"""
import ipaddress, os, socket, sys
group = ipaddress.ip_address("THE GROUP")
eth0 = socket.if_nametoindex("eth0")
link = eth0.to_bytes(4, sys.byteorder)
family = socket.AF_INET if group.version == 4 else socket.AF_INET6
with socket.socket(family, socket.SOCK_DGRAM) as s:
    s.bind((str(group), {PORT}, *((0, eth0) if group.version == 6 else ())))
    if group.version == 4:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.packed + bytes(4) + link)
    else:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.packed + link)
    print(f"listens {{os.getpid()}}", flush=True)
    while True:
        text, sender = s.recvfrom(9000)
        print(sender[0], text.decode(), flush=True)
"""
Heard = Callable[[], str]
SAY = f"""
import ipaddress, socket, sys
group = ipaddress.ip_address(sys.argv[1])
eth0 = socket.if_nametoindex("eth0")
link = eth0.to_bytes(4, sys.byteorder)
family = socket.AF_INET if group.version == 4 else socket.AF_INET6
with socket.socket(family, socket.SOCK_DGRAM) as s:
    if group.version == 4:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, bytes(8) + link)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, int(sys.argv[3]))
    else:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, eth0)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, int(sys.argv[3]))
    s.sendto(sys.argv[2].encode(), (str(group), {PORT}))
"""


def listener(group: str) -> str:
    """The program of a member of the group."""
    return JOIN.replace("THE GROUP", str(ipaddress.ip_address(group)))


@contextmanager
def joined(machine: Machine, group: str) -> Iterator[Callable[[], str]]:
    """A member of the group until the end; all that it has heard so far, `SENDER TEXT` a line."""
    with listening(machine, listener(group)) as heard:
        until(lambda: "\n" in heard(), "the member has told its number")
        pid = heard().split()[1]
        try:
            yield heard
        finally:
            machine.lab.exec(machine.host, "kill", pid, check=False)


def say(machine: Machine, group: str, text: str, hops: int = 1) -> None:
    """Once."""
    machine.exec("python3", "-c", SAY, group, text, str(hops))


def soon_heard(talker: Machine, group: str, text: str, *heard: Heard, hops: int = 1) -> None:
    """By all of them, within the time that a join or a question takes."""

    def all_have() -> bool:
        say(talker, group, text, hops)
        return all(text in one() for one in heard)

    until(all_have, f"what {talker.name} says to {group} is heard")
