"""How a container hangs on the switch, as the kernel tells it."""

import json
from collections.abc import Callable

from tests.kernel.story import equal, run

OFFLOADS = ("tx-checksumming", "rx-checksumming", "scatter-gather", "tcp-segmentation-offload")
Run = Callable[..., str]


def links(run_on_host: Run = run) -> dict[int, str]:
    return {link["ifindex"]: link["ifname"] for link in json.loads(run_on_host("ip", "-j", "link"))}


def hangs_on_the_switch(port_id: str, inside: Run, database: str, run_on_host: Run = run) -> str:
    """The host's end of eth0 is the OVS port, with nothing between."""
    outer = int(inside("cat", "/sys/class/net/eth0/iflink"))
    equal(links(run_on_host).get(outer), f"tap{port_id[:11]}")
    listed = run_on_host("ovs-vsctl", f"--db={database}", "list-ports", "br-int").split()
    assert f"tap{port_id[:11]}" in listed, f"br-int has {listed}"
    assert "ovs-system" in run_on_host("ip", "link", "show", f"tap{port_id[:11]}")
    others = [name for name in links(run_on_host).values() if name.startswith(("slh", "sls", "slx"))]
    equal(others, [])
    assert "mirred" not in run_on_host("tc", "filter", "show", "dev", f"tap{port_id[:11]}", "ingress")
    return f"eth0 -> tap{port_id[:11]} -> br-int"


def keeps_offloads(inside: Run) -> None:
    told = inside("ethtool", "-k", "eth0").splitlines()
    equal([name for name in OFFLOADS if f"{name}: on" not in told], [])


def counters(inside: Run) -> dict[str, int]:
    """/proc/net/snmp as PROTOCOL.NAME (proc_net(5))."""
    lines = [line.split() for line in inside("cat", "/proc/net/snmp").splitlines()]
    return {
        f"{keys[0].rstrip(':')}.{key}": int(value)
        for keys, values in zip(lines[::2], lines[1::2], strict=True)
        for key, value in zip(keys[1:], values[1:], strict=True)
    }


def checksums_are_right(inside: Run) -> None:
    """None of all packets that arrived here was dropped for its checksum, or could not be read."""
    wrong = {k: v for k, v in counters(inside).items() if v and ("InCsumErrors" in k or k == "Tcp.InErrs")}
    equal(wrong, {})
