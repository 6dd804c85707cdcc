"""Redirection of everything that arrives on one link to another: tc(8) clsact, u32, mirred.

u32 with a key that always matches, because kernels as small as Firecracker's have neither matchall
nor flower.  What comes from `slh` (the container's offloads on) leaves by `sls` (offloads off), so
the kernel segments and finishes checksums on the way to a switch that can do neither.

Structures: linux/pkt_cls.h (tc_u32_sel, tc_u32_key), linux/tc_act/tc_mirred.h.
"""

import errno
import socket as sockets
import struct

from sealane.host.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    Socket,
    attribute,
    attributes,
    nested,
    text,
)

_RTM_NEWQDISC, _RTM_NEWTFILTER, _RTM_GETTFILTER = 36, 44, 46
_BODY = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
_CLSACT, _INGRESS = 0xFFFFFFF1, 0xFFFFFFF2  # parent of the qdisc; of the filters on the way in
_CLSACT_HANDLE = 0xFFFF0000
_FIRST_KEY = 0x80000800  # u32's root table 800:, key 0x800
_PRIORITY_AND_PROTOCOL = (1 << 16) | sockets.htons(3)  # ETH_P_ALL
_TCA_KIND, _TCA_OPTIONS = 1, 2
_U32_SEL, _U32_ACT, _MIRRED_PARMS = 5, 7, 2
_TERMINAL, _STOLEN, _EGRESS_REDIRECT = 1, 4, 1
_SELECTOR = struct.pack("=BBBxHHhhI", _TERMINAL, 0, 1, 0, 0, 0, 0, 0)
_ANYTHING = struct.pack("=IIii", 0, 0, 0, 0)  # mask, value, offset, offset's mask
_MIRRED = struct.Struct("=IIiiiiI")  # index, capabilities, action, references, bindings, eaction, ifindex


def redirect(socket: Socket, source: int, target: int) -> None:
    """Send all that arrives on link `source` out by link `target`; replaces where it went before."""
    what = f"redirecting link {source} to {target}"
    qdisc = _BODY.pack(0, source, _CLSACT_HANDLE, _CLSACT, 0) + text(_TCA_KIND, "clsact")
    socket.request(
        Message(_RTM_NEWQDISC, qdisc, NLM_F_CREATE | NLM_F_EXCL, what, tolerate=(errno.EEXIST,)),
        Message(_RTM_NEWTFILTER, _filter(source, target), NLM_F_CREATE | NLM_F_REPLACE, what),
    )


def redirected_to(socket: Socket, source: int) -> int | None:
    """Index of the link to which all that arrives on `source` is sent."""
    body = _BODY.pack(0, source, 0, _INGRESS, 0)
    for kind, data in socket.dump(_RTM_GETTFILTER, body):
        target = _target(data) if kind == _RTM_NEWTFILTER else None
        if target is not None:
            return target
    return None


def _filter(source: int, target: int) -> bytes:
    parameters = _MIRRED.pack(0, 0, _STOLEN, 0, 0, _EGRESS_REDIRECT, target)
    action = nested(1, text(_TCA_KIND, "mirred"), nested(_TCA_OPTIONS, attribute(_MIRRED_PARMS, parameters)))
    options = nested(_TCA_OPTIONS, attribute(_U32_SEL, _SELECTOR + _ANYTHING), nested(_U32_ACT, action))
    body = _BODY.pack(0, source, _FIRST_KEY, _INGRESS, _PRIORITY_AND_PROTOCOL)
    return body + text(_TCA_KIND, "u32") + options


def _target(data: bytes) -> int | None:
    found = attributes(data[_BODY.size :])
    for kind in (_TCA_OPTIONS, _U32_ACT, 1, _TCA_OPTIONS):
        found = attributes(found.get(kind, b""))
    parameters = found.get(_MIRRED_PARMS, b"")
    return int(_MIRRED.unpack_from(parameters)[6]) if len(parameters) >= _MIRRED.size else None
