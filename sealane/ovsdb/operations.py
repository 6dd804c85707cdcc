"""The operations of a transaction (RFC 7047 §5.2) as wire values, encoded by schema."""

from collections.abc import Mapping

from sealane.ovsdb.values import Column, Schema

Operation = dict[str, object]
_ID = Column("uuid")


def insert(
    schema: Schema, table: str, row: Mapping[str, object], uuid: str = "", name: str = ""
) -> Operation:
    """Insert a row; `uuid` chooses its id (ovsdb-server(7) §5.2.1), `name` its `uuid-name`."""
    operation: Operation = {"op": "insert", "table": table, "row": schema.table(table).encode(row)}
    if uuid:
        operation["uuid"] = uuid
    if name:
        operation["uuid-name"] = name
    return operation


def update(schema: Schema, table: str, uuid: str, row: Mapping[str, object]) -> Operation:
    return {"op": "update", "table": table, "where": by_uuid(uuid), "row": schema.table(table).encode(row)}


def delete(table: str, uuid: str) -> Operation:
    return {"op": "delete", "table": table, "where": by_uuid(uuid)}


def mutate(table: str, uuid: str, *mutations: tuple[str, str, object]) -> Operation:
    """Mutations are (column, mutator, wire value)."""
    return {"op": "mutate", "table": table, "where": by_uuid(uuid), "mutations": [list(m) for m in mutations]}


def wait(schema: Schema, table: str, uuid: str, row: Mapping[str, object]) -> Operation:
    """Abort with WaitFailed unless the row exists and has these values now."""
    return {
        "op": "wait",
        "table": table,
        "timeout": 0,
        "where": by_uuid(uuid),
        "columns": sorted(row),
        "until": "==",
        "rows": [schema.table(table).encode(row)],
    }


def assert_lock(name: str) -> Operation:
    """Abort with NotOwner unless this connection holds the lock."""
    return {"op": "assert", "lock": name}


def by_uuid(uuid: str) -> list[list[object]]:
    return [["_uuid", "==", _ID.encode(uuid)]]
