"""What a node may, judged over plain rows; the running application is held against a matrix in tests/api."""

from dataclasses import replace

import pytest

from sealane.api import policy
from sealane.api.caller import ADMIN, Caller
from sealane.api.look import Look, Unbound
from sealane.errors import Forbidden
from sealane.model import AddressPair, FixedIP, Network, Node, Port, Quota, State, Subnet, Token
from sealane.names import ADOPTED_PORT, AUXILIARY_PORT, DOCKER_PORT, NETNS_PORT
from sealane.store.changes import Change, Create, Delete, Update

NODE = Caller("node", "h1", ("mine",))
DOCKERS = Network(id="d", project_id="mine", origin="docker")
APIS = Network(id="a", project_id="mine")
OTHERS = Network(id="o", project_id="theirs", origin="docker")
SHARED = Network(id="s", project_id="theirs", shared=True)
LOOK = Look(State({n.id: n for n in (DOCKERS, APIS, OTHERS, SHARED)}), Unbound())


def port(**values: object) -> Port:
    """One that a node has made on its host."""
    usual = {"network_id": "d", "mac_address": "02:00:00:00:00:01", "host": "h1", "device_owner": DOCKER_PORT}
    return Port(id="p", project_id="mine", **{**usual, **values})  # type: ignore[arg-type]


def subnet(network: str, project: str = "mine") -> Subnet:
    return Subnet(id="x", project_id=project, network_id=network, cidr="10.0.0.0/24")


UNBOUND = port(host="", device_owner="")
ADOPTED = port(device_owner=ADOPTED_PORT)
ELSEWHERE = port(host="h2")
SELF = Node(id="n", project_id="", name="h1", address="192.0.2.1")

ALLOWED: list[Change] = [
    Create(DOCKERS),
    Create(replace(DOCKERS, gateway="none", labels={"a": "b"}, tags=("t",), mtu=1400, dns_domain="x.")),
    Update(DOCKERS, replace(DOCKERS, name="blue", labels={"a": "b"})),
    Delete(DOCKERS),
    Create(subnet("d")),
    Delete(subnet("d")),
    Create(port()),
    Create(port(network_id="a", device_owner=NETNS_PORT)),
    Create(port(network_id="s")),
    Create(port(host="", device_owner=AUXILIARY_PORT)),
    Update(port(), replace(port(), name="c", device_id="i", dns_name="c", dns_aliases=("x",))),
    Update(port(), replace(port(), mac_address="02:00:00:00:00:09")),
    Update(UNBOUND, replace(UNBOUND, host="h1", device_owner=ADOPTED_PORT)),
    Update(ADOPTED, replace(ADOPTED, host="", device_owner="", device_id="")),
    Update(ADOPTED, replace(ADOPTED, dns_name="c")),
    Delete(port()),
    Delete(port(host="", device_owner=AUXILIARY_PORT)),
    Update(SELF, replace(SELF, address="192.0.2.2")),
]
REFUSED: list[Change] = [
    Create(APIS),
    Create(OTHERS),
    Create(replace(DOCKERS, shared=True)),
    Create(replace(DOCKERS, port_security_enabled=False)),
    Update(DOCKERS, replace(DOCKERS, shared=True)),
    Update(DOCKERS, replace(DOCKERS, gateway="none")),
    Update(APIS, replace(APIS, name="x")),
    Delete(APIS),
    Delete(OTHERS),
    Create(subnet("a")),
    Create(subnet("o")),
    Create(subnet("d", "theirs")),
    Update(subnet("d"), replace(subnet("d"), name="x")),
    Delete(subnet("a")),
    Create(port(host="h2")),
    Create(port(host="")),
    Create(port(host="", network_id="a", device_owner=AUXILIARY_PORT)),
    Create(port(network_id="o")),
    Create(port(device_owner="")),
    Create(port(device_owner="network:router_gateway")),
    Create(port(port_security_enabled=False)),
    Create(port(allowed_address_pairs=(AddressPair(ip_address="0.0.0.0/0", mac_address=""),))),
    Create(replace(port(), project_id="theirs")),
    Update(port(), replace(port(), host="h2")),
    Update(port(), replace(port(), port_security_enabled=False)),
    Update(port(), replace(port(), device_owner=ADOPTED_PORT)),
    Update(ELSEWHERE, replace(ELSEWHERE, host="h1")),
    Update(ELSEWHERE, replace(ELSEWHERE, name="x")),
    Update(UNBOUND, replace(UNBOUND, host="h2", device_owner=ADOPTED_PORT)),
    Update(UNBOUND, replace(UNBOUND, host="h1", device_owner=DOCKER_PORT)),
    Update(UNBOUND, replace(UNBOUND, host="h1", mac_address="02:00:00:00:00:09")),
    Update(ADOPTED, replace(ADOPTED, device_owner=DOCKER_PORT)),
    Update(ADOPTED, replace(ADOPTED, mac_address="02:00:00:00:00:09")),
    Update(ADOPTED, replace(ADOPTED, port_security_enabled=False)),
    Update(ADOPTED, replace(ADOPTED, fixed_ips=(FixedIP(subnet_id="x", ip_address="10.0.0.9"),))),
    Delete(ADOPTED),
    Delete(UNBOUND),
    Delete(ELSEWHERE),
    Update(SELF, replace(SELF, projects=("*",), serials=("1",))),
    Update(SELF, replace(SELF, serials=("1",))),
    Update(replace(SELF, name="h2"), replace(SELF, name="h2", address="192.0.2.9")),
    Create(SELF),
    Delete(SELF),
    Create(Quota(id="q", project_id="mine")),
    Create(Token(id="t", project_id="", digest="0", expires_at=0)),
]


