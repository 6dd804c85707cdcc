"""Segments by the command."""


def test_a_segment_from_its_birth_to_its_end(sealane):
    sealane.json("network", "create", "racks", "--no-subnet", "--physical-network", "east", "--vlan", "100")
    words = ("segment", "create", "west", "--network", "racks", "--physical-network", "west")
    made = sealane.json(*words, "--vlan", "200", "--description", "x")
    assert (made["network_type"], made["segmentation_id"], made["description"]) == ("vlan", 200, "x")
    flat = sealane.json(*words[:2], "north", *words[3:5], "--physical-network", "north")
    assert (flat["network_type"], flat["segmentation_id"]) == ("flat", None)
    assert len(sealane("segment", "list", "--network", "racks", "-q").out.split()) == 3
    listed = sealane("segment", "list", "--network", "racks", "--physical-network", "west").out
    assert "west" in listed and "north" not in listed
    subnet = ("subnet", "create", "w", "--network", "racks", "--cidr", "10.2.0.0/24", "--segment", "west")
    assert sealane.json(*subnet)["segment_id"] == made["id"]
    assert "delete them first" in sealane.fails(1, "segment", "delete", "west")
    assert sealane.json("segment", "set", "west", "--description", "y")["description"] == "y"
    assert sealane.json("segment", "unset", "west", "--description")["description"] == ""
    assert sealane("subnet", "delete", "w").status == 0
    assert sealane("segment", "delete", "west", "north").status == 0


def test_slips_are_told(sealane):
    sealane.json("network", "create", "blue", "--no-subnet")
    words = ("segment", "create", "x", "--network", "blue", "--physical-network", "west")
    assert "give a network_id of type vlan or flat" in sealane.fails(1, *words)
    assert "--physical-network" in sealane.fails(2, *words[:5])
    assert "--network" in sealane.fails(2, *words[:3], "--physical-network", "west")
    sealane.fails(2, *words, "--vlan", "4095")
    assert "nobody" in sealane.fails(1, "segment", "show", "nobody")
