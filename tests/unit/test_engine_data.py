"""The engine's pure parts: the children as data, the underlay's arithmetic, the rules of the switch."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sealane import config
from sealane.engine import central, datapath, main, node, switch
from sealane.engine.clean import _is_ours, remove_state
from sealane.engine.datapath import Datapath
from sealane.engine.node import Node
from sealane.engine.process import Child
from sealane.engine.underlay import Underlay, tunnel_mtu
from sealane.errors import BadRequest, Conflict

SETTINGS = config.Settings(host_name="h1", run_dir=Path("/run/x"), state_dir=Path("/var/x"))
USERSPACE = Datapath("userspace", "own", "a test")
UNDERLAY = Underlay("192.0.2.7", "eth0", 1500)


def tree(kind: Datapath = USERSPACE, **settings: object) -> dict[str, Child]:
    """What `sealane up` runs."""
    chosen = replace(SETTINGS, **settings)  # type: ignore[arg-type]
    children = (*central.children(chosen), *node.children(Node(chosen, kind, UNDERLAY), central=True))
    return {child.name: child for child in children}


@pytest.mark.parametrize(
    "kind", [USERSPACE, Datapath("kernel", "own", ""), Datapath("kernel", "host", "")], ids=str
)
def test_every_child_can_start(kind: Datapath) -> None:
    """Each dependency is there, and nobody waits for himself."""
    waiting = {name: set(child.depends) for name, child in tree(kind, dockerd=True).items()}
    while waiting:
        free = {name for name, depends in waiting.items() if not depends & set(waiting)}
        assert free, f"these wait for each other: {waiting}"
        assert all(depends <= set(tree(kind, dockerd=True)) for depends in waiting.values())
        waiting = {name: depends for name, depends in waiting.items() if name not in free}


def test_only_the_switch_of_userspace_has_a_namespace() -> None:
    assert {c.name for c in tree().values() if c.netns} == {"ovs-vswitchd"}
    assert not any(c.netns for c in tree(Datapath("kernel", "own", "")).values())
    assert "ovs-vswitchd" not in tree(Datapath("kernel", "host", ""))


def test_the_agent_does_not_wait_for_the_southbound_database() -> None:
    assert "ovn-controller" not in tree()["agent"].depends


def test_children_read_the_settings_that_we_have() -> None:
    """Whatever is set: the variables say the same again."""
    chosen = replace(
        SETTINGS,
        encap_ip="192.0.2.7",
        dockerd=True,
        projects=("a", "b"),
        api_listen_fd=7,
        datapath="userspace",
        log_json=True,
    )
    variables: Mapping[str, str] = central.environment(chosen)
    assert config.load(environ=variables, file=Path("/nonexistent")).settings == chosen


def test_an_inherited_socket_goes_to_the_api_alone() -> None:
    children = tree(api_listen_fd=7)
    assert {name: c.fds for name, c in children.items() if c.fds} == {"api": (7,)}


@pytest.mark.parametrize(
    ("family", "link", "inside"), [(4, 1500, 1442), (6, 1500, 1422), (4, 9000, 8942), (4, 1450, 1392)]
)
def test_mtu_inside_a_tunnel(family: int, link: int, inside: int) -> None:
    assert tunnel_mtu(link, family) == inside


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_rules_rewrite_both_ways_and_track_nothing(address: str) -> None:
    rules = switch.ruleset(Underlay(address, "eth0", 1500))
    ip = "ip6" if ":" in address else "ip"
    far = switch.ADDRESSES[6 if ":" in address else 4].switch
    assert f"{ip} daddr {address} udp dport 6081 notrack {ip} daddr set {far}" in rules
    assert f"{ip} saddr {far} udp dport 6081 {ip} saddr set {address}" in rules
    assert "dnat" not in rules and "snat" not in rules.replace("srcnat", "")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ["--data-root=/var/x/docker", "--exec-root=/run/x/docker", "--pidfile=/run/x/docker.pid"]),
        (
            "--data-root /d --bip='10.1.0.1/24'",
            [
                "--exec-root=/run/x/docker",
                "--pidfile=/run/x/docker.pid",
                "--data-root",
                "/d",
                "--bip=10.1.0.1/24",
            ],
        ),
    ],
)
def test_what_is_given_to_dockerd_goes_before_ours(given: str, expected: list[str]) -> None:
    arguments = node.dockerd_arguments(replace(SETTINGS, dockerd_args=given))
    assert list(arguments[2:]) == expected


@pytest.mark.parametrize(
    ("comment", "ours"), [("sealane", True), ("sealane:x", True), ("sealanes", False), ("other", False)]
)
def test_only_our_own_rules_are_deleted(comment: str, ours: bool) -> None:
    assert _is_ours(["-A", "FORWARD", "-m", "comment", "--comment", comment, "-j", "ACCEPT"]) is ours


def test_a_rule_without_comment_is_not_ours() -> None:
    assert not _is_ours(["-A", "FORWARD", "-i", "slx0", "-j", "ACCEPT"])


@pytest.mark.parametrize("contents", ["", "x", "999999999", str(os.getpid())])
def test_a_stale_pid_file_is_no_switch(tmp_path: Path, contents: str) -> None:
    assert not datapath.host_vswitchd(tmp_path)
    (tmp_path / "ovs-vswitchd.pid").write_text(contents)
    assert not datapath.host_vswitchd(tmp_path)


def test_a_machine_is_a_node_of_one_central_part() -> None:
    joined = replace(SETTINGS, api_url="https://192.0.2.1:9698", ovn_remote="ssl:192.0.2.1:6642")
    main.check_part(joined, "node")
    main.check_part(SETTINGS, "up")
    for part in ("up", "central"):
        with pytest.raises(Conflict, match=r"is a node of https://.*--purge"):
            main.check_part(joined, part)
    with pytest.raises(BadRequest, match="sealane token create"):
        main.check_part(SETTINGS, "node")


def test_ovn_controller_shows_the_nodes_certificate_to_another_host() -> None:
    assert not [word for word in tree()["ovn-controller"].argv if "pki" in word]
    argv = tree(ovn_remote="ssl:192.0.2.1:6642")["ovn-controller"].argv
    for option, file in (
        ("private-key", "node.pem"),
        ("certificate", "node.pem"),
        ("ca-cert", "central-ca.pem"),
    ):
        assert f"--{option}=/var/x/pki/{file}" in argv


def test_purging_makes_a_machine_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALANE_CONFIG", str(tmp_path / "sealane.toml"))
    (tmp_path / "joined.toml").touch()
    (tmp_path / "state" / "pki").mkdir(parents=True)
    asyncio.run(remove_state(replace(SETTINGS, state_dir=tmp_path / "state", log_dir=tmp_path / "log")))
    assert not (tmp_path / "joined.toml").exists()
    assert not (tmp_path / "state").exists()
