"""`If-Match: revision_number=N` of each kind (Neutron's extension revision-if-match): nothing of an old
revision is changed or deleted, also where the answer shows no number."""

from collections.abc import Awaitable, Callable
from typing import Any

from sealane.api.app import KINDS
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

STALE = {"If-Match": "revision_number=99"}
Ids = dict[str, str]


async def every_kind(api: Live) -> Ids:
    """Path of a row -> its kind's name; each after what it needs."""
    made: Ids = {}

    async def make(kind: str, path: str, **values: Any) -> str:
        answer = await api.call(f"POST /v2.0/{path}", {kind: values})
        assert answer.status == 201, (path, answer)
        found = str(answer.body[kind]["id"])
        made[f"/v2.0/{path}/{found}"] = kind
        return found

    place = {"provider:network_type": "flat", "provider:physical_network": "lan"}
    world = await make("network", "networks", **{"router:external": True})
    lan = await make("network", "networks", **place)
    await make("segment", "segments", network_id=lan, network_type="flat", physical_network="dc")
    inside = await make("network", "networks")
    outer = await make("subnet", "subnets", network_id=world, cidr="203.0.113.0/24")
    subnet = await make("subnet", "subnets", network_id=inside, cidr="10.0.0.0/24")
    port = await make("port", "ports", network_id=inside)
    other = await make("port", "ports", network_id=inside, fixed_ips=[{"ip_address": "10.0.0.9"}])
    router = await make("router", "routers", external_gateway_info={"network_id": world})
    body = {"subnet_id": subnet}
    assert (await api.call(f"PUT /v2.0/routers/{router}/add_router_interface", body)).status == 200
    group = await make("security_group", "security-groups", name="g")
    await make("security_group_rule", "security-group-rules", security_group_id=group, direction="ingress")
    await make("address_group", "address-groups")
    scope = await make("address_scope", "address-scopes", ip_version=4)
    await make("subnetpool", "subnetpools", name="p", prefixes=["10.0.0.0/8"], address_scope_id=scope)
    slow = await make("policy", "qos/policies", name="p")
    await make("bandwidth_limit_rule", f"qos/policies/{slow}/bandwidth_limit_rules", max_kbps=9)
    await make("dscp_marking_rule", f"qos/policies/{slow}/dscp_marking_rules", dscp_mark=46)
    await make("log", "log/logs", resource_type="security_group")
    await make("trunk", "trunks", port_id=other)
    tap = await make("tap_service", "taas/tap_services", port_id=port)
    await make("tap_flow", "taas/tap_flows", tap_service_id=tap, source_port=other, direction="BOTH")
    mirrored = {"remote_ip": "192.0.2.9", "mirror_type": "gre", "directions": {"IN": 7}}
    await make("tap_mirror", "taas/tap_mirrors", port_id=other, **mirrored)
    label = await make("metering_label", "metering/metering-labels")
    await make(
        "metering_label_rule",
        "metering/metering-label-rules",
        source_ip_prefix="10.0.0.0/8",
        metering_label_id=label,
    )
    shared = {"object_type": "network", "object_id": inside, "target_tenant": "t"}
    await make("rbac_policy", "rbac-policies", action="access_as_shared", **shared)
    floating = await make("floatingip", "floatingips", floating_network_id=world, subnet_id=outer)
    ends = {"external_port": 80, "internal_port": 80, "internal_port_id": port, "protocol": "tcp"}
    await make("port_forwarding", f"floatingips/{floating}/port_forwardings", **ends)
    await balancing(make, subnet)
    return made


async def balancing(make: Callable[..., Awaitable[str]], subnet: str) -> None:
    balancer = await make("loadbalancer", "lbaas/loadbalancers", vip_subnet_id=subnet)
    where = {"loadbalancer_id": balancer, "protocol": "TCP"}
    pool = await make("pool", "lbaas/pools", lb_algorithm="SOURCE_IP_PORT", **where)
    await make("listener", "lbaas/listeners", protocol_port=80, default_pool_id=pool, **where)
    await make("member", f"lbaas/pools/{pool}/members", address="10.0.0.9", protocol_port=80)
    times = {"delay": 5, "timeout": 2, "max_retries": 2, "max_retries_down": 2}
    await make("healthmonitor", "lbaas/healthmonitors", pool_id=pool, type="TCP", **times)


async def test_nothing_of_an_old_revision_is_changed(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await every_kind(api)
        assert {kind.singular for kind in KINDS} <= set(made.values()), "every kind"
        for path, kind in made.items():
            before = (await api.call(f"GET {path}")).body
            for line, body in ((f"PUT {path}", {kind: {}}), (f"DELETE {path}", None)):
                refused = await api.call(line, body, headers=STALE)
                assert refused.status in ({405} if line.startswith("PUT") else set()) | {412}, (line, refused)
            assert (await api.call(f"GET {path}")).body == before
        router = next(path for path, kind in made.items() if kind == "router")
        subnet = [path.rpartition("/")[2] for path, kind in made.items() if kind == "subnet"][1]
        for path, kind in reversed(made.items()):
            if kind == "router":
                body = {"subnet_id": subnet}
                assert (await api.call(f"PUT {router}/remove_router_interface", body)).status == 200
            shown = (await api.call(f"GET {path}")).body[kind].get("revision_number")
            now = {"If-Match": f"revision_number={shown}"} if shown is not None else {}
            gone = await api.call(f"DELETE {path}", headers=now)
            assert gone.status in (200, 204), (path, gone)