def _text(change: Change) -> str:
    return type(change).__name__


@pytest.mark.parametrize("change", ALLOWED, ids=_text)
def test_what_a_node_may(change: Change) -> None:
    policy.check_changes(NODE, [change], LOOK)


@pytest.mark.parametrize("change", REFUSED, ids=_text)
def test_what_a_node_may_not(change: Change) -> None:
    with pytest.raises(Forbidden) as caught:
        policy.check_changes(NODE, [*ALLOWED, change], LOOK)
    assert "'h1' may not" in caught.value.message
    policy.check_changes(ADMIN, [change], LOOK)


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        *((n, True) for n in (DOCKERS, APIS, SHARED)),
        (OTHERS, False),
        (subnet("o", "theirs"), False),
        (subnet("s", "theirs"), True),
        (replace(port(), project_id="theirs"), True),
        (replace(ELSEWHERE, project_id="theirs"), False),
        (ELSEWHERE, True),
    ],
)
def test_what_is_there_for_a_node(row: Network | Subnet | Port, seen: bool) -> None:
    assert policy.sees(NODE, row, LOOK) is seen
    assert policy.sees(ADMIN, row, LOOK) and policy.sees(replace(NODE, projects=("*",)), row, LOOK)


@pytest.mark.parametrize(
    ("line", "allowed"),
    [
        ("GET /v2.0/networks", True),
        ("HEAD /v2.0/networks", True),
        ("GET /v2.0/ports/x", True),
        ("GET /v2.0/ports/", False),
        ("GET /v2.0/ports/x/y", False),
        ("DELETE /v2.0/ports/x", True),
        ("PATCH /v2.0/ports/x", False),
        ("PUT /v2.0/subnets/x", False),
        ("PUT /v2.0/ports/x/tags", False),
        ("GET /v2.0/quotas", False),
        ("PUT /v2.0/quotas/x", False),
        ("GET /v2.0/sealane/tokens", False),
        ("POST /v2.0/sealane/tokens", False),
        ("GET /v2.0/sealane/events", False),
        ("DELETE /v2.0/sealane/nodes/x", False),
        ("GET /metrics", False),
        ("GET /v2.0/nothing", False),
    ],
)
def test_calls_of_a_node(line: str, allowed: bool) -> None:
    method, path = line.split()
    policy.check_call(ADMIN, method, path)
    if allowed:
        policy.check_call(NODE, method, path)
    else:
        with pytest.raises(Forbidden):
            policy.check_call(NODE, method, path)
