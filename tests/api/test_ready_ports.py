"""A port that waits for a container is no user of anything: it goes with its network and gives way."""

from typing import Any

from sealane import names
from tests.api.house import house
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

WAITS = {"device_owner": names.RUNTIME_PORT, "device_id": f"{names.READY}a", "binding:host_id": "node1"}
AVAILABLE = "/v2.0/network-ip-availabilities"


async def furnished(api: Live) -> tuple[str, list[str]]:
    """A network of two subnets."""
    network = (await api.make("network", name="blue"))["id"]
    cidrs = ("10.9.0.0/24", "10.9.1.0/24")
    return network, [(await api.make("subnet", network_id=network, cidr=cidr))["id"] for cidr in cidrs]


async def made(api: Live, network: str, subnet: str, **more: Any) -> str:
    told = {**WAITS, "fixed_ips": [{"subnet_id": subnet}], **more}
    return str((await api.make("port", network_id=network, **told))["id"])


async def status(api: Live, method: str, path: str) -> int:
    return int((await api.call(f"{method} /v2.0/{path}")).status)


async def test_what_waits_goes_with_its_subnet_and_network(database: OvsdbServer) -> None:
    async with live(database) as api:
        network, subnets = await furnished(api)
        ports = [await made(api, network, subnet) for subnet in subnets]
        assert await status(api, "DELETE", f"subnets/{subnets[0]}") == 204
        assert [await status(api, "GET", f"ports/{port}") for port in ports] == [404, 200]
        assert await status(api, "DELETE", f"networks/{network}") == 204
        assert await status(api, "GET", f"ports/{ports[1]}") == 404
        again = await api.make("network", name="blue")
        assert not (await api.call(f"GET /v2.0/ports?network_id={again['id']}")).body["ports"]


async def test_what_is_in_use_keeps_them(database: OvsdbServer) -> None:
    """Whoever has it, and whatever else it is called."""
    async with live(database) as api:
        network, subnets = await furnished(api)
        waits = await made(api, network, subnets[0])
        for more in ({"device_id": "c1"}, {"device_owner": "compute:nova"}, {"binding:host_id": ""}):
            port = await made(api, network, subnets[0], **more)
            for path in (f"subnets/{subnets[0]}", f"networks/{network}"):
                assert await status(api, "DELETE", path) == 409
            assert await status(api, "GET", f"ports/{waits}") == 200
            assert await status(api, "DELETE", f"ports/{port}") == 204


async def addresses(api: Live) -> dict[str, str]:
    """Of all ports, by id."""
    ports = (await api.call("GET /v2.0/ports")).body["ports"]
    return {port["id"]: port["fixed_ips"][0]["ip_address"] for port in ports if port["fixed_ips"]}


async def test_who_asks_for_its_address_or_mac_gets_it(database: OvsdbServer) -> None:
    async with live(database) as api:
        network, (subnet, _) = await furnished(api)
        waits = await made(api, network, subnet)
        address = (await addresses(api))[waits]
        port = await api.make("port", network_id=network, fixed_ips=[{"ip_address": address}])
        assert await addresses(api) == {port["id"]: address}
        refused = await api.call(
            "POST /v2.0/ports", {"port": {"network_id": network, "fixed_ips": [{"ip_address": address}]}}
        )
        assert refused.error == "IpAddressAlreadyAllocated", (
            "who is no more than waiting gave way, nobody else"
        )
        waits = await made(api, network, subnet)
        mac = (await api.call(f"GET /v2.0/ports/{waits}")).body["port"]["mac_address"]
        moved = await api.call(f"PUT /v2.0/ports/{port['id']}", {"port": {"mac_address": mac}})
        assert (moved.status, list(await addresses(api))) == (200, [port["id"]])
        waits = await made(api, network, subnet)
        wanted = [{"ip_address": (await addresses(api))[waits]}]
        moved = await api.call(f"PUT /v2.0/ports/{port['id']}", {"port": {"fixed_ips": wanted}})
        assert (moved.status, list(await addresses(api))) == (200, [port["id"]])


