"""Subnet pools: the table of attributes, and the calls that give a pool prefixes and take some away.

A pool's prefixes are kept as few as say the same.  By PUT they only grow; `remove_prefixes` takes away
what no subnet has.
"""

import ipaddress
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api import convert, ipam, policy
from sealane.api.answers import answer
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.body import read_object
from sealane.api.caller import caller_of
from sealane.api.convert import BOOLEAN, Type, nullable
from sealane.api.draft import Draft
from sealane.api.resources import Handlers
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import Subnet, SubnetPool
from sealane.store import draws
from sealane.store.changes import Update

MAX = 250
LONGEST = {4: 32, 6: 128}
SHORTEST = {4: 8, 6: 64}
"""Of a subnet, unless the pool says something else."""


def _prefix(value: Any) -> str:
    if "/" not in str(value):
        raise ValueError(f"'{value}' is not a valid IP subnet")
    return convert.to_subnet(value)


def _prefixes(value: Any) -> Any:
    if value is None:
        raise ValueError("'None' is not a list")
    return _LIST.convert(value)


_LIST = convert.listing(_prefix, convert.NETWORK_SCHEMA, MAX)
PREFIXES = Type(_prefixes, _LIST.schema)
LENGTH = Type(convert.integer(0, 128).convert, {"type": "integer", "minimum": 0, "maximum": 128})
QUOTA = nullable(convert.integer(0, 2**31 - 1))
Prefixes = tuple[str, ...]


def _name(value: Any) -> str:
    found = str(convert.NAME.convert(value))
    if not found.strip():
        raise ValueError("it is empty")
    return found


NAMED = Type(_name, {"type": "string", "minLength": 1, "maxLength": 255})

