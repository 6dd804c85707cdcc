"""The store's interface over dictionaries, with its guarantees: all or nothing, unique addresses and MACs."""

import asyncio
from dataclasses import replace

from sealane.errors import AddressInUse, Conflict, RevisionMismatch
from sealane.model import Network, Port, State, Subnet
from sealane.store.changes import Change, Create, Delete, Update

TABLES = {Network: "networks", Subnet: "subnets", Port: "ports"}


class FakeStore:
    def __init__(self) -> None:
        self.state = State(sequence=1)
        self._news = asyncio.Condition()

    async def commit(self, *changes: Change, timeout: float = 5.0) -> State:
        tables = {name: dict(getattr(self.state, name)) for name in TABLES.values()}
        for change in changes:
            row = change.new if isinstance(change, Update) else change.obj
            table = tables[TABLES[type(row)]]
            if isinstance(change, Delete):
                table.pop(row.id, None)
                continue
            if isinstance(change, Update) and table[row.id].revision_number != change.old.revision_number:
                raise RevisionMismatch("changed meanwhile")
            if isinstance(change, Create) and row.id in table and table[row.id] != row:
                raise Conflict("the id is taken")
            table[row.id] = row
        _check(tables["ports"])
        async with self._news:
            self.state = replace(self.state, **tables, sequence=self.state.sequence + 1)
            self._news.notify_all()
        return self.state

    async def changed(self, after: int, timeout: float | None) -> State:
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: self.state.sequence > after)
        except TimeoutError:
            pass
        return self.state


def _check(ports: dict[str, Port]) -> None:
    addresses = [(f.subnet_id, f.ip_address) for p in ports.values() for f in p.fixed_ips]
    macs = [(p.network_id, p.mac_address) for p in ports.values()]
    if len(set(addresses)) != len(addresses):
        raise AddressInUse("taken")
    if len(set(macs)) != len(macs):
        raise Conflict("taken")
