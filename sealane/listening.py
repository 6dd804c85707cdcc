"""Unix sockets to listen on, made so that nobody but root ever sees them open."""

import os
import socket
from contextlib import suppress
from pathlib import Path

BACKLOG = 1024


def unix(path: Path) -> socket.socket:
    """A socket of mode 0600 that takes the place of a stale one. Raises OSError.

    It is made under another name and moved there: so it never exists with wider rights, and whoever
    connects meets the old one or the new one.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(draft))
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    draft.replace(path)
    return listener


def forget(path: Path) -> None:
    """Remove the name, unless another process has put its own socket there meanwhile."""
    with suppress(OSError):
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with probe:
            probe.settimeout(0.2)
            if probe.connect_ex(str(path)) != 0:
                path.unlink()
