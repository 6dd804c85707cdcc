"""What no door can do: a clear error in the door's own format, and nothing is left behind."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker.engines import AGENT, until
from tests.e2e.doors.house import House, eventually

ASKS = Path(__file__).with_name("asks.py")
AGENT_SOCKET = "/run/sealane/agent.sock"
PLUGIN_SOCKET = "/run/docker/plugins/sealane.sock"
NOBODY = "00000000-0000-4000-8000-000000000000"
HUGE = 10_000_000
KEPT = (
    "/run/sealane",
    "/var/lib/sealane",
    "/run/netns",
    "/var/run/docker/netns",
    "/etc/cni",
    "/run/cni-test",
)
PATHS = ("../../etc/passwd", "..", "a/b", "a\nb", "%2e%2e%2f", "-rf", "x" * 300, "\u202egnp")
NAMES = ("../x", ".", "..", "a/b", "a b", "a" * 16, "ä" * 10, "a\nb", "-x")
"""Of interfaces: 15 bytes at most; ten letters of two bytes each are twenty."""
Answer = dict[str, Any]


def http(path: str, body: Any, socket: str = AGENT_SOCKET, **more: Any) -> dict[str, Any]:
    return {
        "socket": socket,
        "path": path,
        "body": body if isinstance(body, str) else json.dumps(body),
        **more,
    }


def neutron(answer: Answer) -> str:
    """The API's shape."""
    body = json.loads(answer["out"])
    assert 400 <= answer["status"] < 500 and set(body) == {"NeutronError"}
    assert set(body["NeutronError"]) == {"type", "message", "detail"}
    return str(body["NeutronError"]["message"])


def line(answer: Answer) -> str:
    """The command's."""
    assert answer["status"] in (1, 2) and not answer["out"]
    assert answer["err"].count("\n") == 1 and answer["err"].startswith("sealane: ")
    return str(answer["err"])


def libnetwork(answer: Answer) -> str:
    body = json.loads(answer["out"])
    assert answer["status"] == 200 and "Err" in body
    return str(body["Err"])


def cni(answer: Answer) -> str:
    body = json.loads(answer["out"])
    assert answer["status"] == 1 and set(body) == {"cniVersion", "code", "msg", "details"}
    assert body["cniVersion"] == "1.1.0" and body["code"] in (1, 3, 4, 6, 7, 101)
    return str(body["msg"])


def netavark(answer: Answer) -> str:
    body = json.loads(answer["out"])
    assert answer["status"] == 1 and set(body) == {"error"}
    return str(body["error"])


@dataclass(frozen=True)
class Wrong:
    """`calls` make of a word what is asked; each is to be refused."""

    told: Callable[[Answer], str]
    id: Callable[[str], dict[str, Any]]
    ifname: Callable[[str], dict[str, Any]] | None
    text: Callable[[str], dict[str, Any]]
    good: dict[str, Any]
    vain: tuple[dict[str, Any], ...] = ()
    """Further ones: versions, fields and paths that are not there."""

    def calls(self) -> Iterable[dict[str, Any]]:
        yield from map(self.id, PATHS)
        if self.ifname is not None:
            yield from map(self.ifname, NAMES)
        whole = json.dumps(self.good)
        key, value = next(iter(self.good.items()))
        doubled = f"{{{json.dumps(key)}: {json.dumps(value)}, {whole[1:]}"
        for text in ("", "{", "[]", "7", "null", "[" * 100_000, doubled, f"{whole}{whole}", whole + "\udcff"):
            yield self.text(text)
        yield {**self.text(f'{{"FILLER": 1, {whole[1:]}'), "filler": HUGE}
        yield from self.vain


ATTACH = {"target": "netns:box1", "network": "blue"}
PLUG = {"port": NOBODY, "kind": "tap", "device": "vm9dev"}
CREATE = {"NetworkID": "f" * 64, "EndpointID": "e" * 64, "Interface": {}, "Options": {}}
CNI = {"cniVersion": "1.1.0", "name": "blue", "type": "sealane"}
PODMAN = {
    "container_id": "c" * 64,
    "container_name": "cellar",
    "port_mappings": None,
    "network": {"name": "blue", "id": "b" * 64, "driver": "sealane"},
    "network_options": {"interface_name": "eth0", "aliases": None, "static_ips": None, "static_mac": None},
}


def attach(**words: Any) -> dict[str, Any]:
    return http("/attach", {**ATTACH, **words})


def plug(**words: Any) -> dict[str, Any]:
    return http("/plug", {**PLUG, **words})


def host(**words: Any) -> dict[str, Any]:
    return http("/attach", {"door": "host", "network": "blue", "ifname": "blue0", **words})


