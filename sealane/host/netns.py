"""Network namespaces: made and removed as bind mounts, and functions run inside them.

As `ip netns` does it (ip-netns(8), namespaces(7)), without starting a program.  A function that is
to run inside gets a thread of its own: setns(2) changes the calling thread only, and a thread that
has been elsewhere is not used again.
"""

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from sealane import failpoint
from sealane.errors import HostError, NotFound

CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x20000
MS_BIND, MS_REC, MS_SLAVE, MNT_DETACH = 0x1000, 0x4000, 0x80000, 0x2
T = TypeVar("T")
_libc = ctypes.CDLL(None, use_errno=True)


def create(path: Path) -> None:
    """Make a namespace with its loopback down; one that exists already is kept."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if exists(path):
        return
    with failpoint.effect("netns", f"touch {path.name}", HostError):
        path.touch(mode=0o600, exist_ok=True)
    with failpoint.effect("netns", f"mount {path.name}", HostError):
        _in_thread(lambda: _unshare_and_mount(path))


def exists(path: Path) -> bool:
    """Is a namespace mounted there?  (A namespace's file lies on a file system of its own, nsfs.)"""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False


def remove(path: Path) -> None:
    """Unmount it and remove its file; its links go with it once no process is left inside."""
    while exists(path):
        with failpoint.effect("netns", f"unmount {path.name}", HostError):
            _call("umount2", str(path).encode(), MNT_DETACH)
    with failpoint.effect("netns", f"unlink {path.name}", HostError):
        path.unlink(missing_ok=True)


def inside(path: Path | str, function: Callable[[], T]) -> T:
    """Run the function in a thread inside the namespace; its result, its exception.

    Raises NotFound when there is no namespace at that path.
    """
    descriptor = open_namespace(path)
    try:
        return _in_thread(lambda: _entered(descriptor, function))
    finally:
        os.close(descriptor)


def open_namespace(path: Path | str) -> int:
    """A descriptor of the namespace, which keeps it alive.  Raises NotFound."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        raise NotFound(f"there is no network namespace at {path}: {exc.strerror}") from exc
    if os.fstat(descriptor).st_dev != _nsfs():
        os.close(descriptor)  # a file that was made to be mounted on, and we died before
        raise NotFound(f"there is no network namespace at {path}, but a file")
    return descriptor


@cache
def _nsfs() -> int:
    """The device number of the file system that namespaces are on."""
    return os.stat("/proc/self/ns/net").st_dev


def _entered(descriptor: int, function: Callable[[], T]) -> T:
    _call("setns", descriptor, CLONE_NEWNET)
    return function()


def _unshare_and_mount(path: Path) -> None:
    _call("unshare", CLONE_NEWNET)
    own = f"/proc/self/task/{threading.get_native_id()}/ns/net"
    _call("mount", own.encode(), str(path).encode(), b"none", MS_BIND, None)


def _in_thread(function: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as exc:
            failures.append(exc)

    thread = threading.Thread(target=body, name="netns", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _call(name: str, *arguments: object) -> None:
    """A function of libc that sets errno."""
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        hint = "; it needs root" if code == errno.EPERM else ""
        raise HostError(f"{name}: {os.strerror(code)}{hint}")


def enter(path: Path | str) -> None:
    """The calling thread is in there from now on, with a /sys that shows it; for programs to be executed.

    As `ip netns exec` does it: the mount is in a mount namespace of the process's own.
    """
    descriptor = open_namespace(path)
    try:
        _call("setns", descriptor, CLONE_NEWNET)
    finally:
        os.close(descriptor)
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"", b"/", b"none", MS_SLAVE | MS_REC, None)
    _call("mount", b"sysfs", b"/sys", b"sysfs", 0, None)
