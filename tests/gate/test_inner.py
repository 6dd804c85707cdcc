"""OVN's own role-based access behind the gate: it holds, and what it would not hold back."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.gate.inner import COLUMNS, LOOPBACK, Inner
from sealane.ovsdb.client import Client
from tests.daemons import PATIENCE
from tests.gate.place import Gone, Peer, Place, fails
from tests.gate.test_matrix import binding, claim, insert, update, uuid_of


@pytest.fixture(scope="module")
def link(place: Place) -> Iterator["Link"]:
    """An inner link as the gate has one, in this process."""
    made = Link(place)
    place.central.sbctl("chassis-add", "host1", "geneve", "192.0.2.1")
    place.central.sbctl("chassis-add", "host2", "geneve", "192.0.2.2")
    place.central.nbctl("ls-add", "blue")
    place.central.nbctl("lsp-add", "blue", "theirs")
    place.central.nbctl("lsp-set-options", "theirs", "requested-chassis=host1")
    place.central.synced()
    yield made


class Link:
    def __init__(self, place: Place) -> None:
        self._place = place
        self.inner, self.port = asyncio.run(self._open(place.directory / "link"))

    async def _open(self, directory: Path) -> tuple[Inner, int]:
        client = Client(self._place.central.sb.remote, "OVN_Southbound")
        await client.start(PATIENCE)
        inner = Inner(client, await client.monitor(COLUMNS), directory)
        await inner.open()
        port = await inner.port(PATIENCE)
        await client.stop()
        return inner, port

    def connect(self, node: str) -> Peer:
        return self.connect_with(self.inner.context(node))

    def connect_with(self, context: ssl.SSLContext) -> Peer:
        return Peer.over(socket.create_connection((LOOPBACK, self.port), PATIENCE), context)


def test_a_node_can_make_only_its_own_chassis(link: Link) -> None:
    with link.connect("host2") as peer:
        for name in ("host1", "host3"):
            result = peer.transact(
                insert("Encap", "e", type="geneve", ip="192.0.2.7", chassis_name="host2"),
                insert("Chassis", name=name, encaps=["named-uuid", "e"]),
            )
            assert result[1]["error"] == "permission error", result


def test_tables_without_a_permission_are_closed(link: Link) -> None:
    with link.connect("host2") as peer:
        for table in ("Logical_Flow", "Connection", "RBAC_Role", "Port_Group"):
            assert fails(peer.transact(insert(table))), table


def test_ovn_s_own_rbac_lets_a_node_take_any_port(link: Link, place: Place) -> None:
    """Why there is a gate: the port is meant for host1."""
    with link.connect("host2") as peer:
        assert not fails(peer.transact(claim(place, "theirs")))
        owner = uuid_of(place, "Chassis", "name=host2")
        assert place.central.sbctl("--bare", "get", "Port_Binding", "theirs", "chassis") == owner
        assert not fails(peer.transact(update("Port_Binding", binding(place, "theirs"), chassis=["set", []])))


def test_nobody_else_may_use_the_inner_link(link: Link, place: Place) -> None:
    """It is on loopback only, but that is open to all on the machine."""
    joined = place.join("host9", "192.0.2.9")
    other = Inner.__new__(Inner)
    other._authority = type(link.inner._authority).make("sealane gate")
    for context in (joined.context, other.context("host1"), without_certificate()):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with pytest.raises(Gone), link.connect_with(context) as peer:
            peer.ask("list_dbs")
    joined.remove()


def without_certificate() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
