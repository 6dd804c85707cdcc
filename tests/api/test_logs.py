"""Logs of security groups by the API: what there may be one of, and who is told of which packets."""

from typing import Any

import pytest

from sealane.api import policy
from sealane.api.caller import Caller
from sealane.api.log_lines import Book, Packet
from sealane.api.packet_journal import PacketJournal, check_host
from sealane.errors import Forbidden
from sealane.model import FixedIP, Log, Network, Port, SecurityGroup, SecurityGroupRule, State
from tests.api.house import house
from tests.api.live import live
from tests.daemons import OvsdbServer

NOBODY = "00000000-0000-4000-8000-000000000000"
LINE = "POST /v2.0/log/logs"


def asked(**values: Any) -> dict[str, Any]:
    return {"log": {"resource_type": "security_group", **values}}


async def test_a_log_from_its_birth_to_its_end(database: OvsdbServer) -> None:
    async with live(database) as api:
        group = await api.make("security_group", name="web")
        log = await api.make("log", resource_type="security_group", name="all", resource_id=group["id"])
        assert (log["event"], log["enabled"], log["target_id"]) == ("ALL", True, None)
        path = f"/v2.0/log/logs/{log['id']}"
        changed = (await api.call(f"PUT {path}", {"log": {"enabled": False, "name": "none"}})).body["log"]
        assert (changed["enabled"], changed["name"], changed["revision_number"]) == (False, "none", 2)
        assert (await api.call(f"PUT {path}", {"log": {"event": "DROP"}})).status == 400
        assert (await api.call(f"GET /v2.0/log/logs?resource_id={group['id']}")).body["logs"] == [changed]
        many = {"logs": [asked(event=event)["log"] for event in ("ACCEPT", "DROP")]}
        assert (await api.call(LINE, many)).status == 201
        kinds = (await api.call("GET /v2.0/log/loggable-resources")).body
        assert kinds == {"loggable_resources": [{"type": "security_group"}]}
        assert (await api.call(f"DELETE /v2.0/security-groups/{group['id']}")).status == 204
        assert (await api.call(f"GET {path}")).status == 200, "it logs nothing now"
        assert (await api.call(f"DELETE {path}")).status == 204
        assert (await api.call(f"GET {path}")).error == "LogNotFound"
        await api.call("PUT /v2.0/quotas/default", {"quota": {"log": 2}})
        assert (await api.call(LINE, asked())).error == "OverQuota"


async def test_what_can_t_be_logged_is_refused_by_name(database: OvsdbServer) -> None:
    async with live(database) as api:
        group = await api.make("security_group", name="web")
        theirs = await api.make("security_group", name="web", project_id="theirs")
        network = await api.make("network")
        port = await api.make("port", network_id=network["id"])
        foreign = await api.make("port", network_id=network["id"], project_id="theirs")
        for values, status, said in (
            ({"resource_type": "router"}, 400, "resource_type"),
            ({"event": "reject"}, 400, "event"),
            ({"enabled": "perhaps"}, 400, "enabled"),
            ({"resource_id": NOBODY}, 404, NOBODY),
            ({"target_id": NOBODY}, 404, NOBODY),
            ({"resource_id": theirs["id"]}, 400, "project_id"),
            ({"target_id": foreign["id"]}, 400, "project_id"),
            ({"resource_id": group["id"], "target_id": port["id"]}, 400, "not in that group"),
        ):
            refused = await api.call(LINE, asked(**values))
            assert refused.status == status, (values, refused)
            assert said in refused.body["NeutronError"]["message"], refused
        assert (await api.call(LINE, {"log": {}})).status == 400
        assert (await api.call("GET /v2.0/log/logs")).body == {"logs": []}, "nothing half done"


