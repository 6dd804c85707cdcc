"""Metering labels and their rules, called in any order, against a small model.

The router of one of the projects has a gateway that comes and goes, so that what is counted does so as well;
of the prefixes some are within others, and one is of the other family.
"""

import ipaddress
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors
from sealane.cli.api import Api
from sealane.translate import metering, routers
from sealane.translate.desired import desired
from tests.api.any_order import NOTHING, AnyOrder, Refusal, Sight, host, refused, run
from tests.api.test_server import Host

__all__ = ["host"]
LABELS, RULES = "metering/metering-labels", "metering/metering-label-rules"
PROJECTS = st.sampled_from(("default", "theirs"))
DIRECTIONS = st.sampled_from(("ingress", "egress"))
PREFIXES = st.sampled_from((None, "10.0.0.0/8", "10.0.0.0/24", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32"))


@dataclass
class Label:
    project: str
    shared: bool


@dataclass
class Counting:
    label: str
    direction: str
    excluded: bool
    source: str | None
    destination: str | None

    @property
    def family(self) -> int | None:
        """None: of two, or of none."""
        found = {ipaddress.ip_network(p).version for p in (self.source, self.destination) if p}
        return found.pop() if len(found) == 1 else None

    def ends(self) -> list[Any]:
        everything = "::/0" if self.family == 6 else "0.0.0.0/0"
        return [ipaddress.ip_network(prefix or everything) for prefix in (self.source, self.destination)]

    def clashes(self, other: "Counting") -> bool:
        same = (self.label, self.direction, self.excluded, self.family)
        if same != (other.label, other.direction, other.excluded, other.family):
            return False
        return all(one.overlaps(two) for one, two in zip(self.ends(), other.ends(), strict=True))


class Metering(AnyOrder):
    labels, rules = Bundle("labels"), Bundle("rules")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.known: dict[str, Label] = {}
        self.counting: dict[str, Counting] = {}
        self.outside = api.create("networks", {"router:external": True})["id"]
        api.create("subnets", {"network_id": self.outside, "cidr": "203.0.113.0/24"})
        inner = api.create("networks", {})["id"]
        subnet = api.create("subnets", {"network_id": inner, "cidr": "10.0.0.0/24"})["id"]
        self.router = api.create("routers", {})["id"]
        path = f"/v2.0/routers/{self.router}/add_router_interface"
        api.request("PUT", path, {"subnet_id": subnet})
        self.has_gateway = False

    @rule(target=labels, project=PROJECTS, shared=st.booleans())
    def make_label(self, project: str, shared: bool) -> str:
        id = str(self.api.create(LABELS, {"project_id": project, "shared": shared})["id"])
        self.known[id] = Label(project, shared)
        return id

    @rule(label=labels)
    def delete_label(self, label: str) -> None:
        """Its rules go with it."""
        with refused(None if label in self.known else errors.NotFound):
            self.api.delete(LABELS, label)
        self.known.pop(label, None)
        self.counting = {id: one for id, one in self.counting.items() if one.label != label}

    @rule(
        target=rules,
        label=labels,
        direction=DIRECTIONS,
        excluded=st.booleans(),
        source=PREFIXES,
        destination=PREFIXES,
    )
    def make_rule(
        self, label: str, direction: str, excluded: bool, source: str | None, destination: str | None
    ) -> str:
        return self.count(Counting(label, direction, excluded, source, destination))

    @rule(target=rules, label=labels, direction=DIRECTIONS, prefix=PREFIXES.filter(bool))
    def make_rule_of_the_machines_end(self, label: str, direction: str, prefix: str) -> str:
        """By `remote_ip_prefix`, which is the machine's, for all its name."""
        ends = (prefix, None) if direction == "egress" else (None, prefix)
        return self.count(Counting(label, direction, False, *ends), {"remote_ip_prefix": prefix})

    def count(self, wanted: Counting, prefixes: dict[str, Any] | None = None) -> str:
        if prefixes is None:
            prefixes = {"source_ip_prefix": wanted.source, "destination_ip_prefix": wanted.destination}
        body = {
            "metering_label_id": wanted.label,
            "direction": wanted.direction,
            "excluded": wanted.excluded,
            **prefixes,
        }
        kind = self.refusal(wanted)
        with refused(kind):
            made = self.api.create(RULES, body)
        if kind is not None:
            return NOTHING
        assert made["project_id"] == self.known[wanted.label].project
        self.counting[made["id"]] = wanted
        return str(made["id"])

    def refusal(self, wanted: Counting) -> Refusal:
        if wanted.label not in self.known:
            return errors.NotFound
        if wanted.family is None:
            return errors.BadRequest
        return errors.Conflict if any(wanted.clashes(one) for one in self.counting.values()) else None

    @rule(rule=rules)
    def delete_rule(self, rule: str) -> None:
        with refused(None if rule in self.counting else errors.NotFound):
            self.api.delete(RULES, rule)
        self.counting.pop(rule, None)

    @rule(wanted=st.booleans())
    def set_gateway(self, wanted: bool) -> None:
        info = {"network_id": self.outside} if wanted else None
        self.api.update("routers", self.router, {"external_gateway_info": info})
        self.has_gateway = wanted

    @invariant()
    def all_is_there_as_the_model_says(self) -> None:
        labels = {row["id"]: Label(row["project_id"], row["shared"]) for row in self.api.list(LABELS)}
        assert labels == self.known
        shown = {row["id"]: row for row in self.api.list(RULES)}
        assert shown.keys() == self.counting.keys()
        for id, one in self.counting.items():
            found = (shown[id]["metering_label_id"], shown[id]["direction"], shown[id]["excluded"])
            assert found == (one.label, one.direction, one.excluded)

    @invariant()
    def what_counts_at_the_router_is_what_is_for_its_project(self) -> None:
        """Labels of its project and shared ones; a label with nothing but exclusions counts nothing."""
        state = self.sight.current()
        matches = {
            str(row.columns["match"]) for row in desired(state) if row.ref.table == "Logical_Router_Policy"
        }
        found = [metering.who(match, routers.ways(state), matches) for match in matches]
        assert None not in found, "it can be said of each"
        counted = {label for labels in found for label in labels or ()}
        mine = {id for id, one in self.known.items() if one.shared or one.project == "default"}
        counting = {one.label for one in self.counting.values() if not one.excluded}
        if not self.has_gateway:
            assert not counted
        else:
            assert counted <= mine & counting
            plain = {one.label for one in self.counting.values() if one.excluded}
            assert counted >= (mine & counting) - plain


def test_metering_in_any_order(host: Host) -> None:
    run(Metering, host)
