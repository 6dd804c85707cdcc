"""The desired northbound database: one computation, for create, update, restart and repair."""

from collections.abc import Callable, Iterator

from sealane.model import State
from sealane.translate import ports, switches
from sealane.translate.rows import Row

PIPELINE: tuple[Callable[[State], Iterator[Row]], ...] = (
    switches.rows,  # Network, Subnet -> Logical_Switch, and the gateway's localport
    ports.rows,  # Port -> Logical_Switch_Port
)


def desired(state: State) -> tuple[Row, ...]:
    """All rows, in an order that depends on nothing but the rows."""
    rows = (row for stage in PIPELINE for row in stage(state))
    return tuple(sorted(rows, key=lambda row: (row.table, row.key)))
