"""OpenDaylight's path, as networking-odl calls it: Basic authentication, ids of its own, one and many."""

import base64
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.api.live import TOKEN, Answer, Live, live
from tests.api.test_identity import town
from tests.daemons import OvsdbServer

BASE = "/controller/nb/v2/neutron"
CANARY = "bd8db3a8-2b30-4083-a8b3-b3fd46401142"


def basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


ADMIN = basic("admin", TOKEN)


class Odl:
    """A client with HTTP's Basic authentication and nothing else."""

    def __init__(self, api: Live, session: aiohttp.ClientSession) -> None:
        self.api = api
        self._live = Live(session, api.url)

    async def call(self, line: str, body: object = None, auth: str | None = ADMIN) -> Answer:
        return await self._live.call(line, body, headers={"Authorization": auth} if auth else {})

    async def send(self, path: str, kind: str, **values: Any) -> str:
        id = str(values.setdefault("id", str(uuid.uuid4())))
        found = await self.call(f"POST {BASE}/{path}", {kind: values})
        assert found.status == 201, found
        assert found.body[kind]["id"] == id
        return id


@asynccontextmanager
async def odl(database: OvsdbServer) -> AsyncIterator[Odl]:
    async with live(database) as api, aiohttp.ClientSession(api.url) as session:
        yield Odl(api, session)


async def test_only_the_admin_comes_in(database: OvsdbServer) -> None:
    async with odl(database) as client:
        line = f"GET {BASE}/networks"
        assert (await client.call(line)).status == 200
        for auth in (None, basic("admin", "admin"), basic("root", TOKEN), "Basic é", "Bearer x"):
            refused = await client.call(line, auth=auth)
            assert refused.status == 401
            assert refused.headers["WWW-Authenticate"] == 'Basic realm="opendaylight"'
        elsewhere = await client.call("GET /v2.0/networks")
        assert elsewhere.status == 401, "Basic is for OpenDaylight's clients only"


async def test_a_user_of_a_project_has_no_part_in_it(database: OvsdbServer) -> None:
    """OpenDaylight has no tenants' users: what is sent there is believed."""
    async with town(database) as there:
        token = await there.token("ann", "sesame", "red")
        mine = await there.as_(token, "POST /v2.0/networks", {"network": {"name": "mine"}})
        id = mine.body["network"]["id"]
        for line, body in (
            (f"GET {BASE}/networks", None),
            (f"POST {BASE}/networks", {"network": {"id": id, "name": "other"}}),
            (f"DELETE {BASE}/networks/{id}", None),
            ("GET /restconf/operational/neutron:neutron/hostconfigs", None),
        ):
            assert (await there.as_(token, line, body)).status == 403
        assert (await there.ok(f"GET /v2.0/networks/{id}"))["network"]["name"] == "mine"


async def test_one_and_many_may_be_sent_twice(database: OvsdbServer) -> None:
    async with odl(database) as client:
        missing = await client.call(f"GET {BASE}/networks/{CANARY}")
        assert (missing.status, missing.error) == (404, "NetworkNotFound")
        canary = {
            "id": CANARY,
            "name": "canary",
            "status": "ACTIVE",
            "tenant_id": "t",
            "vlan_transparent": None,
        }
        overlay = {"provider:network_type": "vxlan", "provider:segmentation_id": 70000, "unheard_of": 1}
        for name in ("canary", "renamed"):
            sent = await client.call(
                f"POST {BASE}/networks", {"network": {**canary, **overlay, "name": name}}
            )
            assert sent.status == 201
            assert sent.body["network"]["name"] == name
        shown = (await client.call(f"GET {BASE}/networks/{CANARY}")).body["network"]
        assert (shown["name"], shown["tenant_id"]) == ("renamed", "t")
        assert (await client.api.call(f"GET /v2.0/networks/{CANARY}")).body["network"]["name"] == "renamed"
        ids = [str(uuid.uuid4()) for _ in range(2)]
        many = await client.call(f"POST {BASE}/networks", {"networks": [{"id": id} for id in ids]})
        assert many.status == 201
        assert [n["id"] for n in many.body["networks"]] == ids
        twice = await client.call(f"POST {BASE}/networks", {"networks": [{"id": ids[0]}, {"id": ids[0]}]})
        assert twice.status == 400
        listed = await client.call(f"GET {BASE}/networks?router_external=false&name=renamed")
        assert [n["id"] for n in listed.body["networks"]] == [CANARY]
        assert (await client.call(f"DELETE {BASE}/networks/{CANARY}")).status == 204
        assert (await client.call(f"DELETE {BASE}/networks/{CANARY}")).status == 404


