"""What is kept and what is freed when dockerd, the agent or the API goes away."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.docker.engines import AGENT, DOCKERD, IMAGE, Api, Engine, Failed, until

API = "sealane.api.server"
PROMISE = 10.0
"""Seconds within which every call of a driver is answered."""


@pytest.fixture
def blue(one: Engine, two: Engine) -> Iterator[str]:
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "--subnet", "10.70.0.0/24", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    yield "blue"


def test_agent_killed_and_back(blue: str, one: Engine, two: Engine, api: Api) -> None:
    one.run("ca", blue, "--ip", "10.70.0.9", "-p", "8090:80")
    two.run("cb", blue)
    before = {p["id"] for p in api.ports()}
    one.restart(AGENT)
    assert two.still_reaches("cb", "10.70.0.9")
    one.run("cc", blue)
    until(lambda: one.reaches("cc", "cb"), what="names work again")
    assert before < {p["id"] for p in api.ports()}
    one("rm", "-f", "ca", "cc")
    assert [p["name"] for p in api.ports()] == ["cb"]


def test_dockerd_killed_frees_and_gives_again(blue: str, one: Engine, two: Engine, api: Api) -> None:
    one.run("kept", blue, "--ip", "10.70.0.9", "--restart", "always")
    one.run("gone", blue)
    two.run("cb", blue)
    one.restart(DOCKERD)
    until(one.answers, what="dockerd answers")
    until(lambda: two.reaches("cb", "10.70.0.9"), what="the container with its address is back")
    until(lambda: sorted(p["name"] for p in api.ports()) == ["cb", "kept"], what="the other's port is gone")
    one("start", "gone")
    assert one.still_reaches("gone", "10.70.0.9")


def test_dockerd_killed_while_the_agent_is_away(blue: str, one: Engine, api: Api) -> None:
    """dockerd removes stale endpoints without a driver to tell."""
    one.run("gone", blue)
    assert len(api.ports()) == 1
    agent = one.kill(AGENT, "STOP")
    dockerd = one.kill(DOCKERD)
    one.wait_restarted(DOCKERD, dockerd)
    one.lab.exec("host1", "kill", "-KILL", str(agent))
    one.wait_restarted(AGENT, agent)
    until(one.answers, what="dockerd answers")
    until(lambda: api.ports() == [], 45, what="the stale port is collected")


def test_live_restore_keeps_what_runs(blue: str, one: Engine, two: Engine, api: Api) -> None:
    """dockerd goes and comes, the containers stay; it calls the driver for none of them."""
    lab = one.lab
    lab.exec("host1", "mkdir", "-p", "/etc/docker")
    lab.exec("host1", "tee", "/etc/docker/daemon.json", stdin='{"live-restore": true}')
    one.kill(DOCKERD, "HUP")
    until(lambda: one("info", "-f", "{{.LiveRestoreEnabled}}") == "true", what="live-restore is on")
    try:
        one.run("kept", blue, "--ip", "10.70.0.9")
        two.run("cb", blue)
        pid = one("inspect", "-f", "{{.State.Pid}}", "kept")
        ports = {p["id"] for p in api.ports()}
        one.restart(DOCKERD)
        assert two.still_reaches("cb", "10.70.0.9"), "while dockerd starts"
        until(one.answers, what="dockerd answers")
        assert one("inspect", "-f", "{{.State.Pid}}", "kept") == pid
        stay = time.monotonic() + 25  # longer than anything may wait to be collected
        until(lambda: time.monotonic() > stay, what="time passes")
        assert {p["id"] for p in api.ports()} == ports
        assert two.still_reaches("cb", "kept")
        one("rm", "-f", "kept")
        assert [p["name"] for p in api.ports()] == ["cb"]
    finally:
        lab.exec("host1", "tee", "/etc/docker/daemon.json", stdin="{}")
        one.kill(DOCKERD, "HUP")


def test_everything_is_answered_while_the_api_hangs(blue: str, one: Engine, two: Engine, api: Api) -> None:
    one.run("ca", blue)
    two.run("cb", blue)
    hung = one.kill(API, "STOP")
    try:
        began = time.monotonic()
        with pytest.raises(Failed):
            two("run", "--rm", "--network", blue, IMAGE, "true")
        assert time.monotonic() - began < PROMISE + 2
        assert two.still_reaches("cb", one.address("ca", blue))
        two("rm", "-f", "cb")
    finally:
        one.lab.exec("host1", "kill", "-CONT", str(hung))
    until(lambda: [p["name"] for p in api.ports()] == ["ca"], what="what could not be deleted is collected")
    assert two("run", "--rm", "--network", blue, IMAGE, "true") == ""


def test_power_cut_frees_and_gives_again(blue: str, one: Engine, two: Engine, api: Api) -> None:
    two.run("kept", blue, "--ip", "10.70.0.9", "--restart", "always")
    two.run("gone", blue)
    one.run("ca", blue)
    two.lab.power_cut("host2")
    two.lab.boot("host2")
    until(two.answers, what="dockerd answers")
    until(lambda: one.reaches("ca", "10.70.0.9"), what="the container with its address is back")
    until(lambda: one.reaches("ca", "kept"), what="by name")
    until(lambda: sorted(p["name"] for p in api.ports()) == ["ca", "kept"], what="the other's port is gone")


def test_lost_memory_is_found_again(blue: str, one: Engine, two: Engine) -> None:
    for engine in (one, two):
        agent = engine.pid_of(AGENT)
        engine.lab.exec(engine.host, "rm", "/var/lib/sealane/agent.json")
        engine.lab.exec(engine.host, "kill", "-KILL", str(agent))
        engine.wait_restarted(AGENT, agent)
    one.run("ca", blue)
    until(lambda: _runs(two, "cb", blue), what="the agent knows its engine's networks again")
    assert two.still_reaches("cb", one.address("ca", blue))


def _runs(engine: Engine, name: str, network: str) -> bool:
    """An agent without memory says so until it has asked the engine: try again in a moment."""
    try:
        engine.run(name, network)
    except Failed as refused:
        assert "try again in a moment" in str(refused)
        engine("rm", "--force", name)
        return False
    return True
