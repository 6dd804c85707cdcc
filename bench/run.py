"""Run the suite: a table on the screen, everything in bench/results/<date>.json.

python -m bench                          a lab of its own, with engines
python -m bench --socket PATH            an engine that runs already; Swarm is left alone
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.docker_run import Engine, Samples, measure
from bench.stats import median, ratio

KINDS = ("none", "bridge", "sealane", "overlay")
BASE = "bridge"
LAB = "bench"
LAB_DEADLINE = 300.0
RESULTS = Path(__file__).parent / "results"
SEALANE = Path(sys.executable).parent / "sealane"


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    if options.socket:
        samples = measure(Engine(options.socket), options.kinds, options.rounds, options.swarm)
    else:
        with lab() as docker_socket:
            samples = measure(Engine(docker_socket), options.kinds, options.rounds, "127.0.0.1")
    report = summary(samples)
    path = save(report, Path(options.results))
    show(report, Console())
    print(f"Written to {path}")
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure docker run on several networks.")
    parser.add_argument("--socket", help="an engine's socket; without it, a lab is made and taken down")
    parser.add_argument("--swarm", metavar="ADDRESS", help="begin a Swarm in that engine, for its overlay")
    parser.add_argument("--rounds", type=int, default=10, help="each round runs every kind twice (10)")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS))
    parser.add_argument("--results", default=str(RESULTS))
    return parser.parse_args(argv)


@contextmanager
def lab() -> Iterator[str]:
    """A lab of one host with an engine, for the time of the run; yields the engine's socket."""
    name = ["--name", LAB]
    up = [str(SEALANE), "lab", "up", "--hosts", "1", "--docker", *name]
    try:
        subprocess.run(up, check=True, timeout=LAB_DEADLINE)
        yield f"/run/sealane/{LAB}/host1/docker.sock"
    finally:
        subprocess.run([str(SEALANE), "lab", "down", *name], check=False, timeout=LAB_DEADLINE)


def summary(samples: Samples) -> dict[str, object]:
    base = samples.seconds.get(BASE)
    rows = {
        kind: {
            "median_s": asdict(median(seconds)),
            "ratio_to_bridge": asdict(ratio(seconds, base)) if base else None,
            "samples_s": seconds,
        }
        for kind, seconds in samples.seconds.items()
    }
    machine = {"kernel": platform.release(), "cores": os.cpu_count(), "load": os.getloadavg()}
    return {"machine": machine, "docker_run": rows, "absent": samples.absent}


def save(report: dict[str, object], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")
    path = folder / f"{stamp}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    return path


def show(report: dict[str, object], console: Console) -> None:
    table = Table("network", "runs", "median ms (95 %)", "to bridge (95 %)", title="docker run to exit")
    rows = report["docker_run"]
    assert isinstance(rows, dict)
    for kind, row in rows.items():
        relative = row["ratio_to_bridge"]
        table.add_row(
            kind,
            str(len(row["samples_s"])),
            _span(row["median_s"], 1000, 0),
            _span(relative, 1, 2) if relative else "-",
        )
    console.print(table)
    absent = report["absent"]
    assert isinstance(absent, dict)
    for kind, reason in absent.items():
        console.print(f"{kind} was not measured: {reason}")


def _span(figure: dict[str, float], factor: float, digits: int) -> str:
    value, low, high = (figure[key] * factor for key in ("value", "low", "high"))
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
