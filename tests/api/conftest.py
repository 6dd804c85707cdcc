"""Tests of the whole application; a test that is a coroutine gets an event loop of its own."""

import asyncio
import inspect
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import OvsdbServer

SCHEMA = Path(__file__).parents[2] / "sealane" / "store" / "sealane.ovsschema"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="sla") as name:
        yield Path(name)


@pytest.fixture
def database(directory: Path) -> Iterator[OvsdbServer]:
    """A clustered server with an empty store."""
    with OvsdbServer(directory, SCHEMA) as running:
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Machines of calls take as long as the machine that they run on needs for some hundreds of calls."""
    for item in items:
        if item.path.stem.endswith("_machine"):
            item.add_marker(pytest.mark.timeout(1800))
