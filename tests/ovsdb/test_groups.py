"""What ovn-northd makes of security groups: ovn-trace(8) decides what passes.

web, db: in groups of those names        gone: in a group without rules        new: quarantined
free: without port security              box: Docker's, in no group            gw: the host's gateway
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealane import names
from sealane.model import AddressGroup, Port, SecurityGroup, SecurityGroupRule, State
from sealane.ovn.memory import MemorySource
from tests.central import Central
from tests.ovsdb.test_northbound import shows, translating
from tests.ovsdb.test_northd import NET, SWITCH, V4, V6, output, port

WEB, DB, NONE = (SecurityGroup(id=f"a0000000-0000-4000-8000-00000000000{n}", project_id="p") for n in "123")
OFFICE = AddressGroup(
    id="c0000000-0000-4000-8000-000000000001", project_id="p", addresses=("192.0.2.0/24", "0.0.0.0/0")
)
EMPTY = AddressGroup(id="c0000000-0000-4000-8000-000000000002", project_id="p")


def in_groups(number: int, *groups: SecurityGroup, owner: str = "") -> Port:
    ids = tuple(sorted(g.id for g in groups))
    return replace(port(number), security_groups=ids, device_owner=owner)


W, D, GONE = in_groups(1, WEB), in_groups(2, DB), in_groups(3, NONE)
NEW = replace(in_groups(4, WEB), quarantine=True)
FREE = replace(in_groups(5), port_security_enabled=False)
BOX = in_groups(6, owner=names.DOCKER_PORT)
GATEWAY = names.gateway_port(NET.id)


def rule(
    number: int, group: SecurityGroup, direction: str = "ingress", **values: object
) -> SecurityGroupRule:
    id = f"d0000000-0000-4000-8000-{number:012x}"
    given = {"direction": direction, "security_group_id": group.id, **values}
    return SecurityGroupRule(id=id, project_id="p", **given)  # type: ignore[arg-type]


RULES = (
    rule(1, WEB, "egress"),
    rule(2, WEB, "egress", ethertype="IPv6"),
    rule(3, WEB, protocol="tcp", port_range_min=80, port_range_max=81),
    rule(4, DB, protocol="tcp", port_range_min=3306, port_range_max=3306, remote_group_id=WEB.id),
    rule(5, DB, protocol="icmp", port_range_min=8, remote_ip_prefix="10.96.0.0/28"),
    rule(6, DB, protocol="udp", remote_address_group_id=OFFICE.id),
    rule(7, DB, protocol="sctp", remote_address_group_id=EMPTY.id),
    rule(8, DB, "egress", protocol="udp"),
)


def state(*rules: SecurityGroupRule, stateful: bool = True) -> State:
    groups = {g.id: replace(g, stateful=stateful) for g in (WEB, DB, NONE)}
    ports = {p.id: p for p in (W, D, GONE, NEW, FREE, BOX)}
    return State(
        {NET.id: NET},
        {V4.id: V4, V6.id: V6},
        ports,
        1,
        security_groups=groups,
        security_group_rules={r.id: r for r in rules},
        address_groups={a.id: a for a in (OFFICE, EMPTY)},
    )


@pytest.fixture
def central(directory: Path) -> Iterator[Central]:
    with Central(directory) as running:
        yield running


TCP80 = {"tcp.dst": "80", "tcp.src": "1024", "tcp.flags": "2"}
TCP3306 = {"tcp.dst": "3306", "tcp.src": "1024", "tcp.flags": "2"}
ECHO = {"icmp4.type": "8", "icmp4.code": "0"}
UDP = {"udp.src": "1024", "udp.dst": "5000"}


def packet(source: Port, target: Port | str, source_ip: str = "", **fields: str) -> str:
    ip = target if isinstance(target, str) else target.fixed_ips[0].ip_address
    mac = names.gateway_mac(NET.id) if isinstance(target, str) else target.mac_address
    wanted = {
        "inport": f'"{source.id}"',
        "eth.src": source.mac_address,
        "eth.dst": mac,
        "ip4.src": source_ip or source.fixed_ips[0].ip_address,
        "ip4.dst": ip,
        "ip.ttl": "64",
        **fields,
    }
    return " && ".join(f"{field} == {value}" for field, value in wanted.items())


async def passes(central: Central, wanted: str, target: Port, *ct: str) -> bool:
    found = await asyncio.to_thread(central.trace, *ct, "--minimal", SWITCH, wanted)
    return output(target) in found


NEW_CONNECTION = ("--ct=new", "--ct=new")
CASES: list[tuple[Port, Port, dict[str, str], bool]] = [
    (W, D, TCP3306, True),  # by the remote group
    (W, D, TCP80, False),
    (GONE, D, TCP3306, False),  # egress of a group without rules
    (FREE, D, TCP3306, False),  # not of the remote group
    (W, D, ECHO, True),
    (FREE, D, ECHO, True),
    (FREE, D, {"icmp4.type": "13", "icmp4.code": "0"}, False),
    (FREE, D, UDP, True),  # the address group has everybody's
    (FREE, D, {"sctp.src": "1024", "sctp.dst": "80"}, False),  # the address group is empty
    (FREE, W, TCP80, True),
    (FREE, W, {**TCP80, "tcp.dst": "81"}, True),
    (FREE, W, {**TCP80, "tcp.dst": "82"}, False),
    (D, W, TCP80, False),  # egress of db is udp alone
    (D, FREE, UDP, True),
    (FREE, GONE, TCP80, False),
    (FREE, NEW, TCP80, False),  # quarantine comes before its group
    (NEW, FREE, TCP80, False),
    (W, FREE, TCP80, True),  # nobody says what comes to a port without port security
    (FREE, BOX, TCP80, True),  # a neighbour, as Docker's users expect
    (BOX, FREE, TCP80, True),
]


async def test_what_the_rules_say_passes_and_nothing_else(central: Central) -> None:
    source = MemorySource(state(*RULES))
    async with translating(central.nb, source) as db:
        await shows(db, source)
        await asyncio.to_thread(central.synced)
        for sender, target, fields, wanted in CASES:
            trace = packet(sender, target, **fields)
            assert await passes(central, trace, target, *NEW_CONNECTION) == wanted, (trace, wanted)


async def test_from_outside_the_network_only_by_the_gateway(central: Central) -> None:
    """By the host's, which lets published ports in and nothing else; not by any router."""
    source = MemorySource(state(*RULES))
    async with translating(central.nb, source) as db:
        await shows(db, source)
        await asyncio.to_thread(central.synced)
        foreign = packet(FREE, BOX, "192.0.2.9", **TCP80)
        assert not await passes(central, foreign, BOX, *NEW_CONNECTION)
        published = foreign.replace(FREE.id, GATEWAY).replace(FREE.mac_address, names.gateway_mac(NET.id))
        assert await passes(central, published, BOX, *NEW_CONNECTION)
        to_db = published.replace(BOX.mac_address, D.mac_address)
        to_db = to_db.replace(BOX.fixed_ips[0].ip_address, D.fixed_ips[0].ip_address)
        assert not await passes(central, to_db, D, *NEW_CONNECTION), "a group of its own obeys its rules"


