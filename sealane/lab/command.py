"""Run a program of the machine, with a deadline and an error that says which."""

import subprocess
from collections.abc import Sequence

from sealane.errors import HostError


def run(argv: Sequence[str], stdin: str = "", timeout: float = 20.0) -> str:
    """Its standard output. Raises HostError."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as exc:
        raise HostError(f"'{argv[0]}' is not installed") from exc
    except subprocess.TimeoutExpired as exc:
        raise HostError(f"'{' '.join(argv)}' did not end in {timeout:g} s") from exc
    if done.returncode != 0:
        raise HostError(f"'{' '.join(argv)}' failed: {done.stderr.strip() or done.returncode}")
    return done.stdout
