"""Changes -> the operations of one transaction, given what is known now: pure but for random choices.

A transaction in full:

    insert Request            its uuid is the request's: a transaction that ran already is refused here
    delete Request …          those of earlier transactions whose replies we have
    mutate Sealane            sequence += 1
    wait …                    the revisions that the changes build upon, the uses of a quota
    insert, update, delete …  the changes and their claims

An address is claimed by an Allocation row, a network's tunnel key by a TunnelKey row, a port's one place in
trunks by a TrunkPlace row (holder.py); what is taken from a range is guarded by a counter (ranges.py).
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sealane import names
from sealane.errors import BadRequest, Conflict, NotFound, OverQuota, RevisionMismatch
from sealane.model import FloatingIP, Network, Port, Router, Segment, Subnet, SubnetPool, SubPort, Trunk
from sealane.names import ROUTER_PORTS
from sealane.ovsdb import operations as ops
from sealane.store.changes import Change, Create, Delete, Stored, Update
from sealane.store.claims import DATAPATH, DATAPATH_KEYS, PORT_KEYS
from sealane.store.fixed import refuse_fixed
from sealane.store.holder import Holder
from sealane.store.parts import Parts
from sealane.store.ranges import Ranges
from sealane.store.rows import COLLECTIONS, RESOURCES, TABLES, canonical, same_content, to_row
from sealane.store.transaction import Transaction, View

ROOT = "5ea1a000-0000-4000-8000-000000000001"
"""The uuid of the one row of table Sealane."""


@dataclass(frozen=True)
class Plan:
    """One transaction, and what its refusal would mean."""

    operations: Sequence[ops.Operation]
    guards: Mapping[int, Stored]
    """By operation: the object whose revision is waited for; other waits are worth another try."""
    addresses: Sequence[str]
    """Those that it claims."""
    chose_keys: bool
    """A tunnel key was chosen by us: when it is taken by now, another will do."""
    changes: int
    """How many changes are not there already."""


def plan(changes: Iterable[Change], view: View, request: str, done: Sequence[str]) -> Plan:
    """`done` are requests whose rows may go; an id may be in one of the changes at most.

    Raises NotFound, Conflict, OverQuota, RevisionMismatch, BadRequest as far as the view tells; the rest the
    database refuses.
    """
    planner = _Planner(view)
    for change in changes:
        planner.add(change)
    head = [
        ops.insert(view.schema, "Request", {"at": int(time.time())}, uuid=request),
        *(ops.delete("Request", old) for old in done),
        ops.mutate("Sealane", ROOT, ("sequence", "+=", 1)),
    ]
    return Plan(
        operations=[*head, *planner.transaction.waits, *planner.transaction.body],
        guards={len(head) + index: obj for index, obj in planner.transaction.guards.items()},
        addresses=planner.claims.addresses,
        chose_keys=bool(planner.claims.keys),
        changes=planner.changes,
    )


class _Planner:
    """Makes each change a part of one transaction."""

    def __init__(self, view: View) -> None:
        self.transaction = Transaction(view)
        self.claims = Holder(self.transaction)
        self.changes = 0
        self._ranges = Ranges(self.transaction)
        self._parts = Parts(self.transaction, self.claims, self._ranges)
        self._view = view
        self._named: set[str] = set()
        self._counts: dict[tuple[str, str], int] = {}
        """By project and kind, where there is a limit: how many there will be."""

    def add(self, change: Change) -> None:
        match change:
            case Create(obj, counted):
                self._once(obj)
                self._create(canonical(obj), counted)
            case Update(old, new):
                self._once(old)
                self._update(canonical(old), canonical(new))
            case Delete(obj, guarded):
                self._once(obj)
                self._delete(obj, guarded)

    def _once(self, obj: Stored) -> None:
        if obj.id in self._named:
            raise BadRequest(f"{TABLES[type(obj)]} {obj.id} is named twice in one request")
        self._named.add(obj.id)

    def _create(self, obj: Stored, counted: bool) -> None:
        present = self.transaction.find(obj)
        if present is not None:
            if not same_content(obj, present):
                raise Conflict(f"{TABLES[type(obj)]} {obj.id} exists already, and is different")
            return
        self.changes += 1
        if counted:
            self._count(obj)
        match obj:
            case Network():
                self._create_network(obj)
            case Segment():
                self._parts.add(obj)
            case Subnet():
                self._create_subnet(obj)
            case Port():
                self._create_port(obj)
            case Router():
                self._create_router(obj)
            case SubnetPool():
                self._create_pool(obj)
            case FloatingIP():
                self.transaction.insert(
                    "FloatingIP", {**to_row(obj), "association": self.claims.association(obj)}, obj.id
                )
            case Trunk() | SubPort():
                place = self.transaction.insert("TrunkPlace", {"port": obj.port_id})
                self.transaction.insert(TABLES[type(obj)], {**to_row(obj), "place": place}, obj.id)
            case _:
                self.transaction.insert(TABLES[type(obj)], to_row(obj), obj.id)

    def _create_network(self, network: Network) -> None:
        network = replace(network, tunnel_key=self.claims.key(DATAPATH, DATAPATH_KEYS, network.tunnel_key))
        held = {
            "tunnel": self.claims.datapath(network.tunnel_key),
            "segment": self.claims.segment(network),
            "subnets_revision": 0,
        }
        self.transaction.insert("Network", {**to_row(network), **held}, network.id)
        self.transaction.networks[network.id] = network

    def _create_router(self, router: Router) -> None:
        router = replace(router, tunnel_key=self.claims.key(DATAPATH, DATAPATH_KEYS, router.tunnel_key))
        claim = self.claims.datapath(router.tunnel_key)
        self.transaction.insert("Router", {**to_row(router), "tunnel": claim}, router.id)

    def _create_subnet(self, subnet: Subnet) -> None:
        self.transaction.need_network(subnet.network_id)
        self._parts.place(subnet)
        self._ranges.place(subnet)
        claim = self.claims.gateway(subnet)
        self.transaction.insert("Subnet", {**to_row(subnet), "gateway_allocation": claim}, subnet.id)

    def _create_pool(self, pool: SubnetPool) -> None:
        self._ranges.add(pool)
        claim = self.claims.default(pool)
        self.transaction.insert("SubnetPool", {**to_row(pool), "default_claim": claim, "uses": 0}, pool.id)

    def _create_port(self, port: Port) -> None:
        self.transaction.need_network(port.network_id)
        self._parts.check(port)
        port = replace(port, tunnel_key=self.claims.key(port.network_id, PORT_KEYS, port.tunnel_key))
        held = {"allocations": self.claims.allocations(port), "router": self._router_of(port)}
        self.transaction.insert("Port", {**to_row(port), **held}, port.id)

    def _update(self, old: Stored, new: Stored) -> None:
        refuse_fixed(old, new)
        present = self.transaction.find(old)
        if present is None:
            raise _not_found(old)
        if present.revision_number != old.revision_number:
            raise _mismatch(old)
        new = replace(new, revision_number=old.revision_number + 1)
        before = to_row(old)
        row = {column: value for column, value in to_row(new).items() if before[column] != value}
        row |= self._moved_claims(old, new)
        self.changes += 1
        self.transaction.guard(old)
        self.transaction.body.append(ops.update(self._view.schema, TABLES[type(old)], old.id, row))

    def _moved_claims(self, old: Stored, new: Stored) -> dict[str, object]:
        if isinstance(old, Port) and isinstance(new, Port):
            return self._moved_port(old, new)
        if isinstance(old, FloatingIP) and isinstance(new, FloatingIP):
            moved = (old.port_id, old.fixed_ip_address) != (new.port_id, new.fixed_ip_address)
            return {"association": self.claims.association(new)} if moved else {}
        if isinstance(old, Subnet) and isinstance(new, Subnet):
            self._parts.move(old, new)
            if old.subnetpool_id != new.subnetpool_id:
                self._ranges.move(new)
            moved = old.gateway_ip != new.gateway_ip
            return {"gateway_allocation": self.claims.gateway(new)} if moved else {}
        if isinstance(old, SubnetPool) and isinstance(new, SubnetPool):
            return self._moved_pool(old, new)
        return {}

    def _moved_pool(self, old: SubnetPool, new: SubnetPool) -> dict[str, object]:
        self._ranges.change(old, new)
        return {} if old.is_default == new.is_default else {"default_claim": self.claims.default(new)}

    def _moved_port(self, old: Port, new: Port) -> dict[str, object]:
        moved: dict[str, object] = {}
        if names.waits(old):
            self._count(new)
        if old.fixed_ips != new.fixed_ips:
            kept = {(ip.subnet_id, ip.ip_address) for ip in old.fixed_ips}
            moved["allocations"] = self.claims.allocations(new, kept)
        if (old.device_id, old.device_owner) != (new.device_id, new.device_owner):
            moved["router"] = self._router_of(new)
            self._parts.check(new)
        return moved

    def _router_of(self, port: Port) -> str | None:
        """The router that can't go while the port is there."""
        return port.device_id if port.device_owner in ROUTER_PORTS else None

    def _delete(self, obj: Stored, guarded: bool) -> None:
        self.transaction.deleted.add(obj.id)
        self.changes += 1
        if guarded:
            if self.transaction.find(obj) is None:
                raise _not_found(obj)
            self.transaction.guard(obj)
        self.transaction.body.append(ops.delete(TABLES[type(obj)], obj.id))
        self.transaction.body += [ops.delete("Allocation", claim) for claim in self.claims.of(obj)]
        if isinstance(obj, Subnet | Segment):
            self._ranges.leave(obj)

    def _count(self, obj: Stored) -> None:
        """Within the quota of its project, also if others create in it at the same moment: all that
        create in a project with a quota wait for the same number, and raise it.
        """
        kind, project = RESOURCES[type(obj)], obj.project_id
        if not is_counted(obj, project):
            return
        quota = next((q for q in self._view.state.quotas.values() if q.project_id == project), None)
        limit = quota.limits.get(kind, -1) if quota is not None else -1
        if quota is None or limit < 0:
            return
        if (project, kind) not in self._counts:
            there = getattr(self._view.state, COLLECTIONS[type(obj)]).values()
            self._counts[project, kind] = sum(1 for other in there if is_counted(other, project))
        self._counts[project, kind] += 1
        if self._counts[project, kind] > limit:
            raise OverQuota(f"Quota exceeded for resources: ['{kind}'] of project '{project}' ({limit}).")
        self.transaction.hold("Quota", quota.id, "uses", self._view.quotas[quota.id]["uses"])


def is_counted(obj: Stored, project: str) -> bool:
    """Against the project's quota; a port that waits for a container is nobody's yet."""
    return obj.project_id == project and not (isinstance(obj, Port) and names.waits(obj))


def _not_found(obj: Stored) -> NotFound:
    kind = TABLES[type(obj)]
    return NotFound(f"{kind} {obj.id} could not be found.", type=f"{kind}NotFound")


def _mismatch(obj: Stored) -> RevisionMismatch:
    kind = TABLES[type(obj)]
    return RevisionMismatch(f"{kind} {obj.id} has changed since revision {obj.revision_number}")
