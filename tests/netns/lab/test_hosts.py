"""Lab hosts as such: what is private, what is shared, power, and that nothing stays. Needs root."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealane.errors import Conflict, HostError, NotFound
from sealane.lab import plan as planning
from sealane.lab.lab import Lab, all_names
from tests import labs

NAME = labs.name("hosts")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab(NAME, hosts=2)
    made.down()  # of a run that was killed
    made.start()
    yield made
    made.down()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True).stdout


def links(text: str) -> set[str]:
    return {link["ifname"] for link in json.loads(text)}


@pytest.mark.parametrize("namespace", ("net", "mnt", "uts", "ipc", "pid"))
def test_namespaces_are_the_hosts_own(lab, namespace):
    hosts = {lab.exec(h, "readlink", f"/proc/self/ns/{namespace}").stdout for h in ("host1", "host2")}
    assert len(hosts | {os.readlink(f"/proc/self/ns/{namespace}") + "\n"}) == 3


def test_process_1_is_ours_and_proc_is_of_the_host(lab):
    assert "sealane.lab.init" in lab.exec("host1", "cat", "/proc/1/cmdline").stdout


def test_sys_shows_the_hosts_links_and_the_cgroups(lab):
    shown = lab.exec("host1", "ls", "/sys/class/net").stdout.split()
    assert {"lo", "eth0"} <= set(shown)
    cgroups = set(os.listdir("/sys/fs/cgroup"))
    assert set(lab.exec("host1", "ls", "/sys/fs/cgroup").stdout.split()) == cgroups


def test_hosts_reach_each_other_and_the_outside(lab):
    for target in ("host2", str(lab.plan.router.ip), str(lab.plan.address6("host2").ip)):
        lab.exec("host1", "busybox", "ping", "-c", "3", "-W", "5", target)
    lab.exec("outside", "busybox", "ping", "-c", "3", "-W", "5", str(lab.plan.address("host1").ip))


def test_hosts_have_their_names(lab):
    assert lab.exec("host2", "hostname").stdout == "host2\n"


@pytest.mark.parametrize("directory", ("/etc", "/var/lib", "/run"))
def test_directories_are_private(lab, directory):
    lab.exec("host1", "touch", f"{directory}/sealane-test-private")
    assert lab.exec("host2", "test", "-e", f"{directory}/sealane-test-private", check=False).returncode == 1
    assert not Path(f"{directory}/sealane-test-private").exists()


def test_a_host_shares_a_directory_with_the_machine_alone(lab):
    for host in ("host1", "host2"):
        (lab.plan.run_dir / host / "note").write_text("seen")
        assert lab.exec(host, "cat", str(lab.plan.run_dir / host / "note")).stdout == "seen"
    assert lab.exec("host2", "ls", str(lab.plan.run_dir)).stdout.split() == ["host2"]


def test_exec_hands_over_input_and_exit_status(lab):
    assert lab.exec("host1", "cat", stdin="a line").stdout == "a line"
    assert lab.exec("host1", "sh", "-c", "exit 7", check=False).returncode == 7
    with pytest.raises(HostError, match="ended with 7"):
        lab.exec("host1", "sh", "-c", "exit 7")


def test_orphans_are_reaped(lab):
    lab.exec("host1", "sh", "-c", "(sleep 0.1 & echo $! >/run/orphan) &")
    pid = lab.exec("host1", "cat", "/run/orphan").stdout.strip()
    until(lambda: lab.exec("host1", "test", "-e", f"/proc/{pid}", check=False).returncode == 1)


def test_mounts_of_the_machine_are_not_pinned(lab, tmp_path):
    """A namespace of the machine that has a file below /run must end when the machine takes it away."""
    inside = lab.exec("host1", "cat", "/proc/self/mountinfo").stdout
    foreign = [line.split()[4] for line in inside.splitlines() if " - nsfs " in line]
    assert all(point.startswith("/run/sealane/netns/") for point in foreign)


def test_power_cut_keeps_the_disk_and_loses_run(lab):
    lab.exec("host2", "touch", "/var/lib/kept", "/etc/kept", "/run/lost")
    lab.power_cut("host2")
    with pytest.raises(NotFound, match="is off"):
        lab.exec("host2", "true")
    lab.power_cut("host2")  # again is harmless
    until(lambda: "host2" not in links(lab.exec("outside", "ip", "-j", "link").stdout))
    lab.start()
    lab.exec("host2", "test", "-e", "/var/lib/kept", "-a", "-e", "/etc/kept", "-a", "!", "-e", "/run/lost")
    lab.exec("host1", "busybox", "ping", "-c", "3", "-W", "5", "host2")


def test_where_the_machine_has_its_api_is_no_business_of_the_hosts(lab, monkeypatch):
    """As after `export SEALANE_API_URL=…`, which is how a lab is reached from the machine."""
    monkeypatch.setenv("SEALANE_API_URL", "unix:/nowhere")
    lab.power_cut("host2")
    lab.start()
    said = lab.exec("host2", "env").stdout
    started = lab.exec("host2", "cat", "/proc/1/environ").stdout
    assert "SEALANE_API_URL" not in said + started


def test_start_again_is_harmless(lab):
    before = [host.pid for host in lab.hosts()]
    lab.start()
    assert [host.pid for host in lab.hosts()] == before


def test_other_sizes_are_refused_while_it_is_up(lab):
    with pytest.raises(Conflict, match="2 hosts"):
        Lab(NAME, hosts=3).start()


def test_unknown_hosts(lab):
    with pytest.raises(NotFound, match="it has host1, host2"):
        lab.exec("host9", "true")


def trace(name: str) -> set[str]:
    """What there is of a lab on the machine."""
    mounts = Path("/proc/self/mountinfo").read_text()
    cgroups = {str(p) for top in ("", "*/") for p in Path("/sys/fs/cgroup").glob(f"{top}sealane-{name}-*")}
    files = {str(p) for p in (planning.run_dir(name), planning.state_dir(name)) if p.exists()}
    listed = output("ps", "-eo", "pid,args").splitlines()
    processes = {line for line in listed if f"/{planning.run_dir(name).name}" in line}
    return cgroups | files | processes | ({"mount"} if str(planning.run_dir(name)) in mounts else set())


def test_down_leaves_nothing():
    name = labs.name("trace")
    lab = Lab(name, hosts=1)
    lab.down()
    lab.start()
    assert name in all_names()
    assert trace(name)
    lab.down()
    lab.down()
    assert not trace(name)
    assert not links(output("ip", "-j", "link")) & {"host1", planning.BRIDGE}
    with pytest.raises(NotFound, match="is not up"):
        lab.exec("host1", "true")


def test_down_after_an_up_that_was_killed():
    name = labs.name("killed")
    lab = Lab(name, hosts=1)
    lab.down()
    lab.start()
    (planning.run_dir(name) / "lab.json").unlink()
    lab.down()
    assert not trace(name)
