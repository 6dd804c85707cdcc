"""Limits of a floating IP: what passes by its address, in both directions, and nothing else."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sealane.cli.api import Api
from tests.e2e.overlay.machines import until
from tests.e2e.overlay.test_fastpath import ENDS, running
from tests.e2e.overlay.test_qos import FLOOD, METER, Flow, holds, passes
from tests.e2e.routing.site import Tenant
from tests.e2e.routing.world import GATEWAY, World

PORT = 7779


@contextmanager
def in_world(world: World, program: str, *words: str) -> Iterator[Flow]:
    """It ends with its standard input, as `running` does it for machines."""
    argv: Sequence[str] = world.command("python3", "-c", ENDS + program, *words)
    with (
        tempfile.NamedTemporaryFile("r") as heard,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=heard.fileno()),
    ):
        yield Flow(lambda: Path(heard.name).read_text())


def test_a_floating_ip_is_limited_in_both_directions(world: World, red: Tenant, api: Api) -> None:
    one, two = red.put("host1", "one"), red.put("host2", "two")
    rule = {"security_group_id": red.group, "direction": "ingress", "protocol": "udp"}
    api.create("security-group-rules", {**rule, "port_range_min": PORT, "port_range_max": PORT})
    policy = str(api.create("qos/policies", {"name": "slow"})["id"])
    limits = f"qos/policies/{policy}/bandwidth_limit_rules"
    api.create(limits, {"max_kbps": 4000, "max_burst_kbps": 240})
    api.create(limits, {"max_kbps": 2000, "max_burst_kbps": 150, "direction": "ingress"})
    floating = {m.name: red.take(port_id=m.port_id) for m in (one, two)}
    api.wait = 60
    api.update("floatingips", floating["one"]["id"], {"qos_policy_id": policy})
    try:
        with in_world(world, METER) as out:
            with running(one, FLOOD, GATEWAY):
                holds(out, 4000)
            with running(two, FLOOD, GATEWAY):
                passes(out, 5000)
        for machine, limited in ((one, True), (two, False)):
            address = floating[machine.name]["floating_ip_address"]
            with running(machine, METER) as counted:
                until(lambda read=counted: "listens" in read(), "it listens")  # type: ignore[misc]
                with in_world(world, FLOOD, address):
                    holds(Flow(counted), 2000) if limited else passes(Flow(counted), 5000)
    finally:
        api.update("floatingips", floating["one"]["id"], {"qos_policy_id": None})
        api.delete("qos/policies", policy)
