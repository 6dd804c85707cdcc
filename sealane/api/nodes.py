"""Nodes: the table of attributes, who may have which name and address, and what goes with a node."""

import ipaddress
from dataclasses import replace
from typing import Any

from sealane import names
from sealane.api import convert, services, taps, trunk_places
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import BOOLEAN, Type, one_of
from sealane.api.draft import Draft
from sealane.config import HOST_NAME
from sealane.errors import Conflict
from sealane.model import Node, Port, State
from sealane.pki.certificate import CENTRAL
from sealane.store.changes import Change, Create, Delete, Update

RESERVED = frozenset({CENTRAL, names.NOWHERE})
EVERYTHING = ("*",)
MADE_THERE = frozenset({*names.CONTAINER_PORTS, names.NETNS_PORT})
"""Ports with these owners were made for something on the node, and mean nothing without it."""


def to_node_name(value: Any) -> str:
    """It becomes the name of a chassis, of a certificate, and a part of commands."""
    if not isinstance(value, str) or not HOST_NAME.fullmatch(value) or value in RESERVED:
        raise ValueError(
            "a node's name has letters, digits, '-' and '.', 63 at most; set host_name on that machine"
        )
    return value


def to_underlay_address(value: Any) -> str:
    address = ipaddress.ip_address(convert.to_address(value))
    if address.is_multicast or address.is_unspecified:
        raise ValueError(f"'{value}' is no address of a host; set encap_ip on that machine")
    return str(address)


NAME = Type(
    to_node_name, {"type": "string", "maxLength": 63, "pattern": "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"}
)
ADDRESS = Type(to_underlay_address, convert.ADDRESS_SCHEMA)
PROJECTS = convert.listing(convert.text(255).convert, {"type": "string", "maxLength": 255}, 1000)
BRIDGED = convert.listing(convert.PHYSICAL_NETWORK.convert, convert.PHYSICAL_NETWORK.schema, 100)
_OWN = ("project_id", "tenant_id", "name")

NODES = Kind(
    singular="node",
    plural="nodes",
    collection=lambda state: state.nodes,
    attributes=(
        *(a for a in standard() if a.name not in _OWN),
        Attribute(name="name", type=NAME, default=REQUIRED, post=True),
        Attribute(name="address", type=ADDRESS, default=REQUIRED, post=True, put=True),
        Attribute(name="projects", type=PROJECTS, default=EVERYTHING, post=True, put=True, filter=False),
        Attribute(name="serials", type=convert.ANY, read=lambda node, look: list(node.serials), filter=False),
        Attribute(name="local", type=BOOLEAN, read=lambda node, look: is_local(node)),
        Attribute(name="physical_networks", type=BRIDGED, default=(), post=True, put=True, filter=False),
        Attribute(
            name="datapath_type", type=one_of("system", "netdev"), default="system", post=True, put=True
        ),
        Attribute(name="away", type=BOOLEAN),
        Attribute(
            name="ports", type=convert.INTEGER, read=lambda node, look: look.ports_on(node.name), filter=False
        ),
    ),
)


def is_local(node: Node) -> bool:
    """Whether it is the central part's own, which comes in by the unix socket and needs no certificate."""
    return not node.serials


def named(state: State, name: str) -> Node | None:
    return next((node for node in state.nodes.values() if node.name == name), None)


def at(state: State, address: str) -> Node | None:
    return next((node for node in state.nodes.values() if node.address == address), None)


def register(id: str, values: Values, draft: Draft) -> list[Change]:
    """The central part's own node, said by itself at each start; what is there already is no change.

    Its former row goes when its name has changed. Raises Conflict.
    """
    state, name, address = draft.look.state, values["name"], values["address"]
    before, holder = named(state, name), at(state, address)
    if before is not None and not is_local(before):
        raise _taken_name(before)
    if holder is not None and holder != before and not is_local(holder):
        raise _taken_address(holder)
    former: list[Change] = [Delete(holder)] if holder is not None and holder != before else []
    if before is None:
        return [*former, Create(_new(id, values, draft))]
    said = {"address": address} | {key: values[key] for key in ("physical_networks", "datapath_type")}
    if all(getattr(before, key) == value for key, value in said.items()):
        return former
    return [*former, _changed(before, draft, **said)]


