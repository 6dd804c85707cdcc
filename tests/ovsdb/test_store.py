"""The store on a real clustered ovsdb-server: claims, races, replays, deaths."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sealane import errors
from sealane.model import FixedIP, Network, Node, Port, State, Subnet, Token
from sealane.ovsdb.client import Client
from sealane.store.changes import Create, Delete, Update
from sealane.store.create import SCHEMA
from sealane.store.db import Store
from tests.daemons import PATIENCE, OvsdbServer


def new_id() -> str:
    return str(uuid.uuid4())


def network(**more: object) -> Network:
    return Network(id=new_id(), project_id="default", name="n", **more)  # type: ignore[arg-type]


def subnet(of: Network, cidr: str = "10.0.0.0/24", gateway: str | None = "10.0.0.1") -> Subnet:
    return Subnet(id=new_id(), project_id="default", network_id=of.id, cidr=cidr, gateway_ip=gateway)


def port(of: Subnet, *addresses: str, mac: str = "") -> Port:
    number = uuid.uuid4().int
    mac = mac or "02:" + ":".join(f"{number >> shift & 255:02x}" for shift in (0, 8, 16, 24, 32))
    ips = tuple(FixedIP(subnet_id=of.id, ip_address=address) for address in addresses)
    return Port(id=new_id(), project_id="default", network_id=of.network_id, mac_address=mac, fixed_ips=ips)


@pytest.fixture
def server(directory: Path) -> Iterator[OvsdbServer]:
    with OvsdbServer(directory, SCHEMA) as running:
        yield running


@asynccontextmanager
async def stores(server: OvsdbServer, count: int = 1, probe: float = 5.0) -> AsyncIterator[list[Store]]:
    async with AsyncExitStack() as stack:
        made = [Store(server.remote, probe=probe) for _ in range(count)]
        for store in made:
            stack.push_async_callback(store.stop)
            await store.start(PATIENCE)
        yield made


@asynccontextmanager
async def prepared(server: OvsdbServer, count: int = 1) -> AsyncIterator[tuple[list[Store], Network, Subnet]]:
    """Stores, and one network with one subnet that all of them see."""
    async with stores(server, count) as made:
        net = network()
        sub = subnet(net)
        state = await made[0].commit(Create(net), Create(sub))
        for store in made:
            await reach(store, state.sequence)
        yield made, state.networks[net.id], sub


async def reach(store: Store, sequence: int) -> State:
    async with asyncio.timeout(PATIENCE):
        while store.state.sequence < sequence:
            await store.changed(store.state.sequence)
    return store.state


async def test_a_store_may_follow_a_part(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), _, sub):
        part = Store(server.remote, reads=(Port,))
        try:
            await part.start(PATIENCE)
            state = await store.commit(Create(one := port(sub, "10.0.0.9")))
            seen = await reach(part, state.sequence)
            assert seen.ports.keys() == {one.id}
            assert not seen.networks and not seen.subnets
            with pytest.raises(AssertionError):
                await part.commit(Delete(one))
        finally:
            await part.stop()


async def test_what_is_committed_is_read_at_once_and_by_others(server: OvsdbServer) -> None:
    async with stores(server, 2) as (one, other):
        net = network(labels={"a": "b"}, mtu=1400)
        sub = subnet(net)
        first = replace(port(sub, "10.0.0.7"), dns_aliases=("b", "a"), profile={"x": [1, {"y": None}]})
        state = await one.commit(Create(net), Create(sub), Create(first))
        made = state.networks[net.id]
        assert replace(made, tunnel_key=0) == net
        assert made.tunnel_key > 0
        assert state.subnets == {sub.id: sub}
        assert replace(state.ports[first.id], tunnel_key=0) == first
        assert state.ports[first.id].tunnel_key > 1
        assert state is one.state
        assert await reach(other, state.sequence) == state


async def test_the_sequence_grows_and_what_is_unchanged_stays_the_same_object(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), net, sub):
        before = store.state
        added = port(sub, "10.0.0.9")
        after = await store.commit(Create(added))
        assert after.sequence > before.sequence
        assert after.networks is before.networks
        later = await store.commit(Update(after.ports[added.id], replace(after.ports[added.id], name="x")))
        assert later.sequence > after.sequence
        assert later.subnets[sub.id] is before.subnets[sub.id]
        assert later.networks[net.id] is before.networks[net.id]
        assert before.ports == {}, "an old snapshot stays as it was"


async def test_changed_waits_for_news_and_gives_up(server: OvsdbServer) -> None:
    async with prepared(server, 2) as ((one, other), _, sub):
        now = other.state.sequence
        assert (await other.changed(now, timeout=0.05)).sequence == now
        waiting = asyncio.create_task(other.changed(now, timeout=PATIENCE))
        await one.commit(Create(port(sub, "10.0.0.9")))
        assert (await waiting).sequence == now + 1
        assert (await other.changed(now + 999, timeout=PATIENCE)).sequence == now + 1


async def test_an_address_is_given_once(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), _, sub):
        await store.commit(Create(port(sub, "10.0.0.9")))
        for taken in ("10.0.0.9", "10.0.0.1"):
            with pytest.raises(errors.AddressInUse, match=taken):
                await store.commit(Create(port(sub, "10.0.0.77", taken)))
        await store.commit(Create(port(sub, "10.0.0.77")))


async def test_two_stores_race_for_the_last_address_and_one_wins(server: OvsdbServer) -> None:
    async with prepared(server, 2) as (made, _, sub):
        for number in range(2, 22):
            address = f"10.0.0.{number}"
            attempts = (store.commit(Create(port(sub, address))) for store in made)
            results = await asyncio.gather(*attempts, return_exceptions=True)
            assert {type(r) for r in results} == {State, errors.AddressInUse}
        assert len({p.tunnel_key for p in made[0].state.ports.values()}) == 20


async def test_ipv6_spellings_are_one_address(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), net, _):
        six = replace(subnet(net, "fd00::/64", "fd00::1"), ip_version=6)
        await store.commit(Create(six), Create(port(six, "fd00:0:0::a")))
        with pytest.raises(errors.AddressInUse):
            await store.commit(Create(port(six, "FD00::A")))


async def test_an_address_is_free_again_and_moves_within_one_commit(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), _, sub):
        old = port(sub, "10.0.0.9", "10.0.0.10")
        state = await store.commit(Create(old))
        held = state.ports[old.id]
        moved = replace(
            held, fixed_ips=(held.fixed_ips[0], FixedIP(subnet_id=sub.id, ip_address="10.0.0.11"))
        )
        await store.commit(Update(held, moved))
        await store.commit(Create(port(sub, "10.0.0.10")))
        with pytest.raises(errors.AddressInUse):
            await store.commit(Create(port(sub, "10.0.0.9")))
        state = await store.commit(Delete(old), Create(port(sub, "10.0.0.9", "10.0.0.11")))
        assert old.id not in state.ports


async def test_a_gateway_that_moves_frees_its_address(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), _, sub):
        state = await store.commit(Update(sub, replace(sub, gateway_ip="10.0.0.254")))
        assert state.subnets[sub.id].gateway_ip == "10.0.0.254"
        await store.commit(Create(port(sub, "10.0.0.1")))
        with pytest.raises(errors.AddressInUse):
            await store.commit(Create(port(sub, "10.0.0.254")))


async def test_a_mac_is_given_once_in_a_network(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), _, sub):
        await store.commit(Create(port(sub, mac="02:00:00:00:00:01")))
        with pytest.raises(errors.Conflict) as caught:
            await store.commit(Create(port(sub, mac="02-00-00-00-00-01")))
        assert caught.value.type == "MacAddressInUse"


async def test_an_update_needs_the_revision_it_was_made_from(server: OvsdbServer) -> None:
    async with prepared(server, 2) as ((one, other), net, _):
        attempts = [s.commit(Update(net, replace(net, name=str(n)))) for n, s in enumerate((one, other))]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        assert {type(r) for r in results} == {State, errors.RevisionMismatch}
        assert one.state.networks[net.id].revision_number == net.revision_number + 1
        with pytest.raises(errors.RevisionMismatch):
            await one.commit(Delete(net, guarded=True))


async def test_a_repeated_create_is_a_success_and_another_of_that_id_a_conflict(server: OvsdbServer) -> None:
    async with prepared(server, 2) as ((one, other), net, sub):
        added = port(sub, "10.0.0.9")
        results = await asyncio.gather(*(store.commit(Create(added)) for store in (one, other, one)))
        assert all(added.id in state.ports for state in results)
        await one.commit(Create(replace(net, tunnel_key=0)), Create(sub), Create(added))
        with pytest.raises(errors.Conflict):
            await one.commit(Create(replace(added, name="other")))


def node(name: str, address: str) -> Node:
    return Node(id=new_id(), project_id="", name=name, address=address)


async def test_nodes_have_a_name_and_an_address_of_their_own(server: OvsdbServer) -> None:
    async with stores(server) as (store,):
        state = await store.commit(Create(node("host1", "192.0.2.1")), Create(node("host2", "2001:DB8::2")))
        assert {n.address for n in state.nodes.values()} == {"192.0.2.1", "2001:db8::2"}
        assert state.moved["nodes"] == state.sequence
        for other in (node("host1", "192.0.2.3"), node("host3", "192.0.2.1")):
            with pytest.raises(errors.Conflict, match="another node"):
                await store.commit(Create(other))


async def test_of_two_that_use_one_token_one_joins(server: OvsdbServer) -> None:
    async with stores(server, 2) as made:
        token = Token(id=new_id(), project_id="", digest="00", expires_at=1)
        state = await made[0].commit(Create(token))
        await reach(made[1], state.sequence)
        attempts = [
            store.commit(Create(node(f"host{n}", f"192.0.2.{n}")), Delete(token, guarded=True))
            for n, store in enumerate(made, 1)
        ]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        assert sum(isinstance(result, State) for result in results) == 1
        assert any(isinstance(result, errors.RevisionMismatch | errors.NotFound) for result in results)
        state = await reach(made[0], state.sequence + 1)
        assert (len(state.nodes), len(state.tokens)) == (1, 0)


async def test_overlapping_subnets_are_refused_also_when_two_stores_race(server: OvsdbServer) -> None:
    async with prepared(server, 2) as ((one, other), net, _):
        with pytest.raises(errors.Conflict, match="overlaps"):
            await one.commit(Create(subnet(net, "10.0.0.128/25", None)))
        rivals = (subnet(net, "10.1.0.0/16", None), subnet(net, "10.1.2.0/24", None))
        attempts = [s.commit(Create(sub)) for s, sub in zip((one, other), rivals, strict=True)]
        results = await asyncio.gather(*attempts, return_exceptions=True)
        assert {type(r) for r in results} == {State, errors.Conflict}
        friends = (subnet(net, "10.2.0.0/16", None), subnet(net, "10.3.0.0/16", None))
        await asyncio.gather(*(s.commit(Create(f)) for s, f in zip((one, other), friends, strict=True)))


async def test_the_database_refuses_to_delete_what_is_in_use(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), net, sub):
        added = port(sub, "10.0.0.9")
        await store.commit(Create(added))
        for used, kind in ((net, "NetworkInUse"), (sub, "SubnetInUse")):
            with pytest.raises(errors.Conflict) as caught:
                await store.commit(Delete(used))
            assert caught.value.type == kind
        bare = port(sub)
        await store.commit(Delete(added), Create(bare), Delete(sub))
        with pytest.raises(errors.Conflict):
            await store.commit(Delete(net))
        state = await store.commit(Delete(bare), Delete(net))
        assert (state.networks, state.subnets, state.ports) == ({}, {}, {})
        assert (await store.commit(Delete(net))).networks == {}


async def test_nothing_is_left_of_what_is_deleted(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), net, sub):
        added = port(sub, "10.0.0.9")
        await store.commit(Create(added))
        await store.commit(Delete(added), Delete(sub), Delete(net))
        client = Client(server.remote, "Sealane")
        await client.start(PATIENCE)
        rows = (await client.monitor({"TunnelKey": None, "Allocation": None, "Request": None})).tables
        await client.stop()
        assert {table: len(content) for table, content in rows.items()} == {
            "TunnelKey": 0,
            "Allocation": 0,
            "Request": 1,
        }


async def test_what_refers_to_nothing_is_not_found(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), net, sub):
        nowhere = replace(sub, id=new_id(), network_id=new_id())
        for orphan in (nowhere, port(nowhere), port(replace(sub, id=new_id()), "10.0.0.9")):
            with pytest.raises(errors.NotFound):
                await store.commit(Create(orphan))
        with pytest.raises(errors.NotFound):
            await store.commit(Update(nowhere, nowhere))
        assert list(store.state.networks) == [net.id]


async def test_a_thousand_ports_in_one_transaction(server: OvsdbServer) -> None:
    async with stores(server) as (store,):
        net = network()
        sub = subnet(net, "10.0.0.0/16")
        ports = [port(sub, f"10.0.{n // 250 + 1}.{n % 250}") for n in range(1000)]
        state = await store.commit(Create(net), Create(sub), *map(Create, ports), timeout=PATIENCE)
        assert len(state.ports) == 1000
        assert len({p.tunnel_key for p in state.ports.values()}) == 1000


async def test_a_kill_while_commits_are_under_way_loses_and_doubles_nothing(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), net, sub):
        ports = [port(sub, f"10.0.0.{n}") for n in range(2, 202)]
        commits = [asyncio.create_task(store.commit(Create(p), timeout=PATIENCE)) for p in ports[:100]]
        await commits[3]
        server.kill()
        commits += [asyncio.create_task(store.commit(Create(p), timeout=PATIENCE)) for p in ports[100:]]
        renamed = asyncio.create_task(store.commit(Update(net, replace(net, name="x")), timeout=PATIENCE))
        await asyncio.sleep(0)
        server.start()
        await asyncio.gather(*commits)
        assert (await renamed).networks[net.id].revision_number == net.revision_number + 1
        assert set(store.state.ports) == {p.id for p in ports}


async def test_a_store_that_stands_still_is_unavailable_in_time(server: OvsdbServer) -> None:
    async with prepared(server) as ((store,), _, sub):
        added = port(sub, "10.0.0.9")
        server.pause()
        try:
            begin = asyncio.get_running_loop().time()
            with pytest.raises(errors.Unavailable) as caught:
                await store.commit(Create(added), timeout=0.5)
            assert caught.value.status == 503
            assert asyncio.get_running_loop().time() - begin < 3
            assert store.state.subnets, "what was read is still there to read"
        finally:
            server.resume()
        state = await store.commit(Create(added), timeout=PATIENCE)
        assert list(state.ports) == [added.id]
