"""Compiles programs.c: `python -m sealane.fastpath.build`, for whoever changes it; needs clang (`make bpf`).

Sealane itself never compiles: programs.o is shipped, and tests say whether it is what the source comes to.
"""

import hashlib
import subprocess
from pathlib import Path

from sealane.fastpath import header

HERE = Path(__file__).parent
SOURCE, HEADER, OBJECT = HERE / "programs.c", HERE / "layout.h", HERE / "programs.o"
_INCLUDE = "/usr/include/x86_64-linux-gnu"  # asm/types.h of the distribution's headers


def digest() -> str:
    """Of the source and its header; it is written into the object."""
    return hashlib.sha256(SOURCE.read_bytes() + header.text().encode()).hexdigest()


def compiled(target: Path) -> None:
    """Raises CalledProcessError; clang tells why."""
    warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-sign-compare", "-Wno-address-of-packed-member")
    define = f'-DSOURCE="{digest()}"'
    argv = ("clang", "-target", "bpf", "-O2", *warnings, f"-I{_INCLUDE}", define, "-c", SOURCE.name)
    subprocess.run([*argv, "-o", str(target)], cwd=HERE, check=True, timeout=120)


if __name__ == "__main__":
    HEADER.write_text(header.text())
    compiled(OBJECT)
