"""Tap mirrors: what a port sends or is sent goes to an address of the underlay as well, by GRE or ERSPAN.

    a mirror = a port, an address outside, and the tunnel's number for each direction that is to be seen

Names and paths are those of Neutron's tap-as-a-service ("tap-mirror").  They leave the cloud from the host's
own address, so only an admin makes them; their projects see them.
"""

import ipaddress
from dataclasses import replace
from typing import Any

from sealane.api import convert
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import Type, one_of
from sealane.api.draft import Draft
from sealane.api.taps import carries, has_link
from sealane.errors import BadRequest, Conflict
from sealane.model import State, TapMirror

DIRECTIONS = ("IN", "OUT")
HIGHEST = {"gre": 2**32 - 1, "erspanv1": 2**10 - 1}
"""The key of GRE (RFC 2890), the session of ERSPAN: 10 bits of its header."""
MOST = 16
"""Mirrors of one port."""


def _numbers(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or not value or value.keys() - set(DIRECTIONS):
        raise ValueError("it is to be an object with IN, OUT or both, and a number for each")
    number = convert.integer(0, HIGHEST["gre"])
    found = {way: number.convert(given) for way, given in value.items()}
    if len(set(found.values())) < len(found):
        raise ValueError(f"IN and OUT are both {found['IN']}; give each a number of its own")
    return found


NUMBER = {"type": "integer", "minimum": 0, "maximum": HIGHEST["gre"]}
NUMBERS = Type(
    _numbers,
    {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": dict.fromkeys(DIRECTIONS, NUMBER),
    },
)


def _remote(value: Any) -> str:
    """An IPv4 address: what the hosts' tunnels go by."""
    address = ipaddress.ip_address(convert.to_address(value))
    if address.version != 4:
        raise ValueError(f"'{address}' is an IPv6 address; copies go to IPv4 addresses")
    if address.is_multicast or address.is_unspecified or address.is_loopback or address.is_reserved:
        raise ValueError(f"'{address}' is no single host's address")
    return str(address)


MIRRORS = Kind(
    singular="tap_mirror",
    plural="tap_mirrors",
    place="taas/tap_mirrors",
    collection=lambda state: state.tap_mirrors,
    attributes=(
        *standard(),
        Attribute(name="port_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(
            name="remote_ip",
            type=Type(_remote, convert.ADDRESS.schema),
            default=REQUIRED,
            post=True,
        ),
        Attribute(
            name="mirror_type",
            type=Type(one_of(*HIGHEST).convert, {"type": "string", "enum": list(HIGHEST)}),
            default=REQUIRED,
            post=True,
        ),
        Attribute(
            name="directions",
            type=NUMBERS,
            default=REQUIRED,
            post=True,
            filter=False,
            read=lambda mirror, look: numbers(mirror),
        ),
        Attribute(
            name="status",
            type=convert.NAME,
            read=lambda mirror, look: "ACTIVE" if carries(mirror.port_id, look) else "DOWN",
        ),
    ),
)


def numbers(mirror: TapMirror) -> dict[str, int]:
    """As the API tells them: of the directions that are mirrored."""
    told = {"IN": mirror.in_number, "OUT": mirror.out_number}
    return {way: number for way, number in told.items() if number is not None}


def create(id: str, values: Values, draft: Draft) -> TapMirror:
    """Raises NotFound, BadRequest, Conflict."""
    state = draft.look.state
    has_link(values["port_id"], "Source", state)
    given = {key: value for key, value in values.items() if key != "directions"}
    wanted = values["directions"]
    made = TapMirror(
        id=id,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        in_number=wanted.get("IN"),
        out_number=wanted.get("OUT"),
        **given,
    )
    _fits(made)
    _is_new(made, state)
    return made


def _fits(mirror: TapMirror) -> None:
    highest = HIGHEST[mirror.mirror_type]
    for way, number in numbers(mirror).items():
        if number > highest:
            raise BadRequest(
                f"Invalid input for directions. Reason: {way} is {number}; the most for a mirror_type of "
                f"{mirror.mirror_type} is {highest}.",
                type="HTTPBadRequest",
            )


def _is_new(mirror: TapMirror, state: State) -> None:
    """A tunnel is known by its end and its number; of two that come at once the translation takes one."""
    for other in state.tap_mirrors.values():
        shared = set(numbers(mirror).values()) & set(numbers(other).values())
        if other.remote_ip == mirror.remote_ip and shared:
            raise Conflict(
                f"Tap mirror {other.id} goes to {mirror.remote_ip} by number {min(shared)} already: give "
                "another number in directions.",
                type="TapMirrorTunnelConflict",
            )
    if sum(other.port_id == mirror.port_id for other in state.tap_mirrors.values()) >= MOST:
        raise Conflict(
            f"Port {mirror.port_id} has {MOST} tap mirrors, the most there can be.", type="TapMirrorLimit"
        )


def update(old: Any, values: Values, draft: Draft) -> TapMirror:
    changed: TapMirror = replace(old, **values)
    return changed


def delete(mirror: Any, draft: Draft) -> tuple[TapMirror, ...]:
    return (mirror,)