def admit(id: str, values: Values, serial: str, draft: Draft) -> list[Change]:
    """A node that joins, the first time or again with the same name and address. Raises Conflict.

    A token for all projects does not widen what a node has been held to.
    """
    state, name, address = draft.look.state, values["name"], values["address"]
    before, holder = named(state, name), at(state, address)
    if before is not None and (before.address != address or is_local(before)):
        raise _taken_name(before)
    if before is None and holder is not None:
        raise _taken_address(holder)
    if before is not None:
        projects = before.projects if values["projects"] == EVERYTHING else values["projects"]
        return [_changed(before, draft, serials=(serial,), projects=projects)]
    return [Create(replace(_new(id, values, draft), serials=(serial,)))]


def certify(node: Node, serials: tuple[str, ...], draft: Draft) -> Change:
    """From now on the node's certificates are these."""
    return _changed(node, draft, serials=serials)


def update(old: Node, values: Values, draft: Draft) -> Node:
    """Raises Conflict."""
    given = NODES.as_fields(values)
    holder = at(draft.look.state, given.get("address", old.address))
    if holder is not None and holder.id != old.id:
        raise _taken_address(holder)
    return replace(old, **given)


def remove(node: Node, draft: Draft, *, force: bool) -> list[Change]:
    """Raises Conflict while something of it is in use, unless forced: then its ports go or are unbound."""
    if is_local(node) and not force:
        raise Conflict(
            f"'{node.name}' is the central part's own node; it comes back at its next start", type="NodeInUse"
        )
    ports = [port for port in draft.look.state.ports.values() if port.host == node.name]
    if ports and not force:
        number = f"{len(ports)} port{'' if len(ports) == 1 else 's'}"
        raise Conflict(
            f"node '{node.name}' has {number}; stop what runs there, or remove it with --force: then the"
            " ports that were made there are deleted and the others unbound",
            type="NodeInUse",
        )
    gone = [port for port in ports if port.device_owner in MADE_THERE]
    services.without(gone, draft)
    taps.without(gone, draft)
    carried = [place.port_id for port in gone for place in trunk_places.delete(port, draft)]
    left = [port for port in ports if port.id not in carried]
    return [*(_let_go(port, draft) for port in left), Delete(node, guarded=True)]


def _let_go(port: Port, draft: Draft) -> Change:
    if port.device_owner in MADE_THERE:
        return Delete(port)
    free = replace(port, host="", revision_number=port.revision_number + 1, updated_at=draft.now)
    if port.device_owner in names.ADOPTED_PORTS:
        free = replace(free, device_owner="", device_id="")
    return Update(port, free)


def _new(id: str, values: Values, draft: Draft) -> Node:
    given = NODES.as_fields(values)
    return Node(id=id, project_id="", revision_number=1, created_at=draft.now, updated_at=draft.now, **given)


def _changed(node: Node, draft: Draft, **values: Any) -> Update:
    return Update(
        node, replace(node, updated_at=draft.now, revision_number=node.revision_number + 1, **values)
    )


def _taken_name(node: Node) -> Conflict:
    return Conflict(
        f"the name '{node.name}' is that of the node at {node.address}; set another host_name on this"
        " machine, or, if it is the same one,"
        f" run 'sealane node remove {node.name}' on the central machine first",
        type="NodeNameInUse",
    )


def _taken_address(node: Node) -> Conflict:
    return Conflict(
        f"the address {node.address} is that of node '{node.name}'; set another encap_ip on this machine, or,"
        f" if '{node.name}' is gone, run 'sealane node remove {node.name}' on the central machine first",
        type="NodeAddressInUse",
    )
