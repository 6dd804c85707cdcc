"""Logs of security groups by the command."""


def test_a_log_from_its_birth_to_its_end(sealane):
    sealane.json("security-group", "create", "web")
    sealane.json("network", "create", "blue")
    port = sealane.json("port", "create", "shop", "--network", "blue", "--security-group", "web")
    words = ("--security-group", "web", "--port", "shop", "--event", "dropped")
    made = sealane.json("log", "create", "refused", *words)
    assert (made["event"], made["target_id"], made["enabled"]) == ("DROP", port["id"], True)
    assert made["resource_id"] == sealane.json("security-group", "show", "web")["id"]
    assert sealane.json("log", "set", "refused", "--disable")["enabled"] is False
    listed = sealane("log", "list", "--port", "shop").out
    assert "refused" in listed and " shop " in listed, "by the names that a user gave"
    assert made["target_id"] not in listed and made["target_id"] in sealane("log", "show", "refused").out
    assert sealane("log", "entries").out == ""
    assert sealane("log", "delete", "refused").status == 0
    assert "no log 'refused'" in sealane.fails(1, "log", "show", "refused")


def test_it_has_the_project_of_what_it_is_about(sealane):
    sealane.json("security-group", "create", "web", "--project", "red")
    assert sealane.json("log", "create", "all", "--security-group", "web")["project_id"] == "red"


def test_slips_are_told(sealane):
    sealane.fails(2, "log", "create", "x", "--event", "refused")
    assert "no security-group 'nobody'" in sealane.fails(
        1, "log", "create", "x", "--security-group", "nobody"
    )
    sealane.fails(2, "log", "entries", "--since", "yesterday")