async def test_the_last_addresses_are_for_those_who_use_them(database: OvsdbServer) -> None:
    """Of 60 addresses none waits while fewer than 16 are left; what waited goes before anybody is refused."""
    async with live(database) as api:
        network = (await api.make("network", name="blue"))["id"]
        pools = [{"start": "10.9.0.10", "end": "10.9.0.69"}]
        subnet = (await api.make("subnet", network_id=network, cidr="10.9.0.0/24", allocation_pools=pools))[
            "id"
        ]
        waits = [await made(api, network, subnet, device_id=f"{names.READY}{n}") for n in range(2)]
        shown = (await api.call(f"GET {AVAILABLE}/{network}")).body["network_ip_availability"]
        assert (shown["total_ips"], shown["used_ips"]) == (60, 0)
        many = [{"network_id": network, "name": f"p{n}"} for n in range(58)]
        assert (await api.call("POST /v2.0/ports", {"ports": many})).status == 201
        refused = await api.call(
            "POST /v2.0/ports", {"port": {"network_id": network, "project_id": "default", **WAITS}}
        )
        assert refused.error == "IpAddressGenerationFailure" and "keep a port ready" in str(refused.body)
        assert set(waits) < set(await addresses(api)), "nobody has to go for one who only waits"
        bulk = [{"network_id": network}] * 2
        assert (await api.call("POST /v2.0/ports", {"ports": bulk})).status == 201
        there = await addresses(api)
        assert len(there) == 60 and not set(waits) & set(there)
        again = await api.call("POST /v2.0/ports", {"port": {"network_id": network}})
        assert again.error == "IpAddressGenerationFailure"


async def test_what_somebody_has_given_a_use_does_not_go(database: OvsdbServer) -> None:
    async with live(database) as api:
        network, (subnet, _) = await furnished(api)
        waits = await made(api, network, subnet)
        await api.make("trunk", port_id=waits)
        wanted = {"network_id": network, "fixed_ips": [{"ip_address": (await addresses(api))[waits]}]}
        assert (await api.call("POST /v2.0/ports", {"port": wanted})).error == "IpAddressAlreadyAllocated"


async def test_it_counts_when_somebody_has_it(database: OvsdbServer) -> None:
    async with live(database) as api:
        network, (subnet, _) = await furnished(api)
        await api.call("PUT /v2.0/quotas/default", {"quota": {"port": 1}})
        waits = [await made(api, network, subnet, device_id=f"{names.READY}{n}") for n in range(3)]
        details = (await api.call("GET /v2.0/quotas/default/details")).body["quota"]["port"]
        assert details == {"limit": 1, "used": 0, "reserved": 0}
        named = {"port": {"device_id": "c1", "name": "c1"}}
        assert await status_of(api, f"PUT /v2.0/ports/{waits[0]}", named) == (200, "")
        assert await status_of(api, f"PUT /v2.0/ports/{waits[1]}", named) == (409, "OverQuota")
        other = {"port": {"network_id": network, "fixed_ips": [{"subnet_id": subnet}]}}
        assert await status_of(api, "POST /v2.0/ports", other) == (409, "OverQuota")


async def status_of(api: Live, line: str, body: object) -> tuple[int, str]:
    answer = await api.call(line, body)
    return answer.status, answer.error if answer.status >= 400 else ""


async def test_it_is_there_for_no_user(database: OvsdbServer) -> None:
    async with house(database) as (built, users):
        network, admin, member = built.networks["own"], built.root, users["member"]
        (subnet,) = (await admin.call(f"GET /v2.0/subnets?network_id={network}")).body["subnets"]
        waits = await made(admin, network, subnet["id"], project_id="mine")
        for role in ("member", "reader"):
            listed = (await users[role].call("GET /v2.0/ports")).body["ports"]
            assert waits not in [port["id"] for port in listed]
            assert (await users[role].call(f"GET /v2.0/ports/{waits}")).status == 404
        wanted = [{"ip_address": (await addresses(admin))[waits]}]
        port = await member.call("POST /v2.0/ports", {"port": {"network_id": network, "fixed_ips": wanted}})
        assert port.status == 201 and waits not in await addresses(admin)
        forged = {"network_id": network, "device_owner": names.RUNTIME_PORT, "device_id": f"{names.READY}x"}
        answer = await member.call("POST /v2.0/ports", {"port": forged})
        assert answer.status == 403, answer.body
