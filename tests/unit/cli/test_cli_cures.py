"""Cures name commands that there are, for errors that there are."""

import re
from pathlib import Path

from sealane.cli.cures import CURES
from sealane.cli.main import COMMANDS

SOURCES = Path(__file__).parents[3] / "sealane"


def test_the_types_are_those_of_the_api():
    files = (*SOURCES.glob("api/*.py"), SOURCES / "errors.py", SOURCES / "store" / "draws.py")
    written = "".join(p.read_text() for p in files)
    assert not [kind for kind in CURES if f'"{kind}"' not in written]


def test_the_commands_exist():
    named = {word for cure in CURES.values() for word in re.findall(r"'sealane ([a-z-]+)", cure)}
    assert named <= COMMANDS.keys()
