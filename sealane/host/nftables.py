"""A table of nf_tables without starting nft(8), for what every container gets: 0.3 ms instead of 10.

Only what the resolver's redirect needs: linux/netfilter/nf_tables.h.  All numbers are in network order.
A rule is a list of expressions on registers: load a part of the packet, compare, act.
"""

import errno
import socket as sockets
import struct
from collections.abc import Sequence

from sealane.errors import HostError
from sealane.host.netlink import NLM_F_CREATE, NLM_F_EXCL, Message, Socket, attribute, nested, text

NETLINK_NETFILTER = 12
_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
_NEWTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE = (_SUBSYSTEM | number for number in (0, 2, 3, 6))
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_GENERAL = struct.Struct("=BBH")  # nfgenmsg: family, version, resource
_APPEND = 0x800
_FIRST, _SECOND = 1, 2  # NFT_REG_1, NFT_REG_2
_NETWORK, _TRANSPORT = 1, 2  # payload bases
_META_MARK, _META_PROTOCOL = 3, 16
_LOCAL_OUT = 3
_ACCEPT = 1

Expression = bytes


def mark_is(mark: int) -> list[Expression]:
    """The packet's mark, which is a number of the host's order."""
    return [_meta(_META_MARK), _equals(struct.pack("=I", mark))]


def sent_to(address: str, protocol: int, port: int) -> list[Expression]:
    """IPv4 destination, protocol number and destination port."""
    return [
        _payload(_NETWORK, 16, 4),
        _equals(sockets.inet_aton(address)),
        _meta(_META_PROTOCOL),
        _equals(bytes([protocol])),
        _payload(_TRANSPORT, 2, 2),
        _equals(struct.pack("!H", port)),
    ]


def accept() -> list[Expression]:
    verdict = nested(2, nested(2, _number(1, _ACCEPT)))  # NFTA_IMMEDIATE_DATA, NFTA_DATA_VERDICT, _CODE
    return [_expression("immediate", _number(1, 0), verdict)]


def lead_to(address: str, port: int) -> list[Expression]:
    """Destination translation, IPv4."""
    ours = _number(1, 1), _number(2, sockets.AF_INET), _number(3, _FIRST), _number(5, _SECOND)
    return [
        _immediate(_FIRST, sockets.inet_aton(address)),
        _immediate(_SECOND, struct.pack("!H", port)),
        _expression("nat", *ours),
    ]


def replace_output(table: str, priority: int, rules: Sequence[Sequence[Expression]]) -> None:
    """A table of family ip with one chain, of type nat at hook output, in place of what has its name.

    In the namespace of the calling thread; all or nothing.  Raises HostError.
    """
    hook = nested(4, _number(1, _LOCAL_OUT), _number(2, priority & 0xFFFFFFFF))
    chain = text(1, table) + text(3, "output") + hook + _number(5, _ACCEPT) + text(7, "nat")
    creation = (
        _message(_NEWTABLE, text(1, table), NLM_F_CREATE | NLM_F_EXCL),
        _message(_NEWCHAIN, chain, NLM_F_CREATE),
        *(_message(_NEWRULE, _rule(table, rule), NLM_F_CREATE | _APPEND) for rule in rules),
    )
    try:
        _carry_out(table, *creation)
    except HostError as exc:
        if not (isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EEXIST):
            raise
        # A deletion in the batch makes the kernel wait for all its readers, some 10 ms.
        _carry_out(table, *_deletion(table), *creation)


def delete(table: str) -> None:
    """Delete it if it is there.  Raises HostError."""
    _carry_out(table, *_deletion(table))


def _deletion(table: str) -> tuple[Message, Message]:
    """It is made first, since deleting what is not there would fail."""
    name = text(1, table)
    return _message(_NEWTABLE, name, NLM_F_CREATE), _message(_DELTABLE, name)


def _carry_out(table: str, *messages: Message) -> None:
    begin, end = (
        Message(kind, _GENERAL.pack(0, 0, sockets.htons(10))) for kind in (_BATCH_BEGIN, _BATCH_END)
    )
    with Socket(NETLINK_NETFILTER) as socket:
        socket.batch(begin, messages, end, f"changing the nftables table {table}")


def _message(kind: int, body: bytes, flags: int = 0) -> Message:
    return Message(kind, _GENERAL.pack(sockets.AF_INET, 0, 0) + body, flags)


def _rule(table: str, expressions: Sequence[Expression]) -> bytes:
    return text(1, table) + text(2, "output") + nested(4, *expressions)


def _expression(name: str, *data: bytes) -> Expression:
    return nested(1, text(1, name), nested(2, *data))


def _meta(key: int) -> Expression:
    return _expression("meta", _number(1, _FIRST), _number(2, key))


def _payload(base: int, offset: int, length: int) -> Expression:
    return _expression(
        "payload", _number(1, _FIRST), _number(2, base), _number(3, offset), _number(4, length)
    )


def _equals(value: bytes) -> Expression:
    return _expression("cmp", _number(1, _FIRST), _number(2, 0), nested(3, attribute(1, value)))


def _immediate(register: int, value: bytes) -> Expression:
    return _expression("immediate", _number(1, register), nested(2, attribute(1, value)))


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!I", value))
