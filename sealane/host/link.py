"""Links: veth pairs with our mark, their namespace, MTU, MAC and state (rtnetlink(7), veth(4))."""

import errno
import fcntl
import struct
from dataclasses import dataclass
from socket import AF_INET6

from sealane.host.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    Message,
    Socket,
    attribute,
    attributes,
    nested,
    refused,
    text,
    u32,
)

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
IFF_UP = 0x1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO = 1, 3, 4, 18
_IFLA_MASTER = 10
_IFLA_NET_NS_FD, _IFLA_IFALIAS, _IFLA_GROUP = 28, 20, 27
_INFO_KIND, _INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFLA_AF_SPEC, _INET6_ADDR_GEN_MODE, _GENERATE_NONE = 26, 8, 1
_SIOCGIFINDEX = 0x8933
_DOOMED = 0x5EA1
"""Number of the group of links that is deleted at once; only between two calls of `delete`."""

_BODY = struct.Struct("=BxHiII")  # family, type, index, flags, change
_SILENT = nested(
    _IFLA_AF_SPEC, nested(int(AF_INET6), attribute(_INET6_ADDR_GEN_MODE, bytes([_GENERATE_NONE])))
)


@dataclass(frozen=True)
class Link:
    index: int
    name: str
    alias: str
    mtu: int
    mac: str
    up: bool
    master: int = 0  # index of the bridge that it is in


@dataclass(frozen=True)
class End:
    """One end of a pair that is to be made; `namespace` is a descriptor, None is the socket's own."""

    name: str
    mtu: int
    mac: str = ""
    namespace: int | None = None


def add_pair(
    socket: Socket, first: End, second: End, alias: str, *, silent: bool = True, up: bool = False
) -> None:
    """Make a veth pair; the alias marks the first end, in the socket's namespace; `up` is about it as well.

    `silent`: the first end gets no IPv6 link-local address, so that the kernel says nothing by it
    to the container.  Raises HostError when one of the names is taken.
    """
    peer = _peer(second)
    info = nested(
        _IFLA_LINKINFO, text(_INFO_KIND, "veth"), nested(_INFO_DATA, attribute(_VETH_INFO_PEER, peer))
    )
    body = _peer(first) + info
    name = text(_IFLA_IFNAME, first.name)
    mark = _body() + name + text(_IFLA_IFALIAS, alias) + (_SILENT if silent else b"")
    what = f"making the links {first.name} and {second.name}"
    messages = [
        Message(RTM_NEWLINK, body, NLM_F_CREATE | NLM_F_EXCL, what),
        Message(RTM_SETLINK, mark, what=what),
    ]
    if up:  # in a message of its own: within one the kernel sets links up before it keeps them silent
        messages.append(Message(RTM_SETLINK, _body(0, IFF_UP, IFF_UP) + name, what=what))
    socket.request(*messages)


def add_bridge(socket: Socket, name: str, mtu: int, alias: str) -> None:
    """Raises HostError when the name is taken."""
    info = nested(_IFLA_LINKINFO, text(_INFO_KIND, "bridge"))
    named = text(_IFLA_IFNAME, name)
    what = f"making the bridge {name}"
    socket.request(
        Message(RTM_NEWLINK, _body() + named + info, NLM_F_CREATE | NLM_F_EXCL, what),
        Message(
            RTM_SETLINK,
            _body() + named + u32(_IFLA_MTU, mtu) + text(_IFLA_IFALIAS, alias) + _SILENT,
            what=what,
        ),
        Message(RTM_SETLINK, _body(0, IFF_UP, IFF_UP) + named, what=what),
    )


def enslave(socket: Socket, index: int, master: int) -> None:
    """Make a link a port of the bridge, and set it up."""
    body = _body(index, IFF_UP, IFF_UP) + u32(_IFLA_MASTER, master) + _SILENT
    socket.request(Message(RTM_SETLINK, body, what=f"putting link {index} into a bridge"))


def mark(socket: Socket, name: str, mtu: int, alias: str) -> None:
    """A device that was made by other means becomes ours: alias, MTU, no address, up."""
    named = text(_IFLA_IFNAME, name)
    what = f"setting up {name}"
    body = _body() + named + u32(_IFLA_MTU, mtu) + text(_IFLA_IFALIAS, alias) + _SILENT
    socket.request(
        Message(RTM_SETLINK, body, what=what),
        Message(RTM_SETLINK, _body(0, IFF_UP, IFF_UP) + named, what=what),
    )


