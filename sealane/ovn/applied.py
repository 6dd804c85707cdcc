"""Whether the hosts have a state already: the translator has written it, and each ovn-controller has
installed it.

    store ─ translator ─> NB_Global external_ids[SEQUENCE_KEY]        the state is in the northbound database
    nb_cfg += 1 ─ northd ─> SB_Global nb_cfg ─ ovn-controller ─> Chassis_Private nb_cfg    and in br-int

ovn-controller writes the number when ovs-vswitchd has confirmed the flows (ovn-sb(5), Chassis_Private).  A
host with a fast path has reached it when that has forgotten all older rules, too.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from sealane.errors import SealaneError, Unavailable
from sealane.names import FASTPATH_OPTION
from sealane.ovn.northbound import SEQUENCE_KEY
from sealane.ovsdb import operations
from sealane.ovsdb.client import Client
from sealane.ovsdb.replica import Replica
from sealane.ovsdb.values import Row

NB: Mapping[str, Sequence[str]] = {"NB_Global": ("external_ids", "nb_cfg")}
SB: Mapping[str, Sequence[str]] = {"Chassis": ("name", "other_config"), "Chassis_Private": ("name", "nb_cfg")}
EVERYBODY = "*"
"""Named as the one that has not applied it when not even the hosts' names are known."""
TURN = 1.0
"""Seconds after which a wait looks again, whatever it was told."""


class Applied:
    """Follows both databases from the first question on."""

    def __init__(self, northbound: Client, southbound: Client) -> None:
        self._northbound = northbound
        self._southbound = southbound
        self._nb: Replica | None = None
        self._sb: Replica | None = None
        self._following = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._asked = (0, 0)
        """The newest state that was asked about, and the number of that question."""

    async def missing(
        self, sequence: int, seconds: float, gone: Callable[[str], bool] = lambda name: False
    ) -> list[str]:
        """Names of the chassis that have not applied the state within `seconds`; best []. Those that are
        `gone` are not waited for.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        number = 0
        with suppress(TimeoutError, SealaneError):
            async with asyncio.timeout_at(deadline):
                nb, sb = await self._follow(seconds)
                await _until(nb, lambda: _sequence(nb) >= sequence)
                number = await self._ask(sequence, nb, seconds)
                await _until(sb, lambda: not [n for n in _behind(sb, number) if not gone(n)])
        if number == 0:
            return sorted(_reached(self._sb)) or [EVERYBODY]
        assert self._sb is not None
        return sorted(_behind(self._sb, number))

    async def _follow(self, seconds: float) -> tuple[Replica, Replica]:
        """One after the other: who comes meanwhile needs no replicas of his own."""
        async with self._following:
            if self._nb is None:
                self._nb = await self._northbound.monitor(NB, seconds)
            if self._sb is None:
                self._sb = await self._southbound.monitor(SB, seconds)
            return self._nb, self._sb

    async def _ask(self, sequence: int, nb: Replica, seconds: float) -> int:
        """The number that every host reaches when it has the state; one question for all who wait for it."""
        async with self._asking:
            covered, number = self._asked
            if covered >= sequence and number <= _number(nb):
                return number
            covered = _sequence(nb)
            ahead = _ahead(self._sb)  # of a northbound database that was lost
            step = max(ahead - _number(nb), 0) + 1
            uuid = next(iter(nb.tables["NB_Global"]))
            await self._northbound.transact(
                [operations.mutate("NB_Global", uuid, ("nb_cfg", "+=", step))], seconds
            )
            self._asked = (covered, _number(nb))
            return self._asked[1]


async def _until(replica: Replica, holds: Callable[[], bool]) -> None:
    """Also looks again without news: `gone` may have changed its mind."""
    while not holds():
        await replica.changed(replica.version, TURN)


def _global(nb: Replica) -> Row:
    for row in nb.tables["NB_Global"].values():
        return row
    raise Unavailable("the northbound database is empty: no translator has been there")


def _sequence(nb: Replica) -> int:
    """The state that was translated last; -1 when none was."""
    rows = list(nb.tables["NB_Global"].values())
    ids = rows[0]["external_ids"] if rows else {}
    text = str(ids.get(SEQUENCE_KEY, "")) if isinstance(ids, Mapping) else ""
    return int(text) if text.isdecimal() else -1


def _number(nb: Replica) -> int:
    return int(str(_global(nb)["nb_cfg"]))


def _reached(sb: Replica | None) -> dict[str, float]:
    """Chassis -> the number that it has reached."""
    if sb is None:
        return {}
    names = [str(row["name"]) for row in sb.tables["Chassis"].values()]
    private = {str(r["name"]): int(str(r["nb_cfg"])) for r in sb.tables["Chassis_Private"].values()}
    fast = {str(row["name"]): _fast(row) for row in sb.tables["Chassis"].values()}
    return {name: min(private.get(name, 0), fast[name]) for name in names}


def _fast(chassis: Row) -> float:
    """How far its fast path has come; infinitely far where it has none (names.FASTPATH_OPTION)."""
    config = chassis["other_config"]
    options = str(config.get("ovn-cms-options", "")) if isinstance(config, Mapping) else ""
    for word in options.split(","):
        key, _, number = word.partition("=")
        if key == FASTPATH_OPTION and number.isdecimal():
            return int(number)
    return math.inf


def _ahead(sb: Replica | None) -> int:
    rows = sb.tables["Chassis_Private"].values() if sb else ()
    return max((int(str(row["nb_cfg"])) for row in rows), default=0)


def _behind(sb: Replica, number: int) -> Collection[str]:
    return [name for name, reached in _reached(sb).items() if reached < number]
