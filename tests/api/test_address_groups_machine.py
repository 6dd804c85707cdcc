"""Address groups and the rules that name them, called in any order, against a small model."""

import ipaddress

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors
from sealane.cli.api import Api
from sealane.translate.desired import desired
from tests.api.any_order import NOTHING, AnyOrder, Sight, host, refused, run
from tests.api.test_server import Host

__all__ = ["host"]
GIVEN = st.lists(
    st.sampled_from(("10.0.0.0/8", "10.1.2.3", "192.0.2.7/24", "2001:db8::/32", "::1")),
    unique=True,
    min_size=1,
    max_size=3,
)
"""With host's bits, and without a length: shown as networks."""


def shown(address: str) -> str:
    return str(ipaddress.ip_network(address, strict=False))


class Addresses(AnyOrder):
    groups, rules = Bundle("groups"), Bundle("rules")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.known: dict[str, list[str]] = {}
        self.naming: dict[str, str] = {}
        self.revisions: dict[str, int] = {}
        self.security_group = api.create("security-groups", {"name": "g"})["id"]
        self.number = 1000

    @rule(target=groups, addresses=st.one_of(st.just([]), GIVEN))
    def make_group(self, addresses: list[str]) -> str:
        made = self.api.create("address-groups", {"addresses": addresses})
        self.known[made["id"]] = [shown(address) for address in addresses]
        self.revisions[made["id"]] = made["revision_number"]
        return str(made["id"])

    @rule(group=groups, addresses=GIVEN)
    def add(self, group: str, addresses: list[str]) -> None:
        """All or none."""
        known, given = self.known.get(group), [shown(address) for address in addresses]
        kind = None
        if known is None:
            kind = errors.NotFound
        elif set(given) & set(known):
            kind = errors.BadRequest
        self.change(group, "add", addresses, kind)
        if known is not None and kind is None:
            known += given

    @rule(group=groups, addresses=GIVEN)
    def remove(self, group: str, addresses: list[str]) -> None:
        known, given = self.known.get(group), {shown(address) for address in addresses}
        missing = known is None or not given <= set(known)
        self.change(group, "remove", addresses, errors.NotFound if missing else None)
        if known is not None and not missing:
            self.known[group] = [address for address in known if address not in given]

    def change(
        self, group: str, verb: str, addresses: list[str], kind: type[errors.SealaneError] | None
    ) -> None:
        with refused(kind):
            body = {"addresses": addresses}
            made = self.api.change("PUT", f"address-groups/{group}/{verb}_addresses", body)["address_group"]
        if kind is None:
            self.revisions[group] += 1
            assert made["revision_number"] == self.revisions[group]

    @rule(target=rules, group=groups, family=st.sampled_from(("IPv4", "IPv6")))
    def name_it(self, group: str, family: str) -> str:
        self.number += 1
        body = {
            "security_group_id": self.security_group,
            "direction": "ingress",
            "ethertype": family,
            "protocol": "tcp",
            "port_range_min": self.number,
            "port_range_max": self.number,
            "remote_address_group_id": group,
        }
        kind = None if group in self.known else errors.NotFound
        with refused(kind):
            made = self.api.create("security-group-rules", body)
        if kind is not None:
            return NOTHING
        self.naming[made["id"]] = group
        return str(made["id"])

    @rule(rule=rules)
    def name_it_no_longer(self, rule: str) -> None:
        with refused(None if rule in self.naming else errors.NotFound):
            self.api.delete("security-group-rules", rule)
        self.naming.pop(rule, None)

    @rule(group=groups)
    def delete_group(self, group: str) -> None:
        used = group in self.naming.values()
        kind = errors.Conflict if used else None if group in self.known else errors.NotFound
        with refused(kind):
            self.api.delete("address-groups", group)
        if kind is None:
            del self.known[group]

    @invariant()
    def groups_have_what_the_model_has(self) -> None:
        assert {r["id"]: r["addresses"] for r in self.api.list("address-groups")} == self.known

    @invariant()
    def the_northbound_database_is_to_have_it_by_family(self) -> None:
        sets = [row for row in desired(self.sight.current()) if row.table == "Address_Set"]
        found = sorted(sorted(row.columns["addresses"]) for row in sets)  # type: ignore[arg-type, type-var]
        wanted = []
        for addresses in self.known.values():
            for version in (4, 6):
                mine = {a for a in addresses if ipaddress.ip_network(a).version == version}
                wanted.append(sorted(mine))
        assert [one for one in found if one] == sorted(one for one in wanted if one)


def test_address_groups_in_any_order(host: Host) -> None:
    run(Addresses, host, steps=30, examples=10)
