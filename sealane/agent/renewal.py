"""A joined node's certificate is renewed before its time is over: `python -m sealane.agent.renewal`.

The agent starts this as a process of its own now and then, as what makes keys takes 13 MiB. It prints a Look.
Whoever uses the certificate sees that the file is another one.
"""

import asyncio
import sys
import time
from collections.abc import Callable

import msgspec

from sealane import config, log
from sealane.agent.membership import credentials
from sealane.client import ApiClient
from sealane.config import Settings
from sealane.errors import SealaneError
from sealane.pki.certificate import Certificate

LONGEST = 86400.0
"""Seconds between two looks, if nothing is due before."""
SHORTEST, LONGEST_RETRY = 0.5, 60.0
"""Seconds until what failed is tried again: a tenth of the time that is left, within these bounds."""
DEADLINE = 60.0
"""Seconds for one look."""
_log = log.get("agent")


class Look(msgspec.Struct, frozen=True):
    next: float
    """Seconds until the next one."""
    trouble: str = ""
    """For people."""


async def follow(tell: Callable[[str], None]) -> None:
    """For ever; `tell` is told each time what the trouble is, or "" when there is none."""
    while True:
        found = await _look()
        tell(found.trouble)
        await asyncio.sleep(found.next)


async def _look() -> Look:
    """One look in a process of its own."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sealane.agent.renewal"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
    except OSError as exc:
        return Look(LONGEST_RETRY, f"could not look at this node's certificate: {exc}")
    try:
        async with asyncio.timeout(DEADLINE):
            out, _ = await process.communicate()
        return msgspec.json.decode(out, type=Look)
    except (TimeoutError, msgspec.MsgspecError):
        return Look(LONGEST_RETRY, "could not look at this node's certificate")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def renew(settings: Settings) -> Look:
    """Renew it if it is due."""
    from sealane.pki import node, read

    mine = node.Directory(settings.pki_dir)
    try:
        found = read.certificate(mine.node.read_text())
    except (SealaneError, OSError) as exc:
        return Look(LONGEST_RETRY, f"this node's certificate can't be read: {exc}; join again")
    if found.due > time.time():
        return _until(found)
    try:
        return _until(await _renewed(settings, found))
    except (SealaneError, OSError, KeyError) as exc:
        left = found.not_after - time.time()
        cure = f"tries again; {left:.0f} s are left" if left > 0 else "it has expired: join again"
        soon = min(LONGEST_RETRY, max(SHORTEST, left / 10))
        return Look(soon, f"could not renew this node's certificate: {exc}; {cure}")


def _until(good: Certificate) -> Look:
    return Look(min(LONGEST, max(SHORTEST, good.due - time.time())))


async def _renewed(settings: Settings, old: Certificate) -> Certificate:
    from sealane.pki import node, read, request

    key, asked = request.make(old.name)
    async with ApiClient(settings.api_url, credentials=credentials(settings)) as api:
        given = (await api.request("POST", "sealane/renew", {"renewal": {"request": asked}}))["renewal"]
    fresh = read.certificate(given["certificate"])
    node.save(node.Directory(settings.pki_dir), key, given["certificate"], given["central_ca"])
    _log.info("renewed this node's certificate", serial=fresh.serial)
    return fresh


def main() -> None:
    settings = config.load().settings
    log.setup(settings.log_level, json=settings.log_json)
    found = asyncio.run(renew(settings))
    if found.trouble:
        _log.error(found.trouble)
    print(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
