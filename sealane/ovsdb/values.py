"""Values by schema: OVSDB's JSON notation (RFC 7047 §5.1) <-> plain Python.

    column type             Python
    one atom                bool, int, float, str (uuids are str)
    0..1 atoms              the atom, or None
    other sets              frozenset
    maps                    dict

Decoders and encoders are built once for a column, so that a row costs a call for each column.
"""

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from sealane.errors import BadRequest
from sealane.ovsdb.wire import WireError

Atom = bool | int | float | str
Value = Atom | None | frozenset[Atom] | dict[Atom, Atom]
Row = Mapping[str, Value]

_DEFAULTS: Mapping[str, Atom] = {
    "integer": 0,
    "real": 0.0,
    "boolean": False,
    "string": "",
    "uuid": "00000000-0000-0000-0000-000000000000",
}
_PYTHON: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "real": (float, int),
    "boolean": (bool,),
    "string": (str,),
    "uuid": (str,),
}
_PLAIN = (str, bool, int)


class Named(str):
    """The uuid of a row that the same transaction inserts under this `uuid-name`."""


@dataclass(frozen=True)
class Column:
    """The type of a column; `value` is empty unless it is a map; `max` of -1 means unlimited."""

    key: str
    value: str = ""
    min: int = 1
    max: int = 1

    @property
    def default(self) -> Value:
        """What a column holds that an insert leaves out (RFC 7047 §5.2.1)."""
        if self.value:
            return {}
        if self.min == 1 and self.max == 1:
            return _DEFAULTS[self.key]
        return None if self.max == 1 else frozenset()

    @functools.cached_property
    def decode(self) -> Callable[[object], Value]:
        """Wire -> Python."""
        if self.key == self.value == "string":
            return _decode_string_map
        if self.value:
            return functools.partial(_decode_map, _atom_decoder(self.key), _atom_decoder(self.value))
        atom = _atom_decoder(self.key)
        if self.min == 1 and self.max == 1:
            return atom
        return functools.partial(_decode_optional if self.max == 1 else _decode_set, atom)

    @functools.cached_property
    def encode(self) -> Callable[[object], object]:
        """Python -> wire; sets may be any iterable but str. Raises BadRequest."""
        atom = _atom_encoder(self.key)
        if self.value:
            return functools.partial(_encode_map, atom, _atom_encoder(self.value))
        if self.min == 1 and self.max == 1:
            return atom
        return functools.partial(_encode_set, atom)

    def apply(self, old: Value, change: object) -> Value:
        """The value after a "modify" of an update2 or update3 notification (ovsdb-server(7) §4.1.14).

        Up to one atom comes whole; of larger sets and maps comes the symmetric difference.
        """
        new = self.decode(change)
        if self.max == 1:
            return new
        if isinstance(new, frozenset) and isinstance(old, frozenset):
            return old ^ new
        if isinstance(new, dict) and isinstance(old, dict):
            kept = {k: v for k, v in old.items() if k not in new}
            return kept | {k: v for k, v in new.items() if k not in old or old[k] != v}
        raise WireError(f"can't apply {change!r} to {old!r}")


def _atom_decoder(kind: str) -> Callable[[object], Atom]:
    return {"uuid": _decode_uuid, "real": _decode_real, "string": _decode_string}.get(kind, _decode_plain)


def _decode_string(raw: object) -> Atom:
    if type(raw) is str:  # what the parser gives, and most of a database
        return raw
    raise WireError(f"not a string: {raw!r}")


def _decode_plain(raw: object) -> Atom:
    if isinstance(raw, _PLAIN):
        return raw
    raise WireError(f"not an atom: {raw!r}")


def _decode_real(raw: object) -> Atom:
    if isinstance(raw, int | float):
        return float(raw)
    raise WireError(f"not a number: {raw!r}")


def _decode_uuid(raw: object) -> Atom:
    if isinstance(raw, list) and len(raw) == 2 and raw[0] == "uuid" and isinstance(raw[1], str):
        return raw[1]
    raise WireError(f"not a uuid: {raw!r}")


def _members(raw: object, word: str) -> list[object] | None:
    """X of ["set", X] or ["map", X]; None when it is something else."""
    if isinstance(raw, list) and len(raw) == 2 and raw[0] == word and isinstance(raw[1], list):
        return raw[1]
    return None


def _decode_optional(atom: Callable[[object], Atom], raw: object) -> Value:
    members = _members(raw, "set")
    if members is None:
        return atom(raw)
    if len(members) > 1:
        raise WireError(f"more than one: {raw!r}")
    return atom(members[0]) if members else None


def _decode_set(atom: Callable[[object], Atom], raw: object) -> Value:
    members = _members(raw, "set")
    return frozenset([atom(raw)]) if members is None else frozenset(map(atom, members))


def _decode_map(key: Callable[[object], Atom], value: Callable[[object], Atom], raw: object) -> Value:
    members = _members(raw, "map")
    try:
        return {key(pair[0]): value(pair[1]) for pair in members or ()}  # type: ignore[index]
    except (TypeError, IndexError) as exc:
        raise WireError(f"not a map: {raw!r}") from exc


