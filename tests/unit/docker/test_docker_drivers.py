"""The calls of dockerd, in its order and out of it, against the drivers with a host that only remembers."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealane.agent.docker import drivers
from sealane.agent.memory import Memory
from tests.fakes import FakeApi, FakeReconciler

NET = "ab" * 32
END = "cd" * 32
MAC = "02:42:0a:01:00:02"
GATEWAY = "com.docker.network.gateway"


class Engine:
    """Says what dockerd 20.10 says."""

    def __init__(self, path: Path) -> None:
        self.api = FakeApi()
        self.path = path
        self.restart_agent()

    def restart_agent(self) -> None:
        """Everything that is not on disk or in the API is gone."""
        self.memory = Memory(self.path)
        self.host = FakeReconciler(self.memory)
        self.drivers = drivers.build(self.api, self.host, self.memory, "host1", deadline=0.5)  # type: ignore[arg-type]

    async def raw(self, method: str, body: bytes) -> tuple[int, Any]:
        status, answer = await self.drivers.plugin.answer(method, body)
        return status, json.loads(answer)

    async def call(self, method: str, **body: Any) -> Any:
        status, answer = await self.raw(method, json.dumps(body).encode())
        assert status == 200
        assert "Err" not in answer, answer
        return answer

    async def refused(self, method: str, **body: Any) -> str:
        _, answer = await self.raw(method, json.dumps(body).encode())
        assert answer["Err"] == answer["Error"]
        return str(answer["Err"])

    async def pool(self, cidr: str = "", sub: str = "", v6: bool = False, hint: str = "") -> Any:
        options = {"sealane.network": hint} if hint else None
        return await self.call(
            "IpamDriver.RequestPool", AddressSpace="sealane", Pool=cidr, SubPool=sub, Options=options, V6=v6
        )

    async def gateway(self, pool_id: str, address: str = "") -> str:
        options = {"RequestAddressType": GATEWAY}
        answer = await self.call(
            "IpamDriver.RequestAddress", PoolID=pool_id, Address=address, Options=options
        )
        return str(answer["Address"])

    async def address(self, pool_id: str, address: str = "") -> str:
        body = {"PoolID": pool_id, "Address": address, "Options": None}
        return str((await self.call("IpamDriver.RequestAddress", **body))["Address"])

    async def network(self, cidr: str = "10.1.0.0/24", docker_id: str = NET, **options: Any) -> str:
        """`docker network create --ipam-driver sealane --subnet CIDR`; the pool's id."""
        pool = await self.pool(cidr)
        data = {
            "AddressSpace": "sealane",
            "Pool": pool["Pool"],
            "Gateway": await self.gateway(pool["PoolID"]),
        }
        await self.call(
            "NetworkDriver.CreateNetwork",
            NetworkID=docker_id,
            Options={"com.docker.network.generic": options},
            IPv4Data=[data],
            IPv6Data=[],
        )
        return str(pool["PoolID"])

    def reference(self, endpoint: str = END) -> dict[str, str]:
        return {"NetworkID": NET, "EndpointID": endpoint}

    async def endpoint(self, address: str, mac: str = "", endpoint: str = END, **options: Any) -> Any:
        interface = {"Address": address, "AddressIPv6": "", "MacAddress": mac}
        body = {**self.reference(endpoint), "Interface": interface, "Options": options}
        return await self.call("NetworkDriver.CreateEndpoint", **body)

    async def join(self, endpoint: str = END) -> Any:
        sandbox = f"/var/run/docker/netns/{endpoint[:12]}"
        return await self.call(
            "NetworkDriver.Join", **self.reference(endpoint), SandboxKey=sandbox, Options={}
        )

    async def stop(self, pool: str, address: str) -> None:
        for method in ("RevokeExternalConnectivity", "Leave", "DeleteEndpoint"):
            await self.call(f"NetworkDriver.{method}", **self.reference())
        await self.call("IpamDriver.ReleaseAddress", PoolID=pool, Address=address.split("/")[0])


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    yield Engine(tmp_path / "agent.json")


