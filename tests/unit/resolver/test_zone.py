"""Names from ports."""

from sealane.agent.resolver.zone import View, Zones, merge, names_of, normal
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


def test_spellings_and_shared_alias() -> None:
    names = names_of(
        NET, [port("A1", "10.0.0.2", ("api",)), port("b", "10.0.0.3", ("api",))], "sealane.internal"
    )
    assert names["a1.blue.sealane.internal"] == ("10.0.0.2",)
    assert names["a1.corp.example"] == ("10.0.0.2",)
    assert names["api"] == names["api.blue"] == ("10.0.0.2", "10.0.0.3")


def test_names_that_dns_cannot_carry_are_left_out() -> None:
    odd = Network(id="n", project_id="p", name="my net")
    assert names_of(odd, [port("web", "10.0.0.2")], "x.y") == {"web": ("10.0.0.2",)}
    assert normal("a" * 64) is None
    assert normal("") is None
    assert normal("a..b") is None


def test_a_port_without_name_has_no_name() -> None:
    assert names_of(NET, [port("", "10.0.0.2")], "x.y") == {}


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
