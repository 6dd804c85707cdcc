"""A copy of some tables that the server keeps up to date (ovsdb-server(7), monitor_cond_since)."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from sealane.ovsdb.values import Row, Schema, Table, Value
from sealane.ovsdb.wire import WireError

Change = tuple[str, str, Row | None, Row | None]
"""A table, a row's uuid, the row before and the row after."""

Listener = Callable[[Sequence[Change]], None]

_HIDDEN = {"_uuid", "_version"}
NO_TRANSACTION = "00000000-0000-0000-0000-000000000000"


class Replica:
    """The rows of the monitored tables.

    A row is never changed, only replaced: a row that is the same object has not changed, also across a
    reconnect.  Between two awaits of its reader the whole is consistent: each notification holds whole
    transactions and is applied at once.
    """

    def __init__(
        self, tables: Mapping[str, Sequence[str] | None], where: Mapping[str, object] | None = None
    ) -> None:
        self.version = 0
        """Grows with every change; 0 until the first view is there."""
        self.connected = False
        """False while the server is out of reach; the rows are then the last that were seen."""
        self.last_transaction = NO_TRANSACTION
        self._wanted = dict(tables)
        self._where = dict(where or {})
        self._tables: dict[str, dict[str, Row]] = {name: {} for name in tables}
        self._types: dict[str, Table] = {}
        self._schema: Schema | None = None
        self._listeners: list[Listener] = []
        self._wake = asyncio.Event()

    @property
    def tables(self) -> Mapping[str, Mapping[str, Row]]:
        """Live: hold it across an await and it changes under you."""
        return self._tables

    async def changed(self, after: int, timeout: float | None = None) -> int:
        """The version once it is above `after`, or as it is when `timeout` seconds have passed."""
        try:
            async with asyncio.timeout(timeout):
                while self.version <= after:
                    await self._wake.wait()
        except TimeoutError:
            pass
        return self.version

    def listen(self, listener: Listener) -> None:
        """Call `listener` with the changes of each notification, before anyone is woken."""
        self._listeners.append(listener)

    # for the client

    def bind(self, schema: Schema) -> dict[str, object]:
        """Decode by this schema from now on; returns the <monitor-cond-requests>. Raises BadRequest."""
        if self._schema is not None and self._schema != schema:
            self.last_transaction = NO_TRANSACTION
        self._schema = schema
        requests: dict[str, object] = {}
        for name, wanted in self._wanted.items():
            table = schema.table(name)
            names = sorted(table.columns.keys() - _HIDDEN) if wanted is None else list(wanted)
            self._types[name] = Table(name, {column: table.column(column) for column in names})
            where = {"where": self._where[name]} if name in self._where else {}
            requests[name] = [{"columns": names, **where}]
        return requests

    def load(self, updates: object) -> None:
        """Replace everything by a first view; rows that are equal stay the same objects."""
        self.connected = True
        seen: dict[str, set[str]] = {name: set() for name in self._tables}
        changes: list[Change] = []
        for table, uuid, update in _rows(updates):
            seen[table].add(uuid)
            old = self._tables[table].get(uuid)
            new = self._inserted(table, update.get("initial", update.get("insert")))
            if old != new:
                changes.append((table, uuid, old, new))
        for table, rows in self._tables.items():
            changes += [(table, uuid, row, None) for uuid, row in rows.items() if uuid not in seen[table]]
        self._commit(changes, first=self.version == 0)

    def first_view(self, reply: object) -> None:
        """Take the reply to monitor_cond_since: all rows, or what has happened since. Raises WireError."""
        if not isinstance(reply, list) or len(reply) != 3:
            raise WireError(f"not a monitor_cond_since reply: {str(reply)[:200]}")
        found, transaction, updates = reply
        self.connected = True
        if found:
            self.apply(updates)
        else:
            self.load(updates)
        self.last_transaction = str(transaction)

    def apply(self, updates: object, transaction: str = "") -> None:
        """Apply a <table-updates2>. Raises WireError when it does not fit what is here."""
        changes = [self._change(*row) for row in _rows(updates)]
        self.last_transaction = transaction or self.last_transaction
        self._commit(changes)

    def _change(self, table: str, uuid: str, update: Mapping[str, object]) -> Change:
        old = self._tables[table].get(uuid)
        if "delete" in update:
            return table, uuid, old, None
        if "modify" in update:
            return table, uuid, old, self._modified(table, old, update["modify"])
        return table, uuid, old, self._inserted(table, update.get("insert", update.get("initial")))

    def _inserted(self, table: str, raw: object) -> Row:
        if not isinstance(raw, dict):
            raise WireError(f"not a row of {table}: {raw!r}")
        columns = self._types[table].columns
        return {
            name: column.decode(raw[name]) if name in raw else column.default
            for name, column in columns.items()
        }

    def _modified(self, table: str, old: Row | None, raw: object) -> Row:
        if old is None or not isinstance(raw, dict):
            raise WireError(f"a change of a row of {table} that is not here: {raw!r}")
        columns = self._types[table].columns
        new: dict[str, Value] = dict(old)
        for name in raw.keys() & columns.keys():
            new[name] = columns[name].apply(old[name], raw[name])
        return new

    def _commit(self, changes: Sequence[Change], *, first: bool = False) -> None:
        if not changes and not first:
            return
        for table, uuid, _, new in changes:
            if new is None:
                self._tables[table].pop(uuid, None)
            else:
                self._tables[table][uuid] = new
        self.version += 1
        for listener in self._listeners:
            listener(changes)
        self.wake()

    def wake(self) -> None:
        """Let everyone in `changed` look again."""
        self._wake.set()
        self._wake = asyncio.Event()


def _rows(updates: object) -> list[tuple[str, str, Mapping[str, object]]]:
    try:
        return [
            (table, uuid, update)
            for table, rows in updates.items()  # type: ignore[attr-defined]
            for uuid, update in rows.items()
        ]
    except AttributeError as exc:
        raise WireError(f"not table updates: {str(updates)[:200]}") from exc
