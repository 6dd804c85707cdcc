"""Compiles door.c: `python -m sealane.shims.build`, for whoever changes it; needs clang (`make shims`).

Sealane itself never compiles: the programs are shipped, and tests say whether they are what the source comes
to.  Machines of another kind than theirs have cni.py and netavark.py alone.
"""

import hashlib
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "door.c"
MACHINE = "x86_64"
PROGRAMS = {"cni": (), "netavark": ("-DNETAVARK",)}
"""By what is asked for; the file is NAME-MACHINE."""

_ALONE = ("-static", "-nostdlib", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-fno-pie")
_SMALL = ("-Os", "-fno-asynchronous-unwind-tables", "-Wl,--build-id=none", "-Wl,-s")


def shipped(name: str) -> Path:
    return HERE / f"{name}-{MACHINE}"


def digest() -> str:
    """Of the source; it is written into the programs."""
    return hashlib.sha256(SOURCE.read_bytes()).hexdigest()


def compiled(name: str, target: Path) -> None:
    """Raises CalledProcessError; clang tells why."""
    options = ("-Wall", "-Wextra", "-Werror", *_SMALL, *_ALONE, f'-DSOURCE="{digest()}"', *PROGRAMS[name])
    argv = ("clang", "-target", f"{MACHINE}-linux-gnu", *options, SOURCE.name, "-o", str(target))
    subprocess.run(argv, cwd=HERE, check=True, timeout=120)


if __name__ == "__main__":
    for program in PROGRAMS:
        compiled(program, shipped(program))
