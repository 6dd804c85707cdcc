"""Links between namespaces, and the programs on them."""

from collections.abc import Iterator

import pytest

from tests.netns.fastpath import packets
from tests.netns.fastpath.packets import Bench
from tests.netns.hosts import Space


@pytest.fixture(scope="module")
def links() -> Iterator[Space]:
    with packets.links() as space:
        yield space


@pytest.fixture
def bench(links: Space) -> Iterator[Bench]:
    with packets.bench(links) as made:
        yield made
