"""A lab of two hosts with real Docker engines, as the tests talk to it."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

from sealane.cli.exchange import over_unix
from sealane.lab.image import archive
from sealane.lab.lab import Lab
from tests.daemons import become

DOCKER = "/usr/bin/docker"  # Debian's own: a newer command may ask for a newer engine
IMAGE = "box:1"
PATIENCE = 60.0

AGENT = "sealane.agent.main"
DOCKERD = "^dockerd"


class Failed(Exception):
    """The command ended with an error; the text is what it said."""


def until(condition: Callable[[], Any], seconds: float = PATIENCE, what: str = "") -> Any:
    """The condition's value as soon as it is true (tests.daemons.become)."""
    return become(condition, f"{what or condition}", seconds)


class Engine:
    """The docker command of one host."""

    def __init__(self, lab: Lab, host: str) -> None:
        self.lab = lab
        self.host = host
        self.socket = lab.plan.docker_socket(host)

    def __call__(self, *argv: str, timeout: float = 90.0) -> str:
        """Its output. Raises Failed with what it said."""
        done = self.raw(*argv, timeout=timeout)
        if done.returncode != 0:
            raise Failed(f"{done.stdout}\n{done.stderr}".strip())
        return done.stdout.strip()

    def raw(self, *argv: str, timeout: float = 90.0) -> subprocess.CompletedProcess[str]:
        command = (DOCKER, "-H", f"unix://{self.socket}", *argv)
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)

    def run(self, name: str, network: str, *options: str) -> str:
        """A container that sleeps; its id."""
        return self(
            "run", "-d", "--init", "--name", name, "--network", network, *options, IMAGE, "sleep", "3600"
        )

    def reaches(self, container: str, target: str) -> bool:
        return self.raw("exec", container, "ping", "-c1", "-W2", target).returncode == 0

    def still_reaches(self, container: str, target: str) -> bool:
        """At once, but for a lost echo or two."""
        return any(self.reaches(container, target) for _ in range(5))

    def settings(self, container: str, network: str) -> dict[str, Any]:
        """What `docker inspect` says of a container's place on a network."""
        (body,) = json.loads(self("inspect", container))
        return dict(body["NetworkSettings"]["Networks"][network])

    def address(self, container: str, network: str) -> str:
        return str(self.settings(container, network)["IPAddress"])

    def networks(self) -> set[str]:
        return set(self("network", "ls", "-q", "-f", "driver=sealane", "--format", "{{.Name}}").split())

    def image(self) -> None:
        """One of busybox, made without a registry."""
        command = (DOCKER, "-H", f"unix://{self.socket}", "import", "-c", "ENV PATH=/bin", "-", IMAGE)
        subprocess.run(command, input=archive(), capture_output=True, timeout=90, check=True)

    def clear(self) -> None:
        """No container and no network of ours is left on this engine."""
        containers = self("ps", "-aq").split()
        if containers:
            self.raw("rm", "-f", *containers)

    def pid_of(self, program: str) -> int:
        """Pid, in the host's own counting, of the process whose command line begins or ends so."""
        return int(self.lab.exec(self.host, "pgrep", "-o", "-f", program).stdout.split()[0])

    def kill(self, program: str, signal: str = "KILL") -> int:
        pid = self.pid_of(program)
        self.lab.exec(self.host, "kill", f"-{signal}", str(pid))
        return pid

    def restart(self, program: str) -> None:
        """Kill it, and wait until its supervisor has started it anew."""
        self.wait_restarted(program, self.kill(program))

    def wait_restarted(self, program: str, old: int) -> None:
        def is_new() -> bool:
            found = self.lab.exec(self.host, "pgrep", "-o", "-f", program, check=False).stdout.split()
            return bool(found) and int(found[0]) != old

        until(is_new, what=f"{program} is restarted")

    def answers(self) -> bool:
        return self.raw("version").returncode == 0


class Api:
    """The Neutron API on the lab's unix socket."""

    def __init__(self, lab: Lab) -> None:
        self._socket = lab.plan.api_socket

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        raw = over_unix(str(self._socket), 20, method, f"/v2.0/{path}", data, kind).raw
        answer = json.loads(raw) if raw else {}
        assert "NeutronError" not in answer, answer
        return answer

    def list(self, collection: str, query: str = "") -> Any:
        return self.call("GET", f"{collection}?{query}")[collection]

    def ports(self) -> Any:
        """Of containers."""
        return [p for p in self.list("ports") if p["device_owner"].startswith("sealane:docker")]
