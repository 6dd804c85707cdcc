"""Quality of service by the API: policies, their rules, who has one, and what is refused."""

from typing import Any

from tests.api.house import house
from tests.api.live import Live, live
from tests.daemons import OvsdbServer


async def policy(api: Live, **values: Any) -> str:
    answer = await api.call("POST /v2.0/qos/policies", {"policy": {"name": "slow", **values}})
    assert answer.status == 201, answer
    return str(answer.body["policy"]["id"])


async def rule(api: Live, policy_id: str, kind: str, **values: Any) -> Any:
    answer = await api.call(f"POST /v2.0/qos/policies/{policy_id}/{kind}s", {kind: values})
    assert answer.status == 201, answer
    return answer.body[kind]


async def test_a_policy_has_rules_below_it(database: OvsdbServer) -> None:
    async with live(database) as api:
        slow, other = await policy(api), await policy(api, name="other")
        limit = await rule(api, slow, "bandwidth_limit_rule", max_kbps=1000)
        assert (limit["direction"], limit["max_burst_kbps"]) == ("egress", 0)
        await rule(api, slow, "bandwidth_limit_rule", max_kbps=2000, direction="ingress")
        mark = await rule(api, slow, "dscp_marking_rule", dscp_mark=46)
        shown = (await api.call(f"GET /v2.0/qos/policies/{slow}")).body["policy"]
        found = {
            (r["type"], r.get("direction"), r.get("max_kbps", r.get("dscp_mark"))) for r in shown["rules"]
        }
        assert found == {
            ("bandwidth_limit", "egress", 1000),
            ("bandwidth_limit", "ingress", 2000),
            ("dscp_marking", None, 46),
        }
        below = f"/v2.0/qos/policies/{slow}"
        listed = await api.call(f"GET {below}/bandwidth_limit_rules?direction=ingress")
        assert [r["max_kbps"] for r in listed.body["bandwidth_limit_rules"]] == [2000]
        elsewhere = f"/v2.0/qos/policies/{other}/bandwidth_limit_rules"
        assert (await api.call(f"GET {elsewhere}")).body == {"bandwidth_limit_rules": []}
        assert (await api.call(f"GET {elsewhere}/{limit['id']}")).error == "QosRuleNotFound"
        line = f"PUT {below}/bandwidth_limit_rules/{limit['id']}"
        changed = await api.call(line, {"bandwidth_limit_rule": {"max_kbps": 3000}})
        assert changed.body["bandwidth_limit_rule"]["max_kbps"] == 3000
        assert (await api.call(f"DELETE {below}/dscp_marking_rules/{mark['id']}")).status == 204
        assert (await api.call(f"DELETE {below}")).status == 204
        assert (await api.call(f"GET {below}/bandwidth_limit_rules")).error == "QosPolicyNotFound"
        types = (await api.call("GET /v2.0/qos/rule-types")).body["rule_types"]
        assert [t["type"] for t in types] == ["bandwidth_limit", "dscp_marking"]
        every = (await api.call("GET /v2.0/qos/rule-types?all_rules=true")).body["rule_types"]
        assert {"type": "minimum_bandwidth"} in every and {"type": "packet_rate_limit"} in every
        assert (await api.call("GET /v2.0/qos/rule-types?all_supported=true")).body["rule_types"] == types
        shown = (await api.call("GET /v2.0/qos/rule-types/bandwidth_limit")).body["rule_type"]
        said = {p["parameter_name"]: p for p in shown["drivers"][0]["supported_parameters"]}
        assert said["direction"]["parameter_values"] == ["ingress", "egress"]
        assert said["max_kbps"]["parameter_values"] == {"start": 1, "end": 2**31 - 1}
        refused = await api.call("GET /v2.0/qos/rule-types/minimum_bandwidth")
        assert (refused.status, refused.error) == (404, "QosRuleTypeNotFound")
        assert "min_kbps" in refused.body["NeutronError"]["message"]
        assert (await api.call("GET /v2.0/qos/rule-types?x=y")).status == 400


