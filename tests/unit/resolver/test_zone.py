"""Names from ports."""

from hypothesis import given
from hypothesis import strategies as st

from sealane.agent.resolver.zone import View, Zone, Zones, merge, names_of, normal
from sealane.model import FixedIP, Network, Port

NET = Network(id="n", project_id="p", name="blue", dns_domain="corp.example.")


def port(name: str, address: str, aliases: tuple[str, ...] = ()) -> Port:
    ip = FixedIP(subnet_id="s", ip_address=address)
    return Port(
        id=address,
        project_id="p",
        name=name,
        network_id="n",
        mac_address="",
        fixed_ips=(ip,),
        dns_aliases=aliases,
    )


def zone(network: Network, *ports: Port, suffix: str = "sealane.internal") -> Zone:
    found = Zone()
    for one in ports:
        addresses = [fixed.ip_address for fixed in one.fixed_ips]
        found.put(one.id, names_of(network, one, suffix), addresses, (one.created_at, one.id))
    return found


def test_spellings_and_shared_alias() -> None:
    found = zone(NET, port("b", "10.0.0.3", ("api",)), port("A1", "10.0.0.2", ("api",)))
    assert found.lookup("a1.blue.sealane.internal") == ("10.0.0.2",)
    assert found.lookup("a1.corp.example") == ("10.0.0.2",)
    assert found.lookup("api") == found.lookup("api.blue") == ("10.0.0.2", "10.0.0.3")


def test_names_that_dns_cannot_carry_are_left_out() -> None:
    odd = Network(id="n", project_id="p", name="my net")
    assert names_of(odd, port("web", "10.0.0.2"), "x.y") == ("web",)
    assert normal("a" * 64) is None
    assert normal("") is None
    assert normal("a..b") is None


def test_a_port_without_name_has_no_name() -> None:
    assert names_of(NET, port("", "10.0.0.2"), "x.y") == ()


steps = st.lists(
    st.tuples(st.integers(0, 4), st.lists(st.sampled_from(["a", "b", "a.n"])), st.sets(st.integers(1, 3))),
    max_size=20,
)


@given(steps)
def test_a_zone_that_was_changed_is_one_that_was_made_so(
    changes: list[tuple[int, list[str], set[int]]],
) -> None:
    changed, kept = Zone(), dict[str, tuple[list[str], list[str]]]()
    for number, names, last in changes:
        key, addresses = f"p{number}", [f"10.0.0.{n}" for n in sorted(last)]
        changed.remove(key)
        kept.pop(key, None)
        if len(names) < 3:
            kept[key] = names, addresses
            changed.put(key, names, addresses, (key,))
        made = Zone()
        for key in sorted(kept):
            made.put(key, *kept[key], (key,))
        for name in ("a", "b", "a.n", "c"):
            assert changed.lookup(name) == made.lookup(name)
        for last_number in range(1, 4):
            assert changed.reverse(f"10.0.0.{last_number}") == made.reverse(f"10.0.0.{last_number}")


def test_pointer_is_the_longest_name_and_addresses_are_canonical() -> None:
    zones = Zones()
    zones.set("n", {"w": ("FD00:0::1", "bad"), "w.blue.x": ("fd00::1",)})
    assert zones.reverse(View(("n",)), "fd00::1") == "w.blue.x"
    zones.drop("n")
    assert zones.lookup(View(("n",)), "w") is None


def test_merged_views() -> None:
    merged = merge([View(("a", "b"), forward=False), View(("b", "c"))])
    assert merged == View(("a", "b", "c"), forward=True)
    assert merge([View(("a",), forward=False)]).forward is False
