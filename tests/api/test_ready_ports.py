"""A port that waits for a container is no user of its network and subnet: it goes with them."""

from typing import Any

from sealane import names
from tests.api.live import Live, live
from tests.daemons import OvsdbServer


async def furnished(api: Live) -> tuple[str, list[str]]:
    """A network of two subnets."""
    network = (await api.make("network", name="blue"))["id"]
    cidrs = ("10.9.0.0/24", "10.9.1.0/24")
    return network, [(await api.make("subnet", network_id=network, cidr=cidr))["id"] for cidr in cidrs]


async def made(api: Live, network: str, subnet: str, **more: Any) -> str:
    told = {"device_owner": names.RUNTIME_PORT, "device_id": f"{names.READY}a", **more}
    port = await api.make("port", network_id=network, fixed_ips=[{"subnet_id": subnet}], **told)
    return str(port["id"])


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
        for more in ({"device_id": "c1"}, {"device_owner": "compute:nova"}):
            port = await made(api, network, subnets[0], **more)
            for path in (f"subnets/{subnets[0]}", f"networks/{network}"):
                assert await status(api, "DELETE", path) == 409
            assert await status(api, "GET", f"ports/{waits}") == 200
            assert await status(api, "DELETE", f"ports/{port}") == 204
