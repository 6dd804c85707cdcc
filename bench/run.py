"""Run the suite: tables on the screen, everything in bench/results/<date>.json.

python -m bench                  a lab of its own, taken down afterwards
python -m bench --lab NAME       one that is up already (two hosts, --docker), and stays
"""

import argparse
import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench import agent, docker_run, engine, memory, paths, report
from sealane.errors import SealaneError
from sealane.lab.lab import Lab

LAB = "bench"
HOSTS = ("host1", "host2")
RESULTS = Path(__file__).parent / "results"


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    try:
        if options.lab:
            found = measure(Lab(options.lab), options)
        else:
            lab = Lab(LAB, hosts=len(HOSTS), docker=True)
            lab.down()  # of a run that was killed
            with lab:
                found = measure(lab, options)
    except (SealaneError, RuntimeError) as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    path = save(found, Path(options.results))
    report.show(found, Console())
    print(f"Written to {path}")
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Sealane beside Docker's networks.")
    parser.add_argument("--lab", metavar="NAME", help="use this lab, which is up with engines")
    parser.add_argument("--rounds", type=int, default=10, help="each round runs every kind twice (10)")
    parser.add_argument("--path-rounds", type=int, default=2, help="the same host to host; 0: none (2)")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(docker_run.KINDS))
    parser.add_argument("--results", default=str(RESULTS))
    return parser.parse_args(argv)


def measure(lab: Lab, options: argparse.Namespace) -> report.Report:
    """Everything on a lab that is up; leaves nothing in its engines. Raises RuntimeError, SealaneError."""
    found: report.Report = {"machine": report.machine()}
    engines = [engine.Engine(lab, host) for host in HOSTS]
    try:
        for one in engines:
            one.clean()
            one.import_image()
        absent = engine.make_networks(engines, options.kinds)
        present = [kind for kind in options.kinds if kind not in absent]
        pid = lab.host(HOSTS[0]).need_pid()
        samples = docker_run.measure(engines[0], present, options.rounds, lambda: agent.read(pid))
        samples.absent.update(absent)
        found["docker_run"] = report.of_docker_run(samples)
        if options.path_rounds:
            found["paths"] = report.of_paths(paths.measure(lab, engines, options.path_rounds, samples.absent))
        found["memory_mib"] = {host: memory.of_host(lab.host(host).need_pid()) for host in HOSTS}
    finally:
        for one in engines:
            one.clean()
    return found


def save(found: report.Report, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")
    path = folder / f"{stamp}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    return path
