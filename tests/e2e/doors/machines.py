"""Containers of LXC and systemd-nspawn on a root directory of busybox."""

from tests.e2e.docker.engines import until
from tests.e2e.doors.doors import Attach
from tests.e2e.doors.house import House

LXC = "/var/lib/lxc"
ROOT = "/run/machine-root"
MAKE = f"""
mkdir -p {ROOT}/bin {ROOT}/proc {ROOT}/sys {ROOT}/dev {ROOT}/etc {ROOT}/usr {ROOT}/tmp {ROOT}/run {LXC}/box
cp -n /bin/busybox {ROOT}/bin
for name in sh sleep ping; do ln -sf busybox {ROOT}/bin/$name; done
echo ID=box > {ROOT}/etc/os-release
"""
CONFIG = f"""
lxc.uts.name = box
lxc.rootfs.path = dir:{ROOT}
lxc.mount.auto = proc
lxc.apparmor.profile = unconfined
lxc.init.cmd = /bin/sleep 3600
lxc.net.0.type = empty
"""
NSPAWN = ("systemd-nspawn", "--register=no", "--keep-unit", "--as-pid2", "--quiet", "-D", ROOT)


def start(house: House) -> None:
    house.run("lxc-start", "-n", "box", "-o", "/run/lxc.log")
    house.run("lxc-wait", "-n", "box", "-s", "RUNNING", "-t", "30")


class Lxc(Attach):
    def live(self, house: House) -> str:
        house.run("sh", "-ec", MAKE)
        house.write(f"{LXC}/box/config", CONFIG)
        start(house)
        return "lxc:box"

    def die(self, house: House, target: str) -> None:
        house.run("lxc-stop", "-k", "-n", "box")


class Nspawn(Attach):
    """By the pid of the container's first process."""

    def live(self, house: House) -> str:
        house.run("sh", "-ec", MAKE)
        house.spawn(*NSPAWN, "--private-network", "/bin/sleep", "3601")
        runs = lambda: house.exec("pgrep", "-f", "^/bin/sleep 3601").stdout.split()  # noqa: E731
        return str(until(runs, what="the container runs")[0])

    def die(self, house: House, target: str) -> None:
        house.run("kill", "-9", target)
