"""Metering labels: each packet between machines and the world once, by each label that wants it."""

from typing import Any

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import Machine, until
from tests.e2e.overlay.test_faults import kill
from tests.e2e.routing.site import Tenant
from tests.e2e.routing.world import GATEWAY, World

LABELS, RULES = "metering/metering-labels", "metering/metering-label-rules"
ALL = "0.0.0.0/0"
LENGTH = 98
"""Bytes of a frame of ping: 14 of Ethernet, 20 of IPv4, 8 of ICMP, 56 within."""


def label(api: Api, name: str, *rules: dict[str, Any], **values: Any) -> str:
    made = str(api.create(LABELS, {"name": name, "project_id": "red", **values})["id"])
    for rule in rules:
        api.create(RULES, {"metering_label_id": made, **rule})
    return made


def both(inside: str = "", outside: str = "", **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of what leaves and what comes."""
    out = {"source_ip_prefix": inside or None, "destination_ip_prefix": outside or None}
    into = {"source_ip_prefix": outside or None, "destination_ip_prefix": inside or None}
    return {"direction": "egress", **out, **values}, {"direction": "ingress", **into, **values}


def ping(machine: Machine, count: int) -> None:
    done = machine.exec("busybox", "ping", "-q", "-c", str(count), "-i", "0.2", "-W", "5", GATEWAY)
    assert f"{count} packets received" in done.stdout, done.stdout


def test_labels_count_what_crosses_routers(
    world: World, lab: Lab, api: Api, outside: str, red: Tenant
) -> None:
    with Tenant(lab, api, outside, "blue") as blue:
        one, two, other = red.put("host1", "one"), red.put("host2", "two"), blue.put("host1", "other")
        api.wait = 60
        red.take(port_id=two.port_id)
        for machine in (one, two, other):
            machine.soon_reaches(GATEWAY)
        made = {
            "all": label(api, "all", *both(outside=ALL)),
            "sent": label(api, "sent", both(outside=f"{GATEWAY}/32")[0]),
            "heard": label(api, "heard", both(outside=f"{GATEWAY}/32")[1]),
            "not two": label(
                api, "not two", *both(outside=ALL), *both(inside=f"{two.addresses[0]}/32", excluded=True)
            ),
            "not world": label(
                api, "not world", *both(outside=ALL), *both(outside=f"{GATEWAY}/32", excluded=True)
            ),
            "one": label(
                api,
                "one",
                {"direction": "egress", "remote_ip_prefix": f"{one.addresses[0]}/32"},
                {"direction": "ingress", "remote_ip_prefix": f"{one.addresses[0]}/32"},
            ),
            "everybody": label(api, "everybody", *both(outside=ALL), shared=True, project_id="admin"),
            "third": label(api, "third", *both(outside=ALL), project_id="third"),
        }
        try:
            for machine in (one, two, other):
                ping(machine, 20)
            each = {"all": 80, "sent": 40, "heard": 40, "not two": 40, "not world": 0, "one": 40}
            wanted = {**each, "everybody": 120, "third": 0}
            counted(api, made, wanted)
            for host in ("host1", "host2"):
                kill(lab, host, "agent")
            for machine in (one, two, other):
                ping(machine, 20)
            counted(api, made, {name: 2 * count for name, count in wanted.items()})
        finally:
            for id in made.values():
                api.delete(LABELS, id)


def counted(api: Api, made: dict[str, str], wanted: dict[str, int]) -> None:
    """Packets by name of a label; all of ping's length."""
    expected = {made[name]: (count, count * LENGTH) for name, count in wanted.items()}
    found: dict[str, tuple[Any, Any]] = {}

    def is_so() -> bool:
        found.clear()
        found.update({row["id"]: (row["sealane:packets"], row["sealane:bytes"]) for row in api.list(LABELS)})
        return found == expected

    try:
        until(is_so, "all is counted", 60)
    finally:
        print({name: found.get(id) for name, id in made.items()}, wanted)
