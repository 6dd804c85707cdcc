"""Changes -> the operations of one transaction, given what is known now: pure but for random choices.

A transaction in full:

    insert Request            its uuid is the request's: a transaction that ran already is refused here
    delete Request …          those of earlier transactions whose replies we have
    mutate Sealane            sequence += 1
    wait …                    the revisions that the changes build upon, the uses of a quota
    insert, update, delete …  the changes and their claims

An address is claimed by an Allocation row, a network's tunnel key by a TunnelKey row, a port's one place in
trunks by a TrunkPlace row.  Claim rows live
as long as a strong reference to them does, so they go with their owner, or when it lets them go.
"""

import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sealane.errors import BadRequest, Conflict, NotFound, OverQuota, RevisionMismatch
from sealane.model import (
    FloatingIP,
    Network,
    Port,
    Router,
    State,
    Subnet,
    SubnetPool,
    SubPort,
    Trunk,
)
from sealane.names import ROUTER_INTERFACE, ROUTER_PORTS
from sealane.ovsdb import operations as ops
from sealane.ovsdb.values import Row, Schema
from sealane.store import draws
from sealane.store.changes import Change, Create, Delete, Stored, Update
from sealane.store.claims import (
    DATAPATH,
    DATAPATH_KEYS,
    DEFAULT_POOL,
    PORT_KEYS,
    SEGMENT,
    UNTAGGED,
    Claims,
    free_key,
)
from sealane.store.fixed import refuse_fixed
from sealane.store.rows import (
    COLLECTIONS,
    RESOURCES,
    TABLES,
    canonical,
    network_of,
    same_content,
    to_row,
)

ROOT = "5ea1a000-0000-4000-8000-000000000001"
"""The uuid of the one row of table Sealane."""


@dataclass(frozen=True)
class View:
    """What a plan builds upon, all of one moment."""

    schema: Schema
    state: State
    claims: Claims
    networks: Mapping[str, Row]
    """Rows of table Network."""
    quotas: Mapping[str, Row] = field(default_factory=dict)
    """Rows of table Quota."""
    pools: Mapping[str, Row] = field(default_factory=dict)
    """Rows of table SubnetPool."""
    scopes: Mapping[str, Row] = field(default_factory=dict)
    """Rows of table AddressScope."""


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
        operations=[*head, *planner.waits, *planner.body],
        guards={len(head) + index: obj for index, obj in planner.guards.items()},
        addresses=planner.addresses,
        chose_keys=bool(planner.keys),
        changes=planner.changes,
    )


