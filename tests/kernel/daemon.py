"""`sealane up` in the guest itself, and namespaces on its networks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sealane.errors import HostError
from tests.kernel.story import PATIENCE, Story, run, until

COMMAND = str(Path(sys.executable).with_name("sealane"))
LOG = Path("/run/sealane-story.log")


def status() -> dict[str, Any]:
    """Empty when nothing answers; the command fails while a part is not ready."""
    done = subprocess.run([COMMAND, "status", "-o", "json"], capture_output=True, timeout=PATIENCE)
    return dict(json.loads(done.stdout)) if done.stdout else {}


@contextmanager
def up(story: Story, **settings: str) -> Iterator[None]:
    """Raises HostError when it ends, DeadlineExceeded when it is not ready; it is taken down at the end."""
    with LOG.open("ab") as out:
        daemon = subprocess.Popen(
            [COMMAND, "up"], env={**os.environ, **settings},
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip

    def ready() -> bool:
        if daemon.poll() is not None:
            raise HostError(f"the daemon ended with {daemon.returncode}: {LOG.read_text()[-1500:]}")
        parts = status().get("parts", [])
        return bool(parts) and all(part["ready"] for part in parts)

    try:
        until(ready, f"all parts are ready; {LOG.read_text()[-500:]}", 3 * PATIENCE)
        story.say("all parts are ready")
        yield
    finally:
        if daemon.poll() is None:
            run(COMMAND, "down")


def sealane(*words: str) -> Any:
    """The command's JSON."""
    return json.loads(run(COMMAND, *words, "-o", "json") or "null")


class Namespace:
    """A network namespace on a network, with the name `name`."""

    def __init__(self, name: str, network: str) -> None:
        self.name = name
        run("ip", "netns", "add", name)
        made = sealane("attach", f"/run/netns/{name}", "--network", network)
        self.port_id = str(made["port_id"])
        self.address = str(made["addresses"][0]).partition("/")[0]

    def exec(self, *argv: str) -> str:
        return run("ip", "netns", "exec", self.name, *argv)

    def pings(self, target: str, *options: str) -> None:
        self.exec("busybox", "ping", "-c", "2", "-w", "30", *options, target)

    def remove(self) -> None:
        run(COMMAND, "detach", f"/run/netns/{self.name}")
        run("ip", "netns", "delete", self.name)
