"""`make faults`: all campaigns on a lab of two hosts with Docker; prints the table and keeps every case."""

import argparse
import sys
import time
from collections.abc import Iterator

from faults import life, table
from faults.campaigns import Campaigns
from faults.site import Site, machine_is_idle_enough
from faults.table import Case
from sealane.lab.lab import Lab

LAB = "faults"


def main() -> int:
    options = _options()
    lab = Lab(options.lab, hosts=2, docker=True)
    if not options.keep:
        lab.down()  # of a run that was killed
    lab.up()
    cases: list[Case] = []
    try:
        for case in _run(Site(lab), options.only, options.every):
            cases.append(case)
            table.keep(cases)
            _tell(case)
    finally:
        print(table.text(table.rows(cases)))
        if not options.keep:
            lab.down()
    return int(any(row.bad for row in table.rows(cases)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument(
        "only", nargs="*", metavar="CAMPAIGN", help="one of those in campaigns.py; none is all"
    )
    parser.add_argument("--every", type=int, default=1, help="of the points of a life, try each so-manieth")
    parser.add_argument("--lab", default=LAB, help="name of the lab")
    parser.add_argument("--keep", action="store_true", help="use a lab that is up, and leave it up")
    return parser.parse_args()


def _run(site: Site, only: list[str], every: int) -> Iterator[Case]:
    site.arm()
    life.begin(site)
    life.wait_alive(site)
    campaigns = Campaigns(site, every)
    named = campaigns.named()
    for name in only or named:
        print(f"{time.strftime('%H:%M:%S')} {name} (load {machine_is_idle_enough():.1f})", flush=True)
        yield from named[name]()
    last = Case("in the end, gateways without containers as well", "", calls=0)
    campaigns.striker.settle(last, idle=True)
    yield last
    life.end(site)
    site.disarm()


def _tell(case: Case) -> None:
    """A line for each case that is worth one."""
    marks = {
        "refused": case.refused,
        "wrong": case.wrong,
        "hung": case.hung,
        "lost": ", ".join(case.lost),
        "left": ", ".join(case.left),
        "not reached": "" if case.reached else "yes",
    }
    shown = "; ".join(f"{name}: {text}" for name, text in marks.items() if text)
    print(f"  {case.fault}: {case.point}{': ' + shown if shown else ''}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
