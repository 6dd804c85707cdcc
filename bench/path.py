"""Throughput and round trip between two places. A place is a command prefix, such as `nsenter --net=… --`."""

import contextlib
import json
import re
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

SECONDS = 2
PINGS = 200
PORT = 5201


@dataclass(frozen=True)
class Figures:
    """bits_per_second of one TCP stream; round_trip: the median, in milliseconds."""

    bits_per_second: float
    round_trip: float


def measure(server: Sequence[str], client: Sequence[str], address: str) -> Figures:
    """SECONDS of iperf3, then pings back to back. Raises RuntimeError when nothing comes through."""
    listening = subprocess.Popen(
        [*server, "iperf3", "-s", "-1", "-p", str(PORT)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        bits = _throughput(client, address)
    finally:
        with contextlib.suppress(ProcessLookupError):
            listening.terminate()
        listening.wait(10)
    return Figures(bits, _round_trip(client, address))


def _throughput(client: Sequence[str], address: str) -> float:
    """cubic: the default may be BBR, which needs fq pacing to be fair."""
    argv = [*client, "iperf3", "-J", "-C", "cubic", "-t", str(SECONDS), "-p", str(PORT), "-c", address]
    end = time.monotonic() + 10
    while True:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS + 20)
        report = json.loads(done.stdout or "{}")  # with -J an error may come with exit status 0
        if received := report.get("end", {}).get("sum_received"):
            return float(received["bits_per_second"])
        if time.monotonic() > end:
            raise RuntimeError(f"iperf3 to {address}: {(done.stdout + done.stderr).strip()[-300:]}")
        time.sleep(0.1)  # the server is not listening yet


def _round_trip(client: Sequence[str], address: str) -> float:
    argv = [*client, "busybox", "ping", "-A", "-c", str(PINGS), "-w", "10", address]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    found = re.findall(r"time=([\d.]+) ms", done.stdout)
    if not found:
        raise RuntimeError(f"ping to {address}: {(done.stdout + done.stderr).strip()[-300:]}")
    return statistics.median(map(float, found))
