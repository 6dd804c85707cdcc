"""Tokens and nodes by the command."""

import socket
from collections.abc import Iterator

import pytest

from sealane.pki import request, token
from tests.cli.conftest import Central, central_part


@pytest.fixture(scope="module")
def reachable() -> Iterator[Central]:
    """A central part with a door for other hosts."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with central_part() as made, made.api(encap_ip="127.0.0.1", tls_bind=f":{port}"):
        yield made


@pytest.fixture(autouse=True)
def _there(reachable: Central, sealane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALANE_API_URL", f"unix:{reachable.directory}/api.sock")


def add_node(central: Central, sealane, name: str, address: str) -> None:
    """As `sealane node --join` does on that machine."""
    made = token.parse(sealane("token", "create").out.split()[-1])
    body = {"token_id": made.id, "secret": made.secret, "request": request.make(name)[1]}
    central.client.request("POST", "/v2.0/sealane/join", {"join": {**body, "name": name, "address": address}})


def test_a_token_is_a_line_to_run_elsewhere(sealane):
    line = sealane("token", "create", "--name", "rack4", "--ttl", "2h", "--project", "red").out
    command, sub, option, address, text = line.split()
    assert (command, sub, option, address.split(":")[0]) == ("sealane", "node", "--join", "127.0.0.1")
    made = token.parse(text)
    [row] = sealane.json("token", "list")
    assert (row["id"], row["name"], row["projects"], row["expired"]) == (made.id, "rack4", ["red"], False)
    assert made.secret not in str(row)
    assert "rack4" in sealane("token", "list").out
    assert sealane("token", "delete", "rack4").status == 0
    assert sealane.json("token", "list") == []
    assert "no token 'rack4'" in sealane.fails(1, "token", "delete", "rack4")


def test_tokens_of_one_name_are_told_apart(sealane):
    ids = [sealane.json("token", "create", "--name", "t")["id"] for _ in range(2)]
    assert ids[0] in sealane.fails(1, "token", "delete", "t")
    assert sealane("token", "delete", *ids).status == 0


@pytest.mark.parametrize("ttl", ("", "x", "-5", "1d", "2 h", "15mm"))
def test_times_that_are_none(sealane, ttl):
    assert "give it as 90s, 15m or 2h" in sealane.fails(2, "token", "create", "--ttl", ttl)


def test_a_day_is_the_most(sealane):
    assert "86400" in sealane.fails(1, "token", "create", "--ttl", "25h")


def test_life_of_a_node(reachable, sealane):
    add_node(reachable, sealane, "host2", "192.0.2.2")
    assert [line[0] for line in sealane("node", "list").lines] == ["host2"]
    assert sealane("node", "set", "host2", "--description", "rack 4", "--project", "red").status == 0
    shown = sealane.json("node", "show", "host2")
    assert (shown["description"], shown["projects"], shown["address"]) == ("rack 4", ["red"], "192.0.2.2")
    assert sealane("node", "set", "host2", "--project", "all", "--address", "192.0.2.3").status == 0
    shown = sealane.json("node", "show", "host2")
    assert (shown["projects"], shown["address"]) == (["*"], "192.0.2.3")
    assert "nothing to set" in sealane.fails(2, "node", "set", "host2")
    network = sealane.json("network", "create", "n", "--subnet", "10.9.0.0/24")["id"]
    values = {"network_id": network, "binding:host_id": "host2"}
    port = reachable.client.create("ports", values)["id"]
    assert "has 1 port; stop what runs there" in sealane.fails(1, "node", "remove", "host2")
    assert sealane("node", "remove", "host2", "--force").status == 0
    assert reachable.client.find("ports", port)["binding:host_id"] == ""
    assert "no node 'host2'" in sealane.fails(1, "node", "remove", "host2")
    assert sealane.json("node", "list") == []
    assert sealane("port", "delete", port).status == 0
    assert sealane("network", "delete", network).status == 0


def test_wrong_usage_of_join(sealane):
    assert "exclude each other" in sealane.fails(2, "node", "--join", "192.0.2.1", "x", "list")
    assert "no token of Sealane" in sealane.fails(1, "node", "--join", "192.0.2.1", "x")
    assert "no token of Sealane" in sealane.fails(1, "node", "join", "192.0.2.1", "-", stdin="x\n")
    assert "is no address" in sealane.fails(1, "node", "join", "https://192.0.2.1", "x")
