"""The central part's directory STATE/pki: two authorities and the certificate of its listeners.

    central-ca.key  central-ca.pem     node-ca.key  node-ca.pem     server.pem (key and certificate)

`python -m sealane.pki.central DIRECTORY SERVER_LIFETIME` makes what is missing or due.  Several processes
may at once.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sealane.errors import SealaneError
from sealane.pki import files, read
from sealane.pki.authority import Authority

SERVER_LIFETIME = 90 * 86400
"""Seconds."""


@dataclass(frozen=True)
class Directory:
    """Paths; nothing is read."""

    path: Path

    @property
    def central_ca(self) -> Path:
        return self.path / "central-ca.pem"

    @property
    def node_ca(self) -> Path:
        return self.path / "node-ca.pem"

    @property
    def server(self) -> Path:
        return self.path / "server.pem"

    @property
    def users(self) -> Path:
        """Key and certificate of the door for users."""
        return self.path / "users.pem"

    def is_complete(self) -> bool:
        return self.central_ca.exists() and self.node_ca.exists() and self.server.exists()


def ensure(directory: Directory, server_lifetime: int = SERVER_LIFETIME) -> bool:
    """Make what is missing, renew the server's certificate when due; True when that is a new one.

    Raises HostError for an authority whose files are damaged: a new one would lock out all nodes. OSError.
    """
    with files.alone(directory.path):
        authority = _ensure_authority(directory.central_ca, "sealane central authority")
        _ensure_authority(directory.node_ca, "sealane node authority")
        if not _is_due(directory.server):
            return False
        files.write(directory.server, *authority.issue_server(server_lifetime))
        return True


def ensure_door(directory: Directory, names: Sequence[str], lifetime: int) -> bool:
    """Make the certificate of the door for users when it is missing or due; True when that is a new one.

    Raises HostError, OSError.
    """
    ensure(directory, lifetime)
    with files.alone(directory.path):
        if not _is_due(directory.users):
            return False
        files.write(directory.users, *central_authority(directory).issue_door(names, lifetime))
        return True


def central_authority(directory: Directory) -> Authority:
    return _load(directory.central_ca)


def node_authority(directory: Directory) -> Authority:
    return _load(directory.node_ca)


def _ensure_authority(path: Path, name: str) -> Authority:
    """The certificate comes last: a key without one was never used."""
    if not path.exists():
        made = Authority.make(name)
        files.write(path.with_suffix(".key"), made.key_pem)
        files.write(path, made.certificate_pem)
        return made
    return _load(path)


def _load(path: Path) -> Authority:
    return Authority.load(path.with_suffix(".key").read_text(), path.read_text())


def _is_due(path: Path) -> bool:
    try:
        found = read.certificate(path.read_text())
    except FileNotFoundError:
        return True
    except SealaneError:
        return True  # unlike an authority it can be had anew
    return time.time() >= found.due or found.not_before > time.time()


def main() -> int:
    try:
        ensure(Directory(Path(sys.argv[1])), int(sys.argv[2]))
    except (SealaneError, OSError) as exc:
        print(f"sealane: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
