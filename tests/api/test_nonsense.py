"""Thousands of requests that make little sense: each is answered, none with a 5xx, errors in one shape."""

import random
from typing import Any
from urllib.parse import quote

from sealane.api.app import KINDS
from sealane.api.attributes import REQUIRED, Kind
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

SEED, CASES = 20260101, 2500
UNKNOWN = "00000000-0000-4000-8000-000000000000"
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 4, 6, 1500, 2**31, 2**63, 2**70, 1.5, -0.0, 1e300),
    *(
        "",
        "x",
        "x" * 255,
        "x" * 256,
        "é" * 255,
        "🦊",
        "a\0b",
        "\x7f",
        "%00",
        "../..",
        "'; --",
        "true",
        "null",
        "4",
    ),
    *(
        UNKNOWN,
        UNKNOWN.replace("-", ""),
        "10.0.0.9",
        "10.0.0.0",
        "10.0.0.255",
        "fd00::9",
        "::",
        "fe80::1%eth0",
    ),
    *("10.0.0.0/24", "10.0.0.0/8", "10.9.0.0/30", "10.9.0.0/31", "10.9.0.0/32", "0.0.0.0/0", "10.0.0.1/24"),
    *("fd00::/64", "fd00::/128", "ff00::/8", "::ffff:10.0.0.0/104", "1.2.3", "01.2.3.4", "1.2.3.4/33", "/"),
    *("fa:16:3e:00:00:01", "FA-16-3E-00-00-02", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "fa:16:3e"),
    *(
        [],
        {},
        [[]],
        [{}],
        [None],
        ["x"],
        ["x", "x"],
        [1],
        {"": ""},
        {"a": {"b": [1, {"c": None}]}},
        [["x"] * 300],
    ),
    *([{"ip_address": "10.0.0.9"}], [{"ip_address": 7}], [{"ip_address": "fd00::7", "subnet_id": UNKNOWN}]),
    *([{"subnet_id": UNKNOWN}], [{"start": "10.0.0.5", "end": "10.0.0.9"}], [{"start": "x", "end": None}]),
    *([{"destination": "10.0.0.0/24", "nexthop": "10.0.0.1"}], [{"destination": 1, "nexthop": 2}]),
    *([{"ip_address": "10.0.0.0/24", "mac_address": "fa:16:3e:00:00:09"}], ["10.0.0.1"], ["fd00::1", "::1"]),
]


class Nonsense:
    """Requests from a seed, about resources that exist and about others."""

    def __init__(self, ids: dict[str, str]) -> None:
        self.chance = random.Random(SEED)
        self.ids = ids

    def values(self, kind: Kind) -> dict[str, Any]:
        """The required attributes, usually right, and some others, usually wrong."""
        given: dict[str, Any] = {}
        for attribute in kind.attributes:
            if attribute.default is REQUIRED and self.chance.random() < 0.9:
                right = {
                    "network_id": self.ids["network"],
                    "port_id": self.ids["port"],
                    "floating_network_id": self.ids["external"],
                    "cidr": f"10.{self.chance.randrange(256)}.0.0/24",
                    "security_group_id": self.ids["security_group"],
                    "direction": "ingress",
                    "ip_version": self.chance.choice([4, 6]),
                    "name": "low",
                    "prefixes": [f"10.{self.chance.randrange(256)}.0.0/16"],
                    "object_type": "network",
                    "resource_type": "security_group",
                    "object_id": self.ids["network"],
                    "action": "access_as_shared",
                    **dict.fromkeys(("port_id", "source_port"), self.ids["port"]),
                    "tap_service_id": self.ids["tap_service"],
                    "metering_label_id": self.ids["metering_label"],
                    "target_tenant": f"p{self.chance.randrange(99)}",
                    "remote_ip": f"198.51.100.{self.chance.randrange(256)}",
                    "mirror_type": "gre",
                    "directions": {"IN": self.chance.randrange(256)},
                }
                given[attribute.name] = right[attribute.name]
        names = [*kind.by_name, "colour", "", "tenant_id"]
        for name in self.chance.sample(names, self.chance.randrange(4)):
            given[name] = self.chance.choice([*VALUES, *self.ids.values()])
        return given

    def body(self, kind: Kind) -> Any:
        one = self.values(kind)
        many = [self.values(kind) for _ in range(self.chance.randrange(3))]
        usual = {kind.singular: one}
        return self.chance.choice(
            [usual, usual, usual, {kind.plural: many}, {kind.singular: self.chance.choice(VALUES)}, many]
        )

    def query(self, kind: Kind) -> str:
        names = [
            *kind.by_name,
            "limit",
            "marker",
            "sort_key",
            "sort_dir",
            "page_reverse",
            "fields",
            "tags",
            "not-tags",
        ]
        values = [str(value) for value in (*VALUES, "name", "asc", 2)]
        count = self.chance.randrange(4)
        pairs = (
            f"{quote(self.chance.choice(names))}={quote(self.chance.choice(values))}" for _ in range(count)
        )
        return "&".join(pairs)

    def request(self) -> tuple[str, Any]:
        kind = self.chance.choice(KINDS)
        id = quote(str(self.chance.choice([self.ids[kind.singular], UNKNOWN, "x", "%", "ä"])), safe="")
        tag = quote(str(self.chance.choice(["x", "a,b", "ä", "x" * 300])), safe="")
        path = f"/v2.0/{kind.path}"
        return self.chance.choice(
            [
                (f"GET {path}?{self.query(kind)}", None),
                (f"POST {path}", self.body(kind)),
                (f"POST {path}", self.body(kind)),
                (f"PUT {path}/{id}", self.body(kind)),
                (f"PUT {path}/{id}/tags", {"tags": self.chance.choice(VALUES)}),
                (f"{self.chance.choice(['GET', 'PUT', 'DELETE'])} {path}/{id}/tags/{tag}", None),
                (f"DELETE {path}/{id}/tags", None),
                (f"DELETE {path}/{UNKNOWN}", None),
            ]
        )


