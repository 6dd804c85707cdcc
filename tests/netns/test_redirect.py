"""The filter that redirects what arrives on a link, and where it stands among others."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from sealane.host import clsact, link, netns, tc
from sealane.host.netlink import Socket
from tests.netns.hosts import Space

T = TypeVar("T")


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    made = Space()
    try:
        made.run("ip", "link", "add", "one", "type", "veth", "peer", "name", "two")
        yield made
    finally:
        made.close()


def within(space: Space, action: Callable[[Socket], T]) -> T:
    def body() -> T:
        with Socket() as socket:
            return action(socket)

    return netns.inside(f"/proc/{space.pid}/ns/net", body)


def test_one_of_an_earlier_version_makes_room_for_what_comes_before_it(space: Space) -> None:

    def body(socket: Socket) -> None:
        one, two = (link.index(socket, name) or 0 for name in ("one", "two"))
        earlier = clsact.Place(one, clsact.INGRESS, kind="u32", priority=1)
        clsact.attach(socket, earlier, tc._options(two), "as it was")
        assert tc.redirected_to(socket, one) is None
        for _ in range(2):
            tc.redirect(socket, one, two)
            assert tc.redirected_to(socket, one) == two
        assert not [found for found in clsact.attached(socket, earlier, 1) if found]
        tc.let_go(socket, one)
        assert tc.redirected_to(socket, one) is None
        assert not list(clsact.attached(socket, earlier))

    within(space, body)
