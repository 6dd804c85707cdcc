"""Every part is killed once: traffic goes on or comes back, and new attachments work."""

import json
import time

import pytest

from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import attach, listening, until
from tests.e2e.overlay.multicast import joined, listener, soon_heard

CENTRAL = ("store", "ovn-nb", "ovn-sb", "ovn-northd", "translator", "api", "gate")
NODE = ("ovs-db", "ovs-vswitchd", "ovn-controller", "agent")


def parts(lab: Lab, host: str) -> dict[str, dict[str, object]]:
    said = lab.exec(host, "sealane", "status", "-o", "json", check=False).stdout
    return {part["name"]: part for part in json.loads(said)["parts"]} if said else {}


def kill(lab: Lab, host: str, part: str) -> None:
    """SIGKILL, and wait until a new process is ready in its place."""
    old = parts(lab, host)[part]["pid"]
    lab.exec(host, "kill", "-KILL", str(old))

    def back() -> bool:
        now = parts(lab, host).get(part, {})
        return bool(now.get("ready")) and now.get("pid") != old

    until(back, f"{part} of {host} is back")


@pytest.mark.parametrize("part", CENTRAL)
def test_traffic_goes_on_when_a_central_part_dies(lab: Lab, put, part):
    one, two = put("host1", "a"), put("host2", "b")
    assert one.still_reaches(two.addresses[0])
    kill(lab, "host1", part)
    assert one.still_reaches(two.addresses[0])
    third = put("host2", "c")
    third.soon_reaches(one.addresses[0])


@pytest.mark.parametrize("part", NODE)
def test_node_part_dies(lab: Lab, put, part):
    one, two = put("host1", "a"), put("host2", "b")
    kill(lab, "host2", part)
    one.soon_reaches(two.addresses[0])
    third = put("host2", "c")
    third.soon_reaches(one.addresses[0])


def test_supervisor_dies(lab: Lab, put):
    """All children go with it (PR_SET_PDEATHSIG); the host's process 1 starts it again."""
    one, two = put("host1", "a"), put("host2", "b")
    pid = lab.exec("host2", "pgrep", "--parent", "1", "--full", "sealane.engine.main").stdout.strip()
    lab.exec("host2", "kill", "-KILL", pid)
    lab.wait()
    one.soon_reaches(two.addresses[0])
    put("host2", "c").soon_reaches(one.addresses[0])


def northbound(lab: Lab, *argv: str) -> str:
    socket = "unix:/run/sealane/ovn/ovnnb_db.sock"
    return lab.exec("host1", "ovn-nbctl", f"--db={socket}", "--timeout=20", *argv).stdout


def test_northbound_is_wiped_and_comes_back(lab: Lab, put):
    one, two = put("host1", "a"), put("host2", "b")
    keys = northbound(lab, "--bare", "--columns=name,options", "list", "Logical_Switch_Port")
    names = northbound(lab, "--bare", "--columns=name", "list", "Logical_Switch").split()
    northbound(lab, *(word for name in names for word in ("--", "ls-del", name)))

    def whole() -> bool:
        listed = northbound(lab, "--bare", "--columns=name", "list", "Logical_Switch").split()
        return sorted(listed) == sorted(names)

    until(whole, "the switches are back")
    until(
        lambda: (
            sorted(northbound(lab, "--bare", "--columns=name,options", "list", "Logical_Switch_Port"))
            == sorted(keys)
        ),
        "the ports are back with their tunnel keys",
    )
    one.soon_reaches(two.addresses[0])
    put("host2", "c").soon_reaches(one.addresses[0])


def test_foreign_rows_in_the_northbound_are_left_alone(lab: Lab, put):
    northbound(lab, "--may-exist", "ls-add", "foreign")
    put("host1", "a")
    assert "foreign" in northbound(lab, "--bare", "--columns=name", "list", "Logical_Switch")
    northbound(lab, "ls-del", "foreign")


def test_power_cut(lab: Lab, put, api, network):
    """What ran on the host is gone: its ports are collected, and the host takes new ones.

    It was a member of a multicast group, whose other members go on hearing what is said.
    """
    one, talker, group = put("host1", "a"), put("host1", "t"), "239.1.2.3"
    api.update("networks", network, {"sealane:multicast_snooping": True})
    gone = attach(lab, "host2", "lost", network)
    with joined(one, group) as lives, listening(gone, listener(group)) as dies:
        soon_heard(talker, group, "before", lives, dies)
        lab.power_cut("host2")
        assert one.still_reaches("10.44.0.1")
        soon_heard(talker, group, "meanwhile", lives)
        begin = time.monotonic()
        lab.boot("host2")
        assert time.monotonic() - begin < 60

    def lost() -> list[object]:
        return [p for p in api.list("ports", network_id=network) if p["binding:host_id"] == "host2"]

    until(lambda: not lost(), "the lost port is collected", 120)
    two = put("host2", "b")
    two.soon_reaches(one.addresses[0])
    with joined(two, group) as heard:
        soon_heard(talker, group, "afterwards", heard)


def test_power_cut_of_the_central_host(lab: Lab, put, api, network):
    """What was acknowledged is still there, and the other host's namespaces go on all the time."""
    one, two = put("host2", "a"), put("host2", "b")
    made = api.create("ports", {"network_id": network, "name": "kept"})
    lab.power_cut("host1")
    assert one.still_reaches(two.addresses[0])
    lab.boot("host1")
    lab.wait()
    assert api.find("ports", made["id"])["name"] == "kept"
    one.soon_reaches(two.addresses[0])
    put("host1", "c").soon_reaches(one.addresses[0])
    api.delete("ports", made["id"])
