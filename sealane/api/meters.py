"""What the hosts have counted for metering labels, kept in this process only.

Each host tells its own totals, which it remembers (agent/metering.py), so a process that has just begun knows
them again within seconds.  Until every host has spoken that is not given up, nothing is told: a sum without
one of them would be less than before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

Totals = Mapping[str, tuple[int, int]]
"""Label -> packets, bytes."""
Policies = Mapping[str, Sequence[tuple[str, int]]]
"""Match -> the cookies of its rules in br-int, and their table."""
NOTHING = (0, 0)


class Meters:
    """hosts: those that are to have spoken. policies: what ovn-northd has made of policies."""

    def __init__(self) -> None:
        self.hosts: Callable[[], Iterable[str]] = lambda: ()
        self.policies: Callable[[], Policies] = dict
        self._told: dict[str, Totals] = {}
        self._acked: dict[str, str] = {}

    def tell(self, host: str, totals: Totals, digest: str = "") -> None:
        """`digest`: of what the host counts, as it was asked to."""
        self._told[host] = totals
        self._acked[host] = digest

    def acked(self, host: str) -> str:
        return self._acked.get(host, "")

    def told(self, host: str) -> Totals | None:
        return self._told.get(host)

    def of(self, label: str) -> tuple[int, int] | None:
        """Packets and bytes, of all hosts; None while some have not spoken."""
        if any(host not in self._told for host in self.hosts()):
            return None
        found = [totals.get(label, NOTHING) for totals in self._told.values()]
        return sum(packets for packets, _ in found), sum(octets for _, octets in found)
