"""Trunks by the command."""


def test_a_trunk_from_its_birth_to_its_end(sealane):
    for network in ("own", "blue", "green"):
        sealane.json("network", "create", network)
        sealane.json("port", "create", f"p-{network}", "--network", network)
    ids = {name: sealane.json("port", "show", f"p-{name}")["id"] for name in ("own", "blue", "green")}
    made = sealane.json(
        "trunk", "create", "all", "--parent", "p-own", "--subport", "p-blue=101", "--tag", "x"
    )
    assert (made["port_id"], made["status"], made["tags"]) == (ids["own"], "DOWN", ["x"])
    more = sealane.json("trunk", "add", "all", "p-green=102")
    assert [place["segmentation_id"] for place in more["sub_ports"]] == [101, 102]
    shown = sealane.json("port", "show", "p-own")["trunk_details"]
    assert {place["port_id"] for place in shown["sub_ports"]} == {ids["blue"], ids["green"]}
    listed = sealane("trunk", "list", "--parent", "p-own").out
    assert "all" in listed and " p-own " in listed and "port_id=p-blue" in listed, "by names"
    assert sealane.json("trunk", "set", "all", "--disable", "--name", "every")["admin_state_up"] is False
    assert "disabled" in sealane.fails(1, "trunk", "remove", "every", "p-blue")
    sealane.json("trunk", "set", "every", "--enable")
    assert len(sealane.json("trunk", "remove", "every", "p-blue")["sub_ports"]) == 1
    assert "parent port" in sealane.fails(1, "port", "delete", "p-own")
    assert "subport" in sealane.fails(1, "port", "delete", "p-green")
    assert sealane("trunk", "delete", "every").status == 0
    assert "no trunk 'every'" in sealane.fails(1, "trunk", "show", "every")


def test_it_has_its_parent_s_project(sealane):
    sealane.json("network", "create", "own", "--project", "red")
    sealane.json("port", "create", "p", "--network", "own", "--project", "red")
    assert sealane.json("trunk", "create", "all", "--parent", "p")["project_id"] == "red"


def test_slips_are_told(sealane):
    sealane.json("network", "create", "own")
    sealane.json("port", "create", "p", "--network", "own")
    for wrong in ("p", "p=", "=7", "p=0", "p=4095", "p=x"):
        assert "PORT=VLAN" in sealane.fails(2, "trunk", "create", "all", "--parent", "p", "--subport", wrong)
    assert "no port 'nobody'" in sealane.fails(1, "trunk", "create", "all", "--parent", "nobody")
    assert "--parent" in sealane.fails(1, "trunk", "create", "all")
    assert "PortInUseAs" not in sealane.fails(
        1, "trunk", "create", "all", "--parent", "p", "--subport", "p=7"
    )