async def test_nobody_but_who_may_gives_addresses(central: Central) -> None:
    source = MemorySource(state(*RULES))
    async with translating(central.nb, source) as db:
        await shows(db, source)
        await asyncio.to_thread(central.synced)
        offer = {"udp.src": "67", "udp.dst": "68"}
        assert not await passes(central, packet(W, FREE, **offer), FREE, *NEW_CONNECTION)
        assert await passes(central, packet(FREE, BOX, **offer), BOX, *NEW_CONNECTION)


async def test_a_stateless_group_knows_no_answers(central: Central) -> None:
    source = MemorySource(state(*RULES, stateful=False))
    async with translating(central.nb, source) as db:
        await shows(db, source)
        await asyncio.to_thread(central.synced)
        assert await passes(central, packet(W, D, **TCP3306), D)
        answer = packet(D, W, **{"tcp.src": "3306", "tcp.dst": "1024", "tcp.flags": "18"})
        assert not await passes(central, answer, W)


@pytest.mark.parametrize("stateful", [True, False])
async def test_neighbours_find_each_other_whatever_the_rules_say(central: Central, stateful: bool) -> None:
    """Without a single rule, and without anything that tracks connections."""
    source = MemorySource(replace(state(stateful=stateful), ports={p.id: p for p in (W, GONE, FREE)}))
    async with translating(central.nb, source) as db:
        await shows(db, source)
        await asyncio.to_thread(central.synced)
        assert await passes(central, advertisement(FREE, GONE), GONE)
        assert await passes(central, advertisement(GONE, FREE), FREE)


def advertisement(source: Port, target: Port) -> str:
    """Of a neighbour."""
    fields = {
        "inport": f'"{source.id}"',
        "eth.src": source.mac_address,
        "eth.dst": target.mac_address,
        "ip6.src": source.fixed_ips[1].ip_address,
        "ip6.dst": target.fixed_ips[1].ip_address,
        "ip.ttl": "255",
        "icmp6.type": "136",
        "icmp6.code": "0",
        "nd.target": source.fixed_ips[1].ip_address,
        "nd.tll": source.mac_address,
    }
    return " && ".join(f"{field} == {value}" for field, value in fields.items())
