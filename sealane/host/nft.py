"""nftables: whole tables, replaced atomically, and recognised by a digest in their comment (nft(8)).

By the library that nft(8) itself is made of, libnftables(3): a change takes half a millisecond.  As a
program it takes 10, and up to 20 more at its end, as the kernel then waits for all who still read the
old rules.  That wait belongs to closing the socket, and is left to a thread here.
"""

import ctypes
import re
import threading
from functools import cache
from pathlib import Path

from sealane import failpoint
from sealane.errors import HostError
from sealane.host import netns
from sealane.host.values import Table

_COMMENT = re.compile(r'comment "sealane ([0-9a-f]+)"')
_LIBRARY = "libnftables.so.1"
_one_at_a_time = threading.Lock()  # the library's parser is not said to be safe in threads


def replace(table: Table, namespace: Path | None = None) -> None:
    """Load the table in place of the one of its name; packets meet the old or the new, never a part."""
    head = f"table {table.family} {table.name}"
    script = f'{head}\ndelete {head}\n{head} {{\n  comment "sealane {table.digest}"\n{table.chains}\n}}\n'
    _change(namespace, head, script)


def loaded(family: str, name: str, namespace: Path | None = None) -> str:
    """Digest of the table that is there; "" when there is none, or none of ours."""
    try:
        listing = _within(namespace, f"list table {family} {name}\n")
    except HostError:
        return ""
    found = _COMMENT.search(listing)
    return found.group(1) if found else ""


def delete(family: str, name: str, namespace: Path | None = None) -> None:
    """Delete the table if it is there."""
    head = f"table {family} {name}"
    _change(namespace, head, f"{head}\ndelete {head}\n")


def run(script: str) -> str:
    """Carry out a script of nft(8) in the calling thread's namespace, all or nothing; what it printed.

    Raises HostError with the library's own message.
    """
    library = _library()
    with _one_at_a_time:
        context = library.nft_ctx_new(0)  # opens the socket, in this thread's namespace
        if not context:
            raise HostError("nftables can't be reached: the kernel gave no netlink socket")
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        failed = library.nft_run_cmd_from_buffer(context, script.encode())
        printed = library.nft_ctx_get_output_buffer(context).decode(errors="replace")
        errors = library.nft_ctx_get_error_buffer(context).decode(errors="replace")
    threading.Thread(target=library.nft_ctx_free, args=(context,), name="nft close").start()
    if failed:
        raise HostError(f"nftables refused: {errors.strip()[:500]}")
    return str(printed)


def change(what: str, script: str) -> None:
    """As `run`, where something is changed; `what` names it."""
    with failpoint.effect("nft", what, HostError):
        run(script)


def _change(namespace: Path | None, what: str, script: str) -> None:
    change(what, script) if namespace is None else netns.inside(namespace, lambda: change(what, script))


def _within(namespace: Path | None, script: str) -> str:
    return run(script) if namespace is None else netns.inside(namespace, lambda: run(script))


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as exc:
        raise HostError(f"{_LIBRARY} can't be loaded ({exc}); install the package nftables") from exc
    library.nft_ctx_new.restype = ctypes.c_void_p
    library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
        getattr(library, name).restype = ctypes.c_char_p
    return library
