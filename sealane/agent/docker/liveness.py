"""Is an endpoint alive? Asked when its address is wanted again, where dockerd itself can't be asked.

After a crash dockerd deletes stale endpoints without telling the driver; a container with a fixed address
that starts again must get it, before the garbage collection has come round.
"""

import os
import time
from collections.abc import Callable

from sealane.agent.attachment import Attachment

STARTING = 30.0
"""Seconds that an endpoint may be without a sandbox: dockerd up to 27 makes it after Join."""


def sandbox_is_there(path: str) -> bool:
    """A sandbox is a namespace mounted on a file; a file that is left over lies on its directory's device."""
    try:
        return os.stat(path).st_dev != os.stat(os.path.dirname(path)).st_dev
    except OSError:
        return False


def is_alive(attachment: Attachment, *, waits: bool, now: Callable[[], float] = time.time) -> bool:
    """`waits`: the container's link is still on the host, to be moved into the sandbox.

    As long as the sandbox is to come only the age can tell; after it, a sandbox that is not there is gone.
    """
    if waits or not attachment.sandbox:
        return 0 <= now() - attachment.created < STARTING
    return sandbox_is_there(attachment.sandbox)