async def test_what_can_t_be_is_refused_by_name(database: OvsdbServer) -> None:
    async with live(database) as api:
        slow = await policy(api)
        limit = await rule(api, slow, "bandwidth_limit_rule", max_kbps=1000)
        await rule(api, slow, "bandwidth_limit_rule", max_kbps=1000, direction="ingress")
        await rule(api, slow, "dscp_marking_rule", dscp_mark=0)
        below = f"/v2.0/qos/policies/{slow}"
        for kind, values, status, said in (
            ("bandwidth_limit_rule", {"max_kbps": 7}, 409, limit["id"]),
            ("dscp_marking_rule", {"dscp_mark": 8}, 409, "dscp_marking"),
            ("bandwidth_limit_rule", {}, 400, "'max_kbps' not specified"),
            ("bandwidth_limit_rule", {"max_kbps": 0}, 400, "max_kbps"),
            ("bandwidth_limit_rule", {"max_kbps": 10**10}, 400, "max_kbps"),
            ("bandwidth_limit_rule", {"max_kbps": 9, "max_burst_kbps": 8}, 400, "max_burst_kbps"),
            ("bandwidth_limit_rule", {"max_kbps": 9, "direction": "up"}, 400, "direction"),
            ("dscp_marking_rule", {"dscp_mark": 5}, 400, "dscp_mark"),
            ("dscp_marking_rule", {"dscp_mark": 64}, 400, "dscp_mark"),
            ("minimum_bandwidth_rule", {"min_kbps": 9}, 409, "min_kbps"),
            ("packet_rate_limit_rule", {"max_kpps": 9}, 409, "max_kpps"),
        ):
            refused = await api.call(f"POST {below}/{kind}s", {kind: values})
            assert refused.status == status, (kind, values, refused)
            assert said in refused.body["NeutronError"]["message"], refused
        turned = {"bandwidth_limit_rule": {"direction": "ingress"}}
        refused = await api.call(f"PUT {below}/bandwidth_limit_rules/{limit['id']}", turned)
        assert refused.error == "QoSRulesConflict"
        twice = {"bandwidth_limit_rules": [{"max_kbps": 7}, {"max_kbps": 8}]}
        other = await policy(api, name="other")
        refused = await api.call(f"POST /v2.0/qos/policies/{other}/bandwidth_limit_rules", twice)
        assert refused.error == "QoSRulesConflict", "at once is twice as well"
        assert (await api.call(f"GET {below}/minimum_bandwidth_rules")).body == {
            "minimum_bandwidth_rules": []
        }


async def test_ports_networks_and_floating_ips_have_one(database: OvsdbServer) -> None:
    async with live(database) as api:
        slow, own = await policy(api), await policy(api, name="own")
        network = await api.make("network", qos_policy_id=slow)
        await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24")
        port = await api.make("port", network_id=network["id"])
        assert (port["qos_policy_id"], port["qos_network_policy_id"]) == (None, slow)
        line = f"PUT /v2.0/ports/{port['id']}"
        assert (await api.call(line, {"port": {"qos_policy_id": own}})).body["port"]["qos_policy_id"] == own
        assert (await api.call(f"GET /v2.0/ports?qos_policy_id={own}")).body["ports"]
        world = await api.make("network", **{"router:external": True})
        await api.make("subnet", network_id=world["id"], cidr="203.0.113.0/24")
        floating = await api.make("floatingip", floating_network_id=world["id"], qos_policy_id=own)
        assert floating["qos_policy_id"] == own
        for id, what in ((slow, "network"), (own, "port")):
            refused = await api.call(f"DELETE /v2.0/qos/policies/{id}")
            assert refused.error == "QosPolicyInUse"
            assert f"used by {what}" in refused.body["NeutronError"]["message"]
        nobody = "00000000-0000-4000-8000-000000000000"
        refused = await api.call(line, {"port": {"qos_policy_id": nobody}})
        assert refused.error == "QosPolicyNotFound"
        await api.call(line, {"port": {"qos_policy_id": None}})
        await api.call(f"PUT /v2.0/floatingips/{floating['id']}", {"floatingip": {"qos_policy_id": None}})
        assert (await api.call(f"DELETE /v2.0/qos/policies/{own}")).status == 204


async def test_a_limit_is_not_for_its_bearer_to_take_off(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        root, member = rooms.root, users["member"]
        hard = await policy(root, project_id="theirs")
        gold = await policy(root, project_id="theirs", shared=True)
        mine = await policy(root, project_id="mine")
        await rule(root, gold, "bandwidth_limit_rule", max_kbps=1000)
        port = await rooms.port("own")
        line = f"PUT /v2.0/ports/{port['id']}"
        listed = (await member.call("GET /v2.0/qos/policies")).body["policies"]
        assert {p["id"] for p in listed} == {gold, mine}
        assert (await member.call(f"GET /v2.0/qos/policies/{hard}/bandwidth_limit_rules")).status == 404
        assert (await member.call(f"GET /v2.0/qos/policies/{gold}/bandwidth_limit_rules")).body[
            "bandwidth_limit_rules"
        ]
        for id, status in ((gold, 200), (None, 200), (mine, 200), (hard, 404)):
            assert (await member.call(line, {"port": {"qos_policy_id": id}})).status == status
        assert (await root.call(line, {"port": {"qos_policy_id": hard}})).status == 200
        for id in (None, gold):
            assert (await member.call(line, {"port": {"qos_policy_id": id}})).status == 403
        for call, body in (
            ("POST /v2.0/qos/policies", {"policy": {"name": "x"}}),
            (f"PUT /v2.0/qos/policies/{mine}", {"policy": {"name": "x"}}),
            (f"DELETE /v2.0/qos/policies/{mine}", None),
            (
                f"POST /v2.0/qos/policies/{mine}/bandwidth_limit_rules",
                {"bandwidth_limit_rule": {"max_kbps": 1}},
            ),
        ):
            assert (await member.call(call, body)).status == 403
            assert (await users["reader"].call(call, body)).status == 403
