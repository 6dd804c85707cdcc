"""The chapter's options, and what they make of a run: begun, gone on with, or only shown."""

import argparse
import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.data import report, run
from bench.data.arms import ARMS
from bench.data.goals import CELLS
from bench.data.journal import Journal
from bench.data.plan import Settings
from sealane.lab.lab import Lab

QUICK = 28.0
"""Minutes of a quick run; it takes one or two more to take the lab down and to write the report."""
NAMES = {f"{what}-{flows}": (what, flows) for what, flows in CELLS}


def add_options(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("data: what crosses the wire, with the fast path and without it")
    data.add_argument("--quick", action="store_true", help="what the goals need, in half an hour")
    data.add_argument("--blocks", type=int, default=12, help="each visits every arm once for each cell (12)")
    data.add_argument("--seconds", type=float, help="of each visit (3, quick 2)")
    data.add_argument("--minutes", type=float, help=f"no visit begins after these (none, quick {QUICK:g})")
    data.add_argument("--arms", type=_of(ARMS), default=list(ARMS), help=",".join(ARMS))
    data.add_argument("--cells", type=_of(NAMES), default=list(NAMES), help=",".join(NAMES))
    data.add_argument("--resume", type=Path, metavar="JOURNAL", help="go on, with the settings that it has")
    data.add_argument("--show", type=Path, metavar="JOURNAL", help="measure nothing")


def _of(known: "dict[str, Any] | tuple[str, ...]") -> Callable[[str], list[str]]:
    def words(text: str) -> list[str]:
        found = text.split(",")
        if unknown := set(found) - set(known):
            raise argparse.ArgumentTypeError(f"no '{min(unknown)}'; there are {', '.join(known)}")
        return found

    return words


def measured(lab: Callable[[], Lab], options: argparse.Namespace) -> dict[str, Any]:
    """The report of the run that the options ask for. Raises RuntimeError, SealaneError."""
    if options.show:
        return report.of(Journal(options.show))
    minutes = options.minutes or (QUICK if options.quick else float("inf"))
    end = time.monotonic() + minutes * 60
    journal = _journal(options)
    print(f"Each visit is written to {journal.path} at once; --resume and --show take that")
    try:
        with lab() as one:
            run.run(one, journal, end, lambda text: print(text, flush=True))
    except KeyboardInterrupt:
        print("interrupted; this is what was measured")
    return report.of(journal)


def _journal(options: argparse.Namespace) -> Journal:
    if options.resume:
        journal = Journal(options.resume)
        journal.resume()
        return journal
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")
    journal = Journal(Path(options.results) / f"{stamp}-data.jsonl")
    cells = [NAMES[name] for name in options.cells]
    seconds = options.seconds or (2.0 if options.quick else 3.0)
    journal.begin(Settings(tuple(options.arms), tuple(cells), options.blocks, seconds, options.quick))
    return journal
