"""Run a program of the host and wait for it: a list of words, never a shell, always a deadline."""

import asyncio
from pathlib import Path

from sealane.errors import HostError


async def run(*argv: str, input: str = "", timeout: float = 15.0, netns: Path | None = None) -> str:
    """Its standard output. Raises HostError when it fails, is missing, or takes over `timeout` seconds."""
    words = ("nsenter", f"--net={netns}", "--", *argv) if netns else argv
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe)
    except FileNotFoundError as exc:
        raise HostError(f"'{words[0]}' is not installed; 'make up' installs it") from exc
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate(input.encode())
    except TimeoutError as exc:
        raise HostError(f"'{' '.join(argv)}' took over {timeout:g} s") from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise HostError(f"'{' '.join(argv)}' failed: {err.decode(errors='replace').strip()}")
    return out.decode(errors="replace")


async def succeeds(*argv: str, timeout: float = 15.0, netns: Path | None = None) -> bool:
    try:
        await run(*argv, timeout=timeout, netns=netns)
    except HostError:
        return False
    return True
