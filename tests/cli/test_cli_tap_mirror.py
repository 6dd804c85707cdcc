"""Tap mirrors by the command."""

WORDS = ("--port", "web", "--remote", "198.51.100.9", "--type")


def test_a_mirror_from_its_birth_to_its_end(sealane):
    sealane.json("network", "create", "blue", "--project", "red")
    web = sealane.json("port", "create", "web", "--network", "blue", "--project", "red")
    made = sealane.json("tap-mirror", "create", "off", *WORDS, "erspan", "--directions", "in=101,out=102")
    assert (made["port_id"], made["project_id"], made["mirror_type"]) == (web["id"], "red", "erspanv1")
    assert made["directions"] == {"IN": 101, "OUT": 102}
    (line,) = [row for row in sealane("tap-mirror", "list").out.splitlines() if " off " in row]
    assert "in=101, out=102" in line and " web " in line and web["id"] not in line, "by names"
    assert sealane.json("tap-mirror", "set", "off", "--name", "away")["name"] == "away"
    assert sealane("tap-mirror", "delete", "away").status == 0
    assert "no tap-mirror" in sealane.fails(1, "tap-mirror", "show", "away")


def test_slips_are_told(sealane):
    sealane.json("network", "create", "blue")
    sealane.json("port", "create", "web", "--network", "blue")
    assert "--directions" in sealane.fails(2, "tap-mirror", "create", "off", *WORDS, "gre")
    for wrong in ("up=1", "in", "in=x", "in=1,in=2", ""):
        sealane.fails(2, "tap-mirror", "create", "off", *WORDS, "gre", "--directions", wrong)
    said = sealane.fails(1, "tap-mirror", "create", "off", *WORDS, "erspan", "--directions", "in=1024")
    assert "directions" in said
    sealane.fails(2, "tap-mirror", "create", "off", *WORDS, "vxlan", "--directions", "in=1")
