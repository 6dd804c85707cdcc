"""The physical networks that this host leads to, by its setting `bridge_mappings`."""

import json

from sealane.config import Settings
from sealane.errors import Conflict


def found(settings: Settings) -> list[str]:
    """Those that the engine has found a way to."""
    try:
        names: list[str] = json.loads((settings.run_dir / "physical.json").read_text())
    except FileNotFoundError:
        return []
    return names


class Ways:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, physical: str) -> None:
        """Raises Conflict that says what this host lacks."""
        if physical in found(self._settings):
            return
        wanted = self._settings.physical_networks
        if physical in wanted:
            raise Conflict(
                f"physical: this host can't use '{wanted[physical]}', its way to '{physical}', just now;"
                " the log of its node says why"
            )
        known = f" (it leads to {', '.join(sorted(wanted))})" if wanted else ""
        raise Conflict(
            f"physical: this host has no way to the physical network '{physical}'{known};"
            f" add '{physical}:BRIDGE' to its setting bridge_mappings"
        )
