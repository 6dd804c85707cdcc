"""Tap mirrors -> OVN's own mirrors (ovn-nb(5), Mirror): one for each direction of a port.

ovn-controller of the port's host makes of each a tunnel of br-int, and an Open vSwitch mirror that fills it.
"""

from collections.abc import Iterator

from sealane import names
from sealane.model import Port, State, TapMirror
from sealane.translate.memo import Memo
from sealane.translate.rows import OWNED, Parent, Ref, Row

FILTERS = {"IN": "to-lport", "OUT": "from-lport"}
TYPES = {"gre": "gre", "erspanv1": "erspan"}


def mirrors(state: State) -> Iterator[tuple[TapMirror, Port]]:
    """Those whose port is there, and whose tunnels no earlier one has."""
    taken: set[tuple[str, int]] = set()
    for mirror in sorted(state.tap_mirrors.values(), key=lambda m: (m.created_at, m.id)):
        port = state.ports.get(mirror.port_id)
        tunnels = {
            (mirror.remote_ip, number)
            for number in (mirror.in_number, mirror.out_number)
            if number is not None
        }
        if port is not None and port.network_id in state.networks and not tunnels & taken:
            taken |= tunnels
            yield mirror, port


def rows(state: State, memo: Memo) -> Iterator[Row]:
    make = memo.of(_rows)
    for mirror, _ in mirrors(state):
        yield from make(mirror.id, mirror)


def _rows(mirror: TapMirror) -> tuple[Row, ...]:
    told = {"IN": mirror.in_number, "OUT": mirror.out_number}
    held = Parent(Ref("Logical_Switch_Port", names.logical_port(mirror.port_id)), "mirror_rules")
    return tuple(
        Row(
            "Mirror",
            names.mirror(mirror.id, way),
            {
                "name": names.mirror(mirror.id, way),
                "type": TYPES[mirror.mirror_type],
                "filter": FILTERS[way],
                "sink": mirror.remote_ip,
                "index": number,
                "external_ids": {**OWNED, "neutron:project_id": mirror.project_id},
            },
            (held,),
        )
        for way, number in told.items()
        if number is not None
    )
