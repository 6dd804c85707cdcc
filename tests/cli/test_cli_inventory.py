"""Extensions and agents."""


def test_extensions(sealane):
    assert "quotas" in {row["alias"] for row in sealane.json("extension", "list")}
    assert sealane.json("extension", "show", "quotas")["alias"] == "quotas"
    assert "alias x does not exist" in sealane.fails(1, "extension", "show", "x")


def test_agents(sealane):
    """There is no southbound database in these tests; tests/e2e has one."""
    assert sealane.json("agent", "list") == sealane.json("agent", "list", "--lost") == []
    assert "no agent 'x'" in sealane.fails(1, "agent", "show", "x")
