"""Subnet pools in the store: what the database and the plan refuse, whatever the API has seen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealane.errors import BadRequest, Conflict, OverQuota
from sealane.model import AddressScope, Network, Subnet, SubnetPool
from sealane.store.changes import Create, Delete, Update
from tests.daemons import PATIENCE, OvsdbServer
from tests.ovsdb.test_store_kinds import SCHEMA, stored


def _id(number: int) -> str:
    return f"6d3c7a5e-3a3b-4b8e-9a55-{number:012x}"


SCOPE = AddressScope(id=_id(1), project_id="p")
POOL = SubnetPool(
    id=_id(2),
    project_id="p",
    prefixes=("10.0.0.0/16",),
    is_default=True,
    default_quota=512,
    address_scope_id=SCOPE.id,
)
NETS = tuple(Network(id=_id(10 + n), project_id="p") for n in range(4))
ONE = Subnet(id=_id(20), project_id="p", network_id=NETS[0].id, cidr="10.0.0.0/24", subnetpool_id=POOL.id)


@pytest.fixture
def server(directory: Path) -> Iterator[OvsdbServer]:
    with OvsdbServer(directory, SCHEMA) as running:
        yield running


async def test_what_is_used_stays(server: OvsdbServer) -> None:
    async with stored(server, SCOPE, POOL, *NETS, ONE) as store:
        for held, kind in ((SCOPE, "AddressScopeInUse"), (POOL, "SubnetPoolInUse")):
            with pytest.raises(Conflict) as refused:
                await store.commit(Delete(held), timeout=PATIENCE)
            assert refused.value.type == kind
        state = await store.commit(Delete(ONE), Delete(POOL), Delete(SCOPE), timeout=PATIENCE)
        assert not (state.subnetpools or state.address_scopes or state.subnets)


async def test_a_family_has_one_default(server: OvsdbServer) -> None:
    async with stored(server, SCOPE, POOL) as store:
        other = replace(POOL, id=_id(3), address_scope_id=None)
        with pytest.raises(BadRequest):
            await store.commit(Create(other), timeout=PATIENCE)
        old = store.state.subnetpools[POOL.id]
        await store.commit(Update(old, replace(old, is_default=False)), Create(other), timeout=PATIENCE)


async def test_what_does_not_fit_is_refused(server: OvsdbServer) -> None:
    async with stored(server, SCOPE, POOL, *NETS, ONE) as store:
        over = replace(ONE, id=_id(21), network_id=NETS[1].id)
        for wrong, error in (
            (over, Conflict),
            (replace(over, cidr="10.9.0.0/24"), Conflict),
            (replace(over, cidr="10.0.2.0/23"), OverQuota),
            (replace(over, network_id=NETS[0].id, cidr="10.8.0.0/24", subnetpool_id=None), BadRequest),
        ):
            with pytest.raises(error):
                await store.commit(Create(wrong), timeout=PATIENCE)
        with pytest.raises(Conflict):
            await store.commit(Create(replace(POOL, id=_id(4), is_default=False)), timeout=PATIENCE)
        old = store.state.subnetpools[POOL.id]
        with pytest.raises(BadRequest):
            await store.commit(Update(old, replace(old, prefixes=("10.0.1.0/24",))), timeout=PATIENCE)
        assert list(store.state.subnets) == [ONE.id]
