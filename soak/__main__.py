"""`make soak`: run the campaigns; results in bench/results/soak-*.json."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from soak import kills

RESULTS = Path(__file__).parents[1] / "bench" / "results"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"kills: {options.minutes:g} min, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak.") as directory:
        found = kills.run(Path(directory), options.minutes * 60, options.seed)
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / "soak-kills.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    rounds = found["rounds"]
    assert isinstance(rounds, list)
    worst = max((one["reached"] for one in rounds), default=0.0)
    print(f"kills: {len(rounds)} rounds, the slowest took {worst:g} s until packets crossed; {path}")
    for trace in found["traces"] if isinstance(found["traces"], list) else ():
        print(f"kills: left behind: {trace}", file=sys.stderr)
    return 1 if found["traces"] else 0


if __name__ == "__main__":
    sys.exit(main())
