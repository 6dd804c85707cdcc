"""Logs of security groups by real packets between two hosts: who is shown by name, and who is not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sealane.cli.api import Api, Body
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay.machines import Machine, until
from tests.e2e.overlay.test_fastpath import fast_packets, talk, told
from tests.e2e.overlay.test_groups import Groups, opens, serving

LOGS = "log/logs"


class Log:
    """Logs that hosts have applied, and the packets that they show from now on."""

    def __init__(self, lab: Lab, api: Api) -> None:
        self._lab = lab
        self._api = api
        self._made: list[str] = []
        self._begin = self.last()

    def last(self) -> int:
        return int(self._api.request("GET", f"/v2.0/log/entries?after={10**17}")["last"])

    def new(self, name: str, **values: Any) -> str:
        made = self._api.create(LOGS, {"name": name, "resource_type": "security_group", **values})
        assert not self._api.unapplied, self._api.unapplied
        self._made.append(str(made["id"]))
        return str(made["id"])

    def shown(self) -> list[Body]:
        """By the command."""
        words = ("sealane", "log", "entries", "--since", str(self._begin), "-o", "json")
        return [json.loads(line) for line in self._lab.exec("host1", *words).stdout.splitlines()]

    def __call__(self, **wanted: Any) -> list[Body]:
        return [e for e in self.shown() if all(e[key] == value for key, value in wanted.items())]

    def remove(self) -> None:
        for id in self._made:
            self._api.delete(LOGS, id)


@pytest.fixture
def groups(api: Api, put: Any) -> Iterator[Groups]:
    made = Groups(api)
    yield made
    made.remove()


@pytest.fixture
def logs(lab: Lab, api: Api, groups: Groups) -> Iterator[Log]:
    made = Log(lab, api)
    yield made
    made.remove()


def name(api: Api, machine: Machine, text: str) -> None:
    api.update("ports", machine.port_id, {"name": text})


def test_accepted_and_dropped_packets_are_shown_by_name_and_others_not(
    lab: Lab, api: Api, put: Any, groups: Groups, logs: Log
) -> None:
    client, web, other = put("host1", "a"), put("host2", "b"), put("host2", "c")
    group, quiet = groups.new("web"), groups.new("quiet")
    for id in (group, quiet):
        groups.let(id, protocol="tcp", port_range_min=80, port_range_max=80, description="the shop")
    groups.put(web, group)
    groups.put(other, quiet)
    name(api, client, "client")
    name(api, web, "shop")
    address, silent = web.addresses[0], other.addresses[0]
    with serving(web, 80), serving(other, 80):
        until(lambda: opens(client, address, 80) and opens(client, silent, 80), "what the rules let")
        assert not opens(client, address, 81) and not opens(client, silent, 81)
        assert logs.shown() == [], "nobody has asked"
        logs.new("web", resource_id=group)
        until(lambda: opens(client, address, 80) and logs(verdict="ACCEPT"), "what passes is shown")
        assert not opens(client, address, 81) and not opens(client, silent, 81)
        assert opens(client, silent, 80)
        until(lambda: logs(verdict="DROP", destination_port=81), "what is dropped is shown")
        opened = logs(verdict="ACCEPT", destination_port=80)[0]
        assert (opened["port"], opened["peer"], opened["rule"]) == ("shop", "client", "the shop")
        assert (opened["security_groups"], opened["logs"]) == (["web"], ["web"])
        assert (opened["host"], opened["network"], opened["direction"]) == ("host2", "blue", "ingress")
        assert (opened["source"], opened["destination"]) == (client.addresses[0], address)
        dropped = logs(verdict="DROP", destination_port=81)[0]
        assert (dropped["port"], dropped["peer"], dropped["protocol"]) == ("shop", "client", "tcp")
        assert (dropped["security_groups"], dropped["rule"]) == (["web"], "")
        assert {entry["port_id"] for entry in logs.shown()} == {web.port_id}, "others are not shown"
    said = lab.exec("host1", "sealane", "log", "entries", "--dropped", "-n", "1").stdout
    assert "dropped" in said and "shop" in said and "(client)" in said and "no rule of web" in said


def test_a_port_of_a_log_is_shown_in_both_directions_and_its_neighbours_are_not(
    lab: Lab, api: Api, put: Any, groups: Groups, logs: Log
) -> None:
    one, two, far = put("host1", "a"), put("host1", "b"), put("host2", "c")
    group = groups.new("all")
    for family in ("IPv4", "IPv6"):
        groups.let(group, ethertype=family)
    for machine in (one, two, far):
        groups.put(machine, group)
    log = logs.new("one", target_id=one.port_id, event="ACCEPT")
    for address in far.addresses:
        until(
            lambda a=address: one.reaches(a) and logs(direction="egress", destination=a),  # type: ignore[misc]
            "what it sends is shown",
        )
    for address in one.addresses:
        until(
            lambda a=address: far.reaches(a) and logs(direction="ingress", destination=a),  # type: ignore[misc]
            "what it is sent is shown",
        )
    assert two.still_reaches(far.addresses[0]) and far.still_reaches(two.addresses[0])
    assert {(e["port_id"], e["verdict"]) for e in logs.shown()} == {(one.port_id, "ACCEPT")}
    api.update(LOGS, log, {"enabled": False})
    assert not api.unapplied
    before = len(logs.shown())
    assert one.still_reaches(far.addresses[0])
    logs.new("two", target_id=two.port_id)
    until(lambda: two.reaches(far.addresses[0]) and logs(port_id=two.port_id), "the other one is shown")
    assert len(logs(port_id=one.port_id)) == before, "it is off"


def test_each_connection_that_becomes_fast_is_logged(
    lab: Lab, api: Api, put: Any, groups: Groups, logs: Log
) -> None:
    one, two = put("host1", "a"), put("host1", "b")
    group = groups.new("all")
    groups.let(group)
    groups.put(two, group)
    logs.new("all", resource_id=group)
    one.soon_reaches(two.addresses[0])
    lab.exec("host1", "sealane", "fastpath", "on")
    try:
        until(lambda: told(lab)["state"] == "working", "the fast path works")
        seen: set[int] = set()
        for _ in range(3):
            with talk(one, two, "udp", two.addresses[0]):
                until(lambda: fast_packets(lab, one) > 50, "it is fast")

                def new() -> set[int]:
                    shown = logs(protocol="udp", port_id=two.port_id, verdict="ACCEPT")
                    return {e["source_port"] for e in shown} - seen  # noqa: B023

                until(new, "its first packet is shown")
                seen |= new()
        assert len(seen) == 3
    finally:
        labs.rest(lab, "host1")
