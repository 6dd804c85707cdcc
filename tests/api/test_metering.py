"""Metering labels by the API: what is refused, who counts by which rules, and what hosts tell."""

from typing import Any

from sealane.api.meters import Meters
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

LABELS, RULES = "/v2.0/metering/metering-labels", "/v2.0/metering/metering-label-rules"


async def ask(api: Live, label: str, **values: Any) -> Any:
    body = {"metering_label_rule": {"metering_label_id": label, **values}}
    return await api.call(f"POST {RULES}", body)


async def test_labels_are_made_shown_and_never_changed(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await api.call(
            f"POST {LABELS}", {"metering_labels": [{"name": "a"}, {"name": "b", "tags": ["t"]}]}
        )
        one, two = made.body["metering_labels"]
        assert (one["shared"], one["revision_number"], one["sealane:packets"]) == (False, 1, 0)
        listed = (await api.call(f"GET {LABELS}?tags=t&fields=name")).body["metering_labels"]
        assert listed == [{"name": "b"}]
        for name, value in (("name", "x"), ("shared", True), ("sealane:packets", 0)):
            refused = await api.call(f"PUT {LABELS}/{two['id']}", {"metering_label": {name: value}})
            assert refused.status == 400 and name in refused.body["NeutronError"]["message"]
        rule = await api.make(
            "metering_label_rule", metering_label_id=one["id"], source_ip_prefix="10.0.0.0/8"
        )
        assert (rule["direction"], rule["excluded"], rule["project_id"]) == (
            "ingress",
            False,
            one["project_id"],
        )
        changed = {"metering_label_rule": {"source_ip_prefix": "10.0.0.0/9"}}
        assert (await api.call(f"PUT {RULES}/{rule['id']}", changed)).status == 400
        assert (await api.call(f"DELETE {LABELS}/{one['id']}")).status == 204
        assert (await api.call(f"GET {RULES}/{rule['id']}")).status == 404, "its rules go with it"


async def test_rules_that_make_no_sense_are_refused(database: OvsdbServer) -> None:
    async with live(database) as api:
        label = (await api.make("metering_label"))["id"]
        for values, word in (
            ({}, "source_ip_prefix"),
            ({"source_ip_prefix": "10.0.0.0/8", "destination_ip_prefix": "::/0"}, "family"),
            ({"source_ip_prefix": "10.0.0.0/8", "remote_ip_prefix": "10.0.0.0/8"}, "remote_ip_prefix"),
            ({"source_ip_prefix": "10.0.0.0/33"}, "source_ip_prefix"),
            ({"source_ip_prefix": "10.0.0.0/8", "direction": "up"}, "direction"),
            ({"source_ip_prefix": "10.0.0.0/8", "excluded": "perhaps"}, "excluded"),
        ):
            refused = await ask(api, label, **values)
            assert refused.status == 400 and word in refused.body["NeutronError"]["message"], values
        gone = await ask(api, "00000000-0000-4000-8000-000000000000", source_ip_prefix="10.0.0.0/8")
        assert (gone.status, gone.body["NeutronError"]["type"]) == (404, "MeteringLabelNotFound")


async def test_rules_of_a_label_do_not_overlap(database: OvsdbServer) -> None:
    async with live(database) as api:
        label, other = [(await api.make("metering_label"))["id"] for _ in range(2)]
        first = {"direction": "egress", "source_ip_prefix": "10.0.0.0/8"}
        assert (await ask(api, label, **first)).status == 201
        for values, status in (
            (first, 409),
            ({"direction": "egress", "remote_ip_prefix": "10.1.0.0/16"}, 409),
            ({**first, "destination_ip_prefix": "192.0.2.0/24"}, 409),
            ({**first, "excluded": True, "destination_ip_prefix": "192.0.2.0/24"}, 201),
            ({"direction": "ingress", "source_ip_prefix": "10.0.0.0/8"}, 201),
            ({"direction": "egress", "source_ip_prefix": "11.0.0.0/8"}, 201),
            ({"direction": "egress", "source_ip_prefix": "::/0"}, 201),
        ):
            found = await ask(api, label, **values)
            assert found.status == status, values
            if status == 409:
                assert found.body["NeutronError"]["type"] == "MeteringLabelRuleOverlaps"
        assert (await ask(api, other, **first)).status == 201
        twice = {"metering_label_id": other, "direction": "ingress", "source_ip_prefix": "10.0.0.0/8"}
        bulk = await api.call(f"POST {RULES}", {"metering_label_rules": [twice, twice]})
        assert bulk.status == 409, "of one request"
        rows = (await api.call(f"GET {RULES}?metering_label_id={other}")).body["metering_label_rules"]
        assert len(rows) == 1, "nothing half done"


async def test_what_hosts_count_is_summed(database: OvsdbServer) -> None:
    async with live(database) as api:
        label = await api.make("metering_label", name="out")
        for host in ("h1", "h2"):
            await api.call("POST /v2.0/sealane/nodes", {"node": {"name": host, "address": "192.0.2.1"}})
        nodes = (await api.call("GET /v2.0/sealane/nodes")).body["nodes"]

        async def packets() -> Any:
            shown = (await api.call(f"GET {LABELS}/{label['id']}")).body["metering_label"]
            return shown["sealane:packets"], shown["sealane:bytes"]

        async def tell(host: str, counts: Any) -> int:
            body = {"metered": {"host": host, "counts": counts}}
            return int((await api.call("POST /v2.0/sealane/metered", body)).status)

        for node in nodes:
            assert await packets() == (None, None), "somebody has not told"
            assert await tell(node["name"], {label["id"]: [3, 100], "unknown": [1, 1]}) == 204
        assert await packets() == (3 * len(nodes), 100 * len(nodes))
        for wrong in ({label["id"]: [1]}, {label["id"]: [-1, 0]}, {label["id"]: "x"}, [], None):
            assert await tell("h1", wrong) == 400
        metrics = str((await api.call("GET /metrics", json=False)).body)
        if nodes:
            assert 'label="out"' in metrics and "sealane_metering_bytes_total" in metrics
        asked = (await api.call("GET /v2.0/sealane/metering?node=h1")).body
        assert (asked["rules"], asked["labels"]) == ([], [label["id"]])


def test_without_one_host_nothing_is_told() -> None:
    meters = Meters()
    assert meters.of("a") == (0, 0)
    meters.hosts = lambda: ("h1", "h2")
    meters.tell("h1", {"a": (1, 10)})
    assert meters.of("a") is None
    meters.tell("h2", {"a": (2, 20), "b": (5, 5)})
    assert meters.of("a") == (3, 30)
    meters.hosts = lambda: ("h1",)
    assert meters.of("a") == (3, 30), "what a host has counted does not go with it"
