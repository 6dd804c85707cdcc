"""containerd itself, by its own command: ADD and DEL come from it, labels are asked of it."""

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.docker.engines import until
from tests.e2e.doors.house import FAR, House, eventually

BASE = "/run/containerd-test"
ROOT = f"{BASE}/image"
SOCKET = "/run/containerd/containerd.sock"
RUN = ("ctr", "run", "--cni", "--cgroup", "", "--rootfs")
"""Of a directory: no image has to be fetched. Without a cgroup: it would stay behind on the machine."""


@pytest.fixture
def containerd(house: House) -> Iterator[None]:
    """In the host's own mounts, with the plugin at the only place where `ctr` looks for it."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    house.run("mount", "-t", "tmpfs", "none", "/opt")
    house.run("mkdir", "-p", f"{ROOT}/bin", "/run/containerd", "/opt/cni/bin")
    house.run("cp", busybox, f"{ROOT}/bin/busybox")
    house.sealane("cni", "install", "blue")
    words = ("--root", f"{BASE}/root", "--state", f"{BASE}/state", "--address", SOCKET)
    house.spawn("containerd", *words, name="containerd")
    until(lambda: house.exec("ctr", "version").returncode == 0, what="containerd answers")
    yield
    for name in house.exec("ctr", "task", "ls", "-q").stdout.split():
        house.exec("ctr", "task", "kill", "-s", "9", name)
    until(lambda: "RUNNING" not in house.exec("ctr", "task", "ls").stdout, what="all have ended")
    for kind in ("task", "container"):
        for name in house.exec("ctr", kind, "ls", "-q").stdout.split():
            house.exec("ctr", kind, "rm", name)
    house.stop("containerd")
    house.run("umount", "/opt")
    house.run("rm", "-rf", BASE, SOCKET, f"{SOCKET}.ttrpc")


def inside(house: House, name: str, *words: str) -> int:
    return house.exec("ctr", "task", "exec", "--exec-id", "x", name, "/bin/busybox", *words).returncode


def test_its_containers_are_on_the_overlay(house: House, containerd: None) -> None:
    before = house.traces()
    group = next(g["id"] for g in house.json("security-group", "list") if g["name"] == "open")
    label = ("--label", "sealane.security-groups=open")
    house.run(*RUN, "-d", *label, ROOT, "web", "/bin/busybox", "sleep", "600")
    until(lambda: inside(house, "web", "ping", "-c1", "-W2", FAR) == 0, what="the other host answers")
    until(
        lambda: [port["security_groups"] for port in house.ports().values()] == [[group]],
        what="it is in the group of its label",
    )
    for name in ("web", "containerd:web"):  # who has no shell is looked into with the host's own programs
        house.sealane("attach", name, "--network", "red", "--ifname", "eth1")
        assert inside(house, "web", "ip", "link", "show", "eth1") == 0
        told = house.json("inspect", name)
        assert (told["container"], len(told["networks"])) == ("containerd:web", 2), told
        assert " eth1" in house.sealane("exec", name, "--", "ip", "-o", "link")
        house.sealane("detach", name, "--ifname", "eth1")
        assert inside(house, "web", "ip", "link", "show", "eth1") != 0
    house.kill_agent()
    until(lambda: inside(house, "web", "ping", "-c1", "-W2", FAR) == 0, what="also after the agent's death")
    house.run("ctr", "task", "kill", "-s", "9", "web")
    eventually(lambda: house.traces() == before, "who is killed leaves nothing, though nobody calls DEL")


def test_one_that_ends_is_gone_at_once(house: House, containerd: None) -> None:
    before = house.traces()
    house.run(*RUN, "--rm", ROOT, "brief", "/bin/busybox", "ping", "-c1", "-W5", FAR)
    assert house.traces() == before