def endpoint(**words: Any) -> dict[str, Any]:
    return http("/NetworkDriver.CreateEndpoint", {**CREATE, **words}, PLUGIN_SOCKET)


def plugin(stdin: str | None = None, **env: str) -> dict[str, Any]:
    given = {"COMMAND": "ADD", "CONTAINERID": "c1", "NETNS": "/run/netns/box1", "IFNAME": "eth0"} | env
    named = {f"CNI_{key}": value for key, value in {**given, "PATH": "/usr/lib/cni"}.items()}
    return {
        "argv": ["/run/cni/bin/sealane"],
        "env": named,
        "stdin": json.dumps(CNI) if stdin is None else stdin,
    }


def podman(netns: str = "/run/netns/box1", text: str | None = None, **words: Any) -> dict[str, Any]:
    body = json.dumps({**PODMAN, **words}) if text is None else text
    return {"argv": ["/run/netavark/sealane", "setup", netns], "stdin": body}


def command(*words: str) -> dict[str, Any]:
    return {"argv": ["sealane", *words]}


def by_kind(kind: str) -> Wrong:
    """`sealane attach` of what a runtime has, by its name."""
    return Wrong(
        told=neutron,
        id=lambda word: attach(target=f"{kind}:{word}"),
        ifname=lambda word: attach(ifname=word),
        text=lambda text: http("/attach", text),
        good=ATTACH,
        vain=(attach(target=f"{kind}:nobody"),),
    )


DOORS = {
    "docker": Wrong(
        told=libnetwork,
        id=lambda word: endpoint(EndpointID=word),
        ifname=None,  # Docker's to choose
        text=lambda text: http("/NetworkDriver.CreateEndpoint", text, PLUGIN_SOCKET),
        good=CREATE,
        vain=(
            *(endpoint(NetworkID=word) for word in PATHS),
            endpoint(),  # no such network
            http("/NetworkDriver.Join", {**CREATE, "SandboxKey": "../../etc"}, PLUGIN_SOCKET),
        ),
    ),
    "attach": Wrong(
        told=neutron,
        id=lambda word: attach(target=word),
        ifname=lambda word: attach(ifname=word),
        text=lambda text: http("/attach", text),
        good=ATTACH,
        vain=(
            attach(version=2),
            attach(target=7),
            attach(target="/run/netns/../netns/box1"),
            attach(target="/proc/self/ns/net"),
            attach(target="pid:99999999"),
            attach(network="../networks"),
            attach(port="../ports"),
            attach(security_groups=["../x"]),
            http("/detach", {"target": "../../x"}),
            http("/inspect", {"target": "../../x"}),
        ),
    ),
    "process": by_kind("pid"),
    "lxc": by_kind("lxc"),
    "nspawn": by_kind("nspawn"),
    "podman": by_kind("podman"),
    "cni": Wrong(
        told=cni,
        id=lambda word: plugin(CONTAINERID=word),
        ifname=lambda word: plugin(IFNAME=word),
        text=lambda text: plugin(text),
        good=CNI,
        vain=(
            plugin(json.dumps({**CNI, "cniVersion": "9.0.0"})),
            plugin(json.dumps({**CNI, "cniVersion": "1.1"})),
            plugin(json.dumps({**CNI, "name": "../blue"})),
            plugin(NETNS="../../run/netns/box1"),
            plugin(NETNS="/run/netns/nobody"),
            plugin(COMMAND="../ADD"),
            plugin(CONTAINERID="\udcff"),
        ),
    ),
    "netavark": Wrong(
        told=netavark,
        id=lambda word: podman(container_id=word),
        ifname=lambda word: podman(network_options={"interface_name": word}),
        text=lambda text: podman(text=text),
        good=PODMAN,
        vain=(
            podman(container_name="../x"),
            podman(netns="../../run/netns/box1"),
            podman(netns="/run/netns/nobody"),
            podman(network={"name": "../blue", "id": "b"}),
        ),
    ),
    "os-vif": Wrong(
        told=neutron,
        id=lambda word: plug(port=word),
        ifname=lambda word: plug(device=word),
        text=lambda text: http("/plug", text),
        good=PLUG,
        vain=(
            plug(),  # no such port
            plug(kind="vhostuser"),
            plug(version="2.0"),
            *(plug(kind="bridge", bridge=word) for word in NAMES),
            http("/unplug", {"port": "../../x"}),
        ),
    ),
    "host": Wrong(
        told=neutron,
        id=lambda word: host(network=word),
        ifname=lambda word: host(ifname=word),
        text=lambda text: http("/attach", text),
        good={"door": "host", "network": "blue", "ifname": "blue0"},
        vain=(host(ifname="eth0"), host(ifname="lo"), host(version=2)),
    ),
    "command": Wrong(
        told=line,
        id=lambda word: command("attach", "--network", "blue", "--", word),
        ifname=lambda word: command("attach", "box1", "--network", "blue", f"--ifname={word}"),
        text=lambda text: command("host-port", "add", "blue", f"--ifname={text[:30]}{{"),
        good=ATTACH,
        vain=(
            command("detach", "../../x"),
            command("attach", "box1", "--network", "blue", "--version", "2"),
            command("host-port", "remove", "../x"),
        ),
    ),
}


