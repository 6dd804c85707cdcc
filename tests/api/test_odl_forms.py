"""Each collection that OpenDaylight's Neutron northbound had: one and many, status codes, and who is let in.

The paths are those of its classes (northbound-api, @Path).
"""

import uuid
from typing import Any

import pytest

from tests.api.test_odl import BASE, CANARY, Odl, odl
from tests.daemons import OvsdbServer

SIMPLE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "networks": ("network", "networks", {"name": "n"}),
    "subnets": ("subnet", "subnets", {"network_id": "@network", "ip_version": 4}),
    "ports": ("port", "ports", {"network_id": "@network"}),
    "routers": ("router", "routers", {"name": "r"}),
    "floatingips": ("floatingip", "floatingips", {"floating_network_id": "@world"}),
    "security-groups": ("security_group", "security_groups", {"name": "g"}),
    "security-group-rules": ("security_group_rule", "security_group_rules", {"security_group_id": "@group"}),
    "qos/policies": ("policy", "policies", {"name": "p"}),
    "trunks": ("trunk", "trunks", {"port_id": "@free"}),
    "tap/services": ("tap_service", "tap_services", {"port_id": "@port"}),
    "metering/metering-labels": ("metering_label", "metering_labels", {"name": "l"}),
    "metering/metering-label-rules": (
        "metering_label_rule",
        "metering_label_rules",
        {"metering_label_id": "@label", "direction": "egress"},
    ),
}
"""Path -> singular, plural and what is needed; load balancers are in test_odl_balancers.py."""
BALANCING = tuple(f"lbaas/{name}" for name in ("loadbalancers", "listeners", "pools", "healthmonitors"))
UNSERVED = (
    *("fw/firewalls", "fw/firewall_policies", "fw/firewall_rules"),
    *("vpn/vpnservices", "vpn/ikepolicies", "vpn/ipsecpolicies", "vpn/ipsecsiteconnections"),
    *("sfc/flowclassifiers", "sfc/portchains", "sfc/portpairs", "sfc/portpairgroups"),
    *("l2-gateways", "l2gateway-connections"),
    *("bgpvpns", "bgpvpn/networkassociations", "bgpvpn/routerassociations"),
)
REFERS = ("network_id", "security_group_id", "metering_label_id", "port_id", "floating_network_id")
CONSTANT = frozenset({"metering/metering-labels", "metering/metering-label-rules", "security-group-rules"})
"""Nothing of them can be changed but a description; so a PUT says what they are."""


class Yard:
    """Ids of what others need, and values for each new one."""

    def __init__(self, client: Odl) -> None:
        self.client = client
        self._ids: dict[str, str] = {}
        self._number = 0

    async def furnish(self) -> None:
        send = self.client.send
        self._ids["network"] = network = await send("networks", "network")
        self._ids["world"] = world = await send("networks", "network", **{"router:external": True})
        await send("subnets", "subnet", network_id=world, cidr="203.0.113.0/24", ip_version=4)
        self._ids["port"] = await send("ports", "port", network_id=network)
        self._ids["group"] = await send("security-groups", "security_group", name="g")
        self._ids["label"] = await send("metering/metering-labels", "metering_label", name="l")

    async def values(self, path: str) -> dict[str, Any]:
        self._number += 1
        number, (_, _, given) = self._number, SIMPLE[path]
        if "@free" in given.values():
            self._ids["free"] = await self.client.send("ports", "port", network_id=self._ids["network"])
        filled = {k: self._ids[v[1:]] if str(v).startswith("@") else v for k, v in given.items()}
        own = {
            "subnets": {"cidr": f"10.{number}.0.0/24"},
            "security-group-rules": {
                "direction": "ingress",
                "protocol": "tcp",
                "ethertype": "IPv4",
                "port_range_min": number,
                "port_range_max": number,
            },
            "metering/metering-label-rules": {"remote_ip_prefix": f"10.{number}.0.0/24"},
        }
        project = {} if "port_id" in filled else {"tenant_id": "t"}
        return {"id": str(uuid.uuid4()), **project, **filled, **own.get(path, {})}


