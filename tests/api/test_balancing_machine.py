"""Load balancers with all that belongs to them, and policies of quality of service, called in any order, each
against a small model.

Of three addresses in the network two are machines' and one is nobody's, so that it can't be asked for its
health; numbers of ports and protocols are few, so that they are soon taken.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors
from sealane.cli.api import Api
from tests.api.any_order import NOTHING, AnyOrder, Sight, host, run
from tests.api.test_server import Host

__all__ = ["host"]
VIP = "10.0.0.2"
MACHINES, NOBODY = ("10.0.0.5", "10.0.0.6"), "10.0.0.7"
ADDRESSES = st.sampled_from((*MACHINES, NOBODY, VIP, "192.0.2.1"))
PROTOCOLS = st.sampled_from(("TCP", "UDP", "SCTP"))
MONITORS = {"TCP": "TCP", "UDP": "UDP-CONNECT"}
NUMBERS = st.integers(80, 81)
Refusal = type[errors.SealaneError] | None


@dataclass
class Listener:
    balancer: str
    protocol: str
    number: int
    pool: str | None = None


@dataclass
class Pool:
    balancer: str
    protocol: str
    members: dict[str, tuple[str, int]] = field(default_factory=dict)
    monitor: str | None = None


class Balancing(AnyOrder):
    balancers, listeners, pools, members = (Bundle(n) for n in ("balancers", "listeners", "pools", "members"))

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.known_balancers: set[str] = set()
        self.known_listeners: dict[str, Listener] = {}
        self.known_pools: dict[str, Pool] = {}
        self.network = api.create("networks", {})["id"]
        subnet = {"network_id": self.network, "cidr": "10.0.0.0/24", "ip_version": 4}
        self.subnet = api.create("subnets", subnet)["id"]
        for address in MACHINES:
            api.create("ports", {"network_id": self.network, "fixed_ips": [{"ip_address": address}]})

    def refused(self, kind: Refusal, path: str, body: dict[str, Any]) -> str:
        assert kind is not None
        with pytest.raises(kind):
            self.api.create(path, body)
        return NOTHING

    # what the model says

    def below(self, balancer: str) -> tuple[list[str], list[str]]:
        listeners = [id for id, one in self.known_listeners.items() if one.balancer == balancer]
        return listeners, [id for id, one in self.known_pools.items() if one.balancer == balancer]

    def forget(self, balancer: str) -> None:
        listeners, pools = self.below(balancer)
        for id in listeners:
            del self.known_listeners[id]
        for id in pools:
            del self.known_pools[id]
        self.known_balancers.discard(balancer)

    # calls

    @rule(target=balancers)
    def make_balancer(self) -> str:
        body = {"vip_subnet_id": self.subnet} | ({} if self.known_balancers else {"vip_address": VIP})
        id = str(self.api.create("lbaas/loadbalancers", body)["id"])
        self.known_balancers.add(id)
        return id

    @rule(balancer=balancers, cascade=st.booleans())
    def delete_balancer(self, balancer: str, cascade: bool) -> None:
        query = {"cascade": "true"} if cascade else {}
        if balancer not in self.known_balancers:
            with pytest.raises(errors.NotFound):
                self.api.delete("lbaas/loadbalancers", balancer, **query)
        elif any(self.below(balancer)) and not cascade:
            with pytest.raises(errors.Conflict, match="delete them first"):
                self.api.delete("lbaas/loadbalancers", balancer)
        else:
            self.api.delete("lbaas/loadbalancers", balancer, **query)
            self.forget(balancer)

    @rule(target=listeners, balancer=balancers, protocol=PROTOCOLS, number=NUMBERS)
    def make_listener(self, balancer: str, protocol: str, number: int) -> str:
        body = {"loadbalancer_id": balancer, "protocol": protocol, "protocol_port": number}
        if balancer not in self.known_balancers:
            return self.refused(errors.NotFound, "lbaas/listeners", body)
        taken = {(one.balancer, one.protocol, one.number) for one in self.known_listeners.values()}
        if (balancer, protocol, number) in taken:
            return self.refused(errors.Conflict, "lbaas/listeners", body)
        id = str(self.api.create("lbaas/listeners", body)["id"])
        self.known_listeners[id] = Listener(balancer, protocol, number)
        return id

    @rule(listener=listeners)
    def delete_listener(self, listener: str) -> None:
        if self.known_listeners.pop(listener, None) is not None:
            self.api.delete("lbaas/listeners", listener)
        else:
            with pytest.raises(errors.NotFound):
                self.api.delete("lbaas/listeners", listener)

    @rule(target=pools, balancer=balancers, protocol=PROTOCOLS)
    def make_pool(self, balancer: str, protocol: str) -> str:
        body = {"loadbalancer_id": balancer, "protocol": protocol, "lb_algorithm": "SOURCE_IP_PORT"}
        if balancer not in self.known_balancers:
            return self.refused(errors.NotFound, "lbaas/pools", body)
        id = str(self.api.create("lbaas/pools", body)["id"])
        self.known_pools[id] = Pool(balancer, protocol)
        return id

    @rule(target=pools, listener=listeners, protocol=PROTOCOLS)
    def make_pool_of_listener(self, listener: str, protocol: str) -> str:
        body = {"listener_id": listener, "protocol": protocol, "lb_algorithm": "SOURCE_IP_PORT"}
        known = self.known_listeners.get(listener)
        if known is None:
            return self.refused(errors.NotFound, "lbaas/pools", body)
        if known.pool is not None:
            return self.refused(errors.Conflict, "lbaas/pools", body)
        if known.protocol != protocol:
            return self.refused(errors.BadRequest, "lbaas/pools", body)
        id = str(self.api.create("lbaas/pools", body)["id"])
        self.known_pools[id] = Pool(known.balancer, protocol)
        known.pool = id
        return id

    @rule(listener=listeners, pool=st.one_of(st.none(), pools))
    def lead(self, listener: str, pool: str | None) -> None:
        known, target = self.known_listeners.get(listener), self.known_pools.get(pool or "")
        refused: Refusal = None
        if known is None or (target is None and pool is not None and pool != known.pool):
            refused = errors.NotFound
        elif target is not None and pool != known.pool:
            fits = (target.balancer, target.protocol) == (known.balancer, known.protocol)
            refused = None if fits else errors.BadRequest
        if refused is not None:
            with pytest.raises(refused):
                self.api.update("lbaas/listeners", listener, {"default_pool_id": pool})
            return
        assert known is not None
        self.api.update("lbaas/listeners", listener, {"default_pool_id": pool})
        known.pool = pool

    @rule(pool=pools)
    def delete_pool(self, pool: str) -> None:
        if self.known_pools.pop(pool, None) is None:
            with pytest.raises(errors.NotFound):
                self.api.delete("lbaas/pools", pool)
            return
        self.api.delete("lbaas/pools", pool)
        for listener in self.known_listeners.values():
            if listener.pool == pool:
                listener.pool = None

    @rule(target=members, pool=pools, address=ADDRESSES, number=NUMBERS)
    def make_member(self, pool: str, address: str, number: int) -> str:
        path, body = f"lbaas/pools/{pool}/members", {"address": address, "protocol_port": number}
        known = self.known_pools.get(pool)
        if known is None:
            return self.refused(errors.NotFound, path, body)
        if address not in (*MACHINES, NOBODY) and not self.may_be_a_member(known, address):
            return self.refused(errors.BadRequest, path, body)
        if (address, number) in known.members.values():
            return self.refused(errors.Conflict, path, body)
        if known.monitor is not None and address not in MACHINES:
            return self.refused(errors.BadRequest, path, body)
        id = str(self.api.create(path, body)["id"])
        known.members[id] = (address, number)
        return id

    def may_be_a_member(self, pool: Pool, address: str) -> bool:
        """Another load balancer's address is an address as good as any; its own is not."""
        row = self.api.list("lbaas/loadbalancers", id=pool.balancer)[0]
        return address == VIP and row["vip_address"] != VIP

    @rule(pool=pools, member=members)
    def delete_member(self, pool: str, member: str) -> None:
        known = self.known_pools.get(pool)
        if known is not None and known.members.pop(member, None) is not None:
            self.api.delete(f"lbaas/pools/{pool}/members", member)
        else:
            with pytest.raises(errors.NotFound):
                self.api.delete(f"lbaas/pools/{pool}/members", member)

    @rule(pool=pools, kind=st.sampled_from(sorted(MONITORS.values())))
    def watch(self, pool: str, kind: str) -> None:
        body = {"pool_id": pool, "type": kind, "delay": 5, "timeout": 3, "max_retries": 2}
        known = self.known_pools.get(pool)
        if known is None:
            self.refused(errors.NotFound, "lbaas/healthmonitors", body)
        elif known.monitor is not None:
            self.refused(errors.Conflict, "lbaas/healthmonitors", body)
        elif MONITORS.get(known.protocol) != kind or any(
            address not in MACHINES for address, _ in known.members.values()
        ):
            self.refused(errors.BadRequest, "lbaas/healthmonitors", body)
        else:
            known.monitor = str(self.api.create("lbaas/healthmonitors", body)["id"])

    @rule(pool=pools)
    def watch_no_longer(self, pool: str) -> None:
        known = self.known_pools.get(pool)
        if known is not None and known.monitor is not None:
            self.api.delete("lbaas/healthmonitors", known.monitor)
            known.monitor = None

    # what is there

    @invariant()
    def all_is_there_and_leads_where_the_model_says(self) -> None:
        assert {row["id"] for row in self.api.list("lbaas/loadbalancers")} == self.known_balancers
        listed = {row["id"]: row for row in self.api.list("lbaas/listeners")}
        assert {id: row["default_pool_id"] for id, row in listed.items()} == {
            id: known.pool for id, known in self.known_listeners.items()
        }
        pools = {row["id"]: row for row in self.api.list("lbaas/pools")}
        assert pools.keys() == self.known_pools.keys()
        for id, known in self.known_pools.items():
            assert {row["id"] for row in pools[id]["members"]} == known.members.keys()
            assert pools[id]["healthmonitor_id"] == known.monitor
            leading = {one for one, listener in self.known_listeners.items() if listener.pool == id}
            assert {row["id"] for row in pools[id]["listeners"]} == leading


