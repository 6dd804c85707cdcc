"""One place for the tests of a file: its start takes two seconds."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import until
from tests.gate.place import Member, Place


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="slg") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def place(directory: Path) -> Iterator[Place]:
    with Place(directory) as running:
        yield running


@pytest.fixture
def member(place: Place) -> Iterator[Member]:
    """A node that has joined, and is removed after the test."""
    place.keep_open()
    joined = place.join("host2", "192.0.2.2")
    until(place.listens, "the gate is open")
    yield joined
    joined.remove()
