"""The database file is made whole and once, and its schema is raised while it is served."""

import json
from pathlib import Path

import pytest

from sealane.errors import BadRequest, HostError
from sealane.model import Network
from sealane.store import create as making
from sealane.store.changes import Create
from sealane.store.create import SCHEMA, convert, create
from sealane.store.db import Store
from tests.daemons import PATIENCE, OvsdbServer

NET = Network(id="5d3c7a5e-3a3b-4b8e-9a55-0c6a7e6fd001", project_id="p", labels={"a": "b"})


async def test_the_file_is_made_once_and_served(directory: Path) -> None:
    database = directory / "store" / "db"
    assert await create(database)
    content = database.read_bytes()
    assert not await create(database)
    assert database.read_bytes() == content
    assert [file.name for file in database.parent.iterdir()] == ["db"], "nothing unfinished stays"
    with OvsdbServer(database.parent, SCHEMA, create=False) as server:
        assert not await convert(server.remote), "it is the packaged schema"


async def test_a_bad_address_leaves_no_file(directory: Path) -> None:
    with pytest.raises(HostError, match="ovsdb-tool"):
        await create(directory / "db", address="nonsense")
    assert not (directory / "db").exists()
    assert await create(directory / "db")


async def test_an_older_schema_is_raised_under_a_running_store(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = json.loads(SCHEMA.read_text())
    newer["version"] = "1.99.0"
    newer["tables"]["Network"]["columns"]["colour"] = {"type": "string"}
    (directory / "newer.ovsschema").write_text(json.dumps(newer))
    with OvsdbServer(directory, SCHEMA) as server:
        store = Store(server.remote)
        await store.start(PATIENCE)
        try:
            await store.commit(Create(NET))
            with monkeypatch.context() as patch:
                patch.setattr(making, "SCHEMA", directory / "newer.ovsschema")
                assert await convert(server.remote)
                assert not await convert(server.remote)
            with pytest.raises(BadRequest, match="upgrade"):
                await convert(server.remote)
            again = Network(id="5d3c7a5e-3a3b-4b8e-9a55-0c6a7e6fd002", project_id="p")
            state = await store.commit(Create(again), timeout=PATIENCE)
            assert set(state.networks) == {NET.id, again.id}
            assert state.networks[NET.id].labels == {"a": "b"}
        finally:
            await store.stop()
