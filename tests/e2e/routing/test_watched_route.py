"""A default route that counts only while the station it leads by answers BFD."""

from collections.abc import Iterator

import pytest

from tests.e2e.overlay.machines import until
from tests.e2e.routing import station
from tests.e2e.routing.site import PORT, Tenant, ask
from tests.e2e.routing.world import GATEWAY, SERVER, World, serving

BEYOND = "203.0.113.9"
"""Behind the station."""


@pytest.fixture
def beyond(world: World) -> Iterator[str]:
    world.exec("ip", "address", "add", f"{BEYOND}/32", "dev", "lo")
    with serving(world.command("python3", "-c", SERVER, "world", str(PORT))):
        yield BEYOND
    world.exec("ip", "address", "delete", f"{BEYOND}/32", "dev", "lo")


def test_the_default_route_counts_while_its_station_answers(world: World, red: Tenant, beyond: str) -> None:
    """The gateway is on a host whose controller has to pass the gate to tell of it."""
    one = red.put("host1", "one")
    own = red.gateway_on("host2")
    until(lambda: ask(one, "tcp", beyond) == ["world", own], "it gets out")
    red.api.update("routers", red.router, {"enable_default_route_bfd": True})
    until(lambda: ask(one, "tcp", beyond) == ["-"], "the station answers nobody")
    until(lambda: ask(one, "tcp", GATEWAY) == ["world", own], "the network beside the router is reached")
    with serving(world.command("python3", station.__file__)):
        until(lambda: ask(one, "tcp", beyond) == ["world", own], "the station answers")
    until(lambda: ask(one, "tcp", beyond) == ["-"], "it has gone silent")
    red.api.update("routers", red.router, {"enable_default_route_bfd": False})
    until(lambda: ask(one, "tcp", beyond) == ["world", own], "nobody watches any more")
