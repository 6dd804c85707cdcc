"""How what containers carry is watched, by options, labels and a compose file: logs, taps.

With names that a user gave, and nothing of Neutron named by him.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealane.lab.lab import Lab
from tests.e2e.docker.engines import Api, Engine, Failed, until
from tests.e2e.docker.test_taps import copies, seen

CREATE = ("network", "create", "-d", "sealane", "--ipam-driver", "sealane")
COMPOSE = """
version: "2.4"
networks:
  hall:
    driver: sealane
    driver_opts: {sealane.log: dropped, sealane.tap: "record:out"}
    ipam: {driver: sealane, config: [{subnet: 10.68.0.0/24}]}
services:
  recorder:
    image: box:1
    command: sleep 3600
    networks: [hall]
    labels: {sealane.tap-port: record}
  web:
    image: box:1
    command: sleep 3600
    networks: [hall]
    labels: {sealane.security-groups: closed}
  client:
    image: box:1
    command: sleep 3600
    networks: [hall]
"""


@pytest.fixture
def closed(api: Api) -> Iterator[str]:
    """A group that lets nothing in."""
    group = {"security_group": {"name": "closed"}}
    made = str(api.call("POST", "security-groups", group)["security_group"]["id"])
    yield made
    api.call("DELETE", f"security-groups/{made}")


class Log:
    """What is logged from now on."""

    def __init__(self, lab: Lab, api: Api) -> None:
        self._lab = lab
        self._begin = int(api.call("GET", f"log/entries?after={10**17}")["last"])

    def __call__(self, **wanted: Any) -> list[Any]:
        words = ("sealane", "log", "entries", "--since", str(self._begin), "-o", "json")
        entries = [json.loads(line) for line in self._lab.exec("host1", *words).stdout.splitlines()]
        return [entry for entry in entries if all(entry[key] == value for key, value in wanted.items())]


def taps(api: Api) -> dict[str, tuple[str, set[tuple[str, str]]]]:
    """Name of a tap -> the name of the port that sees, and those that it sees."""
    names = {port["id"]: port["name"] for port in api.list("ports")}
    return {
        tap["name"]: (
            names[tap["port_id"]],
            {(names[one["port_id"]], one["direction"]) for one in tap["sealane:sources"]},
        )
        for tap in api.call("GET", "taas/tap_services")["tap_services"]
    }


def dropped(log: Log, port: str) -> bool:
    return bool(log(port=port, verdict="DROP"))


def test_a_container_is_given_copies_and_others_are_logged(
    lab: Lab, api: Api, closed: str, one: Engine, two: Engine
) -> None:
    one(*CREATE, "--subnet", "10.67.1.0/24", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    two.run("probe", "name=blue,driver-opt=sealane.tap-port=watch")
    one.run("web", "name=blue,driver-opt=sealane.tap=watch,driver-opt=sealane.log=all")
    two.run("plain", "blue")
    until(lambda: taps(api) == {"watch": ("probe", {("web", "BOTH")})}, what="the tap, by names")
    until(lambda: copies(api, "host1") and copies(api, "host2"), what="it is copied")
    web, plain, log = one.address("web", "blue"), two.address("plain", "blue"), Log(lab, api)
    with seen(two, "probe") as count:
        one("exec", "web", "ping", "-c", "5", "-W", "5", plain)
        until(lambda: (count(web, plain), count(plain, web)) == (5, 5), what="it sees both directions")
    until(
        lambda: log(port="web", peer="plain", verdict="ACCEPT", network="blue"), what="it is logged by names"
    )
    assert not log(port="plain") and not log(port="probe"), "nobody has asked for a log of these"
    two("rm", "-f", "probe")
    until(lambda: taps(api) == {}, what="the tap goes with its container")


def test_a_compose_file(lab: Lab, api: Api, closed: str, one: Engine, tmp_path: Path) -> None:
    """The network's options are for each of its containers, a service's label for its own."""
    file = tmp_path / "docker-compose.yml"
    file.write_text(COMPOSE)
    command = ("docker-compose", "-H", f"unix://{one.socket}", "-p", "shop", "-f", str(file))
    subprocess.run([*command, "up", "-d"], capture_output=True, timeout=120, check=True)
    sources = {("shop_web_1", "OUT"), ("shop_client_1", "OUT")}
    until(lambda: taps(api) == {"record": ("shop_recorder_1", sources)}, what="the network's tap")
    until(lambda: copies(api, "host1"), what="it is copied")
    web, client, log = (
        one.address("shop_web_1", "shop_hall"),
        one.address("shop_client_1", "shop_hall"),
        Log(lab, api),
    )
    held = lambda: [p for p in api.ports() if p["name"] == "shop_web_1" and p["security_groups"] == [closed]]  # noqa: E731
    until(held, what="its group lets nothing in")
    with seen(one, "shop_recorder_1") as count:
        until(lambda: not one.reaches("shop_client_1", web), what="nothing gets in")
        until(
            lambda: log(port="shop_web_1", peer="shop_client_1", verdict="DROP"), what="it is told by names"
        )
        until(lambda: count(client, web) > 0, what="the recorder sees what the client sent")
        assert count(web, client) == 0, "which had no answer"
    assert not log(verdict="ACCEPT"), "only what is dropped is asked for"
    subprocess.run([*command, "down", "-t", "1"], capture_output=True, timeout=120, check=True)
    until(lambda: taps(api) == {}, what="the tap goes with its container")


NAMELESS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")


@pytest.fixture
def shop(api: Api) -> Iterator[str]:
    """A group with a rule that has a description, and a log of it, all with names."""
    made = api.call("POST", "security-groups", {"security_group": {"name": "shop"}})["security_group"]["id"]
    rule = {"security_group_id": made, "direction": "ingress", "protocol": "icmp", "description": "the bell"}
    api.call("POST", "security-group-rules", {"security_group_rule": rule})
    wish = {"name": "till", "resource_type": "security_group", "resource_id": made, "event": "ALL"}
    log = api.call("POST", "log/logs", {"log": wish})["log"]["id"]
    yield str(made)
    api.call("DELETE", f"log/logs/{log}")
    api.call("DELETE", f"security-groups/{made}")


def test_people_are_shown_names_only(lab: Lab, api: Api, shop: str, one: Engine, two: Engine) -> None:
    """What is accepted, dropped and mirrored, of containers on two hosts, by the commands for people."""
    one(*CREATE, "--subnet", "10.67.4.0/24", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    labels = ("--label", "sealane.security-groups=shop", "--label", "sealane.tap=watch:in")
    one.run("web", "blue", *labels)
    two.run("client", "blue")
    two.run("probe", "blue", "--label", "sealane.tap-port=watch")
    web, begin = one.address("web", "blue"), api.call("GET", f"log/entries?after={10**17}")["last"]

    def told(verdict: str) -> list[str]:
        words = ("sealane", "log", "entries", "--since", str(begin), f"--{verdict}")
        return [line for line in lab.exec("host1", *words).stdout.splitlines() if " web " in line]

    def drops() -> list[str]:
        two.raw("exec", "client", "nc", "-w", "1", web, "81", timeout=20)
        return told("dropped")

    until(lambda: two.reaches("client", "web") and told("accepted"), what="what is let in is told")
    accepted = told("accepted")
    assert all("(client)  the bell of shop, on blue, host host1" in line for line in accepted), accepted
    dropped = until(drops, what="what was not let in is told")
    assert all("(client)  no rule of shop, on blue, host host1" in line for line in dropped), dropped
    assert not [line for line in (*accepted, *dropped) if NAMELESS.search(line)]
    by_log = ("sealane", "log", "entries", "--since", str(begin), "--log", "till")
    assert len(lab.exec("host1", *by_log).stdout.splitlines()) >= 2

    def shown() -> str:
        rows = lab.exec("host1", "sealane", "tap", "list").stdout.splitlines()
        return " ".join(" ".join(row.split()[1:]) for row in rows if " watch " in row)

    until(lambda: "watch probe ACTIVE web (in)" in shown(), what="the tap is told of by names")
    assert not NAMELESS.search(shown())


def test_labels_of_containers(lab: Lab, api: Api, closed: str, one: Engine) -> None:
    one(*CREATE, "--subnet", "10.67.2.0/24", "blue")
    one.run("probe", "blue", "--label", "sealane.tap-port=watch")
    one.run("shut", "blue", "--label", "sealane.log=dropped", "--label", "sealane.security-groups=closed")
    one.run("told", "blue", "--label", "sealane.tap=watch:in")
    until(lambda: taps(api) == {"watch": ("probe", {("told", "IN")})}, what="labels are followed")
    until(
        lambda: any(p["name"] == "shut" and p["sealane:log"] == "DROP" for p in api.ports()), what="the log"
    )
    shut, log = one.address("shut", "blue"), Log(lab, api)
    until(lambda: not one.reaches("told", shut) and dropped(log, "shut"), what="what is dropped is logged")


def test_what_is_wrong_is_refused(one: Engine) -> None:
    with pytest.raises(Failed, match=r"'sealane\.log': 'some' is none of all, accepted, dropped"):
        one(*CREATE, "-o", "sealane.log=some", "--subnet", "10.67.3.0/24", "wrong")
    one(*CREATE, "--subnet", "10.67.3.0/24", "blue")
    with pytest.raises(Failed, match=r"'sealane\.log': 'yes' is none of"):
        one.run("wrong", "name=blue,driver-opt=sealane.log=yes")
    one.run("probe", "name=blue,driver-opt=sealane.tap-port=watch")
    with pytest.raises(Failed, match=r"sealane\.tap-port: another port is given the copies of tap 'watch'"):
        one.run("second", "name=blue,driver-opt=sealane.tap-port=watch")