async def _furnish(api: Live) -> dict[str, str]:
    network = await api.make("network")
    subnet = await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24")
    port = await api.make("port", network_id=network["id"])
    group = await api.make("security_group", name="web")
    rule = await api.make("security_group_rule", security_group_id=group["id"], direction="ingress")
    addresses = await api.make("address_group")
    log = await api.make("log", resource_type="security_group")
    parent = await api.make("port", network_id=network["id"])
    trunk = await api.make("trunk", port_id=parent["id"])
    qos = await api.make("policy", name="slow")
    scope = await api.make("address_scope", ip_version=4)
    pool = await api.make("subnetpool", name="low", prefixes=["10.64.0.0/16"])
    sink = await api.make("port", network_id=network["id"])
    tap = await api.make("tap_service", port_id=sink["id"])
    tapped = {"tap_service_id": tap["id"], "source_port": port["id"], "direction": "IN"}
    flow = await api.make("tap_flow", **tapped)
    there = {"remote_ip": "198.51.100.9", "mirror_type": "gre", "directions": {"IN": 7}}
    mirror = await api.make("tap_mirror", port_id=port["id"], **there)
    label = await api.make("metering_label", name="all")
    metered = {"metering_label_id": label["id"], "source_ip_prefix": "10.0.0.0/24"}
    meter = await api.make("metering_label_rule", **metered)
    router = await api.make("router")
    external = await api.make("network", **{"router:external": True})
    await api.make("subnet", network_id=external["id"], cidr="203.0.113.0/24")
    floating = await api.make("floatingip", floating_network_id=external["id"])
    shares = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
    policy = (
        await api.call("POST /v2.0/rbac-policies", {"rbac_policy": {**shares, "target_tenant": "x"}})
    ).body
    return {
        "external": external["id"],
        "floatingip": floating["id"],
        "router": router["id"],
        "rbac_policy": policy["rbac_policy"]["id"],
        "network": network["id"],
        "subnet": subnet["id"],
        "port": port["id"],
        "security_group": group["id"],
        "security_group_rule": rule["id"],
        "address_group": addresses["id"],
        "policy": qos["id"],
        "log": log["id"],
        "subnetpool": pool["id"],
        "address_scope": scope["id"],
        "trunk": trunk["id"],
        "tap_service": tap["id"],
        "tap_flow": flow["id"],
        "tap_mirror": mirror["id"],
        "metering_label": label["id"],
        "metering_label_rule": meter["id"],
    }


async def test_nonsense_is_refused_and_never_breaks_anything(database: OvsdbServer) -> None:
    async with live(database) as api:
        nonsense = Nonsense(await _furnish(api))
        met: dict[int, int] = {}
        for _ in range(CASES):
            line, body = nonsense.request()
            found = await api.call(line, body)
            met[found.status] = met.get(found.status, 0) + 1
            assert found.status < 500, (line, body, found)
            if found.status >= 400:
                assert found.error
        assert {200, 201, 204, 400, 404} <= set(met), met
        for kind in KINDS:
            assert (await api.call(f"GET /v2.0/{kind.path}")).status == 200
