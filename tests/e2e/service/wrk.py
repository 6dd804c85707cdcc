"""wrk(1), which goes on until it is told to end, and what it says then of requests that have failed."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.overlay.machines import until

CONNECTIONS = 2
PAUSE = "function delay() return 100 end\n"
"""Milliseconds between two requests of a connection, so that no port of the client's comes again within a
minute: Open vSwitch 3.1.0 in user space does not survive that (docs/how-to/load-balancers.md)."""
UNTIL_TOLD = """
import signal, subprocess, sys
with subprocess.Popen(sys.argv[1:]) as wrk:
    sys.stdin.read()
    wrk.send_signal(signal.SIGINT)
sys.exit(wrk.returncode)
"""
"""wrk ends with SIGINT as after its time, and tells what it has counted."""
COUNTED = (
    r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)",
    r"Non-2xx or 3xx responses: (\d+)",
)


class Wrk:
    """Through some command that runs it where the client is."""

    def __init__(self, argv: list[str], address: str) -> None:
        self._argv, self._address = argv, address
        self.said = ""

    @property
    def requests(self) -> int:
        (number,) = re.findall(r"(\d+) requests in", self.said)
        return int(number)

    @property
    def failed(self) -> int:
        """wrk prints a line for each kind of which there were any."""
        return sum(
            int(n) for line in COUNTED for found in re.finditer(line, self.said) for n in found.groups()
        )

    def connections(self) -> set[str]:
        """Sockets at the address: state and own port. One that is asked of a dead server stays there."""
        words = ["ss", "-Htn", "state", "established", "state", "syn-sent", "dst", self._address]
        done = subprocess.run([*self._argv, *words], capture_output=True, text=True, timeout=60, check=True)
        return {line.split()[-2] for line in done.stdout.splitlines()}

    def hangs_nowhere(self) -> None:
        """wrk counts what takes too long when it ends, so what never ends has to be looked for."""
        begun = self.connections()
        until(lambda: not begun & self.connections(), "each connection ends")

    @contextmanager
    def running(self) -> Iterator[None]:
        with TemporaryDirectory() as directory:
            script = Path(directory) / "pause.lua"
            script.write_text(PAUSE)
            options = ("-t", "1", "-c", str(CONNECTIONS), "-d", "900", "--timeout", "60", "-s", str(script))
            words = ["wrk", *options, f"http://{self._address}/"]
            with subprocess.Popen(
                [*self._argv, sys.executable, "-c", UNTIL_TOLD, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as process:
                try:
                    yield
                finally:
                    self.said, _ = process.communicate(timeout=60)
