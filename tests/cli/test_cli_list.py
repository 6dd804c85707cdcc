"""Lists: filters, order, limits, columns; and what is shown to people."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import pytest

from sealane.cli.output import MOST_FITTED
from tests.daemons import PATIENCE


@pytest.fixture
def furnished(sealane):
    """Two networks with three ports."""
    for name, cidr in (("blue", "10.1.0.0/24"), ("red", "10.2.0.0/24")):
        sealane.json("network", "create", name, "--subnet", cidr, "--tag", name, "--tag", "all")
    sealane.json("port", "create", "web", "--network", "blue", "--ip", "10.1.0.9", "--tag", "front")
    sealane.json("port", "create", "db", "--network", "blue", "--host", "host1", "--device", "d1")
    sealane.json("port", "create", "far", "--network", "red", "--tag", "front", "--project", "acme")


def names(sealane, *arguments):
    return [row["name"] for row in sealane.json(*arguments)]


@pytest.mark.parametrize(
    ("options", "wanted"),
    (
        (("--network", "blue"), {"web", "db"}),
        (("--network", "blue", "--name", "web"), {"web"}),
        (("--tag", "front"), {"web", "far"}),
        (("--tag", "front", "--project", "acme"), {"far"}),
        (("--not-tag", "front"), {"db"}),
        (("--any-tag", "front", "--any-tag", "none"), {"web", "far"}),
        (("--ip", "10.1.0.9"), {"web"}),
        (("--host", "host1"), {"db"}),
        (("--device", "d1"), {"db"}),
        (("--status", "ACTIVE"), set()),
        (("--status", "DOWN"), {"web", "db", "far"}),
        (("--filter", "device_id=d1"), {"db"}),
        (("--filter", "port_security_enabled=true", "--filter", "name=far"), {"far"}),
    ),
)
def test_filters_of_ports(sealane, furnished, options, wanted):
    assert set(names(sealane, "port", "list", *options)) == wanted


def test_ports_that_only_wait_are_shown_to_whoever_asks_for_them(sealane, furnished):
    owner = ("--device", "ready:1", "--device-owner", "sealane:container")
    waits = sealane.json("port", "create", "w", "--network", "blue", "--host", "host1", *owner)["id"]
    assert set(names(sealane, "port", "list")) == {"web", "db", "far"}
    assert set(names(sealane, "port", "list", "--all")) == {"web", "db", "far", "w"}
    assert names(sealane, "port", "list", "--device", "ready:1") == ["w"]
    assert waits not in sealane("port", "list", "--quiet").out.split()
    assert waits in sealane("port", "list", "--quiet", "--all").out.split()
    few = sealane.json("port", "list", "--fields", "name,status")
    assert [set(row) for row in few] == [{"name", "status"}] * 3
    assert "w" in names(sealane, "port", "list", "--fields", "name", "--all")


def test_filters_of_networks_and_subnets(sealane, furnished):
    assert names(sealane, "network", "list", "--tag", "blue", "--tag", "all") == ["blue"]
    assert len(sealane.json("subnet", "list", "--network", "red")) == 1
    subnet = sealane.json("subnet", "list", "--cidr", "10.1.0.0/24")[0]
    assert set(names(sealane, "port", "list", "--subnet", subnet["id"])) == {"web", "db"}


def test_order_and_limit(sealane, furnished):
    assert names(sealane, "port", "list", "--sort", "name") == ["db", "far", "web"]
    assert names(sealane, "port", "list", "--sort", "name:desc", "--limit", "2") == ["web", "far"]
    assert names(sealane, "port", "list", "--sort", "project_id,name:desc") == ["far", "web", "db"]


def test_fields(sealane, furnished):
    rows = sealane.json("port", "list", "--fields", "name,mac_address", "--name", "web")
    assert [set(row) for row in rows] == [{"name", "mac_address"}]
    head = sealane("port", "list", "--fields", "name,status").out.splitlines()[0]
    assert head.split() == ["NAME", "STATUS"]
    assert "no attribute 'colour'" in sealane.fails(1, "port", "list", "--fields", "name,colour")
    assert set(sealane.json("port", "show", "web", "--fields", "id,name")) == {"id", "name"}


def test_ids_alone_can_be_given_to_another_command(sealane, furnished):
    ids = sealane("port", "list", "-q", "--network", "blue").out.split()
    assert sealane("port", "delete", *ids).status == 0
    assert names(sealane, "port", "list") == ["far"]


def test_tables_name_networks_and_what_subnets_span(sealane, furnished):
    assert {line[2] for line in sealane("port", "list").lines} == {"blue", "red"}
    assert {line[3] for line in sealane("network", "list").lines} == {"10.1.0.0/24", "10.2.0.0/24"}


def test_long_lists_have_all_that_the_short_ones_have(sealane, furnished):
    for noun in ("network", "subnet", "port"):
        short, long = (sealane(noun, "list", *more).out.splitlines()[0] for more in ((), ("--long",)))
        assert set(short.split()) < set(long.split()) and "TAGS" in long


@pytest.mark.parametrize(
    ("options", "said"),
    (
        (("--filter", "colour=red"), "'colour'"),
        (("--sort", "colour"), "'colour'"),
        (("--network", "nowhere"), "no network 'nowhere'"),
    ),
)
def test_what_can_not_be_listed(sealane, furnished, options, said):
    assert said in sealane.fails(1, "port", "list", *options)


def test_an_empty_list(sealane):
    assert sealane.json("network", "list") == []
    assert len(sealane("network", "list").out.splitlines()) == 1


def test_show_as_json_is_what_the_api_says(sealane, central, furnished):
    shown = sealane.json("network", "show", "blue")
    assert shown == central.client.find("networks", "blue")
    assert json.dumps(shown)


def on_terminal(central, *arguments, columns=90):
    """What a terminal of that width is sent."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "sealane.cli.main", *arguments],
        env={**environ, **central.environ, "TERM": "xterm-256color"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    text = b""
    with suppress(OSError), os.fdopen(leader, "rb", buffering=0) as screen:  # EIO: all has been read
        while part := screen.read(65536):
            text += part
    assert process.wait(PATIENCE) == 0
    return text.decode()


def test_on_a_terminal_a_list_has_colours_and_fits(central, sealane, furnished):
    text = on_terminal(central, "port", "list")
    assert "\x1b[31mDOWN" in text and "\x1b[1m" in text
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert max(map(len, lines)) <= 90
    assert all(row["id"] in text for row in sealane.json("port", "list"))


def test_a_long_list_is_not_fitted_and_so_is_quick(central, sealane, furnished):
    sealane.json("network", "create", "big", "--subnet", "10.9.0.0/22")
    sealane.json("port", "create", "p", "--network", "big", "--count", str(MOST_FITTED))
    assert len(on_terminal(central, "port", "list", columns=40).splitlines()) == MOST_FITTED + 4
