"""`docker network create`, with all kinds of options, on real engines."""

import json
import subprocess

import pytest

from tests.e2e.docker.engines import IMAGE, Api, Engine, Failed, until
from tests.e2e.docker.outside import command
from tests.e2e.docker.talk import running
from tests.e2e.overlay.lengths import ANSWERS, asking, heard


def made(api: Api, name: str) -> dict[str, object]:
    """The network in the API as soon as it has its name."""
    (network,) = until(lambda: api.list("networks", f"name={name}"), what=f"network {name} in the API")
    return dict(network)


def test_a_free_subnet_is_chosen_and_the_name_arrives(one: Engine, api: Api) -> None:
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "--label", "a=b", "blue")
    network = made(api, "blue")
    assert network["sealane:labels"] == {"a": "b"}
    assert network["sealane:origin"] == "docker"
    (subnet,) = api.list("subnets", f"network_id={network['id']}")
    (config,) = json.loads(one("network", "inspect", "blue"))[0]["IPAM"]["Config"]
    assert config["Subnet"] == subnet["cidr"]
    assert config["Gateway"].split("/")[0] == subnet["gateway_ip"]


def test_mirror_appears_on_the_other_engine_and_goes_with_the_network(one: Engine, two: Engine) -> None:
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "--label", "a=b", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    assert json.loads(two("network", "inspect", "blue"))[0]["Labels"] == {"a": "b"}
    one("network", "rm", "blue")
    until(lambda: "blue" not in two.networks(), what="the mirror is gone")


def test_subnet_gateway_range_auxiliary_ipv6_and_mtu(one: Engine, two: Engine, api: Api) -> None:
    one(
        *("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "-o", "sealane.mtu=1300"),
        *("-o", "sealane.multicast=snooping"),
        *("--subnet", "10.50.0.0/24", "--gateway", "10.50.0.254", "--ip-range", "10.50.0.128/25"),
        *("--aux-address", "printer=10.50.0.128", "--ipv6", "--subnet", "fd50::/64", "six"),
    )
    one.run("ca", "six", "--ip", "10.50.0.20", "--ip6", "fd50::20", "--mac-address", "02:42:00:00:00:99")
    shown = one("exec", "ca", "ip", "addr", "show", "eth0")
    for part in ("mtu 1300", "02:42:00:00:00:99", "inet 10.50.0.20/24", "inet6 fd50::20/64"):
        assert part in shown
    assert "default via 10.50.0.254" in one("exec", "ca", "ip", "route")
    until(lambda: "six" in two.networks(), what="the mirror")
    two.run("cb", "six")
    assert two.address("cb", "six") == "10.50.0.129"
    assert two.settings("cb", "six")["GlobalIPv6Address"].startswith("fd50:")
    assert two.still_reaches("cb", "10.50.0.20")
    until(lambda: two.reaches("cb", "fd50::20"), what="IPv6 reaches")
    (port,) = [p for p in api.ports() if p["binding:host_id"] == "host1"]
    assert {ip["ip_address"] for ip in port["fixed_ips"]} == {"10.50.0.20", "fd50::20"}
    assert port["mac_address"] == "02:42:00:00:00:99"
    (network,) = api.call("GET", "networks?name=six")["networks"]
    assert network["sealane:multicast_snooping"]
    for size in (1280, 1440):  # it may change while containers are there
        api.call("PUT", f"networks/{network['id']}", {"network": {"mtu": size}})
        for engine, name in ((one, "ca"), (two, "cb")):
            shown = lambda e=engine, n=name: e("exec", n, "ip", "link", "show", "eth0")  # noqa: E731
            until(lambda shown=shown, size=size: f"mtu {size}" in shown(), what=f"{name} has {size}")
        with running(command(two, "cb"), ANSWERS) as said:
            until(said, what="it listens")
            argv = [*command(one, "ca"), *asking("10.50.0.129", size, size + 1)]
            found = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
            assert heard(found) == {size: "arrived", size + 1: f"told {size}"}


def test_address_in_use_on_another_host_is_refused(one: Engine, two: Engine) -> None:
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "--subnet", "10.51.0.0/24", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    one.run("ca", "blue", "--ip", "10.51.0.7")
    with pytest.raises(Failed, match="in use by port"):
        two.run("cb", "blue", "--ip", "10.51.0.7")


def test_several_subnets(one: Engine) -> None:
    subnets = ("--subnet", "10.52.0.0/30", "--subnet", "10.53.0.0/30")
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", *subnets, "blue")
    one.run("ca", "blue")
    one.run("cb", "blue")
    assert {one.address(name, "blue") for name in ("ca", "cb")} == {"10.52.0.2", "10.53.0.2"}
    with pytest.raises(Failed, match="no free address"):
        one.run("cc", "blue")


def test_internal_has_no_way_out(one: Engine, two: Engine) -> None:
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "--internal", "closed")
    one.run("ca", "closed")
    assert "default" not in one("exec", "ca", "ip", "route")
    assert "eth1" not in one("exec", "ca", "ip", "link")
    until(lambda: "closed" in two.networks(), what="the mirror")
    assert json.loads(two("network", "inspect", "closed"))[0]["Internal"] is True
    two.run("cb", "closed")
    assert two.still_reaches("cb", one.address("ca", "closed"))


