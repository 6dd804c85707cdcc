"""The index that follows the state is the one that is made of the state."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sealane.api import ipam
from sealane.api.members import EMPTY, Index, Members
from sealane.model import FixedIP, Port

NETWORKS = ("n0", "n1", "n2")
Step = tuple[int, int, int, bool]
steps = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 9), st.booleans()), max_size=30
)


def port(number: int, network: int, address: int) -> Port:
    """No two ports hold the same: the address is the port's own range."""
    ip = f"10.{number}.0.{address}"
    return Port(
        id=f"p{number}",
        project_id="p",
        network_id=NETWORKS[network],
        mac_address=f"fa:16:3e:00:{number:02x}:{address:02x}",
        fixed_ips=(FixedIP(subnet_id=f"s{network}", ip_address=ip),) if address else (),
    )


def made(ports: dict[str, Port]) -> dict[str, Members]:
    """Without any index of before."""
    found = {}
    for network in NETWORKS:
        own = {id: p for id, p in ports.items() if p.network_id == network}
        numbers: dict[str, set[int]] = {}
        for one in own.values():
            for fixed in one.fixed_ips:
                numbers.setdefault(fixed.subnet_id, set()).add(ipam.number(fixed.ip_address))
        found[network] = Members(own, {p.mac_address for p in own.values()}, numbers)
    return found


def there(index: Index) -> dict[str, Members]:
    """Without subnets of which nobody holds an address any more."""
    found = {network: index.of(network) for network in NETWORKS}
    return {n: replace(m, numbers={s: v for s, v in m.numbers.items() if v}) for n, m in found.items()}


@given(steps)
def test_the_index_follows(taken: list[Step]) -> None:
    index, ports = EMPTY, dict[str, Port]()
    for number, network, address, look in taken:
        one = port(number, network, address)
        ports = {id: p for id, p in ports.items() if id != one.id} | ({one.id: one} if address < 9 else {})
        before = there(index)
        later = index.after(ports)
        assert there(index) == before, "the index of the state before has changed"
        index = later if look else index  # some states nobody looks at
        assert there(later) == made(ports)
        assert later.after(ports) is later