SUBNET_POOLS = Kind(
    singular="subnetpool",
    plural="subnetpools",
    words="Subnet Pool",
    collection=lambda state: state.subnetpools,
    attributes=(
        *(replace(a, type=NAMED, default=REQUIRED) if a.name == "name" else a for a in standard()),
        Attribute(
            name="prefixes",
            type=PREFIXES,
            read=lambda pool, look: list(pool.prefixes),
            default=REQUIRED,
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(name="ip_version", type=convert.integer(4, 6)),
        *(
            Attribute(name=f"{which}_prefixlen", type=LENGTH, post=True, put=True)
            for which in ("min", "default", "max")
        ),
        Attribute(name="default_quota", type=QUOTA, post=True, put=True),
        Attribute(name="is_default", type=BOOLEAN, default=False, post=True, put=True),
        Attribute(
            name="shared",
            type=BOOLEAN,
            read=lambda pool, look: pool.shared or look.is_shared(pool.id),
            default=False,
            post=True,
        ),
        Attribute(name="address_scope_id", type=nullable(convert.ID), post=True, put=True),
    ),
)


def create(id: str, values: Values, draft: Draft) -> SubnetPool:
    given = {name: value for name, value in values.items() if value is not None}
    prefixes = _few(values["prefixes"])
    version = ipaddress.ip_network(prefixes[0]).version
    given["min_prefixlen"] = values.get("min_prefixlen", SHORTEST[version])
    given["max_prefixlen"] = values.get("max_prefixlen", LONGEST[version])
    given["default_prefixlen"] = values.get("default_prefixlen", given["min_prefixlen"])
    given |= {"prefixes": prefixes, "ip_version": version}
    pool = SubnetPool(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    _check(pool, draft)
    draft.pools[id] = pool
    return pool


def update(old: Any, values: Values, draft: Draft) -> SubnetPool:
    given = dict(values)
    if "prefixes" in given:
        given["prefixes"] = _few(given["prefixes"])
        _covers(old, given["prefixes"])
    changed: SubnetPool = replace(old, **given)
    _check(changed, draft)
    return changed


def delete(pool: Any, draft: Draft) -> tuple[SubnetPool, ...]:
    if any(draws.of_pool(pool.id, draft.look.state.subnets.values())):
        raise Conflict(
            f"Unable to delete subnet pool: Subnet pool {pool.id} has existing allocations.",
            type="SubnetPoolDeleteError",
        )
    return (pool,)


def _few(prefixes: Iterable[str]) -> Prefixes:
    """As few as say the same, in ascending order. Raises BadRequest."""
    networks = [ipaddress.ip_network(prefix) for prefix in prefixes]
    if not networks:
        raise BadRequest("Empty subnet pool prefix list.", type="EmptySubnetPoolPrefixList")
    if len({network.version for network in networks}) > 1:
        raise BadRequest("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", type="PrefixVersionMismatch")
    for network in networks:
        if network.prefixlen == 0:
            raise BadRequest(
                f"Prefix '{network}' not supported in IPv{network.version} pool.",
                type="UnsupportedMinSubnetPoolPrefix",
            )
    return tuple(map(str, ipaddress.collapse_addresses(networks)))  # type: ignore[type-var]


def _covers(old: SubnetPool, prefixes: Prefixes) -> None:
    """Raises BadRequest for another family, or where something is missing."""
    if (":" in prefixes[0]) != (old.ip_version == 6):
        raise BadRequest("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", type="PrefixVersionMismatch")
    both = _few((*old.prefixes, *prefixes))
    if both != prefixes:
        raise BadRequest(
            "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes; "
            "remove_prefixes takes away what no subnet has.",
            type="IllegalSubnetPoolPrefixUpdate",
        )


def _check(pool: SubnetPool, draft: Draft, onboarded: str = "") -> None:
    """`onboarded`: a network whose subnets of the family are all to be the pool's."""
    lengths = {
        "min_prefixlen": pool.min_prefixlen,
        "default_prefixlen": pool.default_prefixlen,
        "max_prefixlen": pool.max_prefixlen,
        f"longest of IPv{pool.ip_version}": LONGEST[pool.ip_version],
    }
    names = list(lengths)
    for one, next_one in itertools.pairwise(names):
        if lengths[one] > lengths[next_one]:
            raise BadRequest(
                f"Illegal prefix bounds: {one}={lengths[one]}, {next_one}={lengths[next_one]}.",
                type="IllegalSubnetPoolPrefixBounds",
            )
    _check_default(pool, draft)
    _check_scope(pool, draft, onboarded)


def _check_default(pool: SubnetPool, draft: Draft) -> None:
    pools = draft.all_pools()
    others = (p for p in pools.values() if p.id != pool.id and p.ip_version == pool.ip_version)
    other = next((p for p in others if p.is_default), None)
    if pool.is_default and other is not None:
        raise BadRequest(
            "Invalid input for is_default. Reason: A default subnetpool for this IP family has already been "
            f"set: {other.id}. Only one default may exist per IP family.",
            type="InvalidInput",
        )


def _check_scope(pool: SubnetPool, draft: Draft, onboarded: str) -> None:
    """What is in the pool's networks beside it has to be of the same scope."""
    if pool.address_scope_id is not None:
        scope = draft.look.state.address_scopes.get(pool.address_scope_id)
        if scope is None:
            raise NotFound(
                f"Address scope {pool.address_scope_id} could not be found.", type="AddressScopeNotFound"
            )
        if scope.ip_version != pool.ip_version:
            raise BadRequest(
                f"Illegal subnetpool association: subnetpool {pool.id} cannot associate with address scope "
                f"{scope.id} because subnetpool ip_version is not {scope.ip_version}.",
                type="IllegalSubnetPoolIpVersionAssociationToAddressScope",
            )
    pools = {**draft.all_pools(), pool.id: pool}
    draws.refuse_scope(pool, pools.values())
    for subnet in draws.of_pool(pool.id, draft.look.state.subnets.values()):
        if subnet.network_id != onboarded:
            draws.refuse_siblings(subnet, draft.look.subnets_of(subnet.network_id), pools)


def _added(pool: SubnetPool, given: Prefixes, draft: Draft) -> SubnetPool:
    prefixes = _few((*pool.prefixes, *given))
    changed = replace(pool, prefixes=prefixes)
    _check(changed, draft)
    return changed


def _removed(pool: SubnetPool, given: Prefixes, draft: Draft) -> SubnetPool:
    """Also parts of prefixes. Raises BadRequest for what is not there, is in use, or is all there is."""
    left = [ipaddress.ip_network(prefix) for prefix in pool.prefixes]
    for text in given:
        gone = ipaddress.ip_network(text)
        after: list[ipam.AnyNetwork] = []
        for network in left:
            if network.version == gone.version and gone.subnet_of(network):  # type: ignore[arg-type]
                after += network.address_exclude(gone)  # type: ignore[arg-type]
            elif network.version != gone.version or not network.subnet_of(gone):  # type: ignore[arg-type]
                after.append(network)
        if after == left:
            raise BadRequest(
                f"Illegal update to prefixes: {text} is not in the prefixes {', '.join(pool.prefixes)}.",
                type="IllegalSubnetPoolPrefixUpdate",
            )
        left = after
    changed = replace(pool, prefixes=_few(map(str, left)))
    draws.refuse_prefixes(changed, draws.of_pool(pool.id, draft.look.state.subnets.values()))
    return changed


def _onboarded(pool: SubnetPool, network_id: str, draft: Draft) -> tuple[SubnetPool, list[Subnet]]:
    """With the network's subnets of its family, which become the pool's. Raises BadRequest, Conflict."""
    there = [s for s in draft.look.subnets_of(network_id) if s.ip_version == pool.ip_version]
    taken = [s for s in there if s.subnetpool_id not in (None, pool.id)]
    if not there or taken:
        why = (
            f"subnet {taken[0].id} is of pool {taken[0].subnetpool_id}" if taken else "it has no such subnet"
        )
        raise BadRequest(
            f"Illegal subnetpool update : IPv{pool.ip_version} subnets of network {network_id} can't be "
            f"taken in: {why}.",
            type="IllegalSubnetPoolUpdate",
        )
    changed = replace(pool, prefixes=_few((*pool.prefixes, *(s.cidr for s in there))))
    _check(changed, draft, network_id)
    mine = [s for s in draws.of_pool(pool.id, draft.look.state.subnets.values()) if s not in there]
    for subnet in there:
        for other in mine:
            if draws.overlap(subnet.cidr, other.cidr):
                raise Conflict(
                    f"Illegal subnetpool update : {subnet.cidr} overlaps with subnet {other.id} of the pool.",
                    type="IllegalSubnetPoolUpdate",
                )
    return changed, [replace(s, subnetpool_id=pool.id) for s in there if s.subnetpool_id is None]


def routes(handlers: Handlers) -> tuple[Route, ...]:
    """PUT …/subnetpools/ID/add_prefixes {"prefixes": […]}, the opposite, and onboard_network_subnets."""

    def changing(change: Callable[[SubnetPool, Prefixes, Draft], SubnetPool]) -> Any:
        async def handler(request: Request) -> Response:
            given = _given(await read_object(request))
            shown = await handlers.change(request, lambda old, draft: change(old, given, draft))
            return answer({"prefixes": shown["prefixes"]})

        return handler

    async def onboard(request: Request) -> Response:
        network_id, caller = _network(await read_object(request)), caller_of(request)
        done: list[Subnet] = []

        def change(old: SubnetPool, draft: Draft) -> SubnetPool:
            network = draft.look.state.networks.get(network_id)
            if network is None or not policy.sees(caller, network, draft.look):
                raise NotFound(f"Network {network_id} could not be found.", type="NetworkNotFound")
            policy.check_may_change(caller, network, draft.look)
            pool, subnets = _onboarded(old, network_id, draft)
            done[:] = subnets
            before = draft.look.state.subnets
            draft.last.extend(
                Update(before[s.id], replace(s, updated_at=draft.now, revision_number=s.revision_number + 1))
                for s in subnets
            )
            return pool

        await handlers.change(request, change)
        return answer({"onboarded_subnets": [{"id": s.id, "cidr": s.cidr} for s in done]})

    base = f"/v2.0/{SUBNET_POOLS.path}/{{id}}"
    return (
        Route(f"{base}/add_prefixes", changing(_added), methods=["PUT"]),
        Route(f"{base}/remove_prefixes", changing(_removed), methods=["PUT"]),
        Route(f"{base}/onboard_network_subnets", onboard, methods=["PUT"]),
    )


def _given(body: Any) -> Prefixes:
    """Clients send the list itself or a pool with nothing but the list."""
    inner = body.get("subnetpool", body)
    if not isinstance(inner, dict) or set(inner) != {"prefixes"}:
        raise BadRequest("Unable to find 'prefixes' in request body", type="HTTPBadRequest")
    try:
        found: Prefixes = PREFIXES.convert(inner["prefixes"])
    except ValueError as exc:
        raise BadRequest(f"Invalid input for prefixes. Reason: {exc}.", type="HTTPBadRequest") from exc
    if not found:
        raise BadRequest("Empty subnet pool prefix list.", type="EmptySubnetPoolPrefixList")
    return found


def _network(body: Any) -> str:
    inner = body.get("subnetpool", body)
    if not isinstance(inner, dict) or set(inner) != {"network_id"}:
        raise BadRequest("Unable to find 'network_id' in request body", type="HTTPBadRequest")
    try:
        return convert.to_uuid(inner["network_id"])
    except ValueError as exc:
        raise BadRequest(f"Invalid input for network_id. Reason: {exc}.", type="HTTPBadRequest") from exc


def default_of(version: int, project: str, draft: Draft) -> SubnetPool:
    """The default of a family, where the project may use it. Raises BadRequest."""
    for pool in draft.all_pools().values():
        if pool.is_default and pool.ip_version == version:
            granted = draft.look.is_granted("access_as_shared", pool.id, project)
            if pool.shared or granted or pool.project_id == project:
                return pool
    raise BadRequest(f"No default subnetpool found for IPv{version}: make one, shared and with is_default.")


def subnets_of(pool: SubnetPool, draft: Draft) -> Sequence[Subnet]:
    there = (*draft.look.state.subnets.values(), *draft.subnets)
    return tuple(draws.of_pool(pool.id, there))
