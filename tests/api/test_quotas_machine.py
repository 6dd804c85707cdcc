"""Quotas of two projects, called in any order with what they limit, against a model that counts."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors
from sealane.cli.api import Api
from tests.api.any_order import NOTHING, AnyOrder, Sight, host, refused, run
from tests.api.test_server import Host

__all__ = ["host"]
PROJECTS = st.sampled_from(("mine", "theirs"))
MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "network": ("networks", {}),
    "router": ("routers", {}),
    "security_group": ("security-groups", {"name": "g"}),
    "log": ("log/logs", {"resource_type": "security_group"}),
    "subnetpool": ("subnetpools", {"name": "p", "prefixes": ["10.0.0.0/8"]}),
    "loadbalancer": ("lbaas/loadbalancers", {}),
}
KINDS = st.sampled_from(sorted(MADE))
LIMITS = st.integers(-2, 3)


class Limits(AnyOrder):
    rows = Bundle("rows")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.known: dict[str, tuple[str, str]] = {}
        self.limits: dict[str, dict[str, int]] = {}
        network = api.create("networks", {"shared": True})["id"]
        self.subnet = api.create("subnets", {"network_id": network, "cidr": "10.0.0.0/24"})["id"]
        for project in ("mine", "theirs"):  # their default groups come with the first group, and count
            group = api.create("security-groups", {"name": "g", "project_id": project})
            api.delete("security-groups", group["id"])
        self.at_first = {p: self.used(p, "security_group") for p in ("mine", "theirs")}

    def body(self, kind: str, project: str) -> dict[str, Any]:
        more = {"vip_subnet_id": self.subnet} if kind == "loadbalancer" else {}
        return {"project_id": project, **MADE[kind][1], **more}

    def used(self, project: str, kind: str) -> int:
        details = self.api.request("GET", f"/v2.0/quotas/{project}/details.json")["quota"]
        return int(details[kind]["used"])

    def count(self, project: str, kind: str) -> int:
        made = sum(1 for one in self.known.values() if one == (project, kind))
        return made + (self.at_first[project] if kind == "security_group" else 0)

    def room(self, project: str, kind: str, wanted: int) -> bool:
        limit = self.limits.get(project, {}).get(kind, -1)
        return limit < 0 or self.count(project, kind) + wanted <= limit

    @rule(target=rows, project=PROJECTS, kind=KINDS)
    def make(self, project: str, kind: str) -> str:
        fits = self.room(project, kind, 1)
        with refused(None if fits else errors.Conflict, None if fits else kind):
            made = self.api.create(MADE[kind][0], self.body(kind, project))
        if not fits:
            return NOTHING
        self.known[made["id"]] = (project, kind)
        return str(made["id"])

    @rule(project=PROJECTS, kind=KINDS.filter(lambda kind: kind != "loadbalancer"), number=st.integers(2, 3))
    def make_several(self, project: str, kind: str, number: int) -> None:
        """All or none."""
        fits = self.room(project, kind, number)
        with refused(None if fits else errors.Conflict, None if fits else "Quota exceeded"):
            made = self.api.create_many(MADE[kind][0], [self.body(kind, project)] * number)
            self.known |= {row["id"]: (project, kind) for row in made}

    @rule(row=rows)
    def delete(self, row: str) -> None:
        if row in self.known:
            _, kind = self.known.pop(row)
            self.api.delete(MADE[kind][0], row)

    @rule(project=PROJECTS, kind=KINDS, limit=LIMITS, force=st.booleans())
    def limit(self, project: str, kind: str, limit: int, force: bool) -> None:
        """Not below what is used, unless `force` says so."""
        low = limit < -1 or (0 <= limit < self.count(project, kind) and not force)
        with refused(errors.BadRequest if low else None, kind if low else None):
            body = {"quota": {kind: limit, "force": force}}
            self.api.request("PUT", f"/v2.0/quotas/{project}", body)
            self.limits.setdefault(project, {})[kind] = limit

    @rule(project=PROJECTS)
    def limit_no_longer(self, project: str) -> None:
        there = self.limits.pop(project, None) is not None
        with refused(None if there else errors.NotFound):
            self.api.delete("quotas", project)

    @invariant()
    def counts_and_limits_are_the_models(self) -> None:
        listed = {row["project_id"] for row in self.api.list("quotas")}
        assert listed == self.limits.keys()
        for project in ("mine", "theirs"):
            shown = self.api.request("GET", f"/v2.0/quotas/{project}/details.json")["quota"]
            for kind in MADE:
                limit = self.limits.get(project, {}).get(kind, -1)
                assert shown[kind]["limit"] == limit, kind
                assert shown[kind]["used"] == self.count(project, kind), kind


def test_quotas_in_any_order(host: Host) -> None:
    run(Limits, host, steps=30, examples=10)
