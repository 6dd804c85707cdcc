"""A container whose link carries a trunk: by an option of its endpoint, by its address in a compose file."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker.engines import Api, Engine, Failed, until

CREATE = ("network", "create", "-d", "sealane", "--ipam-driver", "sealane")


@pytest.fixture
def carried(api: Api) -> Iterator[dict[str, str]]:
    """A trunk, its parent and its sub-port; what is on them has gone when they go."""
    made: dict[str, str] = {}
    yield made
    if made:
        api.call("DELETE", f"trunks/{made['trunk']}")
        for name in ("parent", "inner"):
            api.call("DELETE", f"ports/{made[name]}")


COMPOSE = """
version: "2.4"
networks:
  own:
    external: {name: blue}
services:
  firewall:
    image: box:1
    command: sleep 3600
    networks: {own: {ipv4_address: 10.64.0.9}}
"""


def test_a_container_s_link_carries_a_trunk(
    api: Api, one: Engine, carried: dict[str, str], tmp_path: Path
) -> None:
    one(*CREATE, "--subnet", "10.64.0.0/24", "blue")
    (blue,) = until(lambda: api.list("networks", "name=blue"), what="it is in the API")
    green = api.call("POST", "networks", {"network": {"name": "inner"}})["network"]["id"]
    api.call("POST", "subnets", {"subnet": {"network_id": green, "cidr": "10.65.0.0/24", "ip_version": 4}})
    fixed = [{"ip_address": "10.64.0.9"}]
    body: Any = {"network_id": blue["id"], "name": "carrier", "fixed_ips": fixed}
    parent = api.call("POST", "ports", {"port": body})["port"]
    inner = api.call("POST", "ports", {"port": {"network_id": green}})["port"]
    place = {"port_id": inner["id"], "segmentation_type": "vlan", "segmentation_id": 7}
    body = {"name": "all", "port_id": parent["id"], "sub_ports": [place]}
    trunk = api.call("POST", "trunks", {"trunk": body})["trunk"]
    carried |= {"trunk": trunk["id"], "parent": parent["id"], "inner": inner["id"]}
    with pytest.raises(Failed, match="no trunk 'none'"):
        one.run("wrong", "name=blue,ip=10.64.0.9,driver-opt=sealane.trunk=none")
    one.run("carrier", "name=blue,ip=10.64.0.9,driver-opt=sealane.trunk=all")
    active(api, inner["id"])
    one("rm", "-f", "carrier")
    gone(api, inner["id"])
    file = tmp_path / "docker-compose.yml"
    file.write_text(COMPOSE)
    command = ("docker-compose", "-H", f"unix://{one.socket}", "-p", "lines", "-f", str(file))
    subprocess.run([*command, "up", "-d"], capture_output=True, timeout=120, check=True)
    active(api, inner["id"])
    assert api.call("GET", f"ports/{parent['id']}")["port"]["device_owner"] == "sealane:docker:adopted"
    subprocess.run([*command, "down", "-t", "1"], capture_output=True, timeout=120, check=True)
    gone(api, inner["id"])


def active(api: Api, inner: str) -> None:
    until(lambda: api.call("GET", "trunks?name=all")["trunks"][0]["status"] == "ACTIVE", what="all is ACTIVE")
    shown = api.call("GET", f"ports/{inner}")["port"]
    assert (shown["status"], shown["binding:host_id"]) == ("ACTIVE", "host1")


def gone(api: Api, inner: str) -> None:
    until(lambda: api.call("GET", "trunks?name=all")["trunks"][0]["status"] == "DOWN", what="it is DOWN")
    assert api.call("GET", f"ports/{inner}")["port"]["binding:host_id"] == ""
