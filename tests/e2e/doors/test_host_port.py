"""The host itself on a network."""

from tests.e2e.doors.house import House, eventually
from tests.e2e.doors.page import commands


def test_the_host_and_containers_of_another_host_reach_each_other(house: House) -> None:
    before = house.traces()
    default = house.run("ip", "route", "show", "default")
    made = house.json("host-port", "add", "blue", "--ifname", "blue0", "--ip", "10.7.0.60")
    assert made["addresses"] == ["10.7.0.60/24"]
    assert "already" in house.refused("host-port", "add", "blue", "--ifname", "blue0")
    far = House(house.lab, "host2")
    eventually(lambda: far.pings("far", "10.7.0.60"), "a container reaches the host")
    house.run("busybox", "ping", "-c3", "-W5", "10.7.0.250")
    assert house.run("ip", "route", "show", "default") == default
    house.kill_agent()
    house.run("busybox", "ping", "-c3", "-W5", "10.7.0.250")
    house.sealane("host-port", "remove", "blue0")
    assert "no attachment" in house.refused("host-port", "remove", "blue0")
    eventually(lambda: house.traces() == before, "all is as it was")


def test_the_page_is_true(house: House) -> None:
    script = commands("podman-lxc-host.md")
    done = house.exec("bash", "-euxo", "pipefail", "-c", script, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "0% packet loss" in done.stdout
