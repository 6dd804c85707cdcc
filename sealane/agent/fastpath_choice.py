"""Whether a node has the fast path, and which networks have none of it: what was chosen since it started, or
else its setting."""

import uuid

from sealane import failpoint
from sealane.config import Settings
from sealane.errors import BadRequest, HostError


class Choice:
    """Until the node is stopped; the agent's successor finds it."""

    def __init__(self, settings: Settings) -> None:
        self._choice = settings.run_dir / "fastpath"
        self._apart = settings.run_dir / "fastpath.off"  # ids of networks that it is off for, one a line
        self._setting = settings.fastpath == "on"

    @property
    def on(self) -> bool:
        try:
            return self._choice.read_text().strip() == "on"
        except OSError:
            return self._setting

    @property
    def networks_off(self) -> frozenset[str]:
        """Networks whose flows all go through Open vSwitch on this node, whatever else is on."""
        try:
            return frozenset(self._apart.read_text().split())
        except OSError:
            return frozenset()

    def switch(self, on: bool) -> None:
        """Raises HostError."""
        with failpoint.effect("file", "fastpath", HostError):
            self._choice.write_text("on\n" if on else "off\n")

    def switch_network(self, network: str, on: bool) -> None:
        """Raises BadRequest (no UUID), HostError."""
        try:
            id = str(uuid.UUID(network))
        except ValueError as exc:
            raise BadRequest(f"'network' can't be '{network}': it has to be a network's id") from exc
        after = self.networks_off - {id} if on else self.networks_off | {id}
        with failpoint.effect("file", "fastpath", HostError):
            self._apart.write_text("".join(f"{one}\n" for one in sorted(after)))
