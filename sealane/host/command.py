"""Running a program of the host, with a deadline, in a namespace if asked."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from sealane import failpoint
from sealane.errors import DeadlineExceeded, HostError
from sealane.host import netns

DEADLINE = 10.0  # seconds


def run(
    argv: Sequence[str],
    *,
    stdin: str = "",
    namespace: Path | str | None = None,
    deadline: float = DEADLINE,
) -> str:
    """What the program wrote to standard output; blocks, so call it from a worker thread.

    A child has the network namespace of the thread that starts it: no nsenter(1) is needed.
    Raises HostError with the program's own message, DeadlineExceeded, NotFound (the namespace).
    """
    if namespace is None:
        return _run(argv, stdin, deadline)
    return netns.inside(namespace, lambda: _run(argv, stdin, deadline))


def _run(argv: Sequence[str], stdin: str, deadline: float) -> str:
    try:
        with failpoint.effect("command", argv[0], HostError):
            done = subprocess.run(
                argv, input=stdin, capture_output=True, text=True, timeout=deadline, check=False
            )
    except subprocess.TimeoutExpired as exc:
        raise DeadlineExceeded(f"'{argv[0]}' did not end within {deadline:g} s") from exc
    except OSError as exc:
        raise HostError(f"'{argv[0]}' can't be run: {exc.strerror}") from exc
    if done.returncode != 0:
        raise HostError(f"'{' '.join(argv)}' failed: {(done.stderr or done.stdout).strip()[:500]}")
    return done.stdout