def test_gateway_docker_uses_dockers_bridge(one: Engine) -> None:
    one(
        "network",
        "create",
        "-d",
        "sealane",
        "--ipam-driver",
        "sealane",
        "-o",
        "sealane.gateway=docker",
        "out",
    )
    one.run("ca", "out")
    assert "dev eth1" in one("exec", "ca", "ip", "route", "show", "default")


def test_dockers_own_ipam_and_a_mirror_do_not_collide(one: Engine, two: Engine) -> None:
    one("network", "create", "-d", "sealane", "--subnet", "10.54.0.0/24", "plain")
    until(lambda: "plain" in two.networks(), what="the mirror")
    one.run("ca", "plain")
    two.run("cb", "plain")
    assert one.address("ca", "plain") == "10.54.0.2"
    assert two.address("cb", "plain") == "10.54.0.254"
    assert two.still_reaches("cb", "10.54.0.2")


def test_overlapping_networks_of_one_engine_are_apart(one: Engine) -> None:
    for name in ("blue", "red"):
        given = ("--ipam-driver", "sealane", "--subnet", "10.55.0.0/24", name)
        one("network", "create", "-d", "sealane", *given)
        one.run(f"{name}-a", name, "--ip", "10.55.0.5")
    one.run("blue-b", "blue")
    assert one.still_reaches("blue-b", "10.55.0.5")
    one("rm", "-f", "blue-a")
    assert not one.reaches("blue-b", "10.55.0.5")


def test_join_by_name_and_by_id(one: Engine, two: Engine, api: Api) -> None:
    network = api.call("POST", "networks", {"network": {"name": "green", "project_id": "tenant"}})["network"]
    subnet = {"network_id": network["id"], "cidr": "10.56.0.0/24", "ip_version": 4}
    api.call("POST", "subnets", {"subnet": subnet})
    for engine, hint, key in ((one, "green", "sealane.network"), (two, network["id"], "neutron.net.uuid")):
        both = ("-o", f"{key}={hint}", "--ipam-opt", f"{key}={hint}")
        engine("network", "create", "-d", "sealane", "--ipam-driver", "sealane", *both, "mine")
    one.run("ca", "mine")
    two.run("cb", "mine")
    assert two.still_reaches("cb", one.address("ca", "mine"))
    assert one.networks() == {"mine"}, "another project is not mirrored"
    one("rm", "-f", "ca")
    two("rm", "-f", "cb")
    for engine in (one, two):
        engine("network", "rm", "mine")
    assert api.list("networks", "name=green"), "Docker did not make it"


def test_taken_name_gets_the_project_added(one: Engine, two: Engine) -> None:
    two("network", "create", "-d", "bridge", "blue")
    try:
        one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "blue")
        until(lambda: "blue.default" in two.networks(), what="the mirror by its other name")
    finally:
        two("network", "rm", "blue")


def test_removed_mirror_comes_back_while_ports_are_on_the_network(one: Engine, two: Engine, api: Api) -> None:
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    one.run("ca", "blue")
    before = two("network", "ls", "-q", "-f", "name=blue")
    two("network", "prune", "-f")
    until(lambda: two("network", "ls", "-q", "-f", "name=blue") not in ("", before), what="it comes back")
    assert api.list("networks", "name=blue")
    assert one("run", "--rm", "--network", "blue", IMAGE, "true") == ""


def test_wrong_options_are_explained(one: Engine, api: Api) -> None:
    for given, says in (
        (("-o", "sealane.mut=1400"), "unknown option 'sealane.mut'"),
        (("-o", "sealane.network=nothing"), "there is no network 'nothing'"),
        (("-o", "sealane.mtu=9"), "not a number of bytes"),
        (("-o", "sealane.mtu=1443"), "MTU is too big, maximum is 1442"),
    ):
        with pytest.raises(Failed, match=says):
            one("network", "create", "-d", "sealane", *given, "wrong")
    assert api.list("networks") == []


def test_network_made_by_the_api_is_mirrored_everywhere(one: Engine, two: Engine, api: Api) -> None:
    network = api.call("POST", "networks", {"network": {"name": "green"}})["network"]
    subnet = {"network_id": network["id"], "cidr": "10.57.0.0/24", "ip_version": 4}
    api.call("POST", "subnets", {"subnet": subnet})
    for engine in (one, two):
        until(lambda engine=engine: "green" in engine.networks(), what="the mirror")
    one("network", "rm", "green")
    until(lambda: "green" in one.networks(), what="Docker did not make it, so it comes back")
    api.call("DELETE", f"networks/{network['id']}")
    for engine in (one, two):
        until(lambda engine=engine: "green" not in engine.networks(), what="the mirror is gone")