@dataclass
class Policy:
    limits: dict[str, str] = field(default_factory=dict)
    """Direction -> the rule's id."""
    mark: str | None = None


class Quality(AnyOrder):
    policies = Bundle("policies")
    WAYS = ("egress", "ingress")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.known: dict[str, Policy] = {}
        self.network = api.create("networks", {})["id"]
        self.port = api.create("ports", {"network_id": self.network})["id"]
        self.held: dict[str, str | None] = {"networks": None, "ports": None}

    @rule(target=policies)
    def make(self) -> str:
        id = str(self.api.create("qos/policies", {"name": "p"})["id"])
        self.known[id] = Policy()
        return id

    @rule(policy=policies)
    def delete(self, policy: str) -> None:
        if policy in self.known and policy not in self.held.values():
            self.api.delete("qos/policies", policy)
            del self.known[policy]
        else:
            with pytest.raises(errors.Conflict if policy in self.known else errors.NotFound):
                self.api.delete("qos/policies", policy)

    @rule(policy=policies, way=st.sampled_from(WAYS), kbps=st.integers(0, 3))
    def limit(self, policy: str, way: str, kbps: int) -> None:
        path = f"qos/policies/{policy}/bandwidth_limit_rules"
        body = {"max_kbps": kbps, "direction": way}
        known = self.known.get(policy)
        if not kbps or known is None or way in known.limits:
            refused = errors.BadRequest if not kbps else errors.NotFound if known is None else errors.Conflict
            with pytest.raises(refused):
                self.api.create(path, body)
        else:
            known.limits[way] = str(self.api.create(path, body)["id"])

    @rule(policy=policies, way=st.sampled_from(WAYS))
    def turn(self, policy: str, way: str) -> None:
        """A limit of one direction becomes that of the other."""
        known, other = self.known.get(policy), self.WAYS[way == "egress"]
        if known is None or way not in known.limits:
            return
        path, rule = f"qos/policies/{policy}/bandwidth_limit_rules", known.limits[way]
        if other in known.limits:
            with pytest.raises(errors.Conflict):
                self.api.update(path, rule, {"direction": other})
        else:
            self.api.update(path, rule, {"direction": other})
            known.limits[other] = known.limits.pop(way)

    @rule(policy=policies, way=st.sampled_from(WAYS))
    def limit_no_longer(self, policy: str, way: str) -> None:
        path, known = f"qos/policies/{policy}/bandwidth_limit_rules", self.known.get(policy)
        if known is not None and way in known.limits:
            self.api.delete(path, known.limits.pop(way))
        else:
            with pytest.raises(errors.NotFound):
                self.api.delete(path, NOTHING)

    @rule(policy=policies, mark=st.sampled_from((0, 7, 46)))
    def mark(self, policy: str, mark: int) -> None:
        path, known = f"qos/policies/{policy}/dscp_marking_rules", self.known.get(policy)
        if mark == 7 or known is None or known.mark is not None:
            refused = (
                errors.BadRequest if mark == 7 else errors.NotFound if known is None else errors.Conflict
            )
            with pytest.raises(refused):
                self.api.create(path, {"dscp_mark": mark})
        else:
            known.mark = str(self.api.create(path, {"dscp_mark": mark})["id"])

    @rule(policy=st.one_of(st.none(), policies), held=st.sampled_from(("networks", "ports")))
    def hold(self, policy: str | None, held: str) -> None:
        row = self.network if held == "networks" else self.port
        if policy is None or policy in self.known:
            assert self.api.update(held, row, {"qos_policy_id": policy})["qos_policy_id"] == policy
            self.held[held] = policy
        else:
            with pytest.raises(errors.NotFound):
                self.api.update(held, row, {"qos_policy_id": policy})

    @invariant()
    def policies_have_the_rules_that_the_model_says(self) -> None:
        listed = {row["id"]: {rule["id"] for rule in row["rules"]} for row in self.api.list("qos/policies")}
        assert listed == {
            id: {*known.limits.values(), *((known.mark,) if known.mark else ())}
            for id, known in self.known.items()
        }


@pytest.mark.parametrize("machine", [Balancing, Quality])
def test_called_in_any_order(host: Host, machine: type[Balancing | Quality]) -> None:
    run(machine, host, steps=50)
