"""What a State tells of the one before is what a comparison of the two tells."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sealane.model import State
from sealane.moves import Rows, moved
from sealane.store.rows import TABLES
from sealane.store.snapshot import advance

PORTS = "Port"
steps = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=15)


def port_row(name: str) -> dict[str, object]:
    """A row of the store's table Port as the replica has it."""
    texts = (
        "project_id",
        "description",
        "created_at",
        "updated_at",
        "mac_address",
        "device_id",
        "device_owner",
    )
    return {
        **dict.fromkeys((*texts, "host", "vnic_type", "dns_name", "network", "log"), ""),
        **dict.fromkeys(
            (
                "tags",
                "fixed_ips",
                "allowed_address_pairs",
                "dns_aliases",
                "extra_dhcp_opts",
                "services",
                "taps",
                "meters",
            ),
            "[]",
        ),
        "name": name,
        "profile": "{}",
        "revision_number": 1,
        "qos_policy": None,
        "tunnel_key": 5,
        "security_groups": frozenset(),
        **dict.fromkeys(("admin_state_up", "port_security_enabled"), True),
        "quarantine": False,
        "withdrawn": False,
        "deferred": False,
    }


@given(steps)
def test_what_moved(changes: list[tuple[str, int]]) -> None:
    assert PORTS in TABLES.values()
    states = [State()]
    for id, value in changes:
        row = port_row(f"name{value}") if value else None
        states.append(advance(states[-1], [(PORTS, id, None, row)]))  # type: ignore[list-item]
    for after in states:
        for before in states:
            plain = dict(after.ports)
            assert set(moved(before.ports, after.ports)) == set(moved(before.ports, plain))
    for before, after in itertools.pairwise(states):
        if isinstance(after.ports, Rows) and isinstance(before.ports, Rows):
            assert after.ports is before.ports or after.ports.follows(before.ports)
