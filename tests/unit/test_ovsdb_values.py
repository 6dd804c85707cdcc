"""Values by schema: what is encoded comes back, and differences apply as the server means them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.errors import BadRequest
from sealane.ovsdb.replica import Replica
from sealane.ovsdb.values import Column, Named, Schema, Value
from sealane.ovsdb.wire import WireError

ATOMS = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "real": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "string": st.text(st.sampled_from('aé"\\\n0\x00🦆'), max_size=8),
    "uuid": st.uuids().map(str),
}
kinds = st.sampled_from(sorted(ATOMS))


@st.composite
def columns_with_values(draw: st.DrawFn, count: int = 1) -> tuple[Column, list[Value]]:
    key, value = draw(kinds), draw(st.just("") | kinds)
    least, most = draw(st.sampled_from([(1, 1), (0, 1), (0, -1)]))
    if value:
        column, content = Column(key, value, 0, -1), st.dictionaries(ATOMS[key], ATOMS[value], max_size=5)
    else:
        column = Column(key, "", least, most)
        content = {
            (1, 1): ATOMS[key],
            (0, 1): ATOMS[key] | st.none(),
            (0, -1): st.frozensets(ATOMS[key], max_size=5),
        }[least, most]
    return column, [draw(content) for _ in range(count)]


@given(columns_with_values())
def test_a_value_survives_the_wire(drawn: tuple[Column, list[Value]]) -> None:
    column, (value,) = drawn
    assert column.decode(column.encode(value)) == value
    assert column.decode(column.encode(column.default)) == column.default


@given(columns_with_values(2))
def test_applying_a_difference_gives_the_new_value(drawn: tuple[Column, list[Value]]) -> None:
    column, (old, new) = drawn
    assert column.apply(old, column.encode(_difference(column, old, new))) == new


def _difference(column: Column, old: Value, new: Value) -> Value:
    if column.max == 1:
        return new
    if isinstance(old, frozenset) and isinstance(new, frozenset):
        return old ^ new
    assert isinstance(old, dict) and isinstance(new, dict)
    gone = {k: v for k, v in old.items() if k not in new}
    return gone | {k: v for k, v in new.items() if k not in old or old[k] != v}


def test_a_set_of_one_may_come_bare() -> None:
    assert Column("integer", min=0, max=-1).decode(3) == frozenset({3})
    assert Column("uuid", min=0).decode(["uuid", "u"]) == "u"
    assert Column("uuid").encode(Named("row1")) == ["named-uuid", "row1"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("integer"), "1"),
        (Column("integer"), True),
        (Column("boolean"), 1),
        (Column("string"), None),
        (Column("string", "string", 0, -1), ["a"]),
        (Column("string", min=0, max=-1), [1]),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(column: Column, value: object) -> None:
    with pytest.raises((BadRequest,)):
        column.encode(value)


@pytest.mark.parametrize("raw", [["map", []], ["set", [1, 2]], None, {}, ["uuid", 1]])
def test_a_strange_wire_value_is_a_wire_error(raw: object) -> None:
    for column in (Column("uuid"), Column("uuid", min=0), Column("string")):
        if raw != ["map", []] or column.key == "uuid":
            with pytest.raises(WireError):
                column.decode(raw)


SCHEMA = Schema.parse(
    {
        "name": "Zoo",
        "version": "1.2.3",
        "tables": {
            "Animal": {
                "columns": {
                    "name": {"type": "string"},
                    "foods": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                    "cage": {"type": {"key": {"type": "uuid", "refTable": "Cage"}, "min": 0, "max": 1}},
                }
            }
        },
    }
)


def test_a_schema_is_read() -> None:
    table = SCHEMA.table("Animal")
    assert table.columns["cage"] == Column("uuid", min=0)
    assert table.columns["foods"] == Column("string", min=0, max=-1)
    with pytest.raises(BadRequest, match=r"Animal\.foods"):
        table.encode({"foods": 3})
    with pytest.raises(BadRequest, match="wings"):
        table.encode({"wings": 2})
    with pytest.raises(WireError):
        Schema.parse({"tables": 3})


def test_a_new_first_view_keeps_the_rows_that_are_equal() -> None:
    replica = Replica({"Animal": ["name"]})
    assert replica.bind(SCHEMA) == {"Animal": [{"columns": ["name"]}]}
    heard: list[object] = []
    replica.listen(heard.extend)
    replica.load({"Animal": {"1": {"initial": {"name": "emu"}}, "2": {"initial": {"name": "gnu"}}}})
    emu = replica.tables["Animal"]["1"]
    replica.load({"Animal": {"1": {"initial": {"name": "emu"}}, "3": {"initial": {"name": "owl"}}}})
    assert replica.tables["Animal"]["1"] is emu
    assert set(replica.tables["Animal"]) == {"1", "3"}
    assert len(heard) == 2 + 2
    assert replica.version == 2


def test_a_change_of_an_unknown_row_is_a_wire_error() -> None:
    replica = Replica({"Animal": None})
    replica.bind(SCHEMA)
    with pytest.raises(WireError):
        replica.apply({"Animal": {"9": {"modify": {"name": "x"}}}})
