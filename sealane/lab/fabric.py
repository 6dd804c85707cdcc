"""The underlay: a bridge in a namespace of its own, and a cable to each host."""

import json
from pathlib import Path

from sealane.lab.command import run
from sealane.lab.plan import BRIDGE, Plan


def machine_routes() -> tuple[str, ...]:
    """Destinations of the machine's IPv4 routes, without the default route."""
    routes = json.loads(run(["ip", "-j", "-4", "route", "show", "table", "all"]) or "[]")
    return tuple(r["dst"] for r in routes if r["dst"] != "default" and not r["dst"].startswith("127."))


def make(plan: Plan) -> None:
    plan.outside.touch()
    run(["unshare", f"--net={plan.outside}", "true"])
    _off(plan.outside, "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")
    _batch(
        plan.outside,
        "link set lo up",
        f"link add {BRIDGE} type bridge forward_delay 0",
        f"address add {plan.router} dev {BRIDGE}",
        f"address add {plan.router6} dev {BRIDGE} nodad",
        f"link set {BRIDGE} up",
    )


def plug(plan: Plan, host: str, pid: int) -> None:
    """A cable between the bridge and `eth0` of the host whose process 1 is `pid`."""
    _batch(
        plan.outside,
        f"link add {host} type veth peer name eth0 address {plan.mac(host)} netns {pid}",
        f"link set {host} master {BRIDGE} up",
    )
    _batch(
        Path(f"/proc/{pid}/ns/net"),
        f"address add {plan.address(host)} dev eth0",
        f"address add {plan.address6(host)} dev eth0 nodad",
        "link set eth0 up",
        f"route add default via {plan.router.ip}",
        f"route add ::/0 via {plan.router6.ip}",
    )


def remove(plan: Plan) -> None:
    """The namespace goes when nobody is in it; repeatable."""
    if plan.outside.exists():
        run(["umount", "--lazy", str(plan.outside)])
        plan.outside.unlink()


def _batch(netns: Path, *lines: str) -> None:
    run(["nsenter", f"--net={netns}", "ip", "-batch", "-"], "\n".join(lines))


def _off(netns: Path, *names: str) -> None:
    """sysctl values of the namespace, where the kernel has them."""
    script = ["sh", "-c", 'for f; do if [ -e "$f" ]; then echo 0 >"$f"; fi; done', "sh"]
    run(["nsenter", f"--net={netns}", *script, *(f"/proc/sys/{name}" for name in names)])
