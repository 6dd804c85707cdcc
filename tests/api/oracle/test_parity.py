"""The tables of the API against neutron-lib's definitions: what is different is so on purpose, and listed.

An attribute whose difference is gone has to go from the list as well.
"""

import copy
from typing import Any

import pytest

from sealane.api.documents import EXTENSIONS
from tests.api.oracle.definitions import (
    REFUSED,
    Said,
    known_extensions,
    neutron_attributes,
    neutron_takes,
    neutrons,
    our_attributes,
    ours,
    we_take,
)
from tests.api.oracle.differences import ASPECTS, EXTRA, MISSING, STRICTER, WIDER, normal
from tests.api.oracle.values import CORPUS

NEUTRON, OURS = neutron_attributes(), our_attributes()
BOTH = sorted(NEUTRON.keys() & OURS.keys())
WRITTEN = [key for key in BOTH if NEUTRON[key]["allow_post"] and OURS[key].post]
WITHOUT_DEFINITION = {  # Neutron's own tree names these
    "quota_details",
    "quotas",
    "subnet_allocation",
    "rbac-policies",
    "security-group",
    "standard-attr-description",
    "standard-attr-revisions",
    "standard-attr-tag",
    "standard-attr-timestamp",
}


def _name(key: tuple[str, str]) -> str:
    return ".".join(key)


def test_extensions_are_called_as_in_neutron() -> None:
    known = known_extensions()
    assert EXTENSIONS.keys() - known.keys() == WITHOUT_DEFINITION | {"sealane", "sealane-multicast"}
    for alias in EXTENSIONS.keys() & known.keys():
        assert EXTENSIONS[alias][0] == known[alias], "clients look for it by this name"


def test_no_attribute_is_missing_and_none_is_there_without_a_reason() -> None:
    assert NEUTRON.keys() - OURS.keys() == MISSING.keys()
    assert OURS.keys() - NEUTRON.keys() == {(r, a) for a, resources in EXTRA.items() for r in resources}


def _different(key: tuple[str, str]) -> set[str]:
    """Aspects in which the two sides differ; that we filter and sort by more is fine."""
    theirs, mine = neutrons(NEUTRON[key]), ours(OURS[key])
    found = {aspect for aspect in ("post", "put") if getattr(theirs, aspect) != getattr(mine, aspect)}
    found |= {aspect for aspect in ("filter", "sort") if getattr(theirs, aspect) > getattr(mine, aspect)}
    return found | ({"default"} if _defaults_differ(theirs, mine) else set())


def _defaults_differ(theirs: Said, mine: Said) -> bool:
    """ "chosen" there is left to the plugin, which may well choose what our table has."""
    return theirs.default != mine.default and (theirs.default != "chosen" or mine.default == "required")


@pytest.mark.parametrize("key", BOTH, ids=_name)
def test_an_attribute_is_taken_defaulted_filtered_and_sorted_as_in_neutron(key: tuple[str, str]) -> None:
    assert _different(key) == ASPECTS.get(_name(key), {}).keys()


@pytest.mark.parametrize("key", WRITTEN, ids=_name)
def test_the_same_values_are_good(key: tuple[str, str]) -> None:
    stricter, wider, other = [], [], []
    for value in CORPUS:
        theirs = neutron_takes(NEUTRON[key], copy.deepcopy(value))
        mine = we_take(OURS[key], copy.deepcopy(value))
        if (theirs is REFUSED) != (mine is REFUSED):
            (stricter if mine is REFUSED else wider).append(value)
        elif theirs is not REFUSED and normal(theirs) != normal(mine):
            other.append((value, theirs, mine))
    assert not _unexplained(stricter, STRICTER, key), "refused here only"
    assert not _unexplained(wider, WIDER, key), "taken here only"
    assert not other, "understood in another way"


def _unexplained(values: list[Any], reasons: dict[str, Any], key: tuple[str, str]) -> list[Any]:
    tests = [test for test, _ in reasons.get("all", []) + reasons.get(key[1], [])]
    return [value for value in values if not any(test(value) for test in tests)]
