"""TLS contexts: 1.2 at least, one authority each, and certificates that are read again when they change."""

import os
import ssl
from pathlib import Path

from sealane.errors import HostError


class Files:
    """Notices when one of these files has been replaced."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen: tuple[tuple[int, int], ...] = ()

    def moved(self) -> bool:
        """Whether any is another than at the last call; the first call says yes. Raises HostError."""
        try:
            found = tuple((s.st_ino, s.st_mtime_ns) for s in map(os.stat, self._paths))
        except OSError as exc:
            raise HostError(f"{exc.filename} can't be read: {exc.strerror}") from exc
        moved, self._seen = found != self._seen, found
        return moved


def server(certificate: Path, trusted: Path, *, required: bool) -> ssl.SSLContext:
    """For a listener. `certificate` holds key and certificate; peers are verified against `trusted` alone.

    required: without a certificate there is no connection. No session is resumed: a peer's certificate is
    looked at in each handshake. Raises HostError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    _load(context, certificate, trusted)
    return context


def open_server(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """For a listener that asks nobody for a certificate. key: if not in the same file. Raises HostError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(certificate, key)
    except OSError as exc:  # ssl.SSLError is one
        raise HostError(f"{certificate} or {key or certificate} can't be used: {exc}") from exc
    return context


def client(trusted: Path, certificate: Path | None = None) -> ssl.SSLContext:
    """For a connection to the central part; the name to expect is certificate.CENTRAL. Raises HostError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, certificate, trusted)
    return context


def reload(context: ssl.SSLContext, certificate: Path) -> None:
    """From now on new handshakes show the file's present contents; connections go on. Raises HostError."""
    _load(context, certificate, None)


def _load(context: ssl.SSLContext, certificate: Path | None, trusted: Path | None) -> None:
    try:
        if certificate is not None:
            _load_pair(context, certificate)
        if trusted is not None:
            context.load_verify_locations(trusted)
    except OSError as exc:  # ssl.SSLError is one
        files = " or ".join(str(path) for path in (certificate, trusted) if path is not None)
        raise HostError(f"{files} can't be used: {exc}") from exc


def _load_pair(context: ssl.SSLContext, certificate: Path) -> None:
    """OpenSSL opens the file once for the certificate and once for the key: here the same one both times,
    also when it is replaced in between (proc(5), /proc/PID/fd).
    """
    with certificate.open("rb") as file:
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
