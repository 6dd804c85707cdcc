"""Chapter 2: a host that runs Debian's Open vSwitch already: it is used, and left as it was."""

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager

from tests.kernel import daemon, look
from tests.kernel.daemon import Namespace
from tests.kernel.story import HOST, UPSTREAM, Story, batch, equal, run, succeeds, until

CONTROL = "/usr/share/openvswitch/scripts/ovs-ctl"
OPTIONS = ("--system-id=random", "--no-monitor")
"""As Debian's unit has it: the id is made once and kept in /etc/openvswitch."""
DATABASE = "unix:/var/run/openvswitch/db.sock"
NETWORK, SUBNET = "beside", "10.61.0.0/24"


def tell(story: Story) -> None:
    with story.chapter("a host whose own Open vSwitch is in use"), host_switch(story):
        before = contents()
        with daemon.up(story):
            story.check("status tells the host's own switch", tells_host)
            story.check(
                "there is one ovs-vswitchd", lambda: equal(run("pgrep", "-c", "ovs-vswitchd").strip(), "1")
            )
            beside(story)
            story.check("the host's settings are as they were", lambda: equal(kept(contents()), kept(before)))
        story.check("'sealane down' leaves the host's switch as it was", lambda: equal(contents(), before))
        story.check("the host's own bridge still carries packets", foreign_ping)
        story.check("the kernel's datapath is still there", lambda: "ovs-system" in look.links().values())


@contextmanager
def host_switch(story: Story) -> Iterator[None]:
    """Debian's service as its unit starts it, with a bridge and two namespaces of somebody else on it."""
    run(CONTROL, "start", *OPTIONS)
    try:
        vsctl("add-br", "foreign", "--", "set", "Bridge", "foreign", "external_ids:whose=theirs")
        vsctl("set", "Open_vSwitch", ".", "external_ids:whose=theirs")
        for number in ("1", "2"):
            foreign_namespace(number)
        story.check("the host's own bridge carries packets", foreign_ping)
        yield
    finally:
        for number in ("1", "2"):
            succeeds("ip", "netns", "delete", f"theirs{number}")
        vsctl("--if-exists", "del-br", "foreign")
        run(CONTROL, "stop")
        succeeds("ovs-dpctl", "del-dp", "ovs-system")


def foreign_namespace(number: str) -> None:
    name, link = f"theirs{number}", f"theirs{number}-p"
    run("ip", "netns", "add", name)
    batch((f"link add {link} type veth peer name eth0 netns {name}", f"link set {link} up"))
    batch((f"address add 10.9.0.{number}/24 dev eth0", "link set eth0 up"), "ip", "netns", "exec", name)
    vsctl("add-port", "foreign", link)


def beside(story: Story) -> None:
    daemon.sealane("network", "create", NETWORK, "--subnet", SUBNET)
    one, two = Namespace("one", NETWORK), Namespace("two", NETWORK)
    try:
        story.check("two namespaces reach each other", lambda: one.pings(two.address))
        story.check("a namespace reaches the outside", lambda: one.pings(UPSTREAM))
        story.check(
            "its link ends at br-int of the host's switch",
            lambda: look.hangs_on_the_switch(one.port_id, one.exec, DATABASE),
        )
        story.check("the host's own bridge carries packets meanwhile", foreign_ping)
        story.check("OVN knows this host by its settings", chassis)
        run(CONTROL, "restart", *OPTIONS)
        story.check("both come back after a restart of the host's switch", lambda: comes_back(one, two))
    finally:
        for namespace in (one, two):
            namespace.remove()


def comes_back(one: Namespace, two: Namespace) -> None:
    ping = ("ip", "netns", "exec", one.name, "busybox", "ping", "-c", "1", "-W", "2", two.address)
    until(lambda: succeeds(*ping), "ping after the restart")
    foreign_ping()


def chassis() -> str:
    words = ("--format=json", "--columns=name,hostname", "list", "Chassis")
    told = run("ovn-sbctl", "--db=unix:/run/sealane/ovn/ovnsb_db.sock", *words)
    ((name, hostname),) = json.loads(told)["data"]
    equal((name, hostname), (platform.node(), platform.node()))
    encap = run(
        "ovn-sbctl", "--db=unix:/run/sealane/ovn/ovnsb_db.sock", "--bare", "--columns=ip", "list", "Encap"
    )
    equal(encap.strip(), HOST)
    return f"{name} at {HOST}"


def tells_host() -> str:
    path = daemon.status()["datapath"]
    equal((path["kind"], path["switch"]), ("kernel", "host"))
    return str(path["reason"])


def foreign_ping() -> None:
    run("ip", "netns", "exec", "theirs1", "busybox", "ping", "-c", "2", "-w", "30", "10.9.0.2")


def vsctl(*words: str) -> str:
    return run("ovs-vsctl", f"--db={DATABASE}", *words)


def contents() -> dict[str, object]:
    """Bridges, ports, and the maps of the Open_vSwitch row."""
    maps = vsctl("--format=json", "--columns=external_ids,other_config", "list", "Open_vSwitch")
    ((ids, config),) = json.loads(maps)["data"]
    return {"show": vsctl("show"), "external_ids": dict(ids[1]), "other_config": dict(config[1])}


def kept(there: dict[str, object]) -> dict[str, str]:
    """The host's own keys; ours end in the chassis's name."""
    ids, ours = there["external_ids"], f"-{platform.node()}"
    assert isinstance(ids, dict)
    return {key: value for key, value in ids.items() if not key.endswith(ours)}