async def run_container(engine: Engine, pool: str, address: str = "") -> str:
    granted = await engine.address(pool, address)
    await engine.endpoint(granted)
    await engine.join()
    return granted


def test_run_and_stop_leave_no_port(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        granted = await engine.address(pool)
        assert granted == "10.1.0.2/24"
        assert await engine.endpoint(granted) == {
            "Interface": {"Address": "", "AddressIPv6": "", "MacAddress": MAC}
        }
        joined = await engine.join()
        assert joined["Gateway"] == "10.1.0.1"
        assert joined["InterfaceName"]["SrcName"].startswith("slc")
        assert not joined["DisableGatewayService"]
        (port,) = engine.api.all("ports")
        assert (port.mac_address, port.host, port.device_owner) == (MAC, "host1", "sealane:docker")
        await engine.stop(pool, granted)
        assert engine.api.all("ports") == ()
        assert not engine.memory.attachments

    asyncio.run(story())


def test_every_call_may_come_twice_and_at_once(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        wish = "10.1.0.7"
        first, second = await asyncio.gather(engine.address(pool, wish), engine.address(pool, wish))
        assert first == second
        answers = await asyncio.gather(*(engine.endpoint(first) for _ in range(3)))
        assert answers[0] == answers[1] == answers[2]
        assert (await engine.join()) == (await engine.join())
        assert len(engine.api.all("ports")) == 1
        await asyncio.gather(engine.stop(pool, first), engine.stop(pool, first))
        await engine.stop(pool, first)
        assert engine.api.all("ports") == ()

    asyncio.run(story())


def test_delete_while_create_is_under_way(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        granted = await engine.address(pool)
        creating = asyncio.create_task(engine.endpoint(granted))
        await asyncio.sleep(0)
        await engine.call("NetworkDriver.DeleteEndpoint", **engine.reference())
        await creating
        await engine.call("NetworkDriver.DeleteEndpoint", **engine.reference())
        assert engine.api.all("ports") == ()

    asyncio.run(story())


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{}", b"[]", b"null", b'"x"', b'{"NetworkID": 5}', b'{"NetworkID": "../x"}', b"\xff"]
)
def test_what_is_no_request_is_never_a_success(engine: Engine, body: bytes) -> None:
    async def story() -> None:
        calls = {**engine.drivers.network.calls(), **engine.drivers.ipam.calls()}
        for method in (name for name, (kind, _) in calls.items() if kind is not None):
            status, answer = await engine.raw(method, body)
            assert status == 200 and answer["Err"] and answer["Err"] == answer["Error"], method
        assert engine.api.calls == []

    asyncio.run(story())


def test_unknown_method_is_404(engine: Engine) -> None:
    status, answer = asyncio.run(engine.raw("NetworkDriver.GwAllocCheck", b"{}"))
    assert status == 404 and answer["Err"]


def test_ipv6_shares_the_port_of_ipv4(engine: Engine) -> None:
    async def story() -> None:
        four, six = await engine.pool("10.1.0.0/24"), await engine.pool("fd01::/64", v6=True)
        data = [
            {"AddressSpace": "sealane", "Pool": p["Pool"], "Gateway": await engine.gateway(p["PoolID"])}
            for p in (four, six)
        ]
        body = {"NetworkID": NET, "Options": {}, "IPv4Data": data[:1], "IPv6Data": data[1:]}
        await engine.call("NetworkDriver.CreateNetwork", **body)
        v4, v6 = await engine.address(four["PoolID"]), await engine.address(six["PoolID"])
        interface = {"Address": v4, "AddressIPv6": v6, "MacAddress": "02:42:00:00:00:99"}
        await engine.call("NetworkDriver.CreateEndpoint", **engine.reference(), Interface=interface)
        joined = await engine.join()
        assert (joined["Gateway"], joined["GatewayIPv6"]) == ("10.1.0.1", "fd01::1")
        (port,) = engine.api.all("ports")
        assert [f.ip_address for f in port.fixed_ips] == ["10.1.0.2", v6.split("/")[0]]
        assert port.mac_address == "02:42:00:00:00:99"

    asyncio.run(story())


def test_unused_reservation_is_released(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        granted = await engine.address(pool)
        await engine.call("IpamDriver.ReleaseAddress", PoolID=pool, Address=granted.split("/")[0])
        assert engine.api.all("ports") == ()

    asyncio.run(story())


def test_agent_restart_between_the_calls(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        granted = await engine.address(pool)
        engine.restart_agent()
        await engine.endpoint(granted)
        engine.restart_agent()
        await engine.join()
        assert len(engine.api.all("ports")) == 1
        engine.restart_agent()
        await engine.stop(pool, granted)
        assert engine.api.all("ports") == ()

    asyncio.run(story())


def test_lost_memory_is_mended(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        engine.path.unlink()
        engine.restart_agent()
        granted = await run_container(engine, pool)
        (port,) = engine.api.all("ports")
        assert [f"{f.ip_address}/24" for f in port.fixed_ips] == [granted]

    asyncio.run(story())


def test_address_in_use_names_the_port(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        await run_container(engine, pool, "10.1.0.9")
        body = {"PoolID": pool, "Address": "10.1.0.9", "Options": None}
        assert "in use by port" in await engine.refused("IpamDriver.RequestAddress", **body)

    asyncio.run(story())


def test_dead_endpoint_makes_room_for_its_address(engine: Engine) -> None:
    """dockerd crashed, forgot the endpoint and starts the container with the same --ip again."""

    async def story() -> None:
        pool = await engine.network()
        await run_container(engine, pool, "10.1.0.9")
        old = engine.memory.attachments[END]
        engine.memory.put(old.__class__(**{**vars(old), "created": 1.0}))
        engine.restart_agent()
        assert await engine.address(pool, "10.1.0.9") == "10.1.0.9/24"
        assert not engine.memory.attachments

    asyncio.run(story())


def test_port_made_before_is_adopted_and_given_back(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        (network,) = engine.api.all("networks")
        made = await engine.api.create(
            "ports", {"network_id": network.id, "fixed_ips": [{"ip_address": "10.1.0.50"}]}
        )
        granted = await engine.address(pool, "10.1.0.50")
        assert "add driver-opt=sealane.port" in await engine.refused(
            "NetworkDriver.CreateEndpoint",
            **engine.reference(),
            Interface={"Address": granted, "MacAddress": ""},
        )
        granted = await engine.address(pool, "10.1.0.50")
        await engine.endpoint(granted, **{"sealane.port": made["id"]})
        await engine.join()
        assert (await engine.api.get("ports", made["id"]))["binding:host_id"] == "host1"
        await engine.stop(pool, granted)
        assert (await engine.api.get("ports", made["id"]))["binding:host_id"] == ""

    asyncio.run(story())


def test_builtin_ipam_claims_what_docker_offers(engine: Engine) -> None:
    async def story() -> None:
        data = {"AddressSpace": "LocalDefault", "Pool": "172.20.0.0/16", "Gateway": "172.20.0.1/16"}
        body = {"NetworkID": NET, "Options": {}, "IPv4Data": [data], "IPv6Data": []}
        await engine.call("NetworkDriver.CreateNetwork", **body)
        answer = await engine.endpoint("172.20.0.2/16")
        (port,) = engine.api.all("ports")
        assert answer["Interface"]["MacAddress"] == port.mac_address
        assert not answer["Interface"]["Address"]
        other = {"NetworkID": NET, "EndpointID": "ef" * 32, "Interface": {"Address": "172.20.0.2/16"}}
        assert "in use by port" in await engine.refused("NetworkDriver.CreateEndpoint", **other)

    asyncio.run(story())


def test_mirror_of_a_builtin_network_allocates_from_the_top(engine: Engine) -> None:
    async def story() -> None:
        await network_of_builtin(engine)
        (network,) = engine.api.all("networks")
        pool = await engine.pool("172.20.0.0/24", hint=network.id)
        assert await engine.address(pool["PoolID"]) == "172.20.0.254/24"

    async def network_of_builtin(engine: Engine) -> None:
        data = {"AddressSpace": "LocalDefault", "Pool": "172.20.0.0/24", "Gateway": "172.20.0.1/24"}
        body = {"NetworkID": NET, "Options": {}, "IPv4Data": [data], "IPv6Data": []}
        await engine.call("NetworkDriver.CreateNetwork", **body)

    asyncio.run(story())


def test_delete_network_deletes_what_docker_made_when_it_is_unused(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        await engine.call("IpamDriver.ReleasePool", PoolID=pool)
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID=NET)
        assert engine.api.all("networks") == ()
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID=NET)

    asyncio.run(story())


def test_delete_network_keeps_what_has_ports_elsewhere_or_was_not_made_by_docker(engine: Engine) -> None:
    async def story() -> None:
        await engine.network()
        (network,) = engine.api.all("networks")
        await engine.api.create("ports", {"network_id": network.id, "binding:host_id": "host2"})
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID=NET)
        assert len(engine.api.all("networks")) == 1

        made = await engine.api.create("networks", {"name": "blue"})
        await engine.api.create("subnets", {"network_id": made["id"], "cidr": "10.2.0.0/24"})
        await join_network(engine, "blue", "ee" * 32)
        engine.memory.put_network(settle(engine, "ee" * 32))
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID="ee" * 32)
        assert len(engine.api.all("networks")) == 2

    asyncio.run(story())


def test_undoing_an_unfinished_mirror_never_deletes(engine: Engine) -> None:
    async def story() -> None:
        await engine.network()
        (network,) = engine.api.all("networks")
        engine.memory.remove_network(NET)  # as on another host
        await join_network(engine, network.id, "ee" * 32)
        await engine.call("NetworkDriver.DeleteNetwork", NetworkID="ee" * 32)
        assert len(engine.api.all("networks")) == 1

    asyncio.run(story())


async def join_network(engine: Engine, name: str, docker_id: str) -> None:
    pool = await engine.pool(hint=name)
    data = {"AddressSpace": "sealane", "Pool": pool["Pool"], "Gateway": pool["Data"][GATEWAY]}
    options = {"com.docker.network.generic": {"sealane.network": name}}
    await engine.call(
        "NetworkDriver.CreateNetwork", NetworkID=docker_id, Options=options, IPv4Data=[data], IPv6Data=None
    )


def settle(engine: Engine, docker_id: str) -> Any:
    from sealane.agent.docker.networks import settled

    return settled(engine.memory.networks[docker_id], "x")


def test_hint_in_one_half_only_says_what_to_add(engine: Engine) -> None:
    async def story() -> None:
        made = await engine.api.create("networks", {"name": "blue"})
        await engine.api.create("subnets", {"network_id": made["id"], "cidr": "10.2.0.0/24"})
        pool = await engine.pool("10.2.0.0/24")
        data = {"AddressSpace": "sealane", "Pool": "10.2.0.0/24", "Gateway": "10.2.0.1/24"}
        options = {"com.docker.network.generic": {"sealane.network": "blue"}}
        body = {"NetworkID": NET, "Options": options, "IPv4Data": [data]}
        assert "--ipam-opt" in await engine.refused("NetworkDriver.CreateNetwork", **body)
        await engine.call("IpamDriver.ReleasePool", PoolID=pool["PoolID"])
        await engine.pool(hint="blue")
        body["Options"] = {}
        assert "-o sealane.network" in await engine.refused("NetworkDriver.CreateNetwork", **body)

    asyncio.run(story())


def test_network_options_reach_the_api(engine: Engine) -> None:
    async def story() -> None:
        given = {
            "sealane.mtu": "1300",
            "sealane.project": "red",
            "sealane.dns-domain": "Corp.example",
            "sealane.gateway": "docker",
            "sealane.multicast": "snooping",
        }
        pool = await engine.network(**given)
        (network,) = engine.api.all("networks")
        assert network.multicast_snooping
        assert (network.mtu, network.project_id, network.dns_domain) == (1300, "red", "corp.example")
        await run_container(engine, pool)
        joined = await engine.join()
        assert joined["Gateway"] == "" and not joined["DisableGatewayService"]

    asyncio.run(story())


def test_internal_network_has_no_gateway_and_publishes_nothing(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.pool("10.1.0.0/24", sub="10.1.0.128/25")
        data = {
            "AddressSpace": "sealane",
            "Pool": pool["Pool"],
            "Gateway": await engine.gateway(pool["PoolID"], "10.1.0.200"),
            "AuxAddresses": {"printer": "10.1.0.130/24"},
        }
        options = {"com.docker.network.internal": True}
        body = {"NetworkID": NET, "Options": options, "IPv4Data": [data]}
        await engine.call("NetworkDriver.CreateNetwork", **body)
        granted = await run_container(engine, pool["PoolID"])
        assert granted == "10.1.0.128/24"
        assert await engine.address(pool["PoolID"]) == "10.1.0.129/24"
        assert await engine.address(pool["PoolID"]) == "10.1.0.131/24"
        joined = await engine.join()
        assert joined["Gateway"] == "" and joined["DisableGatewayService"]
        portmap = [{"Proto": 6, "Port": 80, "HostPort": 8080, "HostPortEnd": 8080}]
        options = {"com.docker.network.portmap": portmap}
        await engine.call("NetworkDriver.ProgramExternalConnectivity", **engine.reference(), Options=options)
        assert engine.host.wished == {}

    asyncio.run(story())


def test_ports_are_published_and_revoked(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        await run_container(engine, pool)
        portmap = [{"Proto": 17, "Port": 53, "HostIP": "127.0.0.1", "HostPort": 5300, "HostPortEnd": 5310}]
        options = {"com.docker.network.portmap": portmap}
        await engine.call("NetworkDriver.ProgramExternalConnectivity", **engine.reference(), Options=options)
        (wish,) = engine.host.wished[END]
        assert (wish.protocol, wish.port, wish.host_port, wish.host_port_end) == ("udp", 53, 5300, 5310)
        await engine.call("NetworkDriver.RevokeExternalConnectivity", **engine.reference())
        assert engine.host.wished == {}

    asyncio.run(story())


def test_a_dead_endpoint_gives_its_ports_back(engine: Engine) -> None:
    """dockerd crashed and starts the container again by its restart policy, before any collector ran."""
    options = {
        "com.docker.network.portmap": [{"Proto": 6, "Port": 80, "HostPort": 8080, "HostPortEnd": 8080}]
    }
    again = "ef" * 32
    program = "NetworkDriver.ProgramExternalConnectivity"

    async def story() -> None:
        pool = await engine.network()
        await run_container(engine, pool)
        await engine.call(program, **engine.reference(), Options=options)
        await engine.endpoint(await engine.address(pool), endpoint=again)
        await engine.join(again)
        assert "taken" in await engine.refused(program, **engine.reference(again), Options=options)
        engine.host.moved.add(engine.memory.attachments[END].port_id)
        await engine.call(program, **engine.reference(again), Options=options)
        assert engine.memory.attachments[END].publish == ()
        assert [p.host_port for p in engine.memory.attachments[again].publish] == [8080]

    asyncio.run(story())


def test_join_says_so_when_ovn_does_not_bind_or_the_host_refuses(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        granted = await engine.address(pool)
        engine.host.refuse = True
        await engine.endpoint(granted)
        body = {**engine.reference(), "SandboxKey": "/run/x", "Options": {}}
        assert "no more links" in await engine.refused("NetworkDriver.Join", **body)
        engine.host.refuse, engine.host.stuck = False, True
        assert "not bound" in await engine.refused("NetworkDriver.Join", **body)
        await engine.call("NetworkDriver.DeleteEndpoint", **engine.reference())
        assert engine.api.all("ports") == ()

    asyncio.run(story())


def test_everything_answers_while_the_api_is_down(engine: Engine) -> None:
    async def story() -> None:
        pool = await engine.network()
        granted = await run_container(engine, pool)
        engine.api.down = True
        body = {"PoolID": pool, "Address": "", "Options": None}
        assert "can't be reached" in await engine.refused("IpamDriver.RequestAddress", **body)
        assert await engine.refused("NetworkDriver.DeleteEndpoint", **engine.reference())
        assert not engine.memory.attachments  # the host's part is gone all the same
        await engine.call("NetworkDriver.DeleteEndpoint", **engine.reference())
        await engine.call("IpamDriver.ReleaseAddress", PoolID=pool, Address=granted.split("/")[0])
        assert await engine.refused("NetworkDriver.DeleteNetwork", NetworkID=NET)
        assert engine.drivers.networks.unfinished

    asyncio.run(story())


def test_a_call_that_hangs_is_answered_by_our_deadline(engine: Engine) -> None:
    async def story() -> None:
        async def never(*_: object, **__: object) -> Any:
            await asyncio.Event().wait()

        engine.api.free_cidr = never  # type: ignore[method-assign]
        body = {"AddressSpace": "sealane", "Pool": "", "SubPool": "", "Options": None, "V6": False}
        assert "not done within" in await engine.refused("IpamDriver.RequestPool", **body)

    asyncio.run(story())


def test_two_networks_of_one_cidr_wait_for_each_other(engine: Engine) -> None:
    async def story() -> None:
        await asyncio.gather(engine.network(docker_id="aa" * 32), engine.network(docker_id="bb" * 32))
        assert len(engine.api.all("networks")) == 2
        assert len(engine.api.all("subnets")) == 2

    asyncio.run(story())


def test_bits_of_a_host_are_refused_with_what_was_probably_meant(engine: Engine) -> None:
    async def story() -> None:
        request = {
            "AddressSpace": "sealane",
            "Pool": "10.1.0.5/24",
            "SubPool": "",
            "Options": None,
            "V6": False,
        }
        said = await engine.refused("IpamDriver.RequestPool", **request)
        assert said == "--subnet 10.1.0.5/24 has bits set behind the prefix: it is probably 10.1.0.0/24"
        part = {**request, "Pool": "10.1.0.0/24", "SubPool": "10.1.0.130/25"}
        assert "--ip-range 10.1.0.130/25" in await engine.refused("IpamDriver.RequestPool", **part)
        data = {"AddressSpace": "LocalDefault", "Pool": "fd00::5/64", "Gateway": "fd00::1/64"}
        said = await engine.refused("NetworkDriver.CreateNetwork", NetworkID=NET, Options={}, IPv6Data=[data])
        assert "it is probably fd00::/64" in said and "\n" not in said
        assert engine.api.all("networks") == ()

    asyncio.run(story())


def test_exhausted_subnet_gives_way_to_the_next(engine: Engine) -> None:
    async def story() -> None:
        pools = [await engine.pool(cidr) for cidr in ("10.1.0.0/30", "10.2.0.0/24")]
        data = [
            {"AddressSpace": "sealane", "Pool": p["Pool"], "Gateway": await engine.gateway(p["PoolID"])}
            for p in pools
        ]
        body = {"NetworkID": NET, "Options": {}, "IPv4Data": data, "IPv6Data": []}
        await engine.call("NetworkDriver.CreateNetwork", **body)
        first = pools[0]["PoolID"]
        assert await engine.address(first) == "10.1.0.2/30"
        assert await engine.address(first) == "10.2.0.2/24"

    asyncio.run(story())
