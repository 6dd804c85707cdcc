"""Chapter 1: the machine as a node with its own kernel switch and its own Docker engine."""

import json
from pathlib import Path

from sealane.errors import HostError
from sealane.lab.image import archive
from tests.kernel import daemon, look
from tests.kernel.daemon import Namespace
from tests.kernel.story import HOST, UPSTREAM, Story, equal, outside, run, succeeds, until

DATABASE = "unix:/run/sealane/ovs/db.sock"
IMAGE, NETWORK, SUBNET = "story/busybox", "story", "10.60.0.0/24"
PAGE = "echo hello >/www/index.html; exec httpd -f -vv -h /www"


def tell(story: Story) -> None:
    before = traces()
    with story.chapter("a node of its own: 'sealane up' with its Docker engine"):
        with daemon.up(story, SEALANE_DOCKERD="true"):
            story.check("status tells the kernel's datapath, and its own switch", tells_kernel)
            on_one_host(story)
        story.check("'sealane down' leaves no trace", lambda: equal(traces(), before))


def tells_kernel() -> str:
    path = daemon.status()["datapath"]
    equal((path["kind"], path["switch"]), ("kernel", "own"))
    return str(path["reason"])


def on_one_host(story: Story) -> None:
    docker("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "--subnet", SUBNET, NETWORK)
    one, two = Namespace("one", NETWORK), Namespace("two", NETWORK)
    try:
        namespaces(story, one, two)
        containers(story, one)
    finally:
        docker("rm", "-f", "web", "client", check=False)
        for namespace in (one, two):
            namespace.remove()
    docker("network", "rm", NETWORK)


def namespaces(story: Story, one: Namespace, two: Namespace) -> None:
    story.check("two namespaces reach each other", lambda: one.pings(two.address))
    story.check("a namespace reaches the outside", lambda: one.pings(UPSTREAM))
    story.check(
        "a namespace's link ends at the switch",
        lambda: look.hangs_on_the_switch(one.port_id, one.exec, DATABASE),
    )


def containers(story: Story, one: Namespace) -> None:
    run("docker", "import", "-", IMAGE, data=archive())
    start("web", "-p", "8080:80", IMAGE, "sh", "-c", PAGE)
    start("client", IMAGE, "sleep", "100000")
    address = (
        run("docker", "exec", "web", "ip", "-4", "-o", "address", "show", "eth0").split()[3].split("/")[0]
    )
    story.check("a namespace reaches a container", lambda: one.pings(address))
    story.check(
        "a container reaches another by name", lambda: in_container("client", "ping", "-c", "2", "web")
    )
    story.check(
        "a container reaches the outside", lambda: in_container("client", "ping", "-c", "2", UPSTREAM)
    )
    story.check("a published port answers the outside", published)
    story.check("the published port's container saw the client's own address", saw_client)
    story.check("the host itself reaches the published port", lambda: equal(fetch("127.0.0.1"), "hello"))

    def inside(*argv: str) -> str:
        return run("nsenter", f"--net=/proc/{pid('web')}/ns/net", "--", *argv)

    port = next(p for p in daemon.sealane("port", "list") if address in json.dumps(p))
    story.check(
        "a container's link ends at the switch",
        lambda: look.hangs_on_the_switch(str(port["id"]), iflink(inside), DATABASE),
    )
    story.check("the container's offloads are on", lambda: look.keeps_offloads(inside))
    story.check("the container's MTU leaves room for the tunnel", lambda: equal(mtu("web"), "1442"))
    story.check("full packets pass", lambda: one.pings(address, "-s", str(1442 - 28)))
    story.check("checksums were right in the container", lambda: look.checksums_are_right(inside))


def iflink(inside: look.Run) -> look.Run:
    """/sys shows the links of the namespace that mounted it: not those of whoever has just entered."""

    def read(*argv: str) -> str:
        if argv[0] != "cat":
            return inside(*argv)
        return str(json.loads(inside("ip", "-j", "link", "show", "eth0"))[0]["link_index"])

    return read


def docker(*words: str, check: bool = True) -> str:
    if not check and not succeeds("docker", *words):
        return ""
    return run("docker", *words) if check else ""


def start(name: str, *words: str) -> None:
    """Again when Docker's call took longer than the 9 s that the driver allows itself."""

    def started() -> bool:
        try:
            docker("run", "-d", "--name", name, "--network", NETWORK, *words)
        except HostError as exc:
            if "try again" not in str(exc):
                raise
            docker("rm", "-f", name, check=False)
            return False
        return True

    until(started, f"container {name} runs")


def in_container(name: str, *argv: str) -> None:
    run("docker", "exec", name, *argv)


def pid(name: str) -> str:
    return run("docker", "inspect", "--format", "{{.State.Pid}}", name).strip()


def mtu(name: str) -> str:
    return run("docker", "exec", name, "cat", "/sys/class/net/eth0/mtu").strip()


def fetch(address: str) -> str:
    return run("busybox", "wget", "-q", "-O", "-", f"http://{address}:8080/").strip()


def published() -> None:
    equal(outside("busybox", "wget", "-q", "-O", "-", f"http://{HOST}:8080/").strip(), "hello")


def saw_client() -> str:
    log = run("sh", "-c", "docker logs web 2>&1")
    assert UPSTREAM in log, log
    return UPSTREAM


def traces() -> dict[str, object]:
    """What `down` has to take away; docker0 and Docker's own rules are the engine's."""
    return {
        "links": sorted(name for name in look.links().values() if name != "docker0"),
        "nft": [line for line in run("nft", "list", "tables").splitlines() if "sealane" in line],
        "datapaths": run("ovs-dpctl", "dump-dps").split(),
        "mounts": [m for m in Path("/proc/self/mountinfo").read_text().splitlines() if " /run/sealane" in m],
        "directory": Path("/run/sealane").exists(),
        "routes": [line for line in run("ip", "route", "show").splitlines() if "docker0" not in line],
    }