def _decode_string_map(raw: object) -> Value:
    """As _decode_map; nearly all maps of OVN's databases are such, and this is done in C."""
    try:
        found: dict[Atom, Atom] = dict(_members(raw, "map") or ())  # type: ignore[arg-type]
    except (TypeError, ValueError) as exc:
        raise WireError(f"not a map: {raw!r}") from exc
    if not {*map(type, found), *map(type, found.values())} <= {str}:
        raise WireError(f"not a map of strings: {raw!r}")
    return found


def _atom_encoder(kind: str) -> Callable[[object], object]:
    return _encode_string if kind == "string" else functools.partial(_encode, kind)


def _encode_string(value: object) -> object:
    return value if type(value) is str else _encode("string", value)


def _encode_map(key: Callable[[object], object], value: Callable[[object], object], raw: object) -> object:
    if not isinstance(raw, Mapping):
        raise BadRequest(f"an OVSDB map can't be {raw!r}")
    return ["map", [[key(k), value(raw[k])] for k in _in_order(raw)]]


def _encode_set(atom: Callable[[object], object], raw: object) -> object:
    if raw is None:
        return ["set", []]
    if isinstance(raw, frozenset | set | tuple | list):
        return ["set", [atom(item) for item in _in_order(raw)]]
    return atom(raw)


def _in_order(items: Collection[object]) -> Iterable[object]:
    """The same for the same content, whatever the order of arrival."""
    if len(items) < 2:
        return items
    try:
        return sorted(items)  # type: ignore[type-var]
    except TypeError:
        return sorted(items, key=str)


def _encode(kind: str, value: object) -> object:
    if isinstance(value, bool) != (kind == "boolean") or not isinstance(value, _PYTHON[kind]):
        raise BadRequest(f"an OVSDB {kind} can't be {value!r}")
    if kind == "uuid":
        return ["named-uuid" if isinstance(value, Named) else "uuid", str(value)]
    return value


@dataclass(frozen=True)
class Table:
    """The columns of one table."""

    name: str
    columns: Mapping[str, Column]

    def encode(self, row: Mapping[str, object]) -> dict[str, object]:
        """A `<row>` for insert, update and wait. Raises BadRequest that names the column."""
        columns = self.columns
        try:
            return {name: columns[name].encode(value) for name, value in row.items()}
        except (KeyError, BadRequest):
            return {name: self._encode_column(name, value) for name, value in row.items()}  # says which

    def column(self, name: str) -> Column:
        """Raises BadRequest."""
        if name not in self.columns:
            raise BadRequest(f"no column '{name}' in table {self.name}")
        return self.columns[name]

    def _encode_column(self, name: str, value: object) -> object:
        try:
            return self.column(name).encode(value)
        except BadRequest as exc:
            raise BadRequest(f"{self.name}.{name}: {exc.message}") from exc

    def decode(self, raw: Mapping[str, object]) -> dict[str, Value]:
        """A row of a select or an initial view, without columns that the schema does not have."""
        return {name: self.columns[name].decode(v) for name, v in raw.items() if name in self.columns}


@dataclass(frozen=True)
class Schema:
    """A `<database-schema>` (RFC 7047 §3.2) as far as values need it."""

    name: str
    version: str
    tables: Mapping[str, Table]

    @classmethod
    def parse(cls, raw: object) -> "Schema":
        """Raises WireError."""
        try:
            tables = {name: _parse_table(name, table) for name, table in raw["tables"].items()}  # type: ignore[index]
            return cls(str(raw["name"]), str(raw.get("version", "")), tables)  # type: ignore[index,attr-defined]
        except (KeyError, TypeError, AttributeError, ValueError) as exc:
            raise WireError(f"not a database schema: {exc!r}") from exc

    def table(self, name: str) -> Table:
        """Raises BadRequest."""
        if name not in self.tables:
            raise BadRequest(f"database {self.name} has no table '{name}'")
        return self.tables[name]


def _parse_table(name: str, raw: Mapping[str, Mapping[str, Mapping[str, object]]]) -> Table:
    columns = {column: _parse_column(spec["type"]) for column, spec in raw["columns"].items()}
    return Table(name, columns | {"_uuid": Column("uuid"), "_version": Column("uuid")})


def _parse_column(raw: object) -> Column:
    if isinstance(raw, str):
        return Column(raw)
    if not isinstance(raw, Mapping):
        raise ValueError(f"column type {raw!r}")
    limit = raw.get("max", 1)
    return Column(
        key=_base_type(raw["key"]),
        value=_base_type(raw["value"]) if "value" in raw else "",
        min=int(raw.get("min", 1)),
        max=-1 if limit == "unlimited" else int(limit),
    )


def _base_type(raw: object) -> str:
    kind = raw if isinstance(raw, str) else raw["type"]  # type: ignore[index]
    if kind not in _DEFAULTS:
        raise ValueError(f"base type {kind!r}")
    return str(kind)
