"""Options and labels that say how what a container carries is watched: taps, logs, metering labels.

sealane.tap=watch,record:in    taps of its project that see it
sealane.tap-port=watch         it is given the copies of the tap of that name
sealane.log=dropped            which of its packets are logged: all, accepted or dropped
sealane.metering=shop,all      metering labels that count what it exchanges with the outside
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sealane.errors import BadRequest
from sealane.names import LOG, METERING, TAP, TAP_PORT

EVENTS: Mapping[str, str] = {"all": "ALL", "accepted": "ACCEPT", "dropped": "DROP"}
KEYS = (TAP, LOG, METERING)
"""Of networks, endpoints and containers; TAP_PORT is of the latter two alone."""
NAME = re.compile(r"^[\w.@-]{1,255}$")
TAPPED = re.compile(r"^[\w.@-]{1,240}(:(in|out|both))?$")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """Empty: not given."""

    taps: tuple[str, ...] = ()
    log: str = ""
    """A word of the API's: ALL, ACCEPT, DROP."""
    meters: tuple[str, ...] = ()
    tap_port: str = ""

    def port(self) -> dict[str, Any]:
        """Attributes of a port."""
        told = {"sealane:taps": list(self.taps), "sealane:log": self.log, "sealane:meters": list(self.meters)}
        return {key: value for key, value in told.items() if value}

    def labels(self) -> dict[str, str]:
        """Labels of a network."""
        told = {TAP: ",".join(self.taps), LOG: self.log, METERING: ",".join(self.meters)}
        return {key: value for key, value in told.items() if value}

    def first(self) -> str:
        """An option that was given; "" where none was."""
        return next(iter(self.labels()), TAP_PORT if self.tap_port else "")


def watched(given: Mapping[str, str]) -> Watched:
    """Raises BadRequest that names the option and the cure."""
    return Watched(
        taps=_taps(given[TAP]) if TAP in given else (),
        log=_log(given[LOG]) if LOG in given else "",
        meters=_meters(given[METERING]) if METERING in given else (),
        tap_port=_tap_port(given[TAP_PORT]) if TAP_PORT in given else "",
    )


def _taps(text: str) -> tuple[str, ...]:
    found = _words(text)
    if not found or not all(TAPPED.fullmatch(word) for word in found):
        raise BadRequest(f"option '{TAP}': '{text}' is no list of taps as watch or watch:in,record:out")
    return found


def _log(text: str) -> str:
    if text not in EVENTS:
        raise BadRequest(f"option '{LOG}': '{text}' is none of {', '.join(EVENTS)}")
    return EVENTS[text]


def _meters(text: str) -> tuple[str, ...]:
    found = _words(text)
    if not found or not all(NAME.fullmatch(word) for word in found):
        raise BadRequest(f"option '{METERING}': '{text}' is no list of metering labels as shop,all")
    return found


def _tap_port(text: str) -> str:
    if not NAME.fullmatch(text):
        raise BadRequest(f"option '{TAP_PORT}': '{text}' is no name of a tap as watch")
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
