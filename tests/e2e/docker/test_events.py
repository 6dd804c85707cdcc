"""What `sealane events --follow` tells of a docker run."""

import pytest

from sealane.lab.lab import Lab
from tests.e2e.docker.engines import IMAGE, Api, Engine
from tests.follower import following


@pytest.fixture
def blue(one: Engine) -> str:
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "--subnet", "10.66.0.0/24", "blue")
    return "blue"


def test_the_life_of_a_container_is_told_as_it_happens(lab: Lab, one: Engine, blue: str, api: Api) -> None:
    environ = {"SEALANE_API_URL": f"unix:{lab.plan.api_socket}"}
    now = str(api.call("GET", "sealane/events")["last"])
    with following(environ, "--kind", "port", "--since", now) as follower:
        one("run", "--rm", "--name", "web", "--network", blue, IMAGE, "sleep", "1")
        told = [follower.until("port", what) for what in ("created", "bound", "active", "deleted")]
        assert {event["id"] for event in told} == {told[0]["id"]}
        assert {event["host"] for event in told} == {"host1"}
        assert told[0]["addresses"][0].startswith("10.66.0.")
        assert not any(event["alarm"] for event in follower.seen)