async def test_a_put_bears_the_whole_resource(database: OvsdbServer) -> None:
    async with odl(database) as client:
        network = await client.send("networks", "network", name="n")
        whole = (await client.call(f"GET {BASE}/networks/{network}")).body["network"]
        changed = await client.call(f"PUT {BASE}/networks/{network}", {"network": {**whole, "name": "m"}})
        assert (changed.status, changed.body["network"]["name"]) == (200, "m")
        plural = await client.call(f"PUT {BASE}/networks/{network}", {"networks": [whole]})
        assert plural.status == 400
        subnet = await client.send("subnets", "subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)
        moved = await client.call(f"PUT {BASE}/subnets/{subnet}", {"subnet": {"cidr": "10.0.1.0/24"}})
        assert moved.status == 400
        assert "'cidr' can't be changed" in moved.body["NeutronError"]["message"]
        gone = await client.call(f"PUT {BASE}/networks/{CANARY}", {"network": {"name": "m"}})
        assert gone.status == 404
        bad = await client.call(f"POST {BASE}/subnets", {"subnet": {"network_id": network, "cidr": "no"}})
        assert bad.status == 400
        assert "Invalid input for cidr" in bad.body["NeutronError"]["message"]
        nothing = await client.call(f"POST {BASE}/subnets", {})
        assert nothing.status == 400


async def test_what_neutron_sends_of_a_tenant_is_there(database: OvsdbServer) -> None:
    """Network to floating IP in the order and the shape in which networking-odl sends them, each twice."""
    async with odl(database) as client:
        world = await client.send("networks", "network", name="world", **{"router:external": True})
        outside = {
            "network_id": world,
            "cidr": "203.0.113.0/24",
            "gateway_ip": "203.0.113.1",
            "ip_version": 4,
        }
        world_subnet = await client.send("subnets", "subnet", enable_dhcp=False, **outside)
        network = await client.send("networks", "network", name="n")
        inside = {"network_id": network, "cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1", "ip_version": 4}
        subnet = await client.send("subnets", "subnet", **inside)
        group = await client.send("security-groups", "security_group", name="default", tenant_id="t")
        assert (await client.call(f"GET {BASE}/security-groups/{group}")).body["security_group"][
            "security_group_rules"
        ] == [], "rules are sent"
        rule = {"security_group_id": group, "direction": "egress", "ethertype": "IPv4", "tenant_id": "t"}
        await client.send("security-group-rules", "security_group_rule", **rule)
        router = await client.send("routers", "router", name="r")
        leg = {"device_owner": "network:router_interface", "device_id": router, "network_id": network}
        address = [{"subnet_id": subnet, "ip_address": "10.0.0.1"}]
        interface = await client.send(
            "ports", "port", fixed_ips=address, mac_address="fa:16:3e:00:00:01", **leg
        )
        await client.send("ports", "port", id=interface, fixed_ips=address, **leg)
        gateway = {"device_owner": "network:router_gateway", "device_id": router, "network_id": world}
        taken = [{"subnet_id": world_subnet, "ip_address": "203.0.113.9"}]
        await client.send("ports", "port", fixed_ips=taken, **gateway)
        info = {"network_id": world, "enable_snat": True, "external_fixed_ips": taken}
        led = await client.call(f"PUT {BASE}/routers/{router}", {"router": {"external_gateway_info": info}})
        assert led.status == 200, led
        guest = {
            "network_id": network,
            "fixed_ips": [{"subnet_id": subnet, "ip_address": "10.0.0.7"}],
            "mac_address": "fa:16:3e:00:00:07",
            "binding:profile": '{"a": 1}',
            "binding:host_id": "host1",
            "security_groups": [group],
            "status": "DOWN",
        }
        port = await client.send("ports", "port", device_owner="compute:nova", **guest)
        await client.send("ports", "port", id=port, device_owner="compute:nova", **guest)
        floating = {"floating_network_id": world, "floating_ip_address": "203.0.113.50", "port_id": port}
        await client.send("floatingips", "floatingip", **floating)

        shown = (await client.api.call(f"GET /v2.0/ports/{port}")).body["port"]
        assert (shown["binding:profile"], shown["binding:host_id"]) == ({"a": 1}, "host1")
        legs = (await client.api.call(f"GET /v2.0/ports?device_id={router}")).body["ports"]
        assert {p["fixed_ips"][0]["ip_address"] for p in legs} == {"10.0.0.1", "203.0.113.9"}
        (found,) = (await client.api.call("GET /v2.0/floatingips")).body["floatingips"]
        assert (found["router_id"], found["fixed_ip_address"]) == (router, "10.0.0.7")

        refused = await client.call(f"DELETE {BASE}/ports/{interface}")
        assert refused.status == 409, "a floating IP needs it"
        assert (await client.call(f"DELETE {BASE}/floatingips/{found['id']}")).status == 204
        assert (await client.call(f"DELETE {BASE}/ports/{interface}")).status == 204
        assert (await client.call(f"DELETE {BASE}/ports/{port}")).status == 204
        assert (await client.call(f"DELETE {BASE}/routers/{router}")).status == 204


async def test_a_router_s_calls(database: OvsdbServer) -> None:
    async with odl(database) as client:
        network = await client.send("networks", "network")
        subnet = await client.send("subnets", "subnet", network_id=network, cidr="10.0.0.0/24")
        router = await client.send("routers", "router")
        for call in ("add", "remove"):
            line = f"PUT {BASE}/routers/{router}/{call}_router_interface"
            assert (await client.call(line, {"subnet_id": subnet})).status == 200
        lost = {"device_owner": "network:router_interface", "device_id": CANARY, "network_id": network}
        refused = await client.call(f"POST {BASE}/ports", {"port": lost})
        assert (refused.status, refused.error) == (442, "RouterNotFound")
        other = [{"subnet_id": subnet, "ip_address": "10.0.0.9"}]
        refused = await client.call(
            f"POST {BASE}/ports", {"port": {**lost, "device_id": router, "fixed_ips": other}}
        )
        assert refused.status == 400
        assert "fixed_ips" in refused.body["NeutronError"]["message"]


async def test_what_is_not_served_says_so(database: OvsdbServer) -> None:
    async with odl(database) as client:
        for path in ("fw/firewalls", "bgpvpns", "l2-gateways/1"):
            refused = await client.call(f"GET {BASE}/{path}")
            assert (refused.status, refused.error) == (501, "NotImplemented")
        assert (await client.call(f"GET {BASE}/unheard-of")).status == 404
        operational = "/restconf/operational/neutron:neutron"
        assert (await client.call(f"GET {operational}/neutron:features")).body == {
            "features": {"feature": []}
        }
        for end in ("", "/"):
            hosts = await client.call(f"GET {operational}/hostconfigs{end}")
            assert hosts.body == {"hostconfigs": {"hostconfig": []}}


async def test_a_policy_bears_its_rules(database: OvsdbServer) -> None:
    async with odl(database) as client:
        network = await client.send("networks", "network")
        limit, mark = str(uuid.uuid4()), str(uuid.uuid4())
        rules = {
            "bandwidth_limit_rules": [
                {"id": limit, "tenant_id": "t", "max_kbps": 25000, "max_burst_kbps": 100, "direction": None}
            ],
            "dscp_marking_rules": [{"id": mark, "tenant_id": "t", "dscp_mark": 8}],
            "minimum_bandwidth_rules": [],
        }
        policy = await client.send("qos/policies", "policy", name="p", tenant_id="t", rules=[], **rules)
        await client.send("qos/policies", "policy", id=policy, name="p", tenant_id="t", **rules)
        shown = (await client.call(f"GET {BASE}/qos/policies/{policy}")).body["policy"]
        assert [rule["max_kbps"] for rule in shown["bandwidth_limit_rules"]] == [25000]
        assert [rule["dscp_mark"] for rule in shown["dscp_marking_rules"]] == [8]
        plain = (await client.api.call(f"GET /v2.0/qos/policies/{policy}")).body["policy"]
        assert {(rule["id"], rule["type"]) for rule in plain["rules"]} == {
            (limit, "bandwidth_limit"),
            (mark, "dscp_marking"),
        }
        assert "bandwidth_limit_rules" not in plain

        other = str(uuid.uuid4())
        line = f"PUT {BASE}/qos/policies/{policy}"
        replaced = {"bandwidth_limit_rules": [{"id": other, "max_kbps": 500, "direction": "egress"}]}
        changed = await client.call(line, {"policy": {**shown, **replaced}})
        assert changed.status == 200, changed
        assert [r["id"] for r in changed.body["policy"]["bandwidth_limit_rules"]] == [other]
        assert [r["id"] for r in changed.body["policy"]["dscp_marking_rules"]] == [mark]
        emptied = await client.call(line, {"policy": {"dscp_marking_rules": []}})
        assert emptied.body["policy"]["dscp_marking_rules"] == []
        assert [r["id"] for r in emptied.body["policy"]["bandwidth_limit_rules"]] == [other]

        for wrong, named in (
            ({"bandwidth_limit_rules": [{"id": other, "max_kbps": 0}]}, "max_kbps"),
            ({"bandwidth_limit_rules": [{"max_kbps": 5}]}, "bandwidth_limit_rules"),
            ({"bandwidth_limit_rules": 5}, "bandwidth_limit_rules"),
            ({"dscp_marking_rules": [{"id": mark, "dscp_mark": 7}]}, "dscp_mark"),
            ({"minimum_bandwidth_rules": [{"id": mark, "min_kbps": 5}]}, "minimum_bandwidth_rules"),
        ):
            refused = await client.call(line, {"policy": wrong})
            assert refused.status == 400, refused
            assert f"Invalid input for {named}" in refused.body["NeutronError"]["message"]
        told = {"qos_policy_id": policy}
        assert (await client.call(f"PUT {BASE}/networks/{network}", {"network": told})).status == 200
        assert (await client.call(f"DELETE {BASE}/qos/policies/{policy}")).status == 409
        assert (await client.call(f"DELETE {BASE}/networks/{network}")).status == 204
        assert (await client.call(f"DELETE {BASE}/qos/policies/{policy}")).status == 204
        assert (await client.api.call(f"GET /v2.0/qos/policies/{policy}")).status == 404


async def test_metering_as_neutron_has_it(database: OvsdbServer) -> None:
    async with odl(database) as client:
        label = await client.send("metering/metering-labels", "metering_label", name="out", tenant_id="t")
        values = {"metering_label_id": label, "direction": "egress", "remote_ip_prefix": "10.0.0.0/24"}
        rules = "metering/metering-label-rules"
        rule = await client.send(rules, "metering_label_rule", excluded=False, **values)
        for path, id in ((rules, rule), ("metering/metering-labels", label)):
            assert (await client.call(f"GET {BASE}/{path}/{id}")).status == 200
            assert (await client.call(f"DELETE {BASE}/{path}/{id}")).status == 204
            assert (await client.api.call(f"GET /v2.0/{path}/{id}")).status == 404


async def test_a_trunk_s_put_bears_its_sub_ports(database: OvsdbServer) -> None:
    async with odl(database) as client:
        network = await client.send("networks", "network")
        parent, *ports = [await client.send("ports", "port", network_id=network) for _ in range(4)]

        def carried(*pairs: tuple[int, int]) -> list[dict[str, Any]]:
            named = [{"port_id": ports[index], "segmentation_id": vlan} for index, vlan in pairs]
            return [{**one, "segmentation_type": "vlan", "trunk_id": CANARY} for one in named]

        def of(body: dict[str, Any]) -> list[tuple[int, int]]:
            return sorted((ports.index(s["port_id"]), s["segmentation_id"]) for s in body["sub_ports"])

        whole = {"port_id": parent, "tenant_id": "t", "name": "up", "sub_ports": carried((0, 10), (1, 11))}
        trunk = await client.send("trunks", "trunk", **whole)
        await client.send("trunks", "trunk", id=trunk, **whole)
        line = f"{BASE}/trunks/{trunk}"
        before = (await client.call(f"GET {line}")).body["trunk"]
        assert of(before) == [(0, 10), (1, 11)]
        assert (await client.call(f"PUT {line}", {"trunk": before})).body["trunk"] == before
        put = {**before, "sub_ports": carried((1, 10), (2, 12))}
        changed = (await client.call(f"PUT {line}", {"trunk": put})).body["trunk"]
        assert of(changed) == [(1, 10), (2, 12)]
        free = (await client.api.call(f"GET /v2.0/ports/{ports[0]}")).body["port"]
        assert free["device_owner"] == ""
        for wrong, status in (
            (carried((1, 10), (2, 10)), 409),
            (carried((0, 4095)), 400),
            ([{"port_id": parent, "segmentation_type": "vlan", "segmentation_id": 9}], 409),
            ([{"port_id": CANARY, "segmentation_type": "vlan", "segmentation_id": 9}], 442),
        ):
            refused = await client.call(f"PUT {line}", {"trunk": {"sub_ports": wrong}})
            assert refused.status == status, refused
        assert of((await client.call(f"GET {line}")).body["trunk"]) == [(1, 10), (2, 12)]
        assert (await client.call(f"DELETE {BASE}/ports/{parent}")).status == 409
        assert (await client.call(f"DELETE {line}")).status == 204
        assert (await client.call(f"DELETE {BASE}/ports/{parent}")).status == 204


async def test_tap_flows_are_below_their_service(database: OvsdbServer) -> None:
    async with odl(database) as client:
        network = await client.send("networks", "network", tenant_id="t")
        port, source, other = [
            await client.send("ports", "port", network_id=network, tenant_id="t") for _ in range(3)
        ]
        service = await client.send("tap/services", "tap_service", name="s", tenant_id="t", port_id=port)
        await client.send("tap/services", "tap_service", id=service, name="s", tenant_id="t", port_id=port)
        flows = f"tap/flows/{service}/flows"
        values = {"name": "f", "tenant_id": "t", "source_port": source, "direction": "BOTH"}
        flow = await client.send(flows, "tap_flow", **values)
        await client.send(flows, "tap_flow", id=flow, tap_service_id=service, **values)
        for path in (flows, "tap/flows"):
            listed = (await client.call(f"GET {BASE}/{path}")).body["tap_flows"]
            assert [(row["id"], row["tap_service_id"]) for row in listed] == [(flow, service)]
        renamed = await client.call(f"PUT {BASE}/{flows}/{flow}", {"tap_flow": {**values, "name": "g"}})
        assert renamed.body["tap_flow"]["name"] == "g"
        assert (await client.api.call(f"GET /v2.0/taas/tap_flows/{flow}")).body["tap_flow"]["name"] == "g"
        moved = await client.call(f"PUT {BASE}/{flows}/{flow}", {"tap_flow": {"source_port": other}})
        assert moved.status == 400
        elsewhere = {**values, "source_port": other, "tap_service_id": CANARY}
        refused = await client.call(f"POST {BASE}/{flows}", {"tap_flow": elsewhere})
        assert refused.status == 400
        assert "tap_service_id" in refused.body["NeutronError"]["message"]
        assert (await client.call(f"GET {BASE}/tap/flows/{CANARY}/flows/{flow}")).status == 404
        itself = await client.call(f"POST {BASE}/{flows}", {"tap_flow": {**values, "source_port": port}})
        assert itself.status == 400
        assert (await client.call(f"DELETE {BASE}/{flows}/{flow}")).status == 204
        assert (await client.call(f"DELETE {BASE}/tap/services/{service}")).status == 204
