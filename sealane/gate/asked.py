"""What a node asks of the southbound database, taken apart: transactions and operations (RFC 7047, 5.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sealane.gate.view import View
from sealane.model import Node

Operation = Mapping[str, object]


class Refused(Exception):
    """Why, in a sentence for the node's log and ours."""


@dataclass(frozen=True)
class Batch:
    """One transaction: who sends it, what is there, and the rows that it makes itself, by uuid-name."""

    node: Node
    view: View
    made: Mapping[str, Operation] = field(default_factory=dict)


def operation(raw: object) -> Operation:
    if not isinstance(raw, dict):
        raise Refused("an operation is an object")
    return raw


def only(operation: Operation, *keys: str) -> None:
    if further := operation.keys() - set(keys):
        raise Refused(f"an operation with '{sorted(further)[0][:40]}' is not for nodes")


def table(operation: Operation) -> str:
    table = operation.get("table")
    if not isinstance(table, str):
        raise Refused("the operation names no table")
    return table


def row(operation: Operation) -> Operation:
    row = operation.get("row")
    if not isinstance(row, dict):
        raise Refused("the operation has no row")
    return row


def target(operation: Operation) -> str:
    """The one row that it is about: conditions of another kind could match rows that we can't see."""
    match operation.get("where"):
        case [["_uuid", "==", ["uuid", str(uuid)]]]:
            return uuid
    raise Refused("an operation must name one row by its _uuid")


def members(value: object) -> Sequence[object]:
    match value:
        case ["set", list(members)]:
            return members
        case ["uuid" | "named-uuid", str()]:
            return [value]
    raise Refused("a reference that is none")
