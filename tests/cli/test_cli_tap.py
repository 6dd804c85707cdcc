"""Taps by the command."""


def test_a_tap_from_its_birth_to_its_end(sealane):
    sealane.json("network", "create", "blue")
    probe, web = (sealane.json("port", "create", name, "--network", "blue") for name in ("probe", "web"))
    made = sealane.json("tap", "create", "watch", "--port", "probe")
    assert (made["port_id"], made["project_id"]) == (probe["id"], probe["project_id"])
    seen = sealane.json("tap", "mirror", "watch", "web", "--direction", "in")
    assert seen["sealane:sources"] == [{"port_id": web["id"], "direction": "IN"}]
    (line,) = [words for words in sealane("tap", "list").out.splitlines() if "watch" in words]
    assert "web (in)" in line and " probe " in line, "by the names that a user gave"
    assert web["id"] not in line and probe["id"] not in line
    shown = sealane("tap", "show", "watch").out
    assert f"probe ({probe['id']})" in shown and f"web ({web['id']})" in shown
    assert sealane.json("tap", "unmirror", "watch", "web")["sealane:sources"] == []
    assert "no flow leads" in sealane.fails(1, "tap", "unmirror", "watch", "web")
    sealane.json("port", "set", "web", "--tap", "watch:out")
    assert sealane.json("tap", "show", "watch")["sealane:sources"] == [
        {"port_id": web["id"], "direction": "OUT"}
    ]
    assert "says so itself" in sealane.fails(1, "tap", "unmirror", "watch", "web")
    assert sealane("tap", "delete", "watch").status == 0


def test_slips_are_told(sealane):
    sealane.json("network", "create", "blue")
    sealane.json("port", "create", "probe", "--network", "blue")
    assert "--port" in sealane.fails(2, "tap", "create", "watch")
    assert "no port 'nobody'" in sealane.fails(1, "tap", "create", "watch", "--port", "nobody")
    sealane.json("tap", "create", "watch", "--port", "probe")
    assert "itself" in sealane.fails(1, "tap", "mirror", "watch", "probe")
    sealane.fails(2, "tap", "mirror", "watch", "probe", "--direction", "up")
