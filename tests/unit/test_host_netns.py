"""Where a namespace should be and is none."""

from pathlib import Path

import pytest

from sealane.errors import NotFound
from sealane.host import netns


def test_a_file_that_nothing_was_mounted_on_is_no_namespace(tmp_path: Path) -> None:
    """As it is left by an agent that died between the two."""
    path = tmp_path / "gw-1"
    for _ in ("missing", "there"):
        with pytest.raises(NotFound):
            netns.inside(path, lambda: None)
        path.touch()
    netns.remove(path)
    assert not path.exists()


def test_the_own_namespace_is_one() -> None:
    with open(netns.open_namespace("/proc/self/ns/net")) as namespace:
        assert namespace.fileno() > 0
