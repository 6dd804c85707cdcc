"""Tags and revision numbers of every kind that the API has, called in any order, against a small model."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from sealane import errors
from sealane.api.app import KINDS
from sealane.cli.api import Api
from tests.api.any_order import AnyOrder, Sight, host, refused, run
from tests.api.test_server import Host

__all__ = ["host"]
PATHS = [kind.path for kind in KINDS]
TAGS = ("red", "warm", "ä 🦊")
SOME = st.lists(st.sampled_from(TAGS), unique=True, max_size=3)
ROWS = st.sampled_from(PATHS)
NAMED = {kind.path for kind in KINDS if any(a.name == "description" and a.put for a in kind.attributes)}


@dataclass
class Tagged:
    id: str
    revision: int
    tags: list[str] = field(default_factory=list)


class Tagging(AnyOrder):
    """One row of each kind."""

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.rows: dict[str, dict[str, Any]] = {}
        self.make("networks", **{"router:external": True})
        inside = {"network_id": self.id("networks")}
        self.make("subnets", cidr="203.0.113.0/24", **inside)
        self.make("ports", **inside)
        other = api.create("ports", inside)["id"]
        self.make("security-groups", name="g")
        group = {"security_group_id": self.id("security-groups")}
        self.make("security-group-rules", direction="ingress", **group)
        self.make("address-groups")
        self.make("address-scopes", ip_version=4)
        self.make("subnetpools", name="p", prefixes=["10.0.0.0/8"])
        self.make("qos/policies", name="p")
        self.make("log/logs", resource_type="security_group")
        self.make("trunks", port_id=self.id("ports"))
        self.make("taas/tap_services", port_id=self.id("ports"))
        flow = {"tap_service_id": self.id("taas/tap_services"), "source_port": other}
        self.make("taas/tap_flows", direction="BOTH", **flow)
        there = {"remote_ip": "198.51.100.9", "mirror_type": "gre", "directions": {"IN": 7}}
        self.make("taas/tap_mirrors", port_id=other, **there)
        self.make("metering/metering-labels")
        label = {"metering_label_id": self.id("metering/metering-labels")}
        self.make("metering/metering-label-rules", source_ip_prefix="10.0.0.0/8", **label)
        shared = {"object_type": "network", "object_id": self.id("networks"), "target_tenant": "theirs"}
        self.make("rbac-policies", action="access_as_shared", **shared)
        self.make("routers")
        self.make("floatingips", floating_network_id=self.id("networks"))
        assert self.rows.keys() == set(PATHS), "every kind"
        self.known = {path: self.read(path) for path in PATHS}

    def make(self, path: str, **values: Any) -> None:
        self.rows[path] = self.api.create(path, values)

    def id(self, path: str) -> str:
        return str(self.rows[path]["id"])

    def read(self, path: str) -> Tagged:
        (row,) = self.api.list(path, id=self.id(path))
        return Tagged(row["id"], row["revision_number"], row["tags"])

    def now(self, path: str, tags: list[str]) -> None:
        """A change of nothing makes no new revision."""
        known = self.known[path]
        known.revision += tags != known.tags
        known.tags = tags

    @rule(path=ROWS, tags=SOME, stale=st.integers(-1, 1))
    def set_tags(self, path: str, tags: list[str], stale: int) -> None:
        """With If-Match of this revision, or of one that it is not."""
        known = self.known[path]
        with refused(errors.RevisionMismatch if stale else None):
            guard = {"If-Match": f"revision_number={known.revision + stale}"}
            shown = self.api.change("PUT", f"{path}/{known.id}/tags", {"tags": tags}, guard)
        if not stale:
            assert shown["tags"] == tags
            self.now(path, tags)

    @rule(path=ROWS, tag=st.sampled_from(TAGS))
    def add_tag(self, path: str, tag: str) -> None:
        known = self.known[path]
        self.api.change("PUT", f"{path}/{known.id}/tags/{_quoted(tag)}")
        self.now(path, known.tags if tag in known.tags else [*known.tags, tag])

    @rule(path=ROWS, tag=st.sampled_from(TAGS))
    def remove_tag(self, path: str, tag: str) -> None:
        known = self.known[path]
        with refused(None if tag in known.tags else errors.NotFound):
            self.api.change("DELETE", f"{path}/{known.id}/tags/{_quoted(tag)}")
        self.now(path, [one for one in known.tags if one != tag])

    @rule(path=ROWS)
    def clear_tags(self, path: str) -> None:
        self.api.change("DELETE", f"{path}/{self.known[path].id}/tags")
        self.now(path, [])

    @rule(path=st.sampled_from(sorted(NAMED)), text=st.sampled_from(("", "a", "ä 🦊")))
    def describe(self, path: str, text: str) -> None:
        """A row's revision tells of all that is its own."""
        known, before = self.known[path], self.api.list(path, id=self.id(path))[0]["description"]
        shown = self.api.update(path, known.id, {"description": text}, known.revision)
        known.revision += text != before
        assert (shown["description"], shown["revision_number"]) == (text, known.revision)

    @rule(path=ROWS, tags=st.lists(st.sampled_from(TAGS), unique=True, min_size=1, max_size=2))
    def ask_for_some(self, path: str, tags: list[str]) -> None:
        mine, asked = set(self.known[path].tags), ",".join(tags)
        for name, wanted in {
            "tags": set(tags) <= mine,
            "tags-any": bool(set(tags) & mine),
            "not-tags": not set(tags) <= mine,
            "not-tags-any": not set(tags) & mine,
        }.items():
            found = self.api.list(path, (name, asked), id=self.id(path))
            assert bool(found) == wanted, (path, name, asked)

    @invariant()
    def all_show_what_the_model_has(self) -> None:
        for path, known in self.known.items():
            assert self.read(path) == known, path


def _quoted(tag: str) -> str:
    return quote(tag, safe="")


def test_tags_and_revisions_in_any_order(host: Host) -> None:
    run(Tagging, host, steps=25, examples=8)
