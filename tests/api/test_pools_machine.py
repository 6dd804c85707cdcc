"""Pools, scopes and subnets in any order against a model: nothing overlaps, what is free is the lowest.

Each subnet is in a network of its own.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors
from sealane.cli.api import Api
from tests.api.any_order import NOTHING, AnyOrder, Sight, host, run
from tests.api.test_server import Host

__all__ = ["host"]
PREFIXES = st.sampled_from(["10.0.0.0/27", "10.0.0.32/27", "10.0.0.64/26", "10.0.1.0/28"])
LENGTHS = st.integers(27, 30)
QUOTA = 64


class Machine(AnyOrder):
    pools = Bundle("pools")
    scopes = Bundle("scopes")
    subnets = Bundle("subnets")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.pool_rows: dict[str, dict[str, Any]] = {}
        self.scope_ids: set[str] = set()
        self.rows: dict[str, dict[str, Any]] = {}

    def of(self, pool: str) -> list[Any]:
        return [ipaddress.ip_network(s["cidr"]) for s in self.rows.values() if s["subnetpool_id"] == pool]

    def prefixes(self, pool: str) -> list[Any]:
        return [ipaddress.ip_network(p) for p in self.pool_rows[pool]["prefixes"]]

    def clash(self, pool: str, scope: str | None, prefixes: list[Any]) -> bool:
        others = (id for id, row in self.pool_rows.items() if id != pool and row["address_scope_id"] == scope)
        return scope is not None and any(
            mine.overlaps(its) for id in others for its in self.prefixes(id) for mine in prefixes
        )

    @rule(target=scopes)
    def make_scope(self) -> str:
        id = str(self.api.create("address-scopes", {"ip_version": 4})["id"])
        self.scope_ids.add(id)
        return id

    @rule(target=pools, prefix=PREFIXES, limited=st.booleans())
    def make_pool(self, prefix: str, limited: bool) -> str:
        quota = {"default_quota": QUOTA} if limited else {}
        body = {"name": "p", "prefixes": [prefix], "min_prefixlen": 27, "default_prefixlen": 29, **quota}
        row = self.api.create("subnetpools", body)
        self.pool_rows[row["id"]] = row
        return str(row["id"])

    @rule(pool=pools, scope=scopes)
    def move_to_a_scope(self, pool: str, scope: str) -> None:
        if pool not in self.pool_rows or scope not in self.scope_ids:
            return
        change = {"address_scope_id": scope}
        if self.clash(pool, scope, self.prefixes(pool)):
            with pytest.raises(errors.Conflict, match="unique"):
                self.api.update("subnetpools", pool, change)
        else:
            self.pool_rows[pool] = self.api.update("subnetpools", pool, change)

    @rule(pool=pools, prefix=PREFIXES, more=st.booleans())
    def change_prefixes(self, pool: str, prefix: str, more: bool) -> None:
        if pool not in self.pool_rows:
            return
        there, given = self.prefixes(pool), ipaddress.ip_network(prefix)
        left = [part for one in there for part in _without(one, given)]
        path = f"subnetpools/{pool}/{'add' if more else 'remove'}_prefixes"
        held = any(given.overlaps(subnet) for subnet in self.of(pool))
        if more and self.clash(pool, self.pool_rows[pool]["address_scope_id"], [given]):
            with pytest.raises(errors.Conflict, match="unique"):
                self.api.change("PUT", path, {"prefixes": [prefix]})
        elif not more and (left == there or held or not left):
            with pytest.raises(errors.BadRequest):
                self.api.change("PUT", path, {"prefixes": [prefix]})
        else:
            wanted = list(ipaddress.collapse_addresses([*there, given] if more else left))
            shown = self.api.change("PUT", path, {"prefixes": [prefix]})["prefixes"]
            assert [ipaddress.ip_network(p) for p in shown] == wanted
            self.pool_rows[pool] = {**self.pool_rows[pool], "prefixes": shown}

    @rule(target=subnets, pool=pools, length=LENGTHS)
    def take(self, pool: str, length: int) -> str:
        """The lowest free one."""
        network = self.api.create("networks", {})["id"]
        body = {"network_id": network, "subnetpool_id": pool, "prefixlen": length}
        if pool not in self.pool_rows:
            with pytest.raises(errors.NotFound):
                self.api.create("subnets", body)
            return NOTHING
        busy, quota = self.of(pool), self.pool_rows[pool]["default_quota"]
        blocks = (
            b for p in self.prefixes(pool) if p.prefixlen <= length for b in p.subnets(new_prefix=length)
        )
        free = next((b for b in blocks if not any(b.overlaps(other) for other in busy)), None)
        over = quota is not None and sum(b.num_addresses for b in busy) + 2 ** (32 - length) > quota
        if free is None or over:
            with pytest.raises(errors.Conflict if free is None else errors.SealaneError):
                self.api.create("subnets", body)
            return NOTHING
        row = self.api.create("subnets", body)
        assert row["cidr"] == str(free)
        self.rows[row["id"]] = row
        return str(row["id"])

    @rule(subnet=subnets, whole=st.booleans())
    def give_back(self, subnet: str, whole: bool) -> None:
        row = self.rows.pop(subnet, None)
        if row is not None:
            self.api.delete("networks" if whole else "subnets", row["network_id"] if whole else subnet)

    @rule(pool=pools)
    def delete_pool(self, pool: str) -> None:
        if pool in self.pool_rows and self.of(pool):
            with pytest.raises(errors.Conflict, match="existing allocations"):
                self.api.delete("subnetpools", pool)
        elif pool in self.pool_rows:
            self.api.delete("subnetpools", pool)
            del self.pool_rows[pool]

    @rule(scope=scopes)
    def delete_scope(self, scope: str) -> None:
        if any(row["address_scope_id"] == scope for row in self.pool_rows.values()):
            with pytest.raises(errors.Conflict, match="subnet pools"):
                self.api.delete("address-scopes", scope)
        elif scope in self.scope_ids:
            self.api.delete("address-scopes", scope)
            self.scope_ids.remove(scope)

    @invariant()
    def shows_what_the_model_has(self) -> None:
        listed = {row["id"]: row for row in self.api.list("subnets")}
        assert {id: row["cidr"] for id, row in listed.items()} == {
            id: row["cidr"] for id, row in self.rows.items()
        }
        pools = {row["id"]: row for row in self.api.list("subnetpools")}
        assert pools.keys() == self.pool_rows.keys()
        for id, row in pools.items():
            assert row["prefixes"] == self.pool_rows[id]["prefixes"]
        scopes = {n["id"]: n["ipv4_address_scope"] for n in self.api.list("networks")}
        for row in self.rows.values():
            assert scopes[row["network_id"]] == pools[row["subnetpool_id"]]["address_scope_id"]


def _without(one: Any, gone: Any) -> Iterator[Any]:
    if gone.subnet_of(one):
        yield from sorted(one.address_exclude(gone))
    elif not one.subnet_of(gone):
        yield one


def test_pools_in_any_order(host: Host) -> None:
    run(Machine, host, steps=30)
