"""The whole tree on two hosts, as `sealane up` and `sealane node` run it: attach, kill each part, go down."""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.netns.hosts import Host, Space, underlay, until
from tests.netns.traces import processes, snapshot
from tests.netns.traffic import checksum_errors, ping, transfer

COMMAND = str(Path(sys.executable).with_name("sealane"))
OUTSIDE = "10.77.0.254"
"""An address on the underlay that is no host's."""

CENTRAL = ("store", "ovn-nb", "ovn-sb", "ovn-northd", "translator", "api")
NODE = ("ovs-db", "ovs-vswitchd", "ovn-controller", "agent")


@dataclass
class Tree:
    hosts: tuple[Host, Host]
    containers: tuple[Space, Space]
    addresses: tuple[str, str]
    before: tuple[dict[str, list[str]], ...]


def sealane(host: Host, *words: str) -> dict[str, object]:
    """The command's JSON."""
    answer: dict[str, object] = json.loads(command(host, *words, "-o", "json"))
    return answer


def command(host: Host, *words: str) -> str:
    settings = (f"{key}={value}" for key, value in host.settings.items())
    return host.run("env", *settings, COMMAND, *words)


def attach(host: Host, network: str, *options: str) -> tuple[Space, str]:
    container = Space()
    made = sealane(host, "attach", f"/proc/{container.pid}/ns/net", "--network", network, *options)
    assert isinstance(made["addresses"], list)
    return container, str(made["addresses"][0]).partition("/")[0]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    with building(tmp_path_factory.mktemp("tree")) as tree:
        yield tree


@contextlib.contextmanager
def building(base: Path) -> Iterator[Tree]:
    first, second = (Host(name, base / name, **private(base / name)) for name in ("first", "second"))
    second.settings["SEALANE_OVN_REMOTE"] = f"unix:{first.run_dir}/ovn/ovnsb_db.sock"
    second.settings["SEALANE_API_URL"] = f"unix:{first.run_dir}/api.sock"
    fabric = underlay(first, second)
    fabric.run("ip", "address", "add", f"{OUTSIDE}/24", "dev", "br0")
    before = snapshot(first), snapshot(second)
    first.start("up")
    second.start("node")
    sealane(first, "network", "create", "net", "--subnet", "10.5.0.0/24")
    (one, its), (two, other) = attach(first, "net"), attach(second, "net")
    yield Tree((first, second), (one, two), (its, other), before)
    for host in (second, first):
        host.stop()
    for space in (one, two, first, second, fabric):
        space.close()


def private(directory: Path) -> dict[str, str]:
    return {
        "SEALANE_DATAPATH": os.environ.get("SEALANE_TEST_DATAPATH", "userspace"),
        "SEALANE_DOCKER_SOCKET": str(directory / "docker.sock"),
        "SEALANE_DOCKER_PLUGIN_DIR": str(directory / "plugins"),
    }


def reach_each_other(tree: Tree) -> None:
    for container, address in zip(tree.containers, reversed(tree.addresses), strict=True):
        until(lambda c=container, a=address: ping(c, a), f"ping {address}")  # type: ignore[misc]


def test_containers_reach_each_other_and_the_outside(tree: Tree) -> None:
    reach_each_other(tree)
    for container in tree.containers:
        until(lambda c=container: ping(c, "10.5.0.1"), "ping the gateway")  # type: ignore[misc]
        until(lambda c=container: ping(c, OUTSIDE), "ping the outside")  # type: ignore[misc]


def test_bulk_transfer(tree: Tree) -> None:
    one, two = tree.containers
    transfer(one, two, tree.addresses[1])
    transfer(two, one, tree.addresses[0])
    assert checksum_errors(one) == checksum_errors(two) == 0


@pytest.mark.parametrize("name", CENTRAL + NODE)
def test_each_part_comes_back_after_sigkill(tree: Tree, name: str) -> None:
    host = tree.hosts[0]
    before = host.children()[name]["pid"]
    os.kill(int(str(before)), signal.SIGKILL)
    until(lambda: host.children()[name]["pid"] not in (before, None), f"{name} is back")
    until(host.all_ready, f"{name} is ready")
    reach_each_other(tree)
    made = sealane(host, "network", "create", f"after-{name}")
    newcomer, address = attach(host, str(made["id"]))
    assert address
    newcomer.close()


def test_all_parts_killed_at_once(tree: Tree) -> None:
    host = tree.hosts[0]
    for child in host.children().values():
        os.kill(int(str(child["pid"])), signal.SIGKILL)
    until(lambda: all(int(str(child["restarts"])) > 0 for child in host.children().values()), "all restarted")
    until(host.all_ready, "all ready")
    reach_each_other(tree)


def test_start_after_sigkill_of_the_supervisor_finds_the_containers_again(tree: Tree) -> None:
    host = tree.hosts[0]
    host.kill_supervisor()
    host.start("up")
    reach_each_other(tree)


def test_down_leaves_no_trace(tree: Tree) -> None:
    """Last of all; with containers attached."""
    for host, before in zip(tree.hosts, tree.before, strict=True):
        host.down()
        after = snapshot(host)
        for kind, there in before.items():
            assert after[kind] == there, kind
        assert processes(host.directory) == []
        assert not host.run_dir.exists()
