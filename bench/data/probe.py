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
TICKS = os.sysconf("SC_CLK_TCK")


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
    """Both servers, on the last CPU; they answer when the block begins."""
    last = ["taskset", "-c", str((os.cpu_count() or 1) - 1)]
    iperf = ["iperf3", "-s", "-p", str(STREAM_PORT)]
    ours = [str(program), "serve", str(PORT)]
    running = [
        subprocess.Popen([*place.server, *last, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for words in (ours, iperf)
    ]
    try:
        out = running[0].stdout
        if out is None or out.readline() != b"listens\n":
            raise RuntimeError(f"the server at {place.address} does not start")
        yield
    finally:
        for process in running:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """What enters a PID namespace has the command as its child, which outlives it."""
    inside = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(OSError):
        for pid in (*map(int, inside.read_text().split()), process.pid):
            os.kill(pid, signal.SIGTERM)
    process.communicate(timeout=HASTE)


def measure(place: Place, program: Path, what: str, flows: int, seconds: float) -> Figures:
    """`what` is stream, udp, rr or crr. Raises RuntimeError when nothing comes through."""
    before = _cpu()
    if what == "stream":
        values = _stream(place, flows, seconds)
    else:
        values = _probe(place, program, what, flows, seconds)
    busy, stolen, whole = (after - first for after, first in zip(_cpu(), before, strict=True))
    if what == "stream":
        # Of the warm-up and the start of the programs, too: the same for all arms.
        values["cpu_per_gb"] = busy / (values["rate"] * seconds / 8e9)
    return Figures(values, stolen / whole if whole else 0.0)


def _first_cpu(place: Place, words: Sequence[str]) -> list[str]:
    return [*place.client, "taskset", "-c", "0", *words]


def _stream(place: Place, flows: int, seconds: float) -> dict[str, float]:
    """cubic: the default may be BBR, which needs fq pacing to be fair."""
    words = ["iperf3", "-J", "-C", "cubic", "-O", "1", "-t", f"{seconds:.0f}", "-P", str(flows)]
    argv = _first_cpu(place, [*words, "-p", str(STREAM_PORT + place.shift), "-c", place.address])
    end = time.monotonic() + HASTE
    while True:
        report = _answer(argv, seconds)  # with -J an error may come with exit status 0
        if received := report.get("end", {}).get("sum_received"):
            sent = report["end"]["sum_sent"]
            return {"rate": float(received["bits_per_second"]), "retransmits": float(sent["retransmits"])}
        if time.monotonic() > end:
            raise RuntimeError(f"iperf3 to {place.address}: {report.get('error', 'no answer')}")
        time.sleep(0.2)  # the server is not listening yet, or not through with the last one


def _probe(place: Place, program: Path, what: str, flows: int, seconds: float) -> dict[str, float]:
    port = str(PORT + place.shift)
    argv = _first_cpu(place, [str(program), what, place.address, port, str(flows), str(seconds)])
    told = _answer(argv, seconds)
    if "count" not in told:
        raise RuntimeError(f"{what} to {place.address}: {told.get('error', 'no answer')}")
    quantiles = {name: told[name] / 1e9 for name in ("p50", "p99", "p999") if name in told}
    lost = {"lost": told["lost"] / (told["lost"] + told["count"])} if "lost" in told else {}
    return {"rate": told["count"] / told["seconds"], **quantiles, **lost}


def _answer(argv: Sequence[str], seconds: float) -> dict[str, Any]:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + HASTE, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return {"error": (done.stdout + done.stderr).strip()[-300:]}


def _cpu() -> tuple[float, float, float]:
    """Seconds of all CPUs since boot: busy, stolen, and in all (proc(5), /proc/stat)."""
    fields = [int(word) / TICKS for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return user + nice + system + irq + softirq, steal, sum(fields)
