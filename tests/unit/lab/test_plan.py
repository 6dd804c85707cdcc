"""A lab's plan: addresses, files, names that become paths."""

import pytest

from sealane.config import load
from sealane.errors import BadRequest
from sealane.lab import plan as planning
from sealane.lab.plan import Plan, choose_underlay, make


@pytest.fixture
def plan() -> Plan:
    return make("lab", 3, True, ())


def test_addresses_are_of_the_underlay_and_differ(plan):
    addresses = [plan.address(host) for host in plan.host_names] + [plan.router]
    assert len(set(addresses)) == 4
    assert {str(a.network) for a in addresses} == {"198.51.100.0/24"}
    assert str(plan.address6("host1")) == "2001:db8:5ea1::b/64"


def test_a_range_that_the_machine_uses_is_not_taken():
    assert choose_underlay(("198.51.100.0/25", "203.0.113.9")) == "192.0.2.0/24"


def test_no_range_is_left():
    with pytest.raises(BadRequest, match="a lab needs one"):
        choose_underlay(planning.UNDERLAYS)


@pytest.mark.parametrize("name", ("", "../x", "UP", "a" * 21, "a b", "-a"))
def test_names_that_could_leave_the_directory(name):
    with pytest.raises(BadRequest):
        make(name, 2, False, ())


@pytest.mark.parametrize("hosts", (0, 65))
def test_too_few_or_too_many(hosts):
    with pytest.raises(BadRequest):
        make("lab", hosts, False, ())


@pytest.mark.parametrize("host", ("host1", "host2", "host3"))
@pytest.mark.parametrize("docker", (True, False))
def test_settings_are_those_that_sealane_reads(tmp_path, host, docker):
    plan = make("lab", 3, docker, ())
    file = tmp_path / "sealane.toml"
    file.write_text(planning.settings(plan, host))
    settings = load(environ={}, file=file).settings
    assert (settings.host_name, settings.dockerd) == (host, docker)
    assert settings.encap_ip == str(plan.address(host).ip)
    assert not (settings.api_url or settings.ovn_remote), "that comes by joining"
    assert (f"/run/sealane/lab/{host}/docker.sock" in settings.dockerd_args) == docker


def test_only_the_default_lab_has_the_port_of_the_machine(plan):
    assert plan.api_port == 9697
    assert make("other", 1, False, ()).api_port is None
    assert str(make("other", 1, False, ()).api_socket) == "/run/sealane/lab-other/api.sock"


def test_hosts_know_each_other(plan):
    text = planning.hosts_file(plan)
    assert all(f"{plan.address(host).ip} {host}" in text for host in plan.host_names)
