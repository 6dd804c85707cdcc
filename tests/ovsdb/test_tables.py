"""What the translation says of OVN's tables is what the schema of the OVN that is installed has."""

import json
from pathlib import Path

from sealane.translate.tables import TABLES

SCHEMA = Path("/usr/share/ovn/ovn-nb.ovsschema")


def test_the_tables_are_as_the_schema_has_them() -> None:
    """isRoot, strong and weak references, and indexes of the OVN that is installed."""
    tables = json.loads(SCHEMA.read_text())["tables"]
    for name, spec in TABLES.items():
        schema = tables[name]
        assert spec.root == schema.get("isRoot", False), name
        assert spec.unique_name == (["name"] in schema.get("indexes", [])), name
        assert set(spec.columns) <= schema["columns"].keys(), name
        assert spec.named == ("name" in schema["columns"] and name != "ACL"), name
        for column in spec.columns:
            found = schema["columns"][column]["type"]
            key = found["key"] if isinstance(found, dict) else found
            target = key.get("refTable") if isinstance(key, dict) else None
            assert {**spec.children, **spec.refers}.get(column) == target, (name, column)
            if target:
                assert (column in spec.holds) == (key.get("refType", "strong") == "strong"), (name, column)
                assert (column in spec.refers) == (found["max"] == 1), (name, column)
            assert (column in spec.maps) == (isinstance(found, dict) and "value" in found), (name, column)
