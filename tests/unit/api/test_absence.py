"""When a host counts as away and as back, by what the gate says."""

from dataclasses import replace

import pytest

from sealane.api.absence import BACK, LOST, Word, moved
from sealane.model import Node

HOST2 = Node(id="2", project_id="", name="host2", address="192.0.2.2", serials=("2a",))
GONE = replace(HOST2, away=True)


@pytest.mark.parametrize(
    ("node", "word", "away"),
    [
        (HOST2, Word(away={"host2": LOST}), True),
        (HOST2, Word(away={"host2": LOST - 1}), False),
        (HOST2, Word(there={"host2": 0.0}), False),
        (HOST2, Word(), False),
        (GONE, Word(away={"host2": 0.0}), True),
        (GONE, Word(there={"host2": BACK - 1}), True),
        (GONE, Word(there={"host2": BACK}), False),
        (GONE, Word(), True),
    ],
    ids=[
        *("long away", "not long", "just back", "nothing known"),
        *("a gate started anew", "not back for long", "back for long", "nothing known of one that is away"),
    ],
)
def test_a_host_is_away_after_a_while_and_back_after_a_while(node: Node, word: Word, away: bool) -> None:
    now = [replace(node, away=away)] if away != node.away else []
    assert moved([node], word) == now


def test_the_central_part_s_own_host_comes_in_elsewhere() -> None:
    own = replace(HOST2, serials=())
    assert moved([own], Word(away={"host2": 99.0})) == []
    assert moved([replace(own, away=True)], Word()) == [own]