async def test_a_user_logs_what_is_his(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        root, member, reader = rooms.root, users["member"], users["reader"]
        hidden = await root.make("security_group", project_id="theirs")
        own = (await member.call(LINE, asked(name="own"))).body["log"]
        assert own["project_id"] == "mine"
        theirs = await root.make("log", resource_type="security_group", project_id="theirs")
        assert [log["id"] for log in (await reader.call("GET /v2.0/log/logs")).body["logs"]] == [own["id"]]
        assert (await member.call(f"DELETE /v2.0/log/logs/{theirs['id']}")).status == 404
        assert (await member.call(LINE, asked(resource_id=hidden["id"]))).status == 404
        assert (await reader.call(LINE, asked())).status == 403
        assert (await member.call("POST /v2.0/sealane/logged", {"packets": {}})).status == 403


def id(number: int) -> str:
    return f"7e000000-0000-4000-8000-{number:012x}"


def port(number: int, project: str, *groups: int, **values: Any) -> Port:
    return Port(
        id=id(number),
        project_id=project,
        name=f"p{number}",
        network_id=id(1),
        mac_address=f"fa:16:3e:00:00:{number:02x}",
        fixed_ips=(FixedIP(subnet_id=id(2), ip_address=f"10.0.0.{number}"),),
        security_groups=tuple(map(id, groups)),
        **{"host": "host1", **values},
    )


def by_id(*rows: Any) -> dict[str, Any]:
    return {row.id: row for row in rows}


STATE = State(
    networks=by_id(Network(id=id(1), project_id="red", name="blue", shared=True)),
    security_groups=by_id(
        SecurityGroup(id=id(10), project_id="red", name="web", shared=True),
        SecurityGroup(id=id(11), project_id="red", name="quiet"),
    ),
    security_group_rules=by_id(
        SecurityGroupRule(
            id=id(20),
            project_id="red",
            security_group_id=id(10),
            direction="ingress",
            protocol="tcp",
            port_range_min=80,
            port_range_max=80,
            remote_group_id=id(11),
        ),
        SecurityGroupRule(id=id(21), project_id="red", security_group_id=id(11), direction="ingress"),
    ),
    ports=by_id(
        port(5, "red", 10),
        port(6, "red", 11),
        port(7, "green", 10),
        port(8, "red", 10, host="host2"),
        port(9, "red"),
    ),
    logs=by_id(
        Log(id=id(30), project_id="red", name="web", resource_id=id(10)),
        Log(id=id(31), project_id="red", name="five", target_id=id(5), event="DROP"),
        Log(id=id(32), project_id="red", name="off", enabled=False),
    ),
)


def packet(to: int, acl: str = id(20), verdict: Any = "ACCEPT", source: int = 6, **values: Any) -> Packet:
    return Packet(
        acl=acl,
        verdict=verdict,
        direction="ingress",
        protocol="tcp",
        mac=f"fa:16:3e:00:00:{to:02x}",
        source=f"10.0.0.{source}",
        destination=f"10.0.0.{to}",
        destination_port=80,
        **values,
    )


def test_packets_have_the_names_that_users_gave() -> None:
    (told,) = Book(STATE).told([packet(5)], "host1")
    assert (told["port"], told["peer"], told["network"]) == ("p5", "p6", "blue")
    assert (told["security_groups"], told["logs"]) == (["web"], ["web"])
    assert told["rule"] == "ingress IPv4 tcp 80 from quiet"
    (told,) = Book(STATE).told([packet(5, f"drop-{id(10)}", "DROP", source=7)], "host1")
    assert (told["logs"], told["rule"], told["rule_id"]) == (["five", "web"], "", None)
    assert told["peer"] == "", "another project's port is nameless"


def test_what_no_log_is_about_is_told_to_nobody() -> None:
    book = Book(STATE)
    for one, host in (
        (packet(6, id(21)), "host1"),  # of a group without a log
        (packet(6, f"drop-{id(11)}", "DROP"), "host1"),
        (packet(7), "host1"),  # another project's port, in a shared group
        (packet(7, f"drop-{id(10)}", "DROP"), "host1"),
        (packet(8), "host1"),  # another host's port
        (packet(5, id(21)), "host1"),  # a rule of a group that the port is not in
        (packet(5, id(99)), "host1"),
        (packet(5, "anything", "DROP"), "host1"),
        (packet(77), "host1"),
    ):
        assert book.told([one], host) == [], one
    assert len(book.told([packet(8)], "host2")) == 1


def test_each_project_has_room_of_its_own() -> None:
    journal = PacketJournal(room=3)
    journal.add({"project_id": "red", "n": n} for n in range(2))
    begin = journal.last
    journal.add({"project_id": "blue", "n": n} for n in range(50))
    red, last, gone = journal.after(0, "red")
    assert ([e["n"] for e in red], last, gone) == ([0, 1], journal.last, False)
    blue, _, gone = journal.after(begin, "blue")
    assert ([e["n"] for e in blue], gone) == ([47, 48, 49], True)
    everybody, _, _ = journal.after(0, None)
    assert [e["n"] for e in everybody] == [0, 1, 47, 48, 49]
    assert journal.after(journal.last, "red") == ([], journal.last, False)
    assert journal.after(10**17, "red")[2], "the number of another process"


def test_a_node_speaks_for_itself_alone() -> None:
    node = Caller("node", node="host1")
    policy.check_call(node, "POST", "/v2.0/sealane/logged")
    check_host(node, "host1")
    with pytest.raises(Forbidden, match="host2"):
        check_host(node, "host2")
    with pytest.raises(Forbidden):
        policy.check_call(node, "GET", "/v2.0/log/entries")
