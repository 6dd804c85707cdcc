"""A container image without a registry: the distribution's busybox, linked statically."""

import io
import tarfile
from pathlib import Path

from sealane.errors import HostError

BUSYBOX = Path("/bin/busybox")
APPLETS = (
    *("cat", "echo", "grep", "httpd", "ip", "kill", "nc", "nslookup"),
    *("ping", "sh", "sleep", "true", "wget"),
)
DIRECTORIES = ("dev", "etc", "proc", "sys", "tmp", "www")


def archive() -> bytes:
    """What `docker import -` takes (docker-import(1)). Raises HostError without busybox-static."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        try:
            tar.add(BUSYBOX.resolve(), "bin/busybox")
        except OSError as exc:
            raise HostError(f"{BUSYBOX}: {exc.strerror}; install busybox-static") from exc
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for directory in DIRECTORIES:
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
    return buffer.getvalue()
