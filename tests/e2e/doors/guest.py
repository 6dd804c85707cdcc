"""A QEMU guest on a TAP device of a lab host: the kernel of Debian, busybox, a shell on its serial line.

It has no disk: an initramfs of busybox and virtio's drivers, which asks for its address by DHCP.
"""

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from sealane.lab.lab import Lab
from tests.e2e.docker.engines import until
from tests.scripts import loaded

MODULES = ("virtio_pci", "virtio_net")
BOOT = 120.0  # seconds
KVM = Path("/dev/kvm")
PATIENCE = 10.0  # seconds with KVM for a program of nine bytes
PROBE = bytes.fromhex("baf400 b001 ee f4 ebfd")
"""mov dx, 0xf4; mov al, 1; out dx, al; hlt; jmp: by the device isa-debug-exit it ends QEMU."""
ran: set[str] = set()
"""By what guests of this run had a processor: "kvm", "tcg"."""

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
    kernel, initrd = built(scratch)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    words = lab.command(host, _qemu(accelerator(), kernel, initrd, device, mac))
    with subprocess.Popen(words, text=True, errors="replace", **pipes) as process:  # type: ignore[call-overload]
        try:
            guest = Guest(process)
            guest.wait_for("guest: ready")
            ran.add(accelerator())
            yield guest
        finally:
            process.kill()


def built(scratch: Path) -> tuple[Path, Path]:
    """Kernel and initramfs."""
    script = loaded("kvm-guest")
    kernel, modules = script.fetch_kernel()
    return kernel, script.build_initrd(scratch, modules, MODULES, INIT)


@cache
def accelerator() -> str:
    """kvm where a guest runs with it, which not every machine with a /dev/kvm can; else it is emulated."""
    return "kvm" if KVM.exists() and _runs() else "tcg"


def _runs() -> bool:
    with tempfile.NamedTemporaryFile() as disk:
        disk.write(PROBE.ljust(510, b"\0") + b"\x55\xaa")
        disk.flush()
        words = [
            *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-machine", "q35,accel=kvm", "-cpu", "host", "-m", "32"),
            *("-drive", f"format=raw,file={disk.name}", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"),
        ]
        try:
            return subprocess.run(words, capture_output=True, timeout=PATIENCE).returncode == 3
        except subprocess.TimeoutExpired:
            return False


def _qemu(accel: str, kernel: Path, initrd: Path, device: str, mac: str) -> list[str]:
    return [
        *("setpriv", "--pdeathsig", "KILL"),  # with nsenter, in whose namespaces it lives
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-machine", f"q35,accel={accel}", "-cpu", "max", "-m", "256", "-serial", "stdio"),
        *("-kernel", str(kernel), "-initrd", str(initrd)),
        *("-append", "console=ttyS0 quiet loglevel=3 panic=-1"),
        *("-netdev", f"tap,id=net,ifname={device},script=no,downscript=no"),
        *("-device", f"virtio-net-pci,netdev=net,mac={mac},romfile="),
    ]
