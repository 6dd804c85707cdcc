"""What a host copies for taps: the facts, and the order in which they are made and told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sealane.agent import translation, wanted
from sealane.agent.attachment import Attachment
from sealane.agent.facts import Copies, Fact, Pair, TapEntry, TapExit
from sealane.agent.memory import Memory
from sealane.agent.tapping import TapHere, TapSource, parse
from sealane.agent.taps import Taps
from sealane.errors import HostError
from sealane.host.values import SwitchPort

ONE, TWO, SINK = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")
SERVICE, OTHER = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "de")
MAC = "0a:00:00:00:00:01"


def attachment(port: str) -> Attachment:
    return Attachment(
        id=f"id {port}",
        door="netns",
        port_id=port,
        network_id="n",
        mac=MAC,
        addresses=(),
        sandbox="",
        mtu=1400,
    )


def here(id: str, sink: str, *sources: tuple[str, bool, bool]) -> TapHere:
    told = tuple(TapSource(port_id=port, out=out, into=into) for port, out, into in sources)
    return TapHere(id=id, port_id=sink, mac=MAC, mtu=1400, sources=told)


def facts(*taps: TapHere, userspace: bool = True) -> set[Fact]:
    layout = wanted.Layout(userspace, translation.Uplinks(()), "h1", {tap.id: tap for tap in taps})
    return wanted.taps([attachment(port) for port in (ONE, TWO, SINK)], layout)


def test_a_port_that_two_see_is_copied_to_both() -> None:
    made = facts(here(SERVICE, "", (ONE, True, True)), here(OTHER, SINK, (ONE, True, False)))
    assert Copies("slsaaaaaaaa-00", True, ("slmdddddddd-00", "slmeeeeeeee-00")) in made
    assert Copies("slhaaaaaaaa-00", True, ("slmdddddddd-00",)) in made
    assert {f for f in made if isinstance(f, TapExit)} == {TapExit("sloeeeeeeee-00", "slhcccccccc-00", MAC)}
    assert SwitchPort("tmidddddddd-00", f"tapin-{SERVICE}-h1", "") in made
    assert SwitchPort("tmoeeeeeeee-00", f"tapout-{OTHER}", "") in made
    assert all(f.in_switch and f.finish for f in made if isinstance(f, Pair))


def test_in_the_kernel_it_is_one_link_with_two_sides() -> None:
    made = facts(here(SERVICE, SINK, (TWO, True, True)), userspace=False)
    ends = {f.outward: f.targets for f in made if isinstance(f, Copies) and f.link == "tapbbbbbbbb-00"}
    assert ends == {False: ("slmdddddddd-00",), True: ("slmdddddddd-00",)}
    assert TapExit("slodddddddd-00", "tapcccccccc-00", MAC) in made
    assert {f.device for f in made if isinstance(f, Pair)} == {"tmidddddddd-00", "tmodddddddd-00"}


def test_what_is_elsewhere_makes_nothing_here() -> None:
    assert facts(here(SERVICE, "", ("ffffffff", True, True))) == set()
    assert facts(here(SERVICE, SINK)) >= {TapExit("slodddddddd-00", "slhcccccccc-00", MAC)}
    assert not any(isinstance(f, TapEntry) for f in facts(here(SERVICE, SINK)))


class Told:
    """The API, the fast path and the reconciler, which say when they are called."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows, self.said, self.calls = list(rows), "", list[str]()
        self.fails = False

    async def request(self, method: str, path: str, body: Any = None, *, query: Any = None) -> Any:
        self.calls.append(f"{method} {path}")
        if method == "POST":
            self.said = body["tapped"]["digest"]
            return {}
        digest = "d" if self.rows else ""
        return {"taps": self.rows, "digest": digest, "told": self.said, "any": bool(self.rows)}

    async def slow(self, ports: frozenset[str]) -> None:
        self.calls.append(f"slow {len(ports)}")
        if self.fails:
            raise HostError("it can't")

    async def resync(self) -> None:
        self.calls.append("resync")


ROW = {
    "id": SERVICE,
    "port_id": "",
    "mac_address": "",
    "mtu": 1400,
    "sources": [{"port_id": ONE, "out": True, "in": False}],
}


def test_it_is_told_last_and_only_when_it_is_so(tmp_path: Path) -> None:
    async def story() -> None:
        told, memory = Told(ROW), Memory(tmp_path / "agent.json")
        taps = Taps(told, "h1", memory, told.slow, told.resync)  # type: ignore[arg-type]
        told.fails = True
        with pytest.raises(HostError):
            await taps.look()
        assert "POST sealane/tapped" not in told.calls
        told.fails, told.calls = False, []
        await taps.look()
        assert told.calls == ["GET sealane/taps", "slow 1", "resync", "POST sealane/tapped"]
        assert Memory(tmp_path / "agent.json").taps == parse([ROW])
        await taps.look()
        assert told.calls[4:] == ["GET sealane/taps"], "nothing is new"
        told.rows = []
        await taps.look()
        assert told.calls[5:] == ["GET sealane/taps", "slow 0", "resync", "POST sealane/tapped"]
        assert not taps.concerned() and taps.concerned(frozenset({"tap_flows"}))

    asyncio.run(story())
