"""What a host without the central part runs: `python -m sealane.lab.node JOIN_LINE`.

The first time the machine has laid a line of `sealane token create` ready in that file: it joins with it, and
removes it.  From then on it is a node, also after a power cut.
"""

import os
import subprocess
import sys
from pathlib import Path

JOIN_DEADLINE = 60.0
"""Seconds."""


def main() -> None:
    line = Path(sys.argv[1])
    if line.exists():
        _join(line)
    os.execv(sys.executable, [sys.executable, "-m", "sealane.engine.main", "node"])


def _join(line: Path) -> None:
    """The token goes by standard input: arguments can be seen by everybody. Exits when it fails."""
    *_, address, token = line.read_text().split()
    command = [sys.executable, "-m", "sealane.cli.main", "node", "join", address, "-"]
    done = subprocess.run(command, input=f"{token}\n", text=True, timeout=JOIN_DEADLINE, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)
    line.unlink()


if __name__ == "__main__":
    main()
