"""A joined node's certificate is renewed before its time is over: `python -m sealane.agent.renewal`.

The agent starts this as a process of its own now and then, as what makes keys takes 13 MiB. It prints how
many seconds there are until the next look. Whoever uses the certificate sees that the file is another one.
"""

import asyncio
import sys
import time

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


async def follow() -> None:
    """For ever."""
    while True:
        await asyncio.sleep(await _look())


async def _look() -> float:
    """One look in a process of its own; the seconds until the next."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sealane.agent.renewal"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
    except OSError as exc:
        _log.error("could not look at this node's certificate", error=str(exc))
        return LONGEST_RETRY
    try:
        async with asyncio.timeout(DEADLINE):
            out, _ = await process.communicate()
        return max(SHORTEST, float(out.split()[-1]))
    except (TimeoutError, ValueError, IndexError):
        return LONGEST_RETRY
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def renew(settings: Settings) -> float:
    """Renew it if it is due; the seconds until the next look. What fails is logged."""
    from sealane.pki import node, read

    mine = node.Directory(settings.pki_dir)
    try:
        found = read.certificate(mine.node.read_text())
    except (SealaneError, OSError) as exc:
        _log.error("this node's certificate can't be read; join again", error=str(exc))
        return LONGEST_RETRY
    if found.due > time.time():
        return min(LONGEST, found.due - time.time())
    try:
        fresh = await _renewed(settings, found)
    except (SealaneError, OSError, KeyError) as exc:
        left = found.not_after - time.time()
        cure = f"tries again; {left:.0f} s are left" if left > 0 else "it has expired: join again"
        _log.error("could not renew this node's certificate", error=str(exc), cure=cure)
        return min(LONGEST_RETRY, max(SHORTEST, left / 10))
    _log.info("renewed this node's certificate", serial=fresh.serial)
    return min(LONGEST, max(SHORTEST, fresh.due - time.time()))


async def _renewed(settings: Settings, old: Certificate) -> Certificate:
    from sealane.pki import node, read, request

    key, asked = request.make(old.name)
    async with ApiClient(settings.api_url, credentials=credentials(settings)) as api:
        given = (await api.request("POST", "sealane/renew", {"renewal": {"request": asked}}))["renewal"]
    fresh = read.certificate(given["certificate"])
    node.save(node.Directory(settings.pki_dir), key, given["certificate"], given["central_ca"])
    return fresh


def main() -> None:
    settings = config.load().settings
    log.setup(settings.log_level, json=settings.log_json)
    print(asyncio.run(renew(settings)))


if __name__ == "__main__":
    main()
