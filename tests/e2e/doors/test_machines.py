"""Containers of LXC and systemd-nspawn, each by the words of docs/how-to/podman-lxc-host.md."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.docker.engines import until
from tests.e2e.doors.house import FAR, House, eventually
from tests.e2e.doors.machines import CONFIG, LXC, MAKE, NSPAWN, ROOT, start

HOOK = "/run/to-blue"
SCRIPT = """#!/bin/sh
exec sealane attach "pid:$LXC_PID" --network blue --ifname eth0
"""


@pytest.fixture
def machines(house: House) -> Iterator[House]:
    """A root directory of busybox."""
    house.run("sh", "-ec", MAKE)
    yield house
    house.exec("lxc-stop", "-k", "-n", "box")
    house.run("rm", "-rf", ROOT, f"{LXC}/box", HOOK)


def test_a_container_of_lxc_by_its_name(machines: House) -> None:
    before = machines.traces()
    machines.write(f"{LXC}/box/config", CONFIG)
    start(machines)
    words = ("lxc-attach", "-n", "box", "--", "/bin/ping", "-c1", "-W2", FAR)
    assert machines.exec(*words).returncode != 0
    assert machines.json("attach", "lxc:box", "--network", "blue")["container"] == "lxc:box"
    until(lambda: machines.exec(*words).returncode == 0, what="the container reaches the other host")
    machines.run("lxc-stop", "-k", "-n", "box")
    eventually(lambda: machines.traces() == before, "all is as it was")


def test_a_container_of_lxc_by_a_hook_at_each_start(machines: House) -> None:
    before = machines.traces()
    machines.write(HOOK, SCRIPT)
    machines.run("chmod", "755", HOOK)
    machines.write(f"{LXC}/box/config", f"{CONFIG}lxc.hook.start-host = {HOOK}\n")
    words = ("lxc-attach", "-n", "box", "--", "/bin/ping", "-c1", "-W2", FAR)
    for _ in range(2):
        start(machines)
        until(lambda: machines.exec(*words).returncode == 0, what="the container reaches the other host")
        machines.run("lxc-stop", "-k", "-n", "box")
    eventually(lambda: machines.traces() == before, "all is as it was")


def test_a_container_of_nspawn_in_a_namespace_made_before(machines: House) -> None:
    machines.run("ip", "netns", "add", "box1")
    words = (*NSPAWN, "--network-namespace-path=/run/netns/box1", "/bin/ping", "-c1", "-W2", FAR)
    assert machines.exec(*words).returncode != 0
    machines.sealane("attach", "box1", "--network", "blue")
    until(lambda: machines.exec(*words).returncode == 0, what="the container reaches the other host")


def test_a_container_of_nspawn_by_its_process(machines: House) -> None:
    before = machines.traces()
    words = machines.lab.command(machines.host, [*NSPAWN, "--private-network", "/bin/sleep", "3601"])
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as nspawn:
        try:
            runs = lambda: machines.exec("pgrep", "-f", "^/bin/sleep 3601").stdout.split()  # noqa: E731
            pid = until(runs, what="it runs")[0]
            machines.sealane("attach", pid, "--network", "blue")
            machines.reaches(pid)
            machines.run("kill", "-9", pid)
            nspawn.wait(30)
        finally:
            nspawn.kill()
    eventually(lambda: machines.traces() == before, "all is as it was")
