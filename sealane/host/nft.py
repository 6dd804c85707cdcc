"""nftables: whole tables, replaced atomically, and recognised by a digest in their comment (nft(8))."""

import re
from pathlib import Path

from sealane.errors import HostError
from sealane.host import command
from sealane.host.values import Table

_COMMENT = re.compile(r'comment "sealane ([0-9a-f]+)"')


def replace(table: Table, namespace: Path | None = None) -> None:
    """Load the table in place of the one of its name; packets meet the old or the new, never a part."""
    head = f"table {table.family} {table.name}"
    script = f'{head}\ndelete {head}\n{head} {{\n  comment "sealane {table.digest}"\n{table.chains}\n}}\n'
    command.run(["nft", "-f", "-"], stdin=script, namespace=namespace)


def loaded(family: str, name: str, namespace: Path | None = None) -> str:
    """Digest of the table that is there; "" when there is none, or none of ours."""
    try:
        listing = command.run(["nft", "list", "table", family, name], namespace=namespace)
    except HostError:
        return ""
    found = _COMMENT.search(listing)
    return found.group(1) if found else ""


def delete(family: str, name: str, namespace: Path | None = None) -> None:
    """Delete the table if it is there."""
    head = f"table {family} {name}"
    command.run(["nft", "-f", "-"], stdin=f"{head}\ndelete {head}\n", namespace=namespace)
