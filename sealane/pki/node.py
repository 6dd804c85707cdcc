"""A joined node's directory STATE/pki.

node.pem         key and certificate in one file, replaced in one step
central-ca.pem   the only authority that it trusts
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from sealane.pki import files, tls


@dataclass(frozen=True)
class Directory:
    """Paths; nothing is read."""

    path: Path

    @property
    def node(self) -> Path:
        return self.path / "node.pem"

    @property
    def central_ca(self) -> Path:
        return self.path / "central-ca.pem"


def save(directory: Directory, key: str, certificate: str, central_ca: str) -> None:
    """The authority first: whoever sees a new certificate finds the authority that goes with it. OSError."""
    with files.alone(directory.path):
        files.write(directory.central_ca, central_ca)
        files.write(directory.node, key, certificate)


class Credentials:
    """The TLS context with which a node comes in; another one as soon as its files are others."""

    def __init__(self, path: Path) -> None:
        directory = Directory(path)
        self._files = (directory.central_ca, directory.node)
        self._watch = tls.Files(*self._files)
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Connections that were made with the former one go on. Raises HostError when there are no files."""
        if self._watch.moved() or self._context is None:
            self._context = tls.client(*self._files)
        return self._context
