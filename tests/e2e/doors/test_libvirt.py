"""A guest that libvirt defines and starts, on a device that os-vif plugged: the page about it, as it is."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.docker.engines import until
from tests.e2e.doors import guest
from tests.e2e.doors.house import House
from tests.e2e.doors.page import block, commands

PAGE = "openstack.md"
PLACES = ("/etc/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt")
QEMU = """
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
stdio_handler = "file"
"""
"""What libvirtd asks of a machine that runs systemd, and a lab host does not."""

OS = '<os><type arch="x86_64" machine="q35">hvm</type>{}</os>'
BOOT = "<kernel>{}</kernel><initrd>{}</initrd><cmdline>console=ttyS0 quiet loglevel=3 panic=-1</cmdline>"
SERIAL = '<serial type="file"><source path="/run/vm1.log"/></serial>'


@pytest.fixture
def scratch(house: House) -> Iterator[Path]:
    """What the page wants to have been saved; libvirt's daemon runs, in mounts of the host's own."""
    for place in PLACES:
        house.run("mkdir", "-p", place)
        house.run("mount", "-t", "tmpfs", "none", place)
    house.write("/etc/libvirt/qemu.conf", QEMU)
    house.write("/etc/libvirt/libvirtd.conf", 'auth_unix_rw = "none"\n')
    house.spawn("libvirtd", name="libvirtd")
    until(lambda: house.exec("virsh", "list").returncode == 0, what="libvirtd answers")
    with tempfile.TemporaryDirectory() as directory:
        made = Path(directory)
        (made / "plug.py").write_text(block(PAGE, "python"))
        (made / "vm1.xml").write_text(block(PAGE, "xml"))
        yield made
    house.exec("virsh", "destroy", "vm1")
    House(house.lab, "host2").exec("ip", "netns", "delete", "box6")
    house.stop("libvirtd")
    for place in PLACES:
        house.run("umount", place)
    for port in house.json("port", "list", "--name", "vm1"):
        house.sealane("port", "delete", port["id"])
    until(lambda: house.exec("sealane", "network", "delete", "vms").returncode == 0, what="nobody is on it")


def bootable(domain: str, scratch: Path) -> str:
    """The page's domain with a kernel in place of its disk, which there is none of."""
    kernel, initrd = guest.built(scratch)
    head, _, rest = domain.partition("<disk ")
    kind = {"kvm": "kvm", "tcg": "qemu"}[guest.accelerator()]
    text = f"{head}{SERIAL}{rest.partition('</disk>')[2]}"
    changes = {
        'type="kvm"': f'type="{kind}"',
        "1024": "256",
        OS.format(""): OS.format(BOOT.format(kernel, initrd)),
    }
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_the_page_is_true_and_such_a_guest_is_on_the_overlay(house: House, scratch: Path) -> None:
    before = house.traces()
    script = commands(PAGE).replace("python3", sys.executable)
    done = house.exec("bash", "-euxo", "pipefail", "-c", f"cd {scratch}\n{script}", timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "vm1.xml validates" in done.stderr and "Domain 'vm1' defined" in done.stdout
    domain = scratch / "vm1.xml"
    domain.write_text(bootable(domain.read_text(), scratch))
    house.run("virsh", "undefine", "vm1")
    house.run("virsh", "define", "--validate", str(domain))
    house.run("virsh", "start", "vm1")
    until(
        lambda: "guest: ready" in house.exec("cat", "/run/vm1.log").stdout,
        3 * guest.BOOT,
        "it has its address",
    )
    (port,) = house.json("port", "list", "--name", "vm1")
    assert port["status"] == "ACTIVE"
    other = House(house.lab, "host2")
    other.run("ip", "netns", "add", "box6")
    other.sealane("attach", "box6", "--network", "vms")
    house.sealane("port", "add", port["id"], "--security-group", "open")
    other.reaches("box6", port["fixed_ips"][0]["ip_address"])
    house.run("virsh", "destroy", "vm1")
    house.run("virsh", "undefine", "vm1")
    house.run(sys.executable, str(scratch / "plug.py"), "unplug", port["id"])
    other.run("ip", "netns", "delete", "box6")
    until(
        lambda: house.traces() == {**before, "ports": before["ports"] | {port["id"]}}, what="all is as it was"
    )