@pytest.fixture
def doorstep(house: House) -> House:
    """A namespace, and the programs that runtimes start."""
    house.sealane("cni", "install", "blue", "--cni-version", "1.1.0", "--bin-dir", "/run/cni/bin")
    house.sealane("podman", "install", "--plugin-dir", "/run/netavark")
    house.run("ip", "netns", "add", "box1")
    return house


def files(house: House) -> set[str]:
    words = ("-not", "-name", "*.new", "-not", "-name", "cni.lock")  # being written; Podman's own
    return set(house.exec("find", *KEPT, *words).stdout.split("\n"))


def asked(house: House, calls: list[dict[str, Any]]) -> list[Answer]:
    done = house.exec("python3", str(ASKS), stdin=json.dumps(calls), timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[Answer] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("name", DOORS)
def test_each_is_told_what_is_wrong_and_nothing_is_left(doorstep: House, name: str) -> None:
    wrong, before, there = DOORS[name], doorstep.traces(), files(doorstep)
    agent = doorstep.run("pgrep", "-f", AGENT)
    calls = list(wrong.calls())
    for call, answer in zip(calls, asked(doorstep, calls), strict=True):
        try:
            told = wrong.told(answer)
        except (AssertionError, ValueError) as exc:
            raise AssertionError(f"{str(call)[:300]} is answered with {str(answer)[:600]}") from exc
        assert len(told) > 8 and "Traceback" not in told and "Error(" not in told, (str(call)[:300], told)
    assert doorstep.run("pgrep", "-f", AGENT) == agent, "no daemon fell"
    eventually(lambda: doorstep.traces() == before, "all is as it was")
    assert files(doorstep) <= there, "no file is left"


def test_a_namespace_that_vanishes_amid_its_attachment(doorstep: House) -> None:
    """At whatever moment: it is attached and collected, or refused in the door's own words."""
    before = doorstep.traces()
    doors = (
        (http("/attach", {**ATTACH, "ifname": "eth0"}), neutron),
        (plugin(), cni),
        (podman(), netavark),
    )
    script = "sleep $1; ip netns delete box1"
    for number, delay in enumerate(("0", "0.02", "0.05", "0.08", "0.12", "0.2")):
        call, told = doors[number % len(doors)]
        doorstep.exec("ip", "netns", "add", "box1")
        doorstep.spawn("sh", "-c", script, "-", delay)
        (answer,) = asked(doorstep, [call])
        if answer["status"] not in (0, 201):
            assert told(answer), answer
        until(lambda: doorstep.exec("test", "-e", "/run/netns/box1").returncode, what="it is gone")
        eventually(lambda: doorstep.traces() == before, f"all is as it was, {delay} s")


REUSE = """
wanted=$1
for try in $(seq 200); do
    echo $((wanted - 1)) > /proc/sys/kernel/ns_last_pid
    unshare --net sleep 3600 >/dev/null 2>&1 &
    [ $! = $wanted ] && exit 0
    kill $!
    wait $! 2>/dev/null
done
exit 1
"""


def test_another_process_with_the_pid_of_one_that_has_ended(house: House) -> None:
    before, pid = house.traces(), str(house.sleeper())
    house.sealane("attach", pid, "--network", "blue", "--ifname", "net0")
    (agent,) = house.run("pgrep", "-f", AGENT).split()
    house.run("kill", "-STOP", agent)
    try:
        house.run("kill", "-9", pid)
        house.run("sh", "-c", REUSE, "-", pid)
    finally:
        house.run("kill", "-CONT", agent)
    try:
        eventually(lambda: house.traces() == before, "what was attached is gone with the first")
        told = json.loads(house.run("nsenter", "-t", pid, "-n", "ip", "-j", "link"))
        assert [link["ifname"] for link in told] == ["lo"]
        assert "no attachment" in house.refused("detach", pid)
        house.sealane("attach", pid, "--network", "blue")
        house.reaches(pid)
    finally:
        house.run("kill", "-9", pid)
    eventually(lambda: house.traces() == before, "nor is anything left of the second")
