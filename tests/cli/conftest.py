"""The command against an API process over a real store: `sealane(...)` gives status, output and errors."""

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sealane.cli.api import Api
from sealane.cli.main import run
from sealane.errors import NotFound
from tests.daemons import PATIENCE, OvsdbServer, until

SCHEMA = Path(__file__).parents[2] / "sealane" / "store" / "sealane.ovsschema"


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)

    @property
    def lines(self) -> list[list[str]]:
        """Words of each line of a table, without its head."""
        assert self.status == 0, self.err
        return [line.split() for line in self.out.splitlines()[1:]]


@dataclass(frozen=True)
class Central:
    """A store and an API process, both in one directory with a short path."""

    directory: Path

    @property
    def environ(self) -> dict[str, str]:
        return {
            "SEALANE_CONFIG": str(self.directory / "sealane.toml"),
            "SEALANE_RUN_DIR": str(self.directory),
            "SEALANE_ETC_DIR": str(self.directory / "etc"),
            "SEALANE_STATE_DIR": str(self.directory / "state"),
            "SEALANE_API_BIND": "",
        }

    @contextmanager
    def api(self, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        given = {f"SEALANE_{name.upper()}": value for name, value in settings.items()}
        with (self.directory / "api.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "sealane.api.server"],
                env=os.environ | self.environ | given,
                stderr=log,
            )
        try:
            until(self.answers, "the API answers")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()

    @property
    def client(self) -> Api:
        return Api(f"unix:{self.directory}/api.sock")

    def answers(self) -> bool:
        from sealane.errors import SealaneError

        try:
            self.client.list("networks", limit="1")
        except SealaneError:
            return False
        return True


@contextmanager
def central_part() -> Iterator[Central]:
    with tempfile.TemporaryDirectory(prefix="slc") as name:
        directory = Path(name)
        (directory / "store").mkdir()
        (directory / "store.sock").symlink_to("store/db.sock")
        with OvsdbServer(directory / "store", SCHEMA):
            yield Central(directory)


@pytest.fixture(scope="package")
def running() -> Iterator[Central]:
    """One for all tests of this directory."""
    with central_part() as central, central.api():
        yield central


FIRST = ("metering/metering-labels", "taas/tap_services", "taas/tap_mirrors", "trunks")
LAST = ("subnetpools", "address-scopes", "qos/policies", "log/logs")


@pytest.fixture
def central(running: Central) -> Iterator[Central]:
    """Empty at the end of each test."""
    yield running
    client = running.client
    clear_routing(client)
    for collection in (*FIRST, "ports", "networks", "security-groups", "address-groups", *LAST):
        for row in client.list(collection):
            client.delete(collection, row["id"])
    for noun in ("user", "project"):
        for row in client.request("GET", f"/v3/{noun}s")[f"{noun}s"]:
            with suppress(NotFound):  # a project that is merely used
                client.request("DELETE", f"/v3/{noun}s/{row['id']}")


def clear_routing(client: Api) -> None:
    """Load balancers, floating IPs and routers hold networks and ports."""
    for balancer in client.list("lbaas/loadbalancers"):
        client.delete("lbaas/loadbalancers", balancer["id"], cascade="true")
    for floating in client.list("floatingips"):
        for forwarded in floating["port_forwardings"]:
            client.delete(f"floatingips/{floating['id']}/port_forwardings", forwarded["id"])
        client.delete("floatingips", floating["id"])
    for router in client.list("routers"):
        for port in client.list("ports", device_id=router["id"], device_owner="network:router_interface"):
            client.request(
                "PUT", f"/v2.0/routers/{router['id']}/remove_router_interface", {"port_id": port["id"]}
            )
        client.delete("routers", router["id"])


class Sealane:
    """The command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str, stdin: str = "") -> Outcome:
        self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        self._capsys.readouterr()
        status = run(arguments)
        captured = self._capsys.readouterr()
        assert captured.err.count("\n") == len(captured.err.splitlines())
        assert "Traceback" not in captured.err
        return Outcome(status, captured.out, captured.err)

    def json(self, *arguments: str, stdin: str = "") -> Any:
        return self(*arguments, "-o", "json", stdin=stdin).json

    def fails(self, status: int, *arguments: str, stdin: str = "") -> str:
        """The error, which is one line."""
        outcome = self(*arguments, stdin=stdin)
        assert outcome.status == status, outcome
        assert outcome.err.count("\n") == 1 and outcome.err.startswith("sealane: "), outcome.err
        return outcome.err


@pytest.fixture
def sealane(central: Central, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sealane:
    for name, value in central.environ.items():
        monkeypatch.setenv(name, value)
    return Sealane(capsys, monkeypatch)
