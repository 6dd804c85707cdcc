"""What ovn-northd makes of our rows: flows, tunnel keys, bindings. No datapath: ovn-trace(8) decides.

p1 10.96.0.2 ── neutron-<net> ── p2 10.96.0.3        p3: on the switch, without port security
                     │
                 gw-<net> 10.96.0.1  fd5e:a1a0::1   (localport)
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealane import names
from sealane.model import FixedIP, Network, Port, State, Subnet
from sealane.ovn.memory import MemorySource
from sealane.ovn.southbound import DATABASE, Bindings
from sealane.ovsdb.client import Client
from tests.central import Central
from tests.daemons import PATIENCE
from tests.ovsdb.test_northbound import shows, translating

NET = Network(id="6a7d2c1e-0000-4000-8000-000000000001", project_id="default", name="blue", tunnel_key=4711)
SWITCH = names.logical_switch(NET.id)
GATEWAY_MAC = names.gateway_mac(NET.id)


def subnet(number: int, cidr: str, gateway: str) -> Subnet:
    return Subnet(
        id=f"6a7d2c1e-0000-4000-8000-{number:012x}",
        project_id="default",
        network_id=NET.id,
        cidr=cidr,
        gateway_ip=gateway,
        ip_version=6 if ":" in cidr else 4,
    )


V4, V6 = subnet(4, "10.96.0.0/24", "10.96.0.1"), subnet(6, "fd5e:a1a0::/64", "fd5e:a1a0::1")


def port(number: int) -> Port:
    v4 = FixedIP(subnet_id=V4.id, ip_address=f"10.96.0.{number + 1}")
    v6 = FixedIP(subnet_id=V6.id, ip_address=f"fd5e:a1a0::{number + 1}")
    return Port(
        id=f"{number}{number:07d}-0000-4000-8000-000000000000",
        project_id="default",
        network_id=NET.id,
        mac_address=f"fa:16:3e:00:00:{number:02x}",
        fixed_ips=(v4, v6),
        tunnel_key=100 + number,
        device_owner=names.DOCKER_PORT,
    )


P1, P2 = port(1), port(2)
STATE = State({NET.id: NET}, {V4.id: V4, V6.id: V6}, {P1.id: P1, P2.id: P2}, 1)


@pytest.fixture
def central(directory: Path) -> Iterator[Central]:
    with Central(directory) as running:
        yield running


def flow(source: Port, **fields: str) -> str:
    wanted = {"inport": f'"{source.id}"', "eth.src": source.mac_address, **fields}
    return " && ".join(f"{field} == {value}" for field, value in wanted.items())


def unicast(source: Port, target_mac: str, **fields: str) -> str:
    ip = {"eth.dst": target_mac, "ip4.src": source.fixed_ips[0].ip_address, "ip.ttl": "64"}
    return flow(source, **{**ip, **fields})


def arp(source: Port, target: str) -> str:
    fields = {
        "eth.dst": "ff:ff:ff:ff:ff:ff",
        "arp.op": "1",
        "arp.sha": source.mac_address,
        "arp.spa": source.fixed_ips[0].ip_address,
        "arp.tha": "00:00:00:00:00:00",
        "arp.tpa": target,
    }
    return flow(source, **fields)


def solicitation(source: Port, target: str) -> str:
    fields = {
        "eth.dst": "33:33:ff:00:00:01",
        "ip6.src": source.fixed_ips[1].ip_address,
        "ip6.dst": "ff02::1:ff00:1",
        "ip.ttl": "255",
        "icmp6.type": "135",
        "nd.target": target,
        "nd.sll": source.mac_address,
    }
    return flow(source, **fields)


def output(port: Port) -> str:
    """How ovn-trace writes that a packet arrives: it shortens UUIDs."""
    return f'output("{port.id[:6]}")'


async def traced(central: Central, packet: str) -> str:
    """What happens to a packet; empty when nothing does."""
    await asyncio.to_thread(central.synced)
    found = await asyncio.to_thread(central.trace, "--minimal", SWITCH, packet)
    lines = (line.strip() for line in found.splitlines())
    return "\n".join(line for line in lines if not line.startswith(("#", "ct_next", "}")))


async def test_neighbours_reach_each_other_and_nobody_spoofs(central: Central) -> None:
    source = MemorySource(STATE)
    async with translating(central.nb, source) as db:
        await shows(db, source)
        to_p2 = unicast(P1, P2.mac_address, **{"ip4.dst": "10.96.0.3"})
        assert output(P2) in await traced(central, to_p2)
        assert await traced(central, to_p2.replace("10.96.0.2", "10.96.0.77")) == ""
        assert await traced(central, to_p2.replace(P1.mac_address, P2.mac_address)) == ""
        stranger = unicast(P1, "fa:16:3e:ff:ff:ff", **{"ip4.dst": "10.96.0.99"})
        assert await traced(central, stranger) == "", "a MAC that nobody has is not flooded"


async def test_what_nobody_knows_goes_to_ports_without_port_security(central: Central) -> None:
    p3 = replace(port(3), port_security_enabled=False)
    source = MemorySource(replace(STATE, ports={**STATE.ports, p3.id: p3}))
    async with translating(central.nb, source) as db:
        await shows(db, source)
        stranger = unicast(P1, "fa:16:3e:ff:ff:ff", **{"ip4.dst": "10.96.0.99"})
        found = await traced(central, stranger)
        assert output(p3) in found
        assert output(P2) not in found
        spoofed = unicast(p3, P1.mac_address, **{"ip4.src": "10.96.0.77", "ip4.dst": "10.96.0.2"})
        assert output(P1) in await traced(central, spoofed)


async def test_the_gateway_is_answered_for_and_reached(central: Central) -> None:
    source = MemorySource(STATE)
    async with translating(central.nb, source) as db:
        await shows(db, source)
        answer = await traced(central, arp(P1, "10.96.0.1"))
        assert f"eth.src = {GATEWAY_MAC}" in answer
        assert output(P1) in answer
        answer = await traced(central, solicitation(P1, "fd5e:a1a0::1"))
        assert "nd_na" in answer
        assert GATEWAY_MAC in answer
        outside = unicast(P1, GATEWAY_MAC, **{"ip4.dst": "192.0.2.1"})
        assert f'output("gw-{NET.id[:6]}")' in await traced(central, outside)
        back = f'inport == "{names.gateway_port(NET.id)}" && eth.src == {GATEWAY_MAC}'
        back += (
            f" && eth.dst == {P1.mac_address} && ip4.src == 192.0.2.1 && ip4.dst == 10.96.0.2 && ip.ttl == 64"
        )
        assert output(P1) in await traced(central, back)


async def test_the_flows_of_a_port_come_out(central: Central) -> None:
    source = MemorySource(STATE)
    async with translating(central.nb, source) as db:
        await shows(db, source)
        await asyncio.to_thread(central.synced)
        flows = (await asyncio.to_thread(central.sbctl, "lflow-list", SWITCH)).splitlines()
        for words in (
            ("ls_in_l2_lkup", P1.mac_address, P1.id),
            ("ls_in_arp_rsp", "arp.tpa == 10.96.0.2", P1.mac_address),
            ("ls_in_arp_rsp", "arp.tpa == 10.96.0.1", GATEWAY_MAC),
        ):
            assert any(all(word in flow for word in words) for flow in flows), words


async def test_a_port_that_is_switched_off_gets_nothing(central: Central) -> None:
    off = replace(P2, admin_state_up=False)
    source = MemorySource(replace(STATE, ports={P1.id: P1, off.id: off}))
    async with translating(central.nb, source) as db:
        await shows(db, source)
        to_p2 = unicast(P1, P2.mac_address, **{"ip4.dst": "10.96.0.3"})
        assert await traced(central, to_p2) == ""


async def keys(central: Central) -> tuple[str, ...]:
    await asyncio.to_thread(central.synced)
    return (
        central.key("Datapath_Binding", "external_ids:name", SWITCH),
        central.key("Port_Binding", "logical_port", P1.id),
        central.key("Port_Binding", "logical_port", P2.id),
        central.key("Port_Binding", "logical_port", names.gateway_port(NET.id)),
    )


async def test_tunnel_keys_survive_the_loss_of_either_database(central: Central) -> None:
    source = MemorySource(STATE)
    async with translating(central.nb, source) as db:
        for lost in ("none", "nb", "sb"):
            before = set(db.tables["Logical_Switch"])
            if lost != "none":
                await asyncio.to_thread(central.wipe, lost)
            if lost == "nb":
                async with asyncio.timeout(PATIENCE):
                    while before & set(db.tables["Logical_Switch"]):
                        await db.changed(db.version)
            await shows(db, source)
            assert await keys(central) == ("4711", "101", "102", "1"), lost


async def test_bindings_tell_where_a_port_is(central: Central) -> None:
    source, client = MemorySource(STATE), Client(central.sb.remote, DATABASE)
    bindings = Bindings(client)
    async with translating(central.nb, source) as db:
        try:
            await client.start(PATIENCE)
            assert await bindings.start(PATIENCE)
            await shows(db, source)
            await asyncio.to_thread(central.synced)
            await comes_true(bindings, lambda: bindings.tunnel_key(P1.id) == 101)
            assert (bindings.up(P1.id), bindings.chassis(P1.id)) == (False, None)
            bind = ["chassis-add", "host1", "geneve", "192.0.2.1", "--", "lsp-bind", P1.id, "host1"]
            await asyncio.to_thread(central.sbctl, *bind)
            await comes_true(bindings, lambda: bindings.chassis(P1.id) == "host1")
            await asyncio.to_thread(central.sbctl, "set", "Port_Binding", P1.id, "up=true")
            await comes_true(bindings, lambda: bindings.up(P1.id))
            assert [c.name for c in bindings.all_chassis()] == ["host1"]
            await asyncio.to_thread(central.wipe, "sb")
            await comes_true(bindings, lambda: not bindings.up(P1.id) and bindings.tunnel_key(P1.id) == 101)
        finally:
            await bindings.stop()
            await client.stop()


async def comes_true(bindings: Bindings, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await bindings.changed(bindings.version)
