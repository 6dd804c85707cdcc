"""Checks that are told one by one, and the machine around a guest that has no network of its own.

Everything in an emulated guest takes about ten times as long: deadlines here are for that.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sealane.errors import DeadlineExceeded, HostError, SealaneError

PATIENCE = 240.0
"""Seconds that a condition may take to come true."""
UPSTREAM, HOST = "192.0.2.1", "192.0.2.10"
"""The machine outside and ours (RFC 5737)."""


class Story:
    def __init__(self) -> None:
        self.passed = 0
        self.failures: list[str] = []
        self._begin = time.monotonic()

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self._begin:7.1f} s  {text}", flush=True)

    @contextmanager
    def chapter(self, title: str) -> Iterator[None]:
        """What fails outside a check ends the chapter and counts as one failure."""
        self.say(f"== {title}")
        try:
            yield
        except (SealaneError, OSError, ValueError, KeyError) as exc:
            self._fail(title, exc)

    def check(self, what: str, test: Callable[[], object]) -> None:
        """It fails by raising, or by returning False; a text or number that it returns is shown."""
        try:
            seen = test()
            if seen is False:
                raise HostError("is not so")
        except (SealaneError, OSError, ValueError, KeyError, AssertionError) as exc:
            self._fail(what, exc)
            return
        self.passed += 1
        figure = "" if seen is None or seen is True else f": {seen}"
        self.say(f"ok    {what}{figure}")

    def _fail(self, what: str, exc: Exception) -> None:
        self.failures.append(what)
        self.say(f"FAIL  {what}: {str(exc) or type(exc).__name__}")

    def end(self) -> int:
        """The exit status."""
        for what in self.failures:
            print(f"failed: {what}")
        self.say(f"{self.passed} passed, {len(self.failures)} failed")
        return 1 if self.failures or not self.passed else 0


def run(*argv: str, data: bytes | None = None, timeout: float = PATIENCE) -> str:
    """Standard output. Raises HostError with what the program said, DeadlineExceeded."""
    try:
        done = subprocess.run(argv, input=data or b"", capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as exc:
        raise DeadlineExceeded(f"'{' '.join(argv)}' did not end in {timeout:g} s") from exc
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise HostError(f"'{' '.join(argv)}' ended with {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")


def succeeds(*argv: str, timeout: float = PATIENCE) -> bool:
    try:
        run(*argv, timeout=timeout)
    except SealaneError:
        return False
    return True


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Raises DeadlineExceeded."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise DeadlineExceeded(f"not within {seconds:g} s: {what}")
        time.sleep(0.2)


def equal(found: object, wanted: object) -> None:
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def make_outside() -> None:
    """The guest gets a NIC `eth0`, a default route and a machine behind it; harmless when done already."""
    if succeeds("ip", "link", "show", "eth0"):
        return
    wire = "link add eth0 type veth peer name wire netns outside"
    run("ip", "netns", "add", "outside")
    batch((wire, f"address add {HOST}/24 dev eth0", "link set eth0 up"))
    batch(
        ("link set lo up", f"address add {UPSTREAM}/24 dev wire", "link set wire up"),
        "nsenter", "--net=/run/netns/outside",
    )  # fmt: skip
    run("ip", "route", "add", "default", "via", UPSTREAM)


def batch(lines: Sequence[str], *prefix: str) -> None:
    run(*prefix, "ip", "-batch", "-", data="\n".join(lines).encode())


def outside(*argv: str) -> str:
    return run("nsenter", "--net=/run/netns/outside", "--", *argv)
