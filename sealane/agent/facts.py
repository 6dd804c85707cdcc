"""What can be on a host because of us, as plain values: wanted.py makes them, found.py reads them back.

userspace datapath (ovs-vswitchd in the namespace `switch`)

  sandbox │            host              │ switch
   eth0 ══╪══ slh… ──tc redirect── sls… ═╪═ tap… ── br-int        Pair, Pair, 2 Redirects, Guard, SwitchPort

   Of a runtime's container all from the redirections leftwards comes when its sandbox is known.

kernel datapath
   eth0 ══╪══ tap… ── br-int                                      Pair, Guard, SwitchPort

the network's gateway (gateway.py)
   gw-<net> │  gw0 ═══ slg… ──tc redirect── slw… ═══ tgw… ── br-int     Gateway, SwitchPort, Rules
            │  up0 ═══ slu… (host)                                 (kernel datapath: gw0 ═══ tgw… ── br-int)

a tap (taps.py): Copies on slh… and sls…, or on tap… in both directions
   copies ── slm… ═══ tmi… ── br-int           Pair, TapEntry, SwitchPort           where the source is
   slh… or tap… <── slo… ═══ tmo… ── br-int    Pair, TapExit, SwitchPort            where it is seen

published behind a router: Answers on slh… and sls…, or on tap… in both directions
"""

from dataclasses import dataclass, field

from sealane.agent.attachment import Route
from sealane.host.values import SwitchPort, Table

MARK_PORT = "sealane:port:"
MARK_BRIDGE = "sealane:bridge:"
MARK_LENT = "sealane:lent:"
MARK_GATEWAY = "sealane:gateway:"
MARK_TAP = "sealane:tap:"
"""Aliases of links; the id follows of the attachment, the network or the tap service."""


@dataclass(frozen=True)
class Pair:
    """A veth pair; `name` is the end that stays on the host and bears the mark."""

    name: str
    mark: str
    mtu: int
    peer: str = field(default="", compare=False)  # may have been moved and renamed since
    mac: str = field(default="", compare=False)  # the peer's; "": any
    in_switch: bool = field(default=False, compare=False)  # the peer is in the switch namespace
    finish: bool = field(default=False, compare=False)  # the host finishes checksums on the way out
    into: str = field(default="", compare=False)  # path of the sandbox that the peer is made in
    both: bool = field(default=False, compare=False)  # the peer stays on the host, too
    tap: bool = field(default=False, compare=False)  # no pair: a TAP device, whose other end a guest opens

    @property
    def key(self) -> tuple[str, str]:
        return ("pair", self.name)

    @property
    def device(self) -> str:
        """The one that is a port of br-int."""
        return self.peer if self.in_switch or self.both else self.name


@dataclass(frozen=True)
class Bridge:
    """A bridge of the host for one guest; `member` is the link that leads from it to br-int."""

    name: str
    mark: str
    mtu: int
    member: str

    @property
    def key(self) -> tuple[str, str]:
        return ("bridge", self.name)


@dataclass(frozen=True)
class Lent:
    """A link of somebody else's, who put it on br-int: it gets our mark and loses it again, no more."""

    name: str
    mark: str

    @property
    def key(self) -> tuple[str, str]:
        return ("lent", self.name)


@dataclass(frozen=True)
class Redirect:
    """Everything that arrives on `source` leaves by `target`."""

    source: str
    target: str

    @property
    def key(self) -> tuple[str, str]:
        return ("redirect", self.source)


@dataclass(frozen=True)
class Guard:
    """No router is announced by the container: of what arrives on the link, or `outward` leaves by it."""

    link: str
    outward: bool

    @property
    def key(self) -> tuple[str, str]:
        return ("guard", self.link)


@dataclass(frozen=True)
class Answers:
    """What the container answers to packets from the MAC goes to the MAC (host/answers.py)."""

    link: str  # by which packets reach it
    turn: str  # which those pass that it sends: `outward`, or as they arrive
    outward: bool
    mac: str

    @property
    def key(self) -> tuple[str, str]:
        return ("answers", self.link)


@dataclass(frozen=True)
class Copies:
    """Of what arrives on the link, or `outward` leaves by it, a copy leaves by each target."""

    link: str
    outward: bool
    targets: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        return ("copies", f"{self.link} {'out' if self.outward else 'in'}")


@dataclass(frozen=True)
class TapEntry:
    """By which copies enter br-int, for one port."""

    link: str

    @property
    def key(self) -> tuple[str, str]:
        return ("tap-entry", self.link)


@dataclass(frozen=True)
class TapExit:
    """By which copies come out of it, to leave by `target` to who has the MAC and is not to take them for
    his."""

    link: str
    target: str
    mac: str

    @property
    def key(self) -> tuple[str, str]:
        return ("tap-exit", self.link)


@dataclass(frozen=True)
class Inside:
    """The container's end within its sandbox, for doors whose caller doesn't set it up itself."""

    sandbox: str
    ifname: str
    link: str  # its name on the host before it is moved
    mac: str
    mtu: int
    addresses: frozenset[str]
    routes: tuple[Route, ...] = field(compare=False)  # default routes included

    @property
    def key(self) -> tuple[str, str]:
        return ("inside", f"{self.sandbox} {self.ifname}")


@dataclass(frozen=True)
class Gateway:
    """A network's gateway namespace on this host with its two links; a door for names has no uplink."""

    network_id: str
    mtu: int
    addresses: frozenset[str]  # "ip/len" on gw0
    uplinks: frozenset[str]  # addresses of up0, one a family
    mac: str  # of gw0
    routes: frozenset[str] = frozenset()  # what is on gw0's link, beside the networks of its addresses
    redirected: bool = False  # userspace datapath: the host redirects its frames to and from br-int

    @property
    def key(self) -> tuple[str, str]:
        return ("gateway", self.network_id)

    def stays(self, wanted: "Gateway") -> bool:
        """Whether the namespace is whole and can become what is wanted; else it is made anew."""
        return self.uplinks == wanted.uplinks and self.mac == wanted.mac and bool(self.addresses)


@dataclass(frozen=True)
class Rules:
    """An nft table, in a gateway's namespace or (namespace "") in the host's."""

    namespace: str
    digest: str
    table: Table = field(compare=False)

    @property
    def key(self) -> tuple[str, str]:
        return ("rules", self.namespace)


Tapping = Copies | TapEntry | TapExit
Fact = Pair | Lent | Bridge | Redirect | Guard | Answers | Tapping | SwitchPort | Inside | Gateway | Rules
Key = tuple[str, str]
