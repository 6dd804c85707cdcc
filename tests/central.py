"""OVN's central part in a private directory: both databases and a real ovn-northd."""

import subprocess
from pathlib import Path

from tests.daemons import PATIENCE, OvsdbServer

SCHEMAS = Path("/usr/share/ovn")


class Central:
    """`with Central(directory) as central:`; the directory's path must be short (unix(7))."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.nb = self._database("nb")
        self.sb = self._database("sb")
        self._northd: subprocess.Popen[bytes] | None = None

    def _database(self, name: str) -> OvsdbServer:
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        return OvsdbServer(directory, SCHEMAS / f"ovn-{name}.ovsschema", clustered=False)

    def start(self) -> "Central":
        self.nb.start()
        self.sb.start()
        self._northd = subprocess.Popen(
            [
                "ovn-northd",
                "-vconsole:off",
                f"--log-file={self.directory}/northd.log",
                f"--unixctl={self.directory}/northd.ctl",
                f"--ovnnb-db={self.nb.remote}",
                f"--ovnsb-db={self.sb.remote}",
            ],
            stderr=subprocess.DEVNULL,
        )
        return self

    def wipe(self, name: str) -> None:
        """Replace a database by a new, empty one, as after the loss of a disk."""
        server = {"nb": self.nb, "sb": self.sb}[name]
        server.kill()
        server.database.unlink()
        fresh = self._database(name).start()
        if name == "nb":
            self.nb = fresh
        else:
            self.sb = fresh

    def nbctl(self, *args: str) -> str:
        return _output("ovn-nbctl", f"--db={self.nb.remote}", *args)

    def sbctl(self, *args: str) -> str:
        return _output("ovn-sbctl", f"--db={self.sb.remote}", *args)

    def trace(self, *args: str) -> str:
        return _output("ovn-trace", f"--db={self.sb.remote}", *args)

    def synced(self) -> None:
        """Wait until northd has translated all that the northbound database holds now."""
        self.nbctl("--wait=sb", "sync")

    def key(self, table: str, column: str, value: str) -> str:
        """tunnel_key of the only row of a southbound table whose column has the value; '' when none has."""
        return self.sbctl("--bare", "--columns=tunnel_key", "find", table, f"{column}={value}")

    def stop(self) -> None:
        if self._northd is not None:
            self._northd.kill()
            self._northd.wait(PATIENCE)
        self.nb.kill()
        self.sb.kill()

    def __enter__(self) -> "Central":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _output(program: str, *args: str) -> str:
    limit = ["--timeout=60"] if program != "ovn-trace" else []
    command = [program, *limit, *args]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout.strip()
