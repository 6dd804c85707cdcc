"""The traffic of one cell: iperf3 for streams, probe.c for all else, and the machine's CPU time with it."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORT, STREAM_PORT = PORTS = 5301, 5302
HASTE = 20.0
"""Seconds that a command may take beyond what it measures."""
WARM = 1
"""Seconds of a stream that do not count: it has found its window by then."""
TICKS = os.sysconf("SC_CLK_TCK")
LOWEST, HIGHEST = 1024, 65535
"""Source ports of new connections, as probe.c takes them in turn."""
REST = 35.0
"""Seconds for which one is not taken again; Open vSwitch remembers its connection for 30 (see probe.c)."""
SPARE = 30000
"""Of these many a visit may make use; in a long one of a fast network it takes all of them, and more."""


@dataclass(frozen=True)
class Place:
    """Where the client is, where the server is (each a prefix of a command), and the server's address."""

    client: Sequence[str]
    server: Sequence[str]
    address: str
    shift: int = 0  # so much higher than the server's own ports are those that the client asks


@dataclass(frozen=True)
class Figures:
    """Of one cell. `values` by name (bits/s, or operations/s, seconds of quantiles); CPU in busy seconds."""

    values: dict[str, float]
    stolen: float
    """Share of the machine's time that its own host kept for itself."""


@dataclass
class SourcePorts:
    """Those of one place, for new connections: one after the other, and none again before REST is over."""

    first: int = LOWEST
    _begun: float | None = None
    """When LOWEST was taken last, by the monotonic clock."""

    def wait(self) -> float:
        """Seconds before the next visit, which begins at `first` then."""
        now = time.monotonic()
        if self.first + SPARE <= HIGHEST:
            self._begun = self._begun or now
            return 0.0
        begun, self.first = self._begun or now, LOWEST
        rest = max(0.0, begun + REST - now)
        self._begun = now + rest
        return rest


@contextmanager
def compiled() -> Iterator[Path]:
    """The program, in a place that namespaces of this machine see too. Raises RuntimeError."""
    with tempfile.TemporaryDirectory(prefix="sealane-probe-") as folder:
        program = Path(folder) / "probe"
        words = ["clang", "-O2", "-o", str(program), str(Path(__file__).with_name("probe.c"))]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"probe.c can't be compiled: {done.stderr.strip()[-300:]}")
        yield program


@contextmanager
def served(place: Place, program: Path) -> Iterator[None]:
    """Both servers, on the last CPU; they answer when the block begins. Raises RuntimeError, OSError."""
    last = ["taskset", "-c", str((os.cpu_count() or 1) - 1)]
    iperf = ["iperf3", "-s", "-p", str(STREAM_PORT)]
    ours = [str(program), "serve", str(PORT)]
    quiet = subprocess.DEVNULL
    with contextlib.ExitStack() as running:
        process = subprocess.Popen([*place.server, *last, *ours], stdout=subprocess.PIPE, stderr=quiet)
        running.callback(_end, process)
        # What iperf3 tells would fill a pipe that nobody reads.
        running.callback(_end, subprocess.Popen([*place.server, *last, *iperf], stdout=quiet, stderr=quiet))
        if process.stdout is None or process.stdout.readline() != b"listens\n":
            raise RuntimeError(f"the server at {place.address} does not start")
        yield


def _end(process: "subprocess.Popen[Any]") -> None:
    """What enters a PID namespace has the command as its child, which outlives it."""
    inside = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(OSError):
        for pid in (*map(int, inside.read_text().split()), process.pid):
            os.kill(pid, signal.SIGTERM)
    try:
        process.communicate(timeout=HASTE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def measure(
    place: Place, program: Path, what: str, flows: int, seconds: float, sources: SourcePorts | None = None
) -> Figures:
    """`what` is stream, udp, rr or crr. Raises RuntimeError when nothing comes through, or not in time.

    `sources` are the place's own, which crr takes on; without them it begins at the lowest.
    """
    sources = sources or SourcePorts()
    if what == "crr":
        time.sleep(sources.wait())
    before = _cpu()
    if what == "stream":
        values, carried = _stream(place, flows, seconds)
    else:
        values, carried = _probe(place, program, what, flows, seconds, sources), 0.0
    busy, stolen, whole = (after - first for after, first in zip(_cpu(), before, strict=True))
    if carried:
        values["cpu_per_gb"] = busy / (carried / 1e9)
    return Figures(values, stolen / whole if whole else 0.0)


def _first_cpu(place: Place, words: Sequence[str]) -> list[str]:
    return [*place.client, "taskset", "-c", "0", *words]


def _stream(place: Place, flows: int, seconds: float) -> tuple[dict[str, float], float]:
    """What it gave, and the bytes that it carried, those of the warm-up too.

    cubic: the default may be BBR, which needs fq pacing to be fair.
    """
    words = ["iperf3", "-J", "-C", "cubic", "-O", f"{WARM}", "-t", f"{max(seconds, 1):.0f}", "-P", f"{flows}"]
    argv = _first_cpu(place, [*words, "-p", str(STREAM_PORT + place.shift), "-c", place.address])
    end = time.monotonic() + HASTE
    while True:
        report = _answer(argv, seconds + WARM)  # with -J an error may come with exit status 0
        if received := report.get("end", {}).get("sum_received"):
            sent = report["end"]["sum_sent"]
            values = {"rate": float(received["bits_per_second"]), "retransmits": float(sent["retransmits"])}
            if values["rate"] > 0:
                return values, float(sum(part["sum"]["bytes"] for part in report["intervals"]))
        if time.monotonic() > end:
            raise RuntimeError(f"iperf3 to {place.address}: {report.get('error', 'no answer')}")
        time.sleep(0.2)  # the server is not listening yet, or not through with the last one


def _probe(
    place: Place, program: Path, what: str, flows: int, seconds: float, sources: SourcePorts
) -> dict[str, float]:
    port, which = str(PORT + place.shift), str(sources.first if what == "crr" else flows)
    told = _answer(_first_cpu(place, [str(program), what, place.address, port, which, str(seconds)]), seconds)
    if not told.get("count"):
        raise RuntimeError(f"{what} to {place.address}: {told.get('error', 'nothing came back')}")
    sources.first = told.get("next", sources.first)
    quantiles = {name: told[name] / 1e9 for name in ("p50", "p99", "p999") if name in told}
    lost = {"lost": told["lost"] / (told["lost"] + told["count"])} if "lost" in told else {}
    return {"rate": told["count"] / told["seconds"], **quantiles, **lost}


def _answer(argv: Sequence[str], seconds: float) -> dict[str, Any]:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=seconds + HASTE)
    except subprocess.TimeoutExpired:
        return {"error": f"no end after {seconds + HASTE:g} s"}
    finally:
        if process.poll() is None:
            _end(process)
    try:
        return dict(json.loads(out))
    except ValueError:
        return {"error": (out + err).strip()[-300:]}


def _cpu() -> tuple[float, float, float]:
    """Seconds of all CPUs since boot: busy, stolen, and in all (proc(5), /proc/stat)."""
    fields = [int(word) / TICKS for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return user + nice + system + irq + softirq, steal, sum(fields)
