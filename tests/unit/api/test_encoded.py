"""What is kept encoded is what would be shown."""

from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sealane.api import encoded
from sealane.api.encoded import Encoder
from sealane.api.look import Look, Unbound
from sealane.api.networks import NETWORKS
from sealane.api.ports import PORTS
from sealane.model import FixedIP, Network, Port, State

NETWORK = Network(id="n", project_id="p")
NAMED = Port(
    id="named",
    project_id="p",
    network_id="n",
    mac_address="fa:16:3e:00:00:01",
    dns_name="web",
    fixed_ips=(FixedIP(subnet_id="s", ip_address="10.0.0.9"),),
)
PLAIN = Port(id="plain", project_id="p", network_id="n", mac_address="fa:16:3e:00:00:02", host="host1")
START = State({"n": NETWORK}, {}, {"named": NAMED, "plain": PLAIN})


class Up(Unbound):
    """Bindings of which those that are up are said."""

    def __init__(self, ports: set[str]) -> None:
        self._ports = ports

    def up(self, port_id: str) -> bool:
        return port_id in self._ports


def turned(state: State, what: str, value: int) -> State:
    """A port shows what it is, what its network is, and where it is bound."""
    if what == "domain":
        network = replace(NETWORK, dns_domain="example.org." if value % 2 else "")
        return replace(state, networks={"n": network})
    if what == "gone":
        return replace(state, ports={"named": NAMED})
    return replace(state, ports={**state.ports, "plain": replace(PLAIN, name=str(value))})


turns = st.lists(st.tuples(st.sampled_from(["domain", "name", "gone"]), st.integers(0, 3), st.integers(0, 3)))


@given(turns)
def test_as_it_would_be_shown(steps: list[tuple[str, int, int]]) -> None:
    ports, networks, state = Encoder(PORTS), Encoder(NETWORKS), START
    for what, value, up in steps:
        state = turned(state, what, value)
        look = Look(state, Up({id for id, bit in (("named", 1), ("plain", 2)) if up & bit}))
        for port in state.ports.values():
            assert msgspec.json.decode(ports.raw(port, look)) == _plain(PORTS.show(port, look))
        for network in state.networks.values():
            assert msgspec.json.decode(networks.raw(network, look)) == _plain(NETWORKS.show(network, look))


def _plain(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))


def test_what_is_gone_is_forgotten() -> None:
    encoder = Encoder(PORTS)
    for number in range(2 * encoded.SLACK):
        port = replace(PLAIN, id=f"p{number}")
        encoder.raw(port, Look(State(ports={port.id: port}), Unbound()))
    assert len(encoder._kept) <= encoded.SLACK + 2


def test_an_attribute_that_looks_at_its_port_alone_is_read_once() -> None:
    encoder = Encoder(PORTS)
    look = Look(START, Unbound())
    moving = {name for port in (NAMED, PLAIN) for name, _ in encoder._apart(port).moving}
    assert moving == {
        "status",
        "dns_assignment",
        "qos_network_policy_id",
        "binding:vif_details",
        "trunk_details",
    }
    assert encoder.raw(PLAIN, look) is encoder.raw(PLAIN, look)
