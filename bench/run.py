"""Run the suite: tables on the screen, everything in bench/results/<date>.json.

python -m bench                  all chapters, each on a lab of its own that is taken down afterwards
python -m bench api              one of them
python -m bench docker --lab NAME      on a lab that is up already (two hosts, --docker), and stays
python -m bench data --quick     half an hour of what crosses the wire; --resume JOURNAL goes on with one
python -m bench data --show JOURNAL    what such a run, ended or not, has found
"""

import argparse
import datetime
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench import agent, docker_run, doors, engine, groups, memory, report
from bench.api import run as api_chapter
from bench.data import command as data_command
from bench.data import picture
from sealane import log
from sealane.errors import SealaneError
from sealane.lab.lab import Lab

LAB = "bench"
HOSTS = ("host1", "host2")
RESULTS = Path(__file__).parent / "results"
WIDTH = 120
"""Columns that the tables need; a narrower screen wraps whole lines."""
TEXT_WIDTH = 160
"""Columns of the text that is kept."""


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    log.setup("error", json=False)
    found: report.Report = {"machine": report.machine()}
    try:
        for chapter in options.chapters or CHAPTERS:
            CHAPTERS[chapter](found, options)
    except (SealaneError, RuntimeError) as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    path = save(found, Path(options.results))
    screen = Console()
    report.show(found, Console(width=max(screen.width, WIDTH)))
    with path.with_suffix(".txt").open("w") as file:
        report.show(found, Console(file=file, width=TEXT_WIDTH))
    print(f"Written to {path}")
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description="Measure Sealane beside its peers.")
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help=f"of {', '.join(CHAPTERS)}; none: all")
    parser.add_argument("--results", default=str(RESULTS))
    docker = parser.add_argument_group("docker: containers beside Docker's own networks")
    docker.add_argument("--lab", metavar="NAME", help="use this lab, which is up with engines")
    docker.add_argument("--rounds", type=int, default=10, help="each round runs every kind twice (10)")
    docker.add_argument("--kinds", type=_words, default=list(docker_run.KINDS))
    api = parser.add_argument_group("api: ports by the thousand beside OVN alone")
    api.add_argument(
        "--sizes", type=_sizes, default=list(api_chapter.SIZES), help="ports there: 0,1000,10000"
    )
    api.add_argument(
        "--api-rounds", type=int, default=4, help="each makes two ports of every kind, twice (4)"
    )
    policy = parser.add_argument_group("groups: from a change of a security group to its effect")
    policy.add_argument("--group-rounds", type=int, default=10, help="each lets and forbids by both (10)")
    data_command.add_options(parser)
    door = parser.add_argument_group("doors: from an attachment's call to its first packet")
    door.add_argument("--door-rounds", type=int, default=10, help="each goes through every door twice (10)")
    door.add_argument("--ready-ports", type=int, default=2, help="that wait for containers, on each host (2)")
    options = parser.parse_args(argv)
    if unknown := set(options.chapters) - set(CHAPTERS):
        parser.error(f"no '{min(unknown)}'; there are {', '.join(CHAPTERS)}")
    return options


def _words(text: str) -> list[str]:
    return text.split(",")


def _sizes(text: str) -> list[int]:
    return [int(word) for word in _words(text)]


def _docker(found: report.Report, options: argparse.Namespace) -> None:
    if options.lab:
        found |= measure(Lab(options.lab), options)
        return
    with _fresh(LAB, len(HOSTS), docker=True) as lab:
        found |= measure(lab, options)


def _api(found: report.Report, options: argparse.Namespace) -> None:
    with _fresh(f"{LAB}-api", 1, docker=False) as lab:
        found["api"] = api_chapter.measure(lab, options.sizes, options.api_rounds)


def _groups(found: report.Report, options: argparse.Namespace) -> None:
    with _fresh(f"{LAB}-groups", len(HOSTS), docker=False) as lab:
        found["groups"] = report.of_groups(groups.measure(lab, options.group_rounds))


def _data(found: report.Report, options: argparse.Namespace) -> None:
    found["data"] = data_command.measured(lambda: _fresh(f"{LAB}-data", len(HOSTS), docker=True), options)


def _doors(found: report.Report, options: argparse.Namespace) -> None:
    settings = {"ready_ports": options.ready_ports}
    with _fresh(f"{LAB}-doors", len(HOSTS), docker=False, settings=settings) as lab:
        found["doors"] = report.of_doors(doors.measure(lab, options.door_rounds))


def _fresh(name: str, hosts: int, *, docker: bool, settings: Mapping[str, int] | None = None) -> Lab:
    lab = Lab(name, hosts=hosts, docker=docker, settings=settings)
    lab.down()  # of a run that was killed
    return lab


CHAPTERS: Mapping[str, Callable[[report.Report, argparse.Namespace], None]] = {
    "docker": _docker,
    "api": _api,
    "groups": _groups,
    "data": _data,
    "doors": _doors,
}


def measure(lab: Lab, options: argparse.Namespace) -> report.Report:
    """Everything on a lab that is up; leaves nothing in its engines. Raises RuntimeError, SealaneError."""
    found: report.Report = {}
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
    if "data" in found:
        path.with_suffix(".svg").write_text(picture.drawn(found["data"]))
    return path
