"""Trunks as OpenDaylight has them: a PUT bears all the sub-ports that there are from then on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sealane.api import trunk_places, trunks
from sealane.api.attributes import Values
from sealane.api.draft import Draft
from sealane.api.resources import Resource
from sealane.api.trunks import Wish
from sealane.errors import Conflict
from sealane.model import Trunk
from sealane.store.changes import Delete

KIND = replace(
    trunks.TRUNKS,
    attributes=tuple(replace(a, put=True) if a.name == "sub_ports" else a for a in trunks.TRUNKS.attributes),
)


def update(old: Any, values: Values, draft: Draft) -> Trunk:
    if "sub_ports" in values:
        _settle(old, values["sub_ports"], draft)
    return trunks.update(old, {key: value for key, value in values.items() if key != "sub_ports"}, draft)


RESOURCE = Resource(KIND, trunks.create, update, trunks.delete)


def _settle(trunk: Trunk, wishes: Sequence[Wish], draft: Draft) -> None:
    """Those that are wished for, and no others. A change of nothing is no change."""
    state, there = draft.look.state, {place.port_id: place for place in draft.look.sub_ports_of(trunk.id)}
    wished = {wish.port_id: wish for wish in wishes}
    gone = [place for id, place in there.items() if id not in wished]
    new = [wish for wish in wishes if wish.port_id not in there]
    kept = {id: _number(wished[id], draft) for id in there if id in wished}
    if len(set(kept.values())) != len(kept):
        raise Conflict(
            f"sub_ports of trunk {trunk.id}: a segmentation_id is given twice: {sorted(kept.values())}.",
            type="DuplicateSubPort",
        )
    moved = {id: number for id, number in kept.items() if number != there[id].segmentation_id}
    if not (gone or new or moved):
        return
    trunk_places.free(gone, draft)
    for id, number in moved.items():
        draft.also.append(Delete(there[id]))
        trunks.make_place(trunk, state.ports[id], number, draft)
    parent = state.ports[trunk.port_id]
    trunks.add(trunk, parent, new, kept.values(), draft)
    trunk_places.touch(trunk, draft)
    trunk_places.touch(parent, draft)


def _number(wish: Wish, draft: Draft) -> int:
    return wish.vlan or trunks.inherited(draft.look.state.ports[wish.port_id], draft)
