"""Redirection of everything that arrives on one link to another: tc(8) clsact, u32, mirred.

u32 with a key that always matches, because kernels as small as Firecracker's have neither matchall
nor flower.  What comes from `slh` (the container's offloads on) leaves by `sls` (offloads off), so
the kernel segments and finishes checksums on the way to a switch that can do neither.

Structures: linux/pkt_cls.h (tc_u32_sel, tc_u32_key), linux/tc_act/tc_mirred.h.
"""

import struct

from sealane.host import clsact
from sealane.host.netlink import Socket, attribute, attributes, nested, text

_FIRST_ACTION, _ACT_KIND, _ACT_OPTIONS = 1, 1, 2
_U32_SEL, _U32_ACT, _MIRRED_PARMS = 5, 7, 2
_TERMINAL, _STOLEN, _EGRESS_REDIRECT = 1, 4, 1
_SELECTOR = struct.pack("=BBBxHHhhI", _TERMINAL, 0, 1, 0, 0, 0, 0, 0)
_ANYTHING = struct.pack("=IIii", 0, 0, 0, 0)  # mask, value, offset, offset's mask
_MIRRED = struct.Struct("=IIiiiiI")  # index, capabilities, action, references, bindings, eaction, ifindex


PRIORITY = 1500
"""Of the filter: there is room before it, where the fast path's can be (fastpath/hooks.py)."""
_EARLIER = 1
"""What it was in earlier versions, whose filter would come before those."""


def redirect(socket: Socket, source: int, target: int) -> None:
    """Send all that arrives on link `source` out by link `target`; replaces where it went before."""
    what = f"redirecting link {source} to {target}"
    clsact.detach(socket, _place(source, _EARLIER), what)
    clsact.attach(socket, _place(source), _options(target), what)


def let_go(socket: Socket, source: int) -> None:
    """What arrives on link `source` is the host's own again."""
    for priority in (PRIORITY, _EARLIER):
        clsact.detach(socket, _place(source, priority), f"ending the redirection of link {source}")


def redirected_to(socket: Socket, source: int) -> int | None:
    """Index of the link to which all that arrives on `source` is sent; not by an earlier version's filter."""
    targets = map(_target, clsact.attached(socket, _place(source), PRIORITY))
    return next((target for target in targets if target is not None), None)


def _place(source: int, priority: int = PRIORITY) -> clsact.Place:
    return clsact.Place(source, clsact.INGRESS, kind="u32", priority=priority)


def _options(target: int) -> bytes:
    parameters = _MIRRED.pack(0, 0, _STOLEN, 0, 0, _EGRESS_REDIRECT, target)
    does = nested(_ACT_OPTIONS, attribute(_MIRRED_PARMS, parameters))
    action = nested(_FIRST_ACTION, text(_ACT_KIND, "mirred"), does)
    return attribute(_U32_SEL, _SELECTOR + _ANYTHING) + nested(_U32_ACT, action)


def _target(options: dict[int, bytes]) -> int | None:
    found = options
    for kind in (_U32_ACT, _FIRST_ACTION, _ACT_OPTIONS):
        found = attributes(found.get(kind, b""))
    parameters = found.get(_MIRRED_PARMS, b"")
    return int(_MIRRED.unpack_from(parameters)[6]) if len(parameters) >= _MIRRED.size else None
