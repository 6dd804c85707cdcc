"""A QEMU guest on a TAP device of a lab host: the kernel of Debian, busybox, a shell on its serial line.

It has no disk: an initramfs of busybox and virtio's drivers, which asks for its address by DHCP.
"""

import importlib.machinery
import importlib.util
import subprocess
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sealane.lab.lab import Lab
from tests.e2e.docker.engines import until

SCRIPT = Path(__file__).parents[3] / "scripts" / "kvm-guest"
MODULES = ("virtio_pci", "virtio_net")
BOOT = 120.0  # seconds; emulated, since not every machine with a /dev/kvm can use it

# udhcpc runs /init as its script too: the first word says why.
INIT = """#!/bin/busybox sh
case "$1" in
deconfig|leasefail|nak) exit 0 ;;
bound|renew)
    busybox ip address flush dev eth0
    busybox ip address add $ip/$mask dev eth0
    busybox ip link set eth0 mtu ${{mtu:-1500}}
    [ -z "$router" ] || busybox ip route add default via ${{router%% *}}
    exit 0 ;;
esac
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for m in {modules}; do modprobe $m; done
ip link set lo up; ip link set eth0 up
until udhcpc -i eth0 -s /init -n -q -t 5 >/dev/null 2>&1; do :; done
stty -echo
echo "guest: ready"
while read -r line; do eval "$line"; echo "guest: status $?"; done
poweroff -f
"""


class Guest:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        with suppress(ValueError):
            for line in self._process.stdout:
                self._lines.append(line.strip())

    def wait_for(self, word: str, after: int = 0) -> int:
        """The number of the line that begins so."""

        def found() -> list[int]:
            assert self._process.poll() is None, f"qemu ended: {self._lines[-20:]}"
            return [at for at, line in enumerate(self._lines) if at >= after and line.startswith(word)]

        return int(until(lambda: [at + 1 for at in found()], BOOT, f"the guest says {word}")[0]) - 1

    def run(self, command: str) -> tuple[int, str]:
        """Exit status and output of a line for the guest's shell."""
        start = len(self._lines)
        assert self._process.stdin
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        end = self.wait_for("guest: status", start)
        return int(self._lines[end].split()[-1]), "\n".join(self._lines[start:end])


@contextmanager
def booted(lab: Lab, host: str, device: str, mac: str, scratch: Path) -> Iterator[Guest]:
    """A guest that has its address; ended on the way out."""
    script = _script()
    kernel, modules = script.fetch_kernel()
    initrd = script.build_initrd(scratch, modules, MODULES, INIT)
    argv = [
        *("setpriv", "--pdeathsig", "KILL"),  # with nsenter, in whose namespaces it lives
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", "q35,accel=tcg", "-cpu", "max", "-m", "256", "-serial", "stdio"),
        *("-kernel", str(kernel), "-initrd", str(initrd)),
        *("-append", "console=ttyS0 quiet loglevel=3 panic=-1"),
        *("-netdev", f"tap,id=net,ifname={device},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=net,mac={mac},romfile="),
    ]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(lab.command(host, argv), text=True, errors="replace", **pipes) as process:  # type: ignore[call-overload]
        try:
            guest = Guest(process)
            guest.wait_for("guest: ready")
            yield guest
        finally:
            process.kill()


def _script() -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader("kvm_guest", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
