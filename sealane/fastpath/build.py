"""Compiles programs.c: `python -m sealane.fastpath.build`, for whoever changes it or its headers; needs clang
(`make bpf`).

Sealane itself never compiles: programs.o is shipped, and tests say whether it is what the source comes to.
"""

import hashlib
import subprocess
from pathlib import Path

from sealane.fastpath import header

HERE = Path(__file__).parent
SOURCE, HEADER, OBJECT = HERE / "programs.c", HERE / "layout.h", HERE / "programs.o"
_INCLUDE = "/usr/include/x86_64-linux-gnu"  # asm/types.h of the distribution's headers


def files() -> dict[str, bytes]:
    """All that is compiled, by its name; layout.h as it should be."""
    written = {path.name: path.read_bytes() for path in sorted((SOURCE, *HERE.glob("*.h")))}
    return written | {HEADER.name: header.text().encode()}


def digest() -> str:
    """Of all files; it is written into the object."""
    whole = hashlib.sha256()
    for name, text in sorted(files().items()):
        whole.update(f"{name} {len(text)}\n".encode() + text)
    return whole.hexdigest()


def compiled(target: Path, *further: str) -> None:
    """With further options, if any.  Raises CalledProcessError; clang tells why."""
    warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-sign-compare", "-Wno-address-of-packed-member")
    define = f'-DSOURCE="{digest()}"'
    argv = ("clang", "-target", "bpf", "-O2", *warnings, f"-I{_INCLUDE}", define, *further, "-c", SOURCE.name)
    subprocess.run([*argv, "-o", str(target)], cwd=HERE, check=True, timeout=120)


if __name__ == "__main__":
    HEADER.write_text(header.text())
    compiled(OBJECT)
