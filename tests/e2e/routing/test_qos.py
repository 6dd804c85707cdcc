"""Limits and marks of a floating IP: what passes by its address, in both directions, and nothing else."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import Machine, until
from tests.e2e.overlay.test_fastpath import ENDS, fast, fast_packets, running
from tests.e2e.overlay.test_qos import CAPTURE, EF, FLOOD, METER, Flow, holds, passes
from tests.e2e.routing.site import Tenant
from tests.e2e.routing.world import CABLED, GATEWAY, World

PORT = 7779
OUT, IN = 4000, 2000
"""Kilobits a second."""


@contextmanager
def in_world(world: World, program: str, *words: str) -> Iterator[Flow]:
    """It ends with its standard input, as `running` does it for machines."""
    argv: Sequence[str] = world.command("python3", "-c", ENDS + program, *words)
    with (
        tempfile.NamedTemporaryFile("r") as heard,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=heard.fileno()),
    ):
        yield Flow(lambda: Path(heard.name).read_text())


@contextmanager
def sending(world: World, machine: Machine, address: str) -> Iterator[Flow]:
    """From the world to the machine's floating IP."""
    with running(machine, METER) as counted:
        until(lambda: "listens" in counted(), "it listens")
        with in_world(world, FLOOD, address):
            yield Flow(counted)


@pytest.fixture
def policy(api: Api) -> Iterator[str]:
    """Limits in both directions, and a mark."""
    made = str(api.create("qos/policies", {"name": "slow"})["id"])
    limits = f"qos/policies/{made}/bandwidth_limit_rules"
    api.create(limits, {"max_kbps": OUT, "max_burst_kbps": 240})
    api.create(limits, {"max_kbps": IN, "max_burst_kbps": 150, "direction": "ingress"})
    api.create(f"qos/policies/{made}/dscp_marking_rules", {"dscp_mark": EF})
    yield made
    for row in api.list("floatingips", qos_policy_id=made):
        api.update("floatingips", row["id"], {"qos_policy_id": None})
    api.delete("qos/policies", made)


@pytest.mark.parametrize("how", ["off", "on"])
def test_a_floating_ip_is_limited_in_both_directions(
    lab: Lab, world: World, red: Tenant, api: Api, policy: str, how: str
) -> None:
    """Under traffic that was fast before, where hosts are fast; another port's is as it was."""
    one, two = red.put("host1", "one"), red.put("host2", "two")
    rule = {"security_group_id": red.group, "direction": "ingress", "protocol": "udp"}
    api.create("security-group-rules", {**rule, "port_range_min": PORT, "port_range_max": PORT})
    floating = {m.name: red.take(port_id=m.port_id) for m in (one, two)}
    address = {name: str(row["floating_ip_address"]) for name, row in floating.items()}
    api.wait = 60
    with fast(lab, *CABLED, how=how):
        with in_world(world, METER) as out:
            with running(one, FLOOD, GATEWAY):
                if how == "on":
                    until(lambda: fast_packets(lab, one) > 50, "it is fast")
                api.update("floatingips", floating["one"]["id"], {"qos_policy_id": policy})
                before = fast_packets(lab, one)
                holds(out, OUT)
                assert world.exec("python3", "-c", CAPTURE, "br0", address["one"]).split() == [str(EF)] * 5
                assert fast_packets(lab, one) == before
            with running(two, FLOOD, GATEWAY):
                passes(out, 5000)
                assert world.exec("python3", "-c", CAPTURE, "br0", address["two"]).split() == ["0"] * 5
        with sending(world, one, address["one"]) as back:
            holds(back, IN)
        with sending(world, two, address["two"]) as back:
            passes(back, 5000)
