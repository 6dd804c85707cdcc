"""The tree's own rule: imports go down the path, and pure code imports no input or output."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "sealane"

MAY_IMPORT = {
    "model": set(),
    "moves": set(),
    "errors": set(),
    "names": {"errors"},
    "protocols": set(),
    "config": {"errors"},
    "log": set(),
    "failpoint": set(),
    "listening": set(),
    "ovsdb": {"errors", "failpoint", "log"},
    "host": {"config", "errors", "failpoint", "log", "names", "ovsdb"},
    "fastpath": {"errors", "failpoint", "host"},
    "pki": {"errors", "model"},
    "client": {"errors", "failpoint", "log", "names", "pki"},
    "shims": set(),
    "openstack": {"cli", "config", "errors"},
    "translate": {"errors", "model", "moves", "names", "protocols"},
    "store": {"config", "errors", "log", "model", "moves", "names", "ovsdb"},
    "ovn": {"config", "errors", "failpoint", "log", "model", "names", "ovsdb", "store", "translate"},
    "api": {
        *("config", "errors", "failpoint", "listening", "log", "model", "moves"),
        *("names", "ovn", "ovsdb", "pki", "protocols", "store", "translate"),
    },
    "agent": {
        *("client", "config", "errors", "failpoint", "fastpath", "host", "listening"),
        *("log", "model", "names", "ovsdb", "pki"),
    },
    "gate": {"config", "errors", "listening", "log", "model", "names", "ovsdb", "pki", "store"},
    "engine": {
        "config",
        "errors",
        "fastpath",
        "host",
        "listening",
        "log",
        "model",
        "names",
        "ovsdb",
        "pki",
        "store",
    },
    "lab": {"config", "errors", "host", "log", "names"},
    "cli": {"agent", "client", "config", "engine", "errors", "host", "lab", "log", "model", "names", "pki"},
}
"""What a package may import of ours, besides itself."""

INPUT_OUTPUT = {"asyncio", "logging", "os", "pyroute2", "random", "socket", "sqlite3", "subprocess", "time"}
PURE = (
    "fastpath/elf.py",
    "fastpath/layout.py",
    "model.py",
    "moves.py",
    "names.py",
    "protocols.py",
    "translate",
    "api/events.py",
)


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports; imports are absolute in this project."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(part: str) -> list[Path]:
    place = ROOT / part
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


def parts() -> list[str]:
    found = [p.name for p in ROOT.iterdir() if p.is_dir() and any(p.glob("*.py"))]
    return sorted(found + [p.stem for p in ROOT.glob("*.py") if p.stem not in ("__init__", "__main__")])


@pytest.mark.parametrize("part", parts())
def test_imports_go_down(part: str) -> None:
    allowed = MAY_IMPORT[part] | {part}
    for path in files(part if (ROOT / part).is_dir() else f"{part}.py"):
        ours = {name.split(".")[1] for name in imports(path) if name.startswith("sealane.")}
        assert ours - {"__version__"} <= allowed, f"{path} goes up the path"


@pytest.mark.parametrize("part", PURE)
def test_pure_code_has_no_input_or_output(part: str) -> None:
    for path in files(part):
        assert not {name.split(".")[0] for name in imports(path)} & INPUT_OUTPUT, path


@pytest.mark.parametrize("package", [p for p in parts() if (ROOT / p).is_dir()])
def test_packages_say_what_they_are(package: str) -> None:
    for path in (ROOT / package).rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_files_stay_short() -> None:
    long = {str(p): n for p in ROOT.rglob("*.py") if (n := len(p.read_text().splitlines())) > 600}
    assert not long
