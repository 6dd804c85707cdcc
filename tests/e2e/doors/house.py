"""A host of the lab as the tests of doors see it."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from sealane.lab.lab import Lab
from tests.e2e.docker.engines import Engine, until

FAR = "10.7.0.250"
HOST = "host:self"
"""The host's own network, where others say whose it is."""
AGENT = "sealane.agent.main"


class House:
    def __init__(self, lab: Lab, host: str) -> None:
        self.lab = lab
        self.host = host
        self.docker = Engine(lab, host)
        self._started: list[tuple[str, subprocess.Popen[bytes]]] = []

    def exec(self, *argv: str, **more: Any) -> subprocess.CompletedProcess[str]:
        return self.lab.exec(self.host, *argv, check=False, **more)

    def run(self, *argv: str) -> str:
        done = self.exec(*argv)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def sealane(self, *words: str) -> str:
        return self.run("sealane", *words)

    @property
    def central(self) -> "House":
        """Who may do everything."""
        return self if self.host == "host1" else House(self.lab, "host1")

    def json(self, *words: str) -> Any:
        return json.loads(self.sealane(*words, "-o", "json"))

    def refused(self, *words: str) -> str:
        """The command's one line of error."""
        done = self.exec("sealane", *words)
        assert done.returncode == 1, f"{words}: {done.stdout}{done.stderr}"
        assert done.stderr.count("\n") == 1
        return done.stderr

    def attachments(self) -> list[dict[str, Any]]:
        return [row for row in self.json("ps") if row.get("sandbox")]

    def ports(self) -> dict[str, dict[str, Any]]:
        """Of this host, by id."""
        return {p["id"]: p for p in self.json("port", "list") if p["binding:host_id"] == self.host}

    def waiting(self) -> set[str]:
        """Ports of this host, by id, that are kept ready for a container."""
        return {row["port_id"] for row in self.json("ps", "--all") if row["door"] == "ready"}

    def links(self) -> set[str]:
        """Ours on the host, but those of gateways and of ports that are kept ready."""
        listed = json.loads(self.run("ip", "-j", "link"))
        ours = {one["ifname"] for one in listed if one["ifname"].startswith(("slh", "slc", "sls", "tap"))}
        return {link for link in ours if not _is_of(link, self.waiting())}

    def switch_ports(self) -> set[str]:
        words = ("ovs-vsctl", "--db=unix:/run/sealane/ovs/db.sock", "--timeout=10", "list-ports", "br-int")
        taps = {port for port in self.run(*words).split() if port.startswith("tap")}
        return {port for port in taps if not _is_of(port, self.waiting())}

    def traces(self) -> dict[str, Any]:
        rows = {row["id"] for row in self.attachments()}
        return {
            "links": self.links(),
            "switch": self.switch_ports(),
            "ports": set(self.ports()),
            "rows": rows,
        }

    def pings(self, target: str, address: str = FAR) -> bool:
        words = ("busybox", "ping", "-c1", "-W2", address)
        return self.exec(*self.within(target), *words).returncode == 0

    def within(self, target: str) -> tuple[str, ...]:
        """What goes before a command that is to run in its network."""
        return () if target == HOST else ("sealane", "exec", target, "--")

    def reaches(self, target: str, address: str = FAR) -> None:
        until(lambda: self.pings(target, address), what=f"{target} reaches {address}")

    def write(self, path: str, text: str) -> None:
        assert self.exec("tee", path, stdin=text).returncode == 0

    def spawn(
        self, *words: str, name: str = "", stdout: int = subprocess.DEVNULL
    ) -> "subprocess.Popen[bytes]":
        """Ends with the test, or by `stop` with its name."""
        command = self.lab.command(self.host, ["setpriv", "--pdeathsig", "KILL", *words])
        started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout)
        self._started.append((name, started))
        return started

    def stop(self, name: str = "") -> None:
        """Those of the name; "": all."""
        chosen = [one for one in self._started if name in ("", one[0])]
        for one in chosen:
            one[1].terminate()
            one[1].wait(20)
            self._started.remove(one)

    def sleeper(self) -> int:
        """A process with a network of its own; its pid on the host."""
        before = set(self.exec("pgrep", "-x", "sleep").stdout.split())
        self.spawn("unshare", "--net", "sleep", "3600")
        new = until(lambda: set(self.exec("pgrep", "-x", "sleep").stdout.split()) - before, what="a sleeper")
        return int(new.pop())

    def kill_agent(self) -> None:
        """And wait for its successor."""
        pid = self.run("pgrep", "-f", AGENT).split()[0]
        self.run("kill", f"-{signal.SIGKILL.value}", pid)
        until(lambda: self.exec("sealane", "ps").returncode == 0, what="the agent's successor answers")

    def tidy(self, keep: str = "") -> None:
        """Take away all but the namespace `keep`."""
        rows = [row for row in self.json("ps") if row["container"] != f"netns:{keep}"]
        kept = {row["port_id"] for row in self.json("ps")} - {row["port_id"] for row in rows}
        for row in rows:
            if row.get("device"):
                body = json.dumps({"port": row["port_id"]})
                self.exec(
                    "curl", "-s", "--unix-socket", "/run/sealane/agent.sock", "http://a/unplug", "-d", body
                )
            elif row["door"] == "host":
                self.exec("sealane", "host-port", "remove", row["ifname"])
            elif row["door"] != "docker":
                self.exec("sealane", "detach", row["container"] or row["sandbox"], "--ifname", row["ifname"])
        self.docker.clear()
        self.exec("lxc-stop", "-k", "-n", "box")
        self.run("rm", "-rf", "/etc/cni/net.d", "/run/cni", "/run/cni-test", "/var/lib/lxc/box")
        for name in self.exec("ip", "netns", "list").stdout.split():
            if name.startswith("box"):
                self.exec("ip", "netns", "delete", name)
        self.stop()
        for port in self.central.json("port", "list"):
            if not port["device_owner"] or port["device_owner"].startswith("compute:"):
                self.central.sealane("port", "delete", port["id"])
        eventually(lambda: set(self.ports()) == kept, "no port is left")


def _is_of(link: str, ports: set[str]) -> bool:
    return any(port.startswith(link[3:]) for port in ports)


def be_far(lab: Lab, host: str = "host2", name: str = "far", address: str = FAR) -> None:
    """A namespace in the groups default and `open`."""
    there = House(lab, host)
    there.run("ip", "netns", "add", name)
    attached = there.json("attach", name, "--network", "blue", "--ip", address)
    assert attached["addresses"] == [f"{address}/24"]
    there.central.sealane("port", "add", attached["port_id"], "--security-group", "open")


def eventually(condition: Callable[[], object], what: str, seconds: float = 90) -> float:
    """Seconds that it took."""
    start = time.monotonic()
    until(condition, seconds, what)
    return time.monotonic() - start
