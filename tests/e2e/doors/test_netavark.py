"""The plugin for netavark, spoken to as its plugin-API.md says; Debian 12's own netavark knows no plugins."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.docker.engines import until
from tests.e2e.doors.doors import Netavark
from tests.e2e.doors.house import House


@pytest.fixture
def podman(house: House) -> Netavark:
    door = Netavark()
    door.live(house)
    return door


def test_create_gives_the_network_back_and_info_tells_the_version(house: House, podman: Netavark) -> None:
    network = {
        "name": "blue",
        "id": "b" * 64,
        "driver": "sealane",
        "options": {"gateway": "none"},
        "subnets": [],
    }
    done = house.exec(podman.program, "create", stdin=json.dumps(network))
    assert done.returncode == 0 and json.loads(done.stdout) == network
    for words in ((), ("info",)):
        told = json.loads(house.run(podman.program, *words))
        assert told["api_version"] == "1.0.0" and told["version"]
    for wrong in ({"name": "nowhere"}, {"name": "blue", "options": {"colour": "red"}}, {"id": "x"}, []):
        done = house.exec(podman.program, "create", stdin=json.dumps(wrong))
        assert done.returncode == 1 and json.loads(done.stdout)["error"], wrong


@pytest.fixture
def nameserver(house: House) -> Iterator[str]:
    """Of the network's own."""
    subnet = next(s["id"] for s in house.json("subnet", "list") if s["cidr"] == "10.7.0.0/24")
    house.sealane("subnet", "add", subnet, "--dns", "192.0.2.53")
    yield "192.0.2.53"
    house.sealane("subnet", "unset", subnet, "--dns", "all")


def test_setup_answers_a_status_block_with_all_that_was_asked_for(
    house: House, podman: Netavark, nameserver: str
) -> None:
    done = podman.call(
        house,
        "setup",
        port_mappings=[
            {"container_port": 80, "host_port": 8078, "host_ip": "", "protocol": "tcp", "range": 2},
        ],
        network_options={
            "static_ips": ["10.7.0.78"],
            "static_mac": "02:00:00:00:00:78",
            "aliases": ["barrel"],
        },
    )
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout) == {
        "dns_search_domains": [],
        "dns_server_ips": ["10.7.0.1", nameserver],
        "interfaces": {
            "eth0": {
                "mac_address": "02:00:00:00:00:78",
                "subnets": [{"ipnet": "10.7.0.78/24", "gateway": "10.7.0.1"}],
            }
        },
    }
    (port,) = house.ports().values()
    assert (port["name"], port["sealane:dns_aliases"]) == ("cellar", ["barrel"])
    words = ["sealane", "exec", "box3", "--", "busybox", "httpd", "-f", "-p", "81"]
    host = str(house.lab.plan.address("host1").ip)
    there = House(house.lab, "host2")
    with subprocess.Popen(house.lab.command(house.host, words)) as server:
        try:
            until(lambda: there.exec("curl", "-s", "-m", "3", f"http://{host}:8079/").returncode == 0)
        finally:
            server.kill()


WRONG: tuple[dict[str, Any], ...] = (
    {"text": "{"},
    {"text": '{"container_id":"a","container_id":"b"}'},
    {"text": '"' + "x" * (1 << 20) + '"'},
    {"text": "{}"},
    {"network_options": {"interface_name": "../x"}},
    {"network_options": {"interface_name": "a" * 16}},
    {"network_options": {"interface_name": "lo"}},
    {"network_options": {"static_ips": ["10.7.0.999"]}},
    {"network_options": {"static_ips": ["10.7.0.250"]}},
    {"network": {"name": "nowhere"}},
    {"port_mappings": [{"container_port": 80, "host_port": 80, "protocol": "icmp"}]},
    {"port_mappings": [{"container_port": 80, "host_port": 80, "range": 100000}]},
)


def test_what_is_wrong_is_an_error_and_leaves_nothing(house: House, podman: Netavark) -> None:
    before = house.traces()
    for more in WRONG:
        done = podman.call(house, "setup", **more)
        assert done.returncode == 1 and set(json.loads(done.stdout)) == {"error"}, str(more)[:100]
    assert house.exec(podman.program, "fly", "/run/netns/box3", stdin="{}").returncode == 1
    assert house.traces() == before
