"""Keeps the host as the attachments want it: one computation for create, update, restart and repair.

    memory (attachments) ──> wanted.py ─┐
                                        ├─> diff.py ──> apply.py ──> host/ (links, OVS, nft)
    kernel, local OVSDB  ──> found.py  ─┘

`set` and `remove` reconcile what belongs to one attachment; `resync` reconciles everything, at start
and every RESYNC seconds.  Only what bears our mark is changed.
"""

from collections.abc import Iterable

from sealane.agent.attachment import Attachment, PortRequest, Publication

RESYNC = 30.0
"""Seconds between two looks at the whole host."""


class Reconciler:
    async def set(self, attachment: Attachment) -> None:
        """Remember the attachment, and return when the host is as it wants; repeating it is harmless.

        After it the container's link (names.container_link(port_id)) exists with MAC and MTU set, on
        the host, down, ready to be moved into a sandbox, unless that has happened already.  Does not
        wait for OVN: see wait_bound.  Raises HostError, Unavailable (local OVSDB), BadRequest.
        """
        raise NotImplementedError

    async def remove(self, attachment_id: str) -> None:
        """Forget the attachment, its publications and everything it has on the host; unknown is success."""
        raise NotImplementedError

    async def resync(self) -> None:
        """Reconcile everything."""
        raise NotImplementedError

    async def wait_bound(self, port_id: str, deadline: float) -> None:
        """Return when OVN's flows for the port are installed on this host's br-int.

        `deadline` is in seconds from now; raises DeadlineExceeded.
        """
        raise NotImplementedError

    async def publish(self, attachment_id: str, wanted: Iterable[PortRequest]) -> tuple[Publication, ...]:
        """Reserve the ports of the host and lead them to the attachment; replaces what it had published.

        Port 0 and ranges are settled here.  Raises PortInUse (nothing is published then), NotFound.
        """
        raise NotImplementedError

    async def unpublish(self, attachment_id: str) -> None:
        """Withdraw all publications of the attachment and cut their flows; unknown is success."""
        raise NotImplementedError
