"""A private dockerd (20.10): own network and mount namespace, own directories, gone after stop()."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from sealane.lab.image import archive

START = """
mount -t tmpfs none /run && ip link set lo up
echo nameserver 127.0.0.53 > {dir}/resolv.conf && mount --bind {dir}/resolv.conf /etc/resolv.conf
exec dockerd --data-root {dir}/data --exec-root {dir}/exec --pidfile {dir}/pid -H unix://{dir}/docker.sock
"""


class Engine:
    def __init__(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="sldns-"))
        self._log = (self.dir / "log").open("wb")
        # --kill-child is not needed: dockerd replaces the shell, which replaced unshare
        self._process = subprocess.Popen(
            [
                "unshare",
                "--net",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-ec",
                START.format(dir=self.dir),
            ],
            stdout=self._log,
            stderr=self._log,
        )
        self.namespace = f"/proc/{self._process.pid}/ns/net"
        self.dir_as_seen = Path(f"/proc/{self._process.pid}/root{self.dir}")  # through its mount namespace

    def start(self) -> None:
        """Wait for the engine, then make an image of Debian's static busybox."""
        end = time.monotonic() + 90
        while self._docker("version").returncode != 0:
            assert self._process.poll() is None and time.monotonic() < end, (self.dir / "log").read_text()[
                -2000:
            ]
            time.sleep(0.1)
        done = subprocess.run(
            [*self._command(), "import", "-", "bb"], input=archive(), capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        for container in self._docker("ps", "-aq").stdout.split():
            self._docker("rm", "-f", container)
        self._process.terminate()
        self._process.wait(60)
        self._log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def docker(self, *args: str) -> str:
        done = self._docker(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sandbox(self, container: str) -> str:
        """The sandbox's path as seen from here: through the engine's own mount namespace."""
        key = self.docker("inspect", "-f", "{{.NetworkSettings.SandboxKey}}", container)
        return f"/proc/{self._process.pid}/root{key}"

    def _command(self) -> list[str]:
        return ["docker", "-H", f"unix://{self.dir}/docker.sock"]

    def _docker(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*self._command(), *args], capture_output=True, text=True, timeout=120)
