"""Links between namespaces, and the programs on them."""

from collections.abc import Iterator

import pytest

from tests.netns.fastpath import packets, tunnels
from tests.netns.fastpath.outside import LINK, OTHER
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


@pytest.fixture(scope="module")
def hosts() -> Iterator[Space]:
    """With an underlay, two ways to physical networks, and Rita's links."""
    with tunnels.links() as space:
        for link in (LINK, OTHER, "slhrita", "slsrita"):
            space.run("ip", "link", "add", link, "type", "veth", "peer", "name", f"p{link}")
        yield space
