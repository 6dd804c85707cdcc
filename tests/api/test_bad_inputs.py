"""What can't work is refused in the API's own words that name the field, and nothing is half done."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sealane.api import octavia
from sealane.api.app import KINDS
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

BALANCED = [f"lbaas/{kind.singular}s" for kind in octavia.KINDS if kind.singular != "member"]
EVERYTHING = [*(kind.path for kind in KINDS), *BALANCED, "quotas"]


@dataclass
class Place:
    """A network with a machine, a load balancer, a policy, a trunk and a tap in it."""

    api: Live
    ids: dict[str, str] = field(default_factory=dict)

    async def make(self, name: str, path: str, kind: str, /, **values: Any) -> None:
        made = await self.api.call(f"POST /v2.0/{path}", {kind: values})
        assert made.status == 201, made
        self.ids[name] = made.body[kind]["id"]

    async def furnish(self) -> None:
        await self.make("network", "networks", "network", project_id="mine")
        inside = {"network_id": self.ids["network"]}
        await self.make("subnet", "subnets", "subnet", cidr="10.0.0.0/24", **inside)
        machine = [{"ip_address": "10.0.0.5"}]
        await self.make("port", "ports", "port", fixed_ips=machine, **inside)
        for name in ("parent", "child", "other", "watching"):
            await self.make(name, "ports", "port", **inside)
        vip = {"vip_subnet_id": self.ids["subnet"]}
        await self.make("balancer", "lbaas/loadbalancers", "loadbalancer", **vip)
        of = {"loadbalancer_id": self.ids["balancer"]}
        await self.make("listener", "lbaas/listeners", "listener", protocol="TCP", protocol_port=80, **of)
        for protocol in ("TCP", "UDP", "SCTP"):
            pool = {"protocol": protocol, "lb_algorithm": "SOURCE_IP_PORT", **of}
            await self.make(protocol, "lbaas/pools", "pool", **pool)
        member = {"address": "10.0.0.9", "protocol_port": 80}
        await self.make("member", f"lbaas/pools/{self.ids['TCP']}/members", "member", **member)
        await self.make("policy", "qos/policies", "policy", name="p")
        limits = f"qos/policies/{self.ids['policy']}/bandwidth_limit_rules"
        await self.make("limit", limits, "bandwidth_limit_rule", max_kbps=1000)
        marks = f"qos/policies/{self.ids['policy']}/dscp_marking_rules"
        await self.make("mark", marks, "dscp_marking_rule", dscp_mark=46)
        place = {"port_id": self.ids["child"], "segmentation_type": "vlan", "segmentation_id": 7}
        await self.make("trunk", "trunks", "trunk", port_id=self.ids["parent"], sub_ports=[place])
        await self.make("second trunk", "trunks", "trunk", port_id=self.ids["other"])
        await self.make("tap", "taas/tap_services", "tap_service", port_id=self.ids["watching"])

    def filled(self, value: Any) -> Any:
        """@NAME is the id of what is called so."""
        if isinstance(value, dict):
            return {key: self.filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        return self.ids[value[1:]] if isinstance(value, str) and value.startswith("@") else value

    async def dump(self) -> dict[str, Any]:
        """All that there is, and the number of its last change."""
        found = {path: (await self.api.call(f"GET /v2.0/{path}")).body for path in EVERYTHING}
        assert all(isinstance(body, dict) for body in found.values())
        changes = await self.api.call("GET /v2.0/sealane/changes?after=0")
        return {**found, "sequence": changes.body["sequence"]}


@asynccontextmanager
async def place(database: OvsdbServer) -> AsyncIterator[Place]:
    async with live(database) as api:
        there = Place(api)
        await there.furnish()
        yield there


POOL = {"protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"}
LISTENER = {"loadbalancer_id": "@balancer", "protocol": "TCP", "protocol_port": 81}
MEMBER = {"address": "10.0.0.5", "protocol_port": 80}
WATCH = {"pool_id": "@TCP", "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2}
CARRIED = {"segmentation_type": "vlan", "segmentation_id": 8}
# what is asked for, its status, and what the answer says: the field, or what is in the way
BALANCING: dict[str, tuple[str, str, Any, int, str]] = {
    "a pool of nothing": ("pools", "pool", POOL, 400, "listener_id"),
    "a member outside of every network": (
        "pools/@TCP/members",
        "member",
        {**MEMBER, "address": "192.0.2.1"},
        400,
        "address",
    ),
    **{
        f"a weight of {weight}": ("pools/@TCP/members", "member", {**MEMBER, "weight": weight}, 400, "weight")
        for weight in (-1, 257, "heavy")
    },
    **{
        f"a member at port {port}": (
            "pools/@TCP/members",
            "member",
            {**MEMBER, "protocol_port": port},
            400,
            "protocol_port",
        )
        for port in (0, 65536, "http")
    },
    **{
        f"a listener at port {port}": (
            "listeners",
            "listener",
            {**LISTENER, "protocol_port": port},
            400,
            "protocol_port",
        )
        for port in (0, 65536, "http")
    },
    "two listeners at one port": ("listeners", "listener", {**LISTENER, "protocol_port": 80}, 409, "80"),
    "health of another protocol": (
        "healthmonitors",
        "healthmonitor",
        {**WATCH, "pool_id": "@UDP"},
        400,
        "type",
    ),
    "health by nothing": ("healthmonitors", "healthmonitor", {**WATCH, "pool_id": "@SCTP"}, 400, "type"),
    "health of who has no port": ("healthmonitors", "healthmonitor", WATCH, 400, "10.0.0.9"),
    "health that is asked for too late": (
        "healthmonitors",
        "healthmonitor",
        {**WATCH, "pool_id": "@UDP", "type": "UDP-CONNECT", "timeout": 9},
        400,
        "timeout",
    ),
}
NETWORKING: dict[str, tuple[str, str, Any, int, str]] = {
    "a limit twice": (
        "POST qos/policies/@policy/bandwidth_limit_rules",
        "bandwidth_limit_rule",
        {"max_kbps": 5},
        409,
        "@limit",
    ),
    "a mark twice": (
        "POST qos/policies/@policy/dscp_marking_rules",
        "dscp_marking_rule",
        {"dscp_mark": 8},
        409,
        "@mark",
    ),
    "a trunk in a trunk": (
        "PUT trunks/@trunk/add_subports",
        "sub_ports",
        [{"port_id": "@other", **CARRIED}],
        409,
        "@other",
    ),
    "a trunk in itself": (
        "PUT trunks/@trunk/add_subports",
        "sub_ports",
        [{"port_id": "@parent", **CARRIED}],
        409,
        "@parent",
    ),
    "a trunk of what a trunk carries": ("POST trunks", "trunk", {"port_id": "@child"}, 409, "@child"),
    "one good and one bad of a trunk": (
        "PUT trunks/@trunk/add_subports",
        "sub_ports",
        [{"port_id": "@port", **CARRIED}, {"port_id": "@other", **CARRIED, "segmentation_id": 9}],
        409,
        "@other",
    ),
    "a mirror of itself": (
        "POST taas/tap_flows",
        "tap_flow",
        {"tap_service_id": "@tap", "source_port": "@watching", "direction": "BOTH"},
        400,
        "source_port",
    ),
    "a quota below what is used": ("PUT quotas/default", "quota", {"port": 1}, 400, "port"),
    "two quotas of which one is too low": (
        "PUT quotas/default",
        "quota",
        {"network": 9, "port": 1},
        400,
        "port",
    ),
}


async def test_octavia_s(database: OvsdbServer) -> None:
    async with place(database) as there:
        before, wrong = await there.dump(), []
        for name, (path, kind, values, status, said) in BALANCING.items():
            for base in ("/v2.0/lbaas", "/v2/lbaas"):
                line = f"POST {base}/{_path(there, path)}"
                found = await there.api.call(line, {kind: there.filled(values)})
                body = found.body
                if found.status != status or said not in body.get("faultstring", ""):
                    wrong.append(f"{name}: {found.status} {body}")
                elif body.keys() != {"faultcode", "faultstring", "debuginfo"}:
                    wrong.append(f"{name}: of another shape: {body}")
        assert not wrong, "\n".join(wrong)
        assert await there.dump() == before, "nothing half done"


async def test_neutron_s(database: OvsdbServer) -> None:
    async with place(database) as there:
        before, wrong = await there.dump(), []
        for name, (line, kind, values, status, said) in NETWORKING.items():
            verb, _, path = line.partition(" ")
            line = f"{verb} /v2.0/{_path(there, path)}"
            found = await there.api.call(line, {kind: there.filled(values)})
            if found.status != status or not found.error:
                wrong.append(f"{name}: {found.status} {found.body}")
            elif there.filled(said) not in found.body["NeutronError"]["message"]:
                wrong.append(f"{name}: does not say {said}: {found.body}")
        assert not wrong, "\n".join(wrong)
        assert await there.dump() == before, "nothing half done"


def _path(there: Place, path: str) -> str:
    return "/".join(str(there.filled(part)) for part in path.split("/"))