def label(socket: Socket, index: int, alias: str) -> None:
    """Give the link an alias, or with "" none."""
    body = _body(index) + text(_IFLA_IFALIAS, alias)
    socket.request(Message(RTM_SETLINK, body, what=f"labelling link {index}"))


def find(socket: Socket, name: str) -> Link | None:
    data = socket.get(RTM_GETLINK, _body() + text(_IFLA_IFNAME, name))
    return None if data is None else _decoded(data)


def index(socket: Socket, name: str) -> int | None:
    """Its number, or None; by netdevice(7), which costs a tenth of `find`."""
    request = struct.pack("16si", name.encode(), 0).ljust(40, b"\0")
    try:
        answer = fcntl.ioctl(socket.fileno(), _SIOCGIFINDEX, request)
    except OSError as exc:
        if exc.errno == errno.ENODEV:
            return None
        raise refused(f"looking for the link {name}", exc.errno or 0) from exc
    return int(struct.unpack_from("=i", answer, 16)[0])


def every(socket: Socket) -> list[Link]:
    return [_decoded(data) for kind, data in socket.dump(RTM_GETLINK, _body()) if kind == RTM_NEWLINK]


def change(
    socket: Socket, index: int, *, mtu: int = 0, mac: str = "", name: str = "", alias: str = ""
) -> None:
    """Set what is given; the link must be down for a new name."""
    wanted = (
        (u32(_IFLA_MTU, mtu) if mtu else b"")
        + (attribute(_IFLA_ADDRESS, mac_bytes(mac)) if mac else b"")
        + (text(_IFLA_IFNAME, name) if name else b"")
        + (text(_IFLA_IFALIAS, alias) if alias else b"")
    )
    socket.request(Message(RTM_SETLINK, _body(index) + wanted, what=f"changing link {index}"))


def set_up(socket: Socket, index: int, *, silent: bool = False) -> None:
    """`silent`: without IPv6 link-local address, as in add_pair."""
    body = _body(index, IFF_UP, IFF_UP) + (_SILENT if silent else b"")
    socket.request(Message(RTM_SETLINK, body, what=f"setting link {index} up"))


def move(socket: Socket, index: int, namespace: int, name: str = "") -> None:
    """Move a link into the namespace of the descriptor, under a new name if one is given."""
    body = _body(index) + u32(_IFLA_NET_NS_FD, namespace) + (text(_IFLA_IFNAME, name) if name else b"")
    socket.request(Message(RTM_SETLINK, body, what=f"moving link {index} into a namespace"))


def delete(socket: Socket, *indexes: int) -> None:
    """Delete links, and with each its peer; those that are gone already are no error.

    The kernel waits about 20 ms for its readers when a link goes, but once only for a whole group.
    """
    if not indexes:
        return
    gone = (errno.ENODEV,)
    doomed = u32(_IFLA_GROUP, _DOOMED)
    socket.request(
        *(Message(RTM_SETLINK, _body(i) + doomed, what=f"deleting link {i}", tolerate=gone) for i in indexes),
        Message(RTM_DELLINK, _body() + doomed, what="deleting links", tolerate=gone),
    )


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _peer(end: End) -> bytes:
    return (
        _body()
        + text(_IFLA_IFNAME, end.name)
        + u32(_IFLA_MTU, end.mtu)
        + (attribute(_IFLA_ADDRESS, mac_bytes(end.mac)) if end.mac else b"")
        + (u32(_IFLA_NET_NS_FD, end.namespace) if end.namespace is not None else b"")
    )


def _body(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return _BODY.pack(0, 0, index, flags, change)


def _decoded(data: bytes) -> Link:
    _, _, index, flags, _ = _BODY.unpack_from(data)
    found = attributes(data[_BODY.size :])
    return Link(
        index=index,
        name=_text(found.get(_IFLA_IFNAME, b"")),
        alias=_text(found.get(_IFLA_IFALIAS, b"")),
        mtu=struct.unpack("=I", found.get(_IFLA_MTU, b"\0\0\0\0"))[0],
        mac=":".join(f"{b:02x}" for b in found.get(_IFLA_ADDRESS, b"")),
        up=bool(flags & IFF_UP),
        master=struct.unpack("=I", found.get(_IFLA_MASTER, b"\0\0\0\0"))[0],
    )


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
