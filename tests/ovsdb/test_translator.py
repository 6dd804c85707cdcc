"""The translator's process between a real store and a real northbound database."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sealane.store
from sealane import names
from sealane.model import Network
from sealane.ovn.northbound import DATABASE, Northbound
from sealane.ovsdb.client import Client
from sealane.store.changes import Create
from sealane.store.db import Store
from tests.daemons import PATIENCE, OvsdbServer
from tests.ovsdb.test_northbound import SCHEMA, until

STORE_SCHEMA = Path(sealane.store.__path__[0]) / "sealane.ovsschema"


def network(number: int) -> Network:
    return Network(id=f"6a7d2c1e-0000-4000-8000-{number:012x}", project_id="default", name=f"net{number}")


@contextmanager
def databases(run: Path) -> Iterator[tuple[OvsdbServer, OvsdbServer]]:
    """The store and the northbound database, where the settings look for them."""
    servers = []
    for link, schema in (("store.sock", STORE_SCHEMA), ("ovn/ovnnb_db.sock", SCHEMA)):
        directory = run / schema.stem
        directory.mkdir()
        (run / link).parent.mkdir(exist_ok=True)
        (run / link).symlink_to(directory / "db.sock")
        servers.append(OvsdbServer(directory, schema, clustered=schema == STORE_SCHEMA))
    with servers[0] as store, servers[1] as nb:
        yield store, nb


@contextmanager
def translator(run: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "SEALANE_RUN_DIR": str(run), "SEALANE_CONFIG": str(run / "none.toml")}
    with (run / "translator.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sealane.ovn.translator"], env=environment, stderr=output, stdout=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


async def test_translates_what_is_committed_and_is_killed_and_stopped(directory: Path) -> None:
    with translator(directory) as early, databases(directory) as (store_server, nb_server):
        store, client = Store(store_server.remote), Client(nb_server.remote, DATABASE)
        try:
            await store.start(PATIENCE)
            await client.start(PATIENCE)
            nb = await Northbound.open(client, PATIENCE)
            await nb.resign()
            first = await store.commit(Create(network(1)), timeout=PATIENCE)
            await until(nb, lambda: nb.sequence == first.sequence)
            assert switches(nb) == {names.logical_switch(network(1).id)}

            early.kill()
            second = await store.commit(Create(network(2)), timeout=PATIENCE)
            with translator(directory) as late:
                await until(nb, lambda: nb.sequence == second.sequence)
                assert len(switches(nb)) == 2
                late.send_signal(signal.SIGTERM)
                assert late.wait(PATIENCE) == 0
        finally:
            await client.stop()
            await store.stop()


def switches(nb: Northbound) -> set[str]:
    return {str(row["name"]) for row in nb.tables["Logical_Switch"].values()}
