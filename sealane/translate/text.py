"""Rows and plans as text that a person can review: sorted, with names and without UUIDs."""

from collections.abc import Iterable, Iterator, Mapping

from sealane.translate.rows import Edge, Plan, Ref, Row, Value
from sealane.translate.tables import TABLES


def rows_text(rows: Iterable[Row]) -> str:
    """One stanza a row, a line for each column and for each key of a map."""
    return "\n".join("\n".join(_stanza(row)) + "\n" for row in sorted(rows, key=lambda r: (r.table, r.key)))


def plan_text(plan: Plan) -> str:
    """One line for each thing that the plan does."""
    lines = [f"create {r.table} {r.key}" for r in plan.create]
    for u in plan.update:
        changed = sorted({*u.put, *u.merge, *u.drop, *u.insert, *u.remove})
        lines.append(f"update {u.ref.table} {u.ref.key}: {', '.join(changed)}")
    lines += [f"delete {d.ref.table} {d.ref.key}" for d in plan.delete]
    lines += [f"attach {e.child.key} to {_place(e)}" for e in plan.attach]
    lines += [f"detach {e.child.key} from {_place(e)}" for e in plan.detach]
    lines += [f"blocked {ref.table} {ref.key}" for ref in plan.blocked]
    return "".join(f"{line}\n" for line in sorted(lines))


def _place(edge: Edge) -> str:
    return edge.parent.key or "a row without a key"


def _stanza(row: Row) -> Iterator[str]:
    """The row that owns it in the first line, those that share it in lines of their own."""
    holders = [ref.key for ref, column in row.parents if column in TABLES[ref.table].holds]
    yield f"{row.table} {row.key}" + (f" of {', '.join(sorted(holders))}" if holders else "")
    shared = sorted(ref for ref, column in row.parents if column in TABLES[ref.table].shares)
    yield from (f"    in {ref.table} {ref.key}" for ref in shared)
    for column, value in sorted(row.columns.items()):
        if isinstance(value, Mapping):
            yield from (f"    {column}:{key} = {_scalar(text)}" for key, text in sorted(value.items()))
        elif isinstance(value, frozenset):
            yield from (f"    {column} += {text}" for text in sorted(map(_scalar, value)))
        elif isinstance(value, Ref):
            yield f"    {column} -> {value.key}"
        else:
            yield f"    {column} = {_scalar(value)}"


def _scalar(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value is None else f'"{value}"' if isinstance(value, str) else str(value)
