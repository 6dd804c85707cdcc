"""What a port is to trunks: the parent of one, a sub-port of one, or neither; and what follows from that.

A sub-port is on the host that its parent is on.  So its `host` is set and cleared with the parent's, in the
same transaction; the trunk's row is touched each time, which keeps who adds a sub-port at that moment from
having looked at the old host.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sealane import names
from sealane.api import segment_hosts
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import Conflict
from sealane.model import Port, SubPort, Trunk
from sealane.store.changes import Delete, Update

_MADE_BY_NODES = frozenset({*names.CONTAINER_PORTS, names.NETNS_PORT})
_THE_PARENTS = ("host", "device_id", "device_owner")


def is_free(port_id: str, draft: Draft) -> None:
    """Neither a parent nor a sub-port. Raises Conflict."""
    look = draft.look
    trunk = look.trunks.get(port_id) or next((t for t in draft.trunks if t.port_id == port_id), None)
    if trunk is not None:
        raise Conflict(
            f"Port {port_id} is currently a parent port for trunk {trunk.id}.", type="PortInUseAsTrunkParent"
        )
    place = look.places.get(port_id) or next((s for s in draft.sub_ports if s.port_id == port_id), None)
    if place is not None:
        raise Conflict(
            f"Port {port_id} is currently a subport for trunk {place.trunk_id}.", type="PortInUseAsSubPort"
        )


def touch(row: Any, draft: Draft) -> None:
    """Its revision tells of what belongs to it."""
    newer = replace(row, updated_at=draft.now, revision_number=row.revision_number + 1)
    draft.also.append(Update(row, newer))


def put(port: Port, host: str, draft: Draft) -> None:
    """It becomes, or stays, a sub-port of a parent on that host."""
    _change(port, host, names.SUBPORT, draft)


def free(sub_ports: Iterable[SubPort], draft: Draft) -> None:
    """They are nobody's any more."""
    for each in sub_ports:
        draft.also.append(Delete(each))
        _change(draft.look.state.ports[each.port_id], "", "", draft)


def _change(port: Port, host: str, owner: str, draft: Draft) -> None:
    newer = replace(port, updated_at=draft.now, revision_number=port.revision_number + 1)
    newer = replace(newer, host=host, device_owner=owner)
    segment_hosts.check(newer, draft)
    draft.also.append(Update(port, newer))


def follow(old: Port, new: Port, draft: Draft) -> None:
    """The sub-ports go where their parent goes. Raises Conflict where a sub-port is to go by itself."""
    look = draft.look
    place, trunk = look.places.get(old.id), look.trunks.get(old.id)
    if place is not None and any(getattr(old, name) != getattr(new, name) for name in _THE_PARENTS):
        raise Conflict(
            f"Port {old.id} is currently a subport for trunk {place.trunk_id}: it is where its parent is; "
            "bind the parent, or remove it from the trunk.",
            type="PortInUseAsSubPort",
        )
    if trunk is None or old.host == new.host:
        return
    touch(trunk, draft)
    for each in look.sub_ports_of(trunk.id):
        put(look.state.ports[each.port_id], new.host, draft)


def delete(port: Port, draft: Draft) -> Sequence[SubPort]:
    """Before the port goes. What a node made for a container goes with it, and its trunk, too: given
    back are the sub-ports, which are free then.

    Raises Conflict.
    """
    trunk = draft.look.trunks.get(port.id)
    if trunk is not None and port.device_owner in _MADE_BY_NODES:
        places = draft.look.sub_ports_of(trunk.id)
        free(places, draft)
        draft.also.append(Delete(trunk))
        return places
    is_free(port.id, draft)
    return ()


def details(port: Port, look: Look) -> dict[str, Any] | None:
    """Of a parent, for who is to tell a guest what its interface carries; not for whose network it is in."""
    trunk = look.trunks.get(port.id)
    if trunk is None or look.tenant not in ("", port.project_id):
        return None
    rows = [(each, look.state.ports.get(each.port_id)) for each in look.sub_ports_of(trunk.id)]
    shown = [{**as_shown(each), "mac_address": p.mac_address if p else None} for each, p in rows]
    return {"trunk_id": trunk.id, "sub_ports": shown}


def profile(port: Port, look: Look) -> dict[str, Any]:
    """binding:profile; of a sub-port with what Neutron's OVN driver writes there."""
    if port.device_owner != names.SUBPORT:
        return dict(port.profile)
    place = look.places.get(port.id)
    trunk = look.state.trunks.get(place.trunk_id) if place else None
    if place is None or trunk is None:
        return dict(port.profile)
    return {**port.profile, "parent_name": trunk.port_id, "tag": place.segmentation_id}


def as_shown(place: SubPort) -> dict[str, Any]:
    return {
        "port_id": place.port_id,
        "segmentation_type": place.segmentation_type,
        "segmentation_id": place.segmentation_id,
    }


def status(trunk: Trunk, look: Look) -> str:
    """ACTIVE: all that it carries is; DEGRADED: the parent is, and not every sub-port."""
    parent = look.state.ports.get(trunk.port_id)
    whole = trunk.admin_state_up and parent is not None and parent.admin_state_up
    if not whole or not look.bindings.up(trunk.port_id):
        return "DOWN"
    places = look.sub_ports_of(trunk.id)
    return "ACTIVE" if all(look.bindings.up(each.port_id) for each in places) else "DEGRADED"
