"""Metering labels by the command."""


def test_a_label_from_its_birth_to_its_end(sealane):
    made = sealane.json("metering", "label", "create", "out", "--description", "x")
    assert (made["name"], made["shared"], made["description"]) == ("out", False, "x")
    words = ("metering", "rule", "create", "--label", "out", "--direction", "egress")
    rule = sealane.json(*words, "--destination", "0.0.0.0/0")
    assert (rule["destination_ip_prefix"], rule["excluded"]) == ("0.0.0.0/0", False)
    assert sealane.json(*words, "--source", "10.0.0.0/8", "--exclude")["excluded"] is True
    assert "overlaps" in sealane.fails(1, *words, "--destination", "192.0.2.0/24")
    listed = sealane("metering", "rule", "list", "--label", "out").out
    assert "0.0.0.0/0" in listed and "10.0.0.0/8" in listed
    shown = sealane.json("metering", "show", "out")
    assert {"sealane:packets", "sealane:bytes"} <= shown.keys()
    assert sealane("metering", "rule", "delete", rule["id"]).status == 0
    assert sealane("metering", "label", "delete", "out").status == 0


def test_slips_are_told(sealane):
    assert "--label" in sealane.fails(2, "metering", "rule", "create", "--source", "10.0.0.0/8")
    assert "nobody" in sealane.fails(1, "metering", "show", "nobody")
    sealane.json("metering", "label", "create", "out")
    assert "source_ip_prefix" in sealane.fails(1, "metering", "rule", "create", "--label", "out")
    sealane.fails(2, "metering", "rule", "create", "--label", "out", "--direction", "up")
