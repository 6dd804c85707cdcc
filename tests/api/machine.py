"""A machine that becomes a node by the command, as a process of its own with directories of its own."""

import asyncio
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemons import PATIENCE


@dataclass(frozen=True)
class Done:
    status: int
    said: str
    """On standard error."""


@dataclass
class Machine:
    directory: Path
    name: str = "host2"
    address: str = "127.0.0.1"
    more: dict[str, str] = field(default_factory=dict)

    @property
    def etc(self) -> Path:
        return self.directory / "etc"

    @property
    def pki(self) -> Path:
        return self.directory / "state" / "pki"

    @property
    def environ(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SEALANE_")}
        return kept | {
            "SEALANE_CONFIG": str(self.etc / "sealane.toml"),
            "SEALANE_STATE_DIR": str(self.directory / "state"),
            "SEALANE_RUN_DIR": str(self.directory / "run"),
            "SEALANE_HOST_NAME": self.name,
            "SEALANE_ENCAP_IP": self.address,
            **self.more,
        }

    async def join(self, address: str, token: str) -> Done:
        """`sealane node join ADDRESS -`, with the token on standard input."""
        return await self.run("-m", "sealane.cli.main", "node", "join", address, "-", given=token)

    async def run(self, *arguments: str, given: str = "") -> Done:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=self.environ,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                out, err = await process.communicate(f"{given}\n".encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Done(process.returncode, err.decode() + out.decode())

    def traces(self) -> list[str]:
        """What the command has left."""
        return sorted(str(p.relative_to(self.directory)) for p in self.directory.rglob("*") if p.is_file())
