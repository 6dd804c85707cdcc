"""What nova-compute and QEMU do on a host, as far as networks go.

hypervisor.py plug|unplug KIND PORT DEVICE BRIDGE    through os_vif itself; of the kind "stock" by its own
                                                     plugin, BRIDGE is then the datapath's type and the MAC
hypervisor.py refused                                the same for each line of standard input, a JSON list of
                                                     these words: plugged in vain, unplugged; says the errors
hypervisor.py guest DEVICE INNER                     a guest on a TAP device: frames to and from INNER, a TAP
                                                     device of the namespace in which this is run
hypervisor.py drive VERB INSTANCE PORT               the driver for containers
"""

import contextlib
import errno
import fcntl
import json
import os
import struct
import sys
import types
import uuid
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

NOVA = "/run/nova.conf"
TUNSETIFF, TAP_WITH_HEADER = 0x400454CA, 0x0002 | 0x1000 | 0x4000


def vif(kind: str, port: str, device: str, bridge: str) -> object:
    from os_vif import objects

    common = {"id": port, "plugin": "sealane", "vif_name": device}
    common["network"] = objects.network.Network(id=str(uuid.uuid4()), bridge="br-int", mtu=1442)
    if kind == "stock":
        datapath, _, common["address"] = bridge.partition("/")
        made = {"interface_id": port, "datapath_type": datapath, "create_port": True, "create_tap": True}
        profile = objects.vif.VIFPortProfileOpenVSwitch(**made)
        return objects.vif.VIFOpenVSwitch(**{**common, "plugin": "ovs"}, port_profile=profile)
    if kind == "tap":
        profile = objects.vif.VIFPortProfileOpenVSwitch(interface_id=port)
        return objects.vif.VIFOpenVSwitch(**{**common, "id": str(uuid.uuid4())}, port_profile=profile)
    if kind == "bridge":
        return objects.vif.VIFBridge(**common, bridge_name=bridge)
    if kind == "direct":
        return objects.vif.VIFDirect(**common)
    return objects.vif.VIFGeneric(**common)


def call(verb: str, kind: str, port: str, device: str, bridge: str) -> None:
    import os_vif
    from os_vif import objects
    from oslo_config import cfg

    if kind == "stock":
        cfg.CONF(["--config-file", NOVA], project="nova")
    os_vif.initialize()
    (told,) = [p for p in os_vif.host_info().plugin_info if p.plugin_name == "sealane"]
    assert {info.vif_object_name for info in told.vif_info} == {"VIFOpenVSwitch", "VIFGeneric", "VIFBridge"}
    instance = objects.instance_info.InstanceInfo(uuid=str(uuid.uuid4()), name="vm1", project_id="p")
    getattr(os_vif, verb)(vif(kind, port, device, bridge), instance)


def refused() -> None:
    for line in sys.stdin:
        words = json.loads(line)
        try:
            call("plug", *words)
            told = ""
        except Exception as exc:  # which one it is, is what is asked
            told = f"{type(exc).__name__}: {exc}"
        with contextlib.suppress(Exception):
            call("unplug", *words)
        print(json.dumps(told), flush=True)


def guest(device: str, inner: str) -> None:
    """`device` is of the namespace of process 1.  It ends with either."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    inside = opened(inner)
    libc = __import__("ctypes").CDLL(None)
    assert libc.setns(os.open("/proc/1/ns/net", os.O_RDONLY), 0) == 0
    outside = opened(device)
    assert libc.setns(own, 0) == 0
    with DefaultSelector() as selector:
        selector.register(inside, EVENT_READ, outside)
        selector.register(outside, EVENT_READ, inside)
        print("runs", flush=True)
        while True:
            for key, _ in selector.select():
                try:
                    os.write(key.data, os.read(key.fd, 1 << 17))
                except OSError as exc:
                    if exc.errno == errno.EBADFD:
                        return  # it has been deleted
                    continue  # one of them is down


def opened(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP_WITH_HEADER))
    return device


def drive(verb: str, instance: str, port: str) -> None:
    """As nova's compute manager calls it."""
    from sealane.openstack.driver import ContainerVifDriver

    driver, named, info = (
        ContainerVifDriver("netns:"),
        types.SimpleNamespace(name=instance),
        network_info(port),
    )
    if verb.endswith("vifs"):
        getattr(driver, verb)(named, info)
    elif verb == "attach_interface":
        driver.attach_interface(None, named, None, info[0])
    else:
        driver.detach_interface(None, named, info[0])
    print(type(info[0]).__module__)


def network_info(port: str) -> Any:
    """nova.network.model.NetworkInfo of one VIF where nova is installed, else what it is made of.

    The file is what nova 34 says in NetworkInfo.json() of a VIF with Network, Subnet, IP and FixedIP.
    """
    text = Path(__file__).with_name("network_info.json").read_text()
    text = text.replace("tapPORT", f"tap{port[:11]}").replace("PORT", port)
    try:
        from nova.network import model
    except ImportError:
        return json.loads(text)
    return model.NetworkInfo.hydrate(text)


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "guest":
        guest(*words)
    elif command == "drive":
        drive(*words)
    elif command == "refused":
        refused()
    else:
        call(command, *words)