class _Planner:
    """Collects operations; sees the view as the changes before leave it."""

    def __init__(self, view: View) -> None:
        self.waits: list[ops.Operation] = []
        self.body: list[ops.Operation] = []
        self.guards: dict[int, Stored] = {}
        self.addresses: list[str] = []
        self.keys: dict[str, set[int]] = {}
        """By scope, where one was chosen: those in use."""
        self.changes = 0
        self._view = view
        self._networks: set[str] = set()
        self._subnets: dict[str, Subnet] = {}
        """That are new, or of another pool."""
        self._pools: dict[str, SubnetPool] = {}
        """As this plan leaves them."""
        self._deleted: set[str] = set()
        self._bumped: set[str] = set()
        self._used: set[str] = set()
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
        present = _find(self._view.state, obj)
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
            case Subnet():
                self._create_subnet(obj)
            case Port():
                self._create_port(obj)
            case Router():
                self._create_router(obj)
            case SubnetPool():
                self._create_pool(obj)
            case FloatingIP():
                self._insert("FloatingIP", {**to_row(obj), "association": self._associate(obj)}, obj.id)
            case Trunk() | SubPort():
                place = self._insert("TrunkPlace", {"port": obj.port_id})
                self._insert(TABLES[type(obj)], {**to_row(obj), "place": place}, obj.id)
            case _:
                self._insert(TABLES[type(obj)], to_row(obj), obj.id)

    def _create_network(self, network: Network) -> None:
        network = replace(network, tunnel_key=self._key(DATAPATH, DATAPATH_KEYS, network.tunnel_key))
        claim = self._insert("TunnelKey", {"scope": DATAPATH, "key": network.tunnel_key})
        held = {"tunnel": claim, "segment": self._segment(network), "subnets_revision": 0}
        self._insert("Network", {**to_row(network), **held}, network.id)
        self._networks.add(network.id)

    def _segment(self, network: Network) -> str | None:
        """A VLAN of a physical network, or the whole of it, belongs to one network."""
        if network.network_type == "geneve":
            return None
        scope = f"{SEGMENT}{network.physical_network}"
        return self._insert("TunnelKey", {"scope": scope, "key": network.segmentation_id or UNTAGGED})

    def _create_router(self, router: Router) -> None:
        router = replace(router, tunnel_key=self._key(DATAPATH, DATAPATH_KEYS, router.tunnel_key))
        claim = self._insert("TunnelKey", {"scope": DATAPATH, "key": router.tunnel_key})
        self._insert("Router", {**to_row(router), "tunnel": claim}, router.id)

    def _create_subnet(self, subnet: Subnet) -> None:
        self._require_network(subnet.network_id)
        self._refuse_overlap(subnet)
        self._guard_subnets(subnet.network_id)
        self._take(subnet, self._siblings(subnet))
        claim = self._claim(subnet.id, subnet.gateway_ip)
        self._insert("Subnet", {**to_row(subnet), "gateway_allocation": claim}, subnet.id)
        self._subnets[subnet.id] = subnet

    def _create_pool(self, pool: SubnetPool) -> None:
        self._pools[pool.id] = pool
        self._join_scope(pool)
        claim = self._claim_default(pool)
        self._insert("SubnetPool", {**to_row(pool), "default_claim": claim, "uses": 0}, pool.id)

    def _create_port(self, port: Port) -> None:
        self._require_network(port.network_id)
        port = replace(port, tunnel_key=self._key(port.network_id, PORT_KEYS, port.tunnel_key))
        held = {"allocations": self._allocations(port), "router": self._router_of(port)}
        self._insert("Port", {**to_row(port), **held}, port.id)

    def _update(self, old: Stored, new: Stored) -> None:
        refuse_fixed(old, new)
        present = _find(self._view.state, old)
        if present is None:
            raise _not_found(old)
        if present.revision_number != old.revision_number:
            raise _mismatch(old)
        new = replace(new, revision_number=old.revision_number + 1)
        before = to_row(old)
        row = {column: value for column, value in to_row(new).items() if before[column] != value}
        row |= self._moved_claims(old, new)
        self.changes += 1
        self._guard(old)
        self.body.append(ops.update(self._view.schema, TABLES[type(old)], old.id, row))

    def _moved_claims(self, old: Stored, new: Stored) -> dict[str, object]:
        if isinstance(old, Port) and isinstance(new, Port):
            return self._moved_port(old, new)
        if isinstance(old, FloatingIP) and isinstance(new, FloatingIP):
            moved = (old.port_id, old.fixed_ip_address) != (new.port_id, new.fixed_ip_address)
            return {"association": self._associate(new)} if moved else {}
        if isinstance(old, Subnet) and isinstance(new, Subnet) and old.gateway_ip != new.gateway_ip:
            return {"gateway_allocation": self._claim(new.id, new.gateway_ip)}
        if isinstance(old, Subnet) and isinstance(new, Subnet) and old.subnetpool_id != new.subnetpool_id:
            self._guard_subnets(new.network_id)
            self._take(new, ())
            self._subnets[new.id] = new
        if isinstance(old, SubnetPool) and isinstance(new, SubnetPool):
            return self._moved_pool(old, new)
        return {}

    def _moved_pool(self, old: SubnetPool, new: SubnetPool) -> dict[str, object]:
        self._pools[new.id] = new
        if (old.prefixes, old.address_scope_id) != (new.prefixes, new.address_scope_id):
            self._use("SubnetPool", new.id)
            draws.refuse_prefixes(new, draws.of_pool(new.id, self._all_subnets()))
            self._join_scope(new)
        return {} if old.is_default == new.is_default else {"default_claim": self._claim_default(new)}

    def _moved_port(self, old: Port, new: Port) -> dict[str, object]:
        moved: dict[str, object] = {}
        if old.fixed_ips != new.fixed_ips:
            kept = {(ip.subnet_id, ip.ip_address) for ip in old.fixed_ips}
            moved["allocations"] = self._allocations(new, kept)
        if (old.device_id, old.device_owner) != (new.device_id, new.device_owner):
            moved["router"] = self._router_of(new)
        return moved

    def _router_of(self, port: Port) -> str | None:
        """The router that can't go while the port is there."""
        return port.device_id if port.device_owner in ROUTER_PORTS else None

    def _associate(self, floating: FloatingIP) -> str | None:
        """A fixed address has one floating IP at most: an index of the table says so."""
        if floating.port_id is None or floating.fixed_ip_address is None:
            return None
        row = {"port": floating.port_id, "address": floating.fixed_ip_address}
        return self._insert("Association", row)

    def _delete(self, obj: Stored, guarded: bool) -> None:
        self._deleted.add(obj.id)
        self.changes += 1
        if guarded:
            if _find(self._view.state, obj) is None:
                raise _not_found(obj)
            self._guard(obj)
        self.body.append(ops.delete(TABLES[type(obj)], obj.id))
        self.body += [ops.delete("Allocation", claim) for claim in self._claims_of(obj)]
        if isinstance(obj, Subnet):
            self._bump(obj.network_id)

    # claims

    def _claims_of(self, obj: Stored) -> list[str]:
        """Deleted by name: a subnet can't go while a claim in it does, though nothing holds the claim."""
        present = _find(self._view.state, obj)
        held: list[tuple[str, str]] = []
        if isinstance(present, Subnet) and present.gateway_ip:
            held = [(present.id, present.gateway_ip)]
        if isinstance(present, Port):
            lent = self._lent(present)
            held = [key for ip in present.fixed_ips if (key := (ip.subnet_id, ip.ip_address)) not in lent]
        return [claim for key in held if (claim := self._view.claims.allocation(*key))]

    def _allocations(self, port: Port, kept: Collection[tuple[str, str]] = ()) -> list[str]:
        held = {*kept, *self._lent(port)}
        return [self._hold(ip.subnet_id, ip.ip_address, held) for ip in port.fixed_ips]

    def _lent(self, port: Port) -> set[tuple[str, str]]:
        """The subnet holds its gateway's address; a router's port that is the gateway has it from there."""
        if port.device_owner != ROUTER_INTERFACE:
            return set()
        subnets = self._view.state.subnets
        keys = ((ip.subnet_id, ip.ip_address) for ip in port.fixed_ips)
        return {(id, ip) for id, ip in keys if id in subnets and subnets[id].gateway_ip == ip}

    def _hold(self, subnet: str, address: str, kept: Collection[tuple[str, str]]) -> str:
        if (subnet, address) in kept and (row := self._view.claims.allocation(subnet, address)):
            return row
        return self._insert_claim(subnet, address)

    def _claim(self, subnet: str, address: str | None) -> str | None:
        return self._insert_claim(subnet, address) if address else None

    def _insert_claim(self, subnet: str, address: str) -> str:
        self.addresses.append(address)
        return self._insert("Allocation", {"subnet": subnet, "address": address})

    def _key(self, scope: str, keys: range, wanted: int) -> int:
        if wanted:
            return wanted
        if scope not in self.keys:
            self.keys[scope] = set(self._view.claims.keys(scope))
        taken = self.keys[scope]
        key = free_key(taken, keys, scope)
        taken.add(key)
        return key

    # guards

    def _count(self, obj: Stored) -> None:
        """Within the quota of its project, also if others create in it at the same moment: all that
        create in a project with a quota wait for the same number, and raise it.
        """
        kind, project = RESOURCES[type(obj)], obj.project_id
        quota = next((q for q in self._view.state.quotas.values() if q.project_id == project), None)
        limit = quota.limits.get(kind, -1) if quota is not None else -1
        if quota is None or limit < 0:
            return
        if (project, kind) not in self._counts:
            there = getattr(self._view.state, COLLECTIONS[type(obj)]).values()
            self._counts[project, kind] = sum(1 for other in there if other.project_id == project)
        self._counts[project, kind] += 1
        if self._counts[project, kind] > limit:
            raise OverQuota(f"Quota exceeded for resources: ['{kind}'] of project '{project}' ({limit}).")
        if quota.id not in self._bumped:
            self._bumped.add(quota.id)
            self._wait("Quota", quota.id, {"uses": self._view.quotas[quota.id]["uses"]})
            self.body.append(ops.mutate("Quota", quota.id, ("uses", "+=", 1)))

    def _guard(self, obj: Stored) -> None:
        self.guards[len(self.waits)] = obj
        self._wait(TABLES[type(obj)], obj.id, {"revision_number": obj.revision_number})

    def _guard_subnets(self, network_id: str) -> None:
        """No other subnet may come into the network between our look at them and the commit."""
        if network_id not in self._networks:
            revision = self._view.networks[network_id]["subnets_revision"]
            self._wait("Network", network_id, {"subnets_revision": revision})
        self._bump(network_id)

    def _wait(self, table: str, row_id: str, row: Mapping[str, object]) -> None:
        operation = ops.wait(self._view.schema, table, row_id, row)
        if operation not in self.waits:
            self.waits.append(operation)

    def _bump(self, network_id: str) -> None:
        if network_id not in self._bumped:
            self._bumped.add(network_id)
            self.body.append(ops.mutate("Network", network_id, ("subnets_revision", "+=", 1)))

    def _refuse_overlap(self, subnet: Subnet) -> None:
        cidr = network_of(subnet.cidr)
        for other in self._all_subnets():
            if other.network_id == subnet.network_id:
                there = network_of(other.cidr)
                if there.version == cidr.version and there.overlaps(cidr):
                    raise Conflict(f"{cidr} overlaps with {there} of subnet {other.id}", type="InvalidInput")

    # pools

    def _all_subnets(self) -> Iterator[Subnet]:
        """As this plan leaves them."""
        for subnet in self._view.state.subnets.values():
            if subnet.id not in self._deleted and subnet.id not in self._subnets:
                yield subnet
        yield from self._subnets.values()

    def _all_pools(self) -> Mapping[str, SubnetPool]:
        there = {**self._view.state.subnetpools, **self._pools}
        return {id: pool for id, pool in there.items() if id not in self._deleted}

    def _siblings(self, subnet: Subnet) -> list[Subnet]:
        return [other for other in self._all_subnets() if other.network_id == subnet.network_id]

    def _take(self, subnet: Subnet, siblings: Sequence[Subnet]) -> None:
        """From its pool, beside what else is in its network. Raises NotFound, Conflict, OverQuota …

        Siblings that come into the pool with it are none.
        """
        pools = self._all_pools()
        draws.refuse_siblings(subnet, siblings, pools)
        for id in sorted({s.subnetpool_id for s in (subnet, *siblings) if s.subnetpool_id}):
            self._use("SubnetPool", id)
        if subnet.subnetpool_id is not None:
            if subnet.subnetpool_id not in pools:
                raise NotFound(
                    f"Subnet pool {subnet.subnetpool_id} could not be found.", type="SubnetPoolNotFound"
                )
            pool = pools[subnet.subnetpool_id]
            others = (other for other in self._all_subnets() if other.id != subnet.id)
            draws.refuse_subnet(subnet, pool, draws.of_pool(pool.id, others))

    def _join_scope(self, pool: SubnetPool) -> None:
        if pool.address_scope_id is not None:
            draws.refuse_scope(pool, self._all_pools().values())
            self._use("AddressScope", pool.address_scope_id)

    def _claim_default(self, pool: SubnetPool) -> str | None:
        """A family has one default at most: an index says so."""
        key = {"scope": DEFAULT_POOL, "key": pool.ip_version}
        return self._insert("TunnelKey", key) if pool.is_default else None

    def _use(self, table: str, id: str) -> None:
        """Nobody else may take of it, or change what there is to take, between our look and the commit."""
        rows = {"SubnetPool": self._view.pools, "AddressScope": self._view.scopes}[table]
        if id in rows and id not in self._used:
            self._used.add(id)
            self._wait(table, id, {"uses": rows[id]["uses"]})
            self.body.append(ops.mutate(table, id, ("uses", "+=", 1)))

    def _require_network(self, network_id: str) -> None:
        if network_id not in self._networks and network_id not in self._view.state.networks:
            raise NotFound(f"Network {network_id} could not be found.", type="NetworkNotFound")

    def _insert(self, table: str, row: Mapping[str, object], row_id: str = "") -> str:
        row_id = row_id or str(uuid.uuid4())
        self.body.append(ops.insert(self._view.schema, table, row, uuid=row_id))
        return row_id


def _find(state: State, obj: Stored) -> Stored | None:
    found: Stored | None = getattr(state, COLLECTIONS[type(obj)]).get(obj.id)
    return found


def _not_found(obj: Stored) -> NotFound:
    kind = TABLES[type(obj)]
    return NotFound(f"{kind} {obj.id} could not be found.", type=f"{kind}NotFound")


def _mismatch(obj: Stored) -> RevisionMismatch:
    kind = TABLES[type(obj)]
    return RevisionMismatch(f"{kind} {obj.id} has changed since revision {obj.revision_number}")