@pytest.mark.parametrize("path", SIMPLE)
async def test_one_and_many_and_their_status_codes(database: OvsdbServer, path: str) -> None:
    singular, plural, _ = SIMPLE[path]
    async with odl(database) as client:
        yard = Yard(client)
        await yard.furnish()
        base, one = f"{BASE}/{path}", await yard.values(path)
        two = [await yard.values(path) for _ in range(2)]
        made = await client.call(f"POST {base}", {singular: one})
        assert (made.status, made.body.keys()) == (201, {singular}), made
        many = await client.call(f"POST {base}", {plural: two})
        assert (many.status, many.body.keys()) == (201, {plural}), many
        ids = {one["id"], *(body["id"] for body in two)}
        listed = await client.call(f"GET {base}")
        assert (listed.status, listed.body.keys()) == (200, {plural})
        assert ids <= {row["id"] for row in listed.body[plural]}
        shown = await client.call(f"GET {base}/{one['id']}?fields=id")
        assert (shown.status, shown.body) == (200, {singular: {"id": one["id"]}})
        await _changed(client, path, one)
        for line, body, status in (
            (f"POST {base}", {plural: []}, 400),
            (f"POST {base}", {"nonsense": one}, 400),
            (f"PUT {base}/{one['id']}", {plural: [one]}, 400),
            (f"PUT {base}/{CANARY}", {singular: {**one, "id": CANARY}}, 404),
            (f"GET {base}/{CANARY}", None, 404),
            (f"DELETE {base}/{CANARY}", None, 404),
        ):
            answer = await client.call(line, body)
            assert answer.status == status, (line, answer)
        lost = {key: CANARY if key in REFERS else value for key, value in (await yard.values(path)).items()}
        if CANARY in lost.values():
            answer = await client.call(f"POST {base}", {singular: lost})
            assert answer.status == 442, answer
        for id in ids:
            assert (await client.call(f"DELETE {base}/{id}")).status == 204
            assert (await client.call(f"GET {base}/{id}")).status == 404


async def _changed(client: Odl, path: str, one: dict[str, Any]) -> None:
    """By a PUT of the whole resource."""
    singular, line = SIMPLE[path][0], f"PUT {BASE}/{path}/{one['id']}"
    name = {} if path in CONSTANT else {"name" if path != "floatingips" else "description": "new"}
    whole = (await client.call(f"GET {BASE}/{path}/{one['id']}")).body[singular]
    answer = await client.call(line, {singular: {**whole, **name}})
    assert answer.status == 200, answer
    assert {key: answer.body[singular][key] for key in name} == name


async def test_what_is_not_served_is_a_501_in_every_form(database: OvsdbServer) -> None:
    async with odl(database) as client:
        for path in UNSERVED:
            for line in (
                f"GET {path}",
                f"POST {path}",
                *(f"{v} {path}/{CANARY}" for v in ("GET", "PUT", "DELETE")),
            ):
                verb, _, below = line.partition(" ")
                body = {} if verb in ("POST", "PUT") else None
                answer = await client.call(f"{verb} {BASE}/{below}", body)
                assert (answer.status, answer.error) == (501, "NotImplemented"), line
                assert (await client.call(f"{verb} {BASE}/{below}", body, auth=None)).status == 401, line


async def test_each_collection_wants_basic_authentication(database: OvsdbServer) -> None:
    async with odl(database) as client:
        for path in (*SIMPLE, *BALANCING):
            for auth in (None, "Basic nonsense"):
                answer = await client.call(f"GET {BASE}/{path}", auth=auth)
                assert answer.status == 401, path
                assert answer.headers["WWW-Authenticate"] == 'Basic realm="opendaylight"'
            assert (await client.call(f"GET {BASE}/{path}")).status == 200, path
