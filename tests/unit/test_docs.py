"""Documents that fail a test when they lag behind the code."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from sealane.cli.reference import PAGES, _comments
from sealane.config import Settings

ROOT = Path(__file__).parents[2]
PAGES_BY_HAND = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


@pytest.mark.parametrize("page", PAGES)
def test_reference_is_what_the_code_says(page):
    """Word by word: releases of click break lines differently."""
    written = (ROOT / "docs" / "reference" / f"{page}.md").read_text()
    assert written.split() == PAGES[page]().split(), "run 'make docs'"


def test_every_setting_has_a_comment():
    comments = _comments()
    assert not [f.name for f in fields(Settings) if not comments.get(f.name)], "say in config.py what it is"


@pytest.mark.parametrize("page", PAGES_BY_HAND, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_targets_named_in_documents_exist():
    """`make WORD` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (p.name, t)
        for p in PAGES_BY_HAND
        for t in re.findall(r"(?:`|^    )make ([a-z-]+)", p.read_text(), re.M)
    }
    assert not {(page, target) for page, target in named if target not in targets}


def test_tests_that_the_readme_names_exist():
    """A file without a folder is in that of the one named before it, or anywhere below `tests`."""
    lacking = []
    for row in _rows(ROOT / "README.md", "State of the work"):
        named = re.findall(r"`((?:tests/)?[\w/]*test_\w+\.py|tests/[\w/]+)[`:]", row)
        if not named and not row.endswith("| not yet |"):
            lacking.append(f"no test is named: {row}")
        lacking += [name for name in named if not _there(name)]
    assert not lacking


def _rows(page: Path, heading: str) -> list[str]:
    """Of the table below that heading, without its head."""
    section = page.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][2:]


def _there(name: str) -> bool:
    return (ROOT / name).exists() if "/" in name else bool(list(ROOT.glob(f"tests/**/{name}")))
