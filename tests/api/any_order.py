"""Machines of calls in any order: what they have in common, and how they are run.

A real API process on a real store, a real translator process that writes the northbound database; hypothesis
chooses the calls, and makes a failing sequence short.  Beside the model that each machine has, this holds:

    after each call      what the translator makes of the state with its memory of the rounds before, is
                         what it makes of it from nothing; and says what was asked for, as meant.py tells it
    at the end           the northbound database holds that, and nothing else that is ours
    when all is deleted  neither the store nor the northbound database has anything left
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test

from sealane import errors
from sealane.cli.api import Api
from sealane.model import State
from sealane.ovn.northbound import DATABASE, Northbound
from sealane.ovsdb.client import Client
from sealane.store.db import Store
from sealane.translate import metering, routers
from sealane.translate.desired import desired
from sealane.translate.diff import diff
from sealane.translate.memo import Memo
from sealane.translate.rows import Plan, Ref
from tests.api.meant import differences
from tests.api.test_server import Host, host
from tests.daemons import PATIENCE, until

__all__ = ["NOTHING", "AnyOrder", "Refusal", "Sight", "host", "refused", "run"]
NOTHING = "00000000-0000-4000-8000-000000000000"
"""What a refused call leaves in its bundle.  Every rule leaves something: which address a port gets is the
API's choice, and hypothesis wants to find the bundles as long as they were when it repeats a run."""
Refusal = type[errors.SealaneError] | tuple[type[errors.SealaneError], ...] | None
T = TypeVar("T")
STAYING = ("nodes", "tokens", "projects", "users", "role_assignments", "revocations")
"""Collections that the calls are not about."""


class Sight:
    """The store and the northbound database as they are, followed by a thread of its own."""

    def __init__(self, host: Host, api: Api, door: str) -> None:
        self._api = api
        self.door = door
        """URL where users come in."""
        self.socket = str(host.directory / "api.sock")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._store = Store(host.store.remote)
        self._client = Client(host.central.nb.remote, DATABASE)
        self._memo = Memo()

    def start(self) -> None:
        self._thread.start()
        self._do(self._store.start(PATIENCE))
        self._do(self._client.start(PATIENCE))
        self._northbound = self._do(Northbound.open(self._client, PATIENCE))
        self._do(self._northbound.resign())

    def stop(self) -> None:
        self._do(self._client.stop())
        self._do(self._store.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * PATIENCE)

    @property
    def state(self) -> State:
        return self._store.state

    def current(self) -> State:
        """With all that the API has answered."""
        known = int(self._api.request("GET", "/v2.0/sealane/changes?after=0")["sequence"])
        until(lambda: self.state.sequence >= known, "the store's changes are seen")
        return self.state

    def compare(self) -> None:
        """With memory, from nothing, and with what it is to mean."""
        state = self.current()
        remembered, anew = desired(state, self._memo), desired(state)
        assert {row.ref: row for row in remembered} == {row.ref: row for row in anew}
        assert len(remembered) == len(anew)
        assert differences(state, anew) == (set(), set()), "what nobody has asked for, and what somebody has"

    def settle(self) -> None:
        """Wait for the northbound database; assert that it holds what there is to be, as diff() sees it."""
        until(lambda: not self._do(self._plan()), "the northbound database holds what it should")

    async def _plan(self) -> Plan | bool:
        """Within the loop, so that neither moves meanwhile."""
        if self._northbound.sequence != self.state.sequence:
            return True
        plan = diff(desired(self.state), self._northbound.tables)
        staying = self._staying(plan)
        return replace(
            plan,
            delete=tuple(one for one in plan.delete if one.ref not in staying),
            detach=tuple(edge for edge in plan.detach if edge.child not in staying),
        )

    def _staying(self, plan: Plan) -> set[Ref]:
        """Policies that nobody wants any more and some label still counts by (sealane/ovn/lingering.py)."""
        policies = self._northbound.tables["Logical_Router_Policy"]
        there, ways = {str(row["match"]) for row in policies.values()}, routers.ways(self.state)
        return {
            one.ref
            for one in plan.delete
            if one.ref.table == "Logical_Router_Policy"
            and metering.who(str(policies[one.uuid]["match"]), ways, there)
        }

    def left(self) -> dict[str, list[object]]:
        """What was made by calls and is there; default groups stay with their projects."""
        found = {
            f.name: list(getattr(self.state, f.name).values())
            for f in fields(State)
            if f.name not in (*STAYING, "sequence", "moved")
        }
        default = {row.id for row in self.state.security_groups.values() if row.name == "default"}
        found["security_groups"] = [g for id, g in self.state.security_groups.items() if id not in default]
        found["security_group_rules"] = [
            r for r in self.state.security_group_rules.values() if r.security_group_id not in default
        ]
        return {name: rows for name, rows in found.items() if rows}


class AnyOrder(RuleBasedStateMachine):
    """One sequence of calls."""

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__()
        self.api = api
        self.sight = sight

    @invariant()
    def translated_as_from_nothing(self) -> None:
        self.sight.compare()

    def teardown(self) -> None:
        try:
            self.sight.settle()
        finally:
            sweep(self.api)
        until(lambda: not self.sight.left(), "all of it is gone")
        self.sight.settle()


@contextmanager
def refused(kind: Refusal, match: str | None = None) -> Iterator[None]:
    """What is called within is refused for that reason; without one it is not."""
    if kind is None:
        yield
        return
    with pytest.raises(kind, match=match):
        yield


def sweep(api: Api) -> None:
    """Delete all that there is, in an order in which nothing holds anything."""
    for floating in api.list("floatingips"):
        below = f"floatingips/{floating['id']}/port_forwardings"
        for forwarding in api.list(below):
            api.delete(below, forwarding["id"])
        api.delete("floatingips", floating["id"])
    for collection in ("log/logs", "taas/tap_services", "taas/tap_mirrors", "trunks"):
        _all(api, collection)
    _all(api, "lbaas/loadbalancers", cascade="true")
    for router in api.list("routers"):
        for port in api.list("ports", device_id=router["id"], device_owner="network:router_interface"):
            path = f"/v2.0/routers/{router['id']}/remove_router_interface"
            api.request("PUT", path, {"port_id": port["id"]})
        api.delete("routers", router["id"])
    for collection in ("ports", "networks", "subnetpools", "address-scopes", "security-groups"):
        _all(api, collection)
    for collection in ("address-groups", "qos/policies", "rbac-policies", "metering/metering-labels"):
        _all(api, collection)
    for quota in api.list("quotas"):
        api.delete("quotas", quota["project_id"])


def _all(api: Api, collection: str, **query: str) -> None:
    for row in api.list(collection):
        api.delete(collection, row["id"], **query)


def run(machine: Callable[[Api, Sight], AnyOrder], host: Host, steps: int = 40, examples: int = 15) -> None:
    """The test: `examples` sequences of up to `steps` calls each."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        database=None,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        door = f"127.0.0.1:{listener.getsockname()[1]}"
    with host.api(api_bind=door), host.process("sealane.ovn.translator"):
        api = Api(f"unix:{host.directory / 'api.sock'}")
        sight = Sight(host, api, f"http://{door}")
        until(lambda: api.list("networks") == [], "the API answers")
        sight.start()
        try:
            run_state_machine_as_test(lambda: machine(api, sight), settings=chosen)
        finally:
            sight.stop()
