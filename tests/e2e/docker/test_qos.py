"""Limits of containers: by a network's option, an endpoint's and a label; also in a compose file."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sealane.lab.lab import Lab
from tests.e2e.docker.engines import Api, Engine, Failed, until
from tests.e2e.docker.outside import command
from tests.e2e.docker.talk import running
from tests.e2e.overlay.test_qos import FLOOD, METER, Flow, holds, passes

CREATE = ("network", "create", "-d", "sealane", "--ipam-driver", "sealane")


@pytest.fixture
def slow(api: Api) -> Iterator[str]:
    """Asked for before the engines: what is on them has gone when it goes."""
    made = api.call("POST", "qos/policies", {"policy": {"name": "slow"}})["policy"]["id"]
    limit = {"bandwidth_limit_rule": {"max_kbps": 3000, "max_burst_kbps": 180}}
    api.call("POST", f"qos/policies/{made}/bandwidth_limit_rules", limit)
    yield str(made)
    api.call("DELETE", f"qos/policies/{made}")


def port_of(api: Api, name: str) -> Any:
    return until(lambda: [p for p in api.ports() if p["name"] == name], what=f"the port of {name}")[0]


def limited(lab: Lab) -> set[str]:
    """Ports with a limit in OVN."""
    nb = ("ovn-nbctl", "--db=unix:/run/sealane/ovn/ovnnb_db.sock", "--bare", "--columns=external_ids")
    words = lab.exec("host1", *nb, "find", "QoS", "bandwidth:rate=3000").stdout.split()
    return {word.partition("=")[2] for word in words if word.startswith("neutron:port_id=")}


def test_a_container_s_limit_by_option_and_label(lab: Lab, api: Api, slow: str, one: Engine) -> None:
    one(*CREATE, "--subnet", "10.62.0.0/24", "blue")
    one.run("free", "blue")
    one.run("opted", "name=blue,driver-opt=sealane.qos=slow")
    assert port_of(api, "opted")["qos_policy_id"] == slow
    one.run("told", "blue", "--label", "sealane.qos=slow")
    until(lambda: port_of(api, "told")["qos_policy_id"] == slow, what="the label is followed")
    wanted = {port_of(api, name)["id"] for name in ("opted", "told")}
    until(lambda: limited(lab) == wanted, what="those two are limited in OVN")
    with pytest.raises(Failed, match="no policy is called 'fast'"):
        one.run("wrong", "name=blue,driver-opt=sealane.qos=fast")


COMPOSE = """
version: "3.5"
services:
  told:
    labels: {sealane.qos: slow}
    networks: [hall]
  guest:
    networks: [guests]
  free:
    networks: [hall, guests]
networks:
  hall:
    driver: sealane
    ipam: {driver: sealane}
  guests:
    driver: sealane
    driver_opts: {sealane.qos: slow}
    ipam: {driver: sealane}
"""
SERVICE = """
    image: box:1
    init: true
    command: ["sleep", "3600"]
"""


def test_limits_in_a_compose_file_hold_in_bytes(
    lab: Lab, api: Api, slow: str, one: Engine, tmp_path: Path
) -> None:
    """The label is for its service's containers, the network's option for each container on it."""
    with pytest.raises(Failed, match="no policy is called 'fast'"):
        one(*CREATE, "-o", "sealane.qos=fast", "--subnet", "10.63.0.0/24", "guests")
    file = tmp_path / "docker-compose.yml"
    file.write_text(re.sub(r"^  (told|guest|free):\n", rf"\g<0>{SERVICE[1:]}", COMPOSE, flags=re.MULTILINE))
    compose = ("docker-compose", "-H", f"unix://{one.socket}", "-p", "shop", "-f", str(file))
    subprocess.run([*compose, "up", "-d"], capture_output=True, timeout=120, check=True)
    wanted = {
        p["id"] for p in api.ports() if p["name"] == "shop_told_1" or p["qos_network_policy_id"] == slow
    }
    assert len(wanted) == 3
    until(lambda: limited(lab) == wanted, what="told's, guest's, and one of free's are limited in OVN")
    for source, network, sink in (("told", "hall", "free"), ("guest", "guests", "free")):
        with flow(one, f"shop_{source}_1", f"shop_{sink}_1", f"shop_{network}") as found:
            holds(found, 3000)
    with flow(one, "shop_free_1", "shop_told_1", "shop_hall") as found:
        passes(found, 4000)
    subprocess.run([*compose, "down", "-t", "1"], capture_output=True, timeout=120, check=True)


@contextmanager
def flow(engine: Engine, source: str, sink: str, network: str) -> Iterator[Flow]:
    with running(command(engine, sink), METER) as counted:
        until(lambda: "listens" in counted(), what="it listens")
        with running(command(engine, source), FLOOD, engine.address(sink, network)):
            yield Flow(lambda: "".join(f"{line}\n" for line in counted()))
