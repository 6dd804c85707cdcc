"""Quotas by the command."""

import pytest


@pytest.fixture
def acme(sealane):
    """A project's name; it has no limits at the end."""
    yield "acme & co"
    sealane("quota", "reset", "acme & co")


def test_a_quota_is_set_shown_kept_and_reset(sealane, acme):
    assert {v["limit"] for v in sealane.json("quota", "show", acme).values()} == {-1}
    sealane.json("quota", "set", acme, "--networks", "1", "--ports", "none")
    sealane.json("network", "create", "one", "--no-subnet", "--project", acme)
    assert sealane("quota", "show", acme).lines[:3] == [
        ["network", "1", "1"],
        ["subnet", "0", "none"],
        ["port", "0", "none"],
    ]
    said = sealane.fails(1, "network", "create", "two", "--no-subnet", "--project", acme)
    assert "quota" in said.lower() and "network" in said
    low = sealane.fails(1, "quota", "set", acme, "--networks", "0")
    assert "in use" in low and "--force" in low
    assert sealane.json("quota", "set", acme, "--networks", "0", "--force")[0]["network"] == 0
    assert acme in {row["project_id"] for row in sealane.json("quota", "list")}
    assert sealane("quota", "reset", acme).status == 0
    assert acme not in {row["project_id"] for row in sealane.json("quota", "list")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    (
        (("quota", "set", "acme"), "nothing to set"),
        (("quota", "set", "acme", "--ports", "-1"), "'-1' is no number"),
        (("quota", "set", "acme", "--ports", "many"), "give 0 or more, or none"),
        (("quota", "set"), "PROJECT"),
    ),
)
def test_wrong_usage(sealane, arguments, said):
    assert said in sealane.fails(2, *arguments)


def test_what_is_not_there(sealane):
    assert "nobody" in sealane.fails(1, "quota", "reset", "nobody")
    assert "empty" in sealane.fails(1, "quota", "show", "")
