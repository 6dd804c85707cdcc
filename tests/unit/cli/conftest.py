"""The command line against a tiny API: `sealane(...)` gives status, output and errors."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealane.cli.main import run
from tests.unit.cli.api_server import TinyApi, running


@dataclass(frozen=True)
class Outcome:
    status: int
    out: str
    err: str


Sealane = Callable[..., Outcome]


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyApi]:
    (tmp_path / "admin.token").write_text("secret\n")
    with running() as server:
        monkeypatch.setenv("SEALANE_API_URL", server.url)
        yield server


@pytest.fixture
def sealane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sealane:
    monkeypatch.setenv("SEALANE_ETC_DIR", str(tmp_path))
    monkeypatch.setenv("SEALANE_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("SEALANE_CONFIG", str(tmp_path / "sealane.toml"))

    def call(*arguments: str) -> Outcome:
        status = run(arguments)
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return call
