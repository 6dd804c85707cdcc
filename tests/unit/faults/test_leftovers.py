"""The checker finds a leak of each kind, and each thing that a container lacks: they are planted here."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from faults.leftovers import CentralView, Endpoint, HostView, Thing, wrong
from sealane import names

NETWORK, PORT = "5a707336-1109-4830-bfc9-3f660ccc7955", "ba2eec21-decb-4260-90f1-902ff9e5da96"
GHOST = "deadbeef-dead-4260-90f1-902ff9e5da96"
DOCKER, END = "ab" * 32, "cd" * 32
Views = tuple[HostView, HostView, CentralView]


def container(host: str) -> HostView:
    """A host with one container that publishes port 8080."""
    short, way = PORT[:11], NETWORK[:11]
    attachment = {
        "port_id": PORT,
        "network_id": NETWORK,
        "addresses": ["10.1.0.2/24"],
        "gateway_mode": "host",
        "gateways": ["10.1.0.1"],
        "internal": False,
        "publish": [{"protocol": "tcp", "host_port": 8080}],
    }
    lines = {
        "links": ["lo", f"slh{short}", f"sls{short}", f"slu{way}", "docker0"],
        "inside": ["lo", f"tap{short}", f"tgw{way}"],
        "ovs": [f"tap{short}", f"tgw{way}", "ovn-host2-0"],
        "namespaces": ["switch", names.gateway_namespace(NETWORK)],
        "nft": ["table inet sealane_nat", "table ip nat"],
        "sockets": ["0.0.0.0:8080", "[::]:8080", "127.0.0.1:9696"],
    }
    return HostView(
        host,
        {END: Endpoint("web", END, DOCKER, "10.1.0.2")},
        {END},
        {DOCKER: "blue"},
        {END: attachment},
        {DOCKER: {"network_id": NETWORK}},
        {},
        lines,
    )


def nothing(host: str) -> HostView:
    """A host with the mirror alone."""
    lines: dict[str, list[str]] = {key: [] for key in container(host).lines}
    return HostView(host, {}, set(), {DOCKER: "blue"}, {}, {DOCKER: {"network_id": NETWORK}}, {}, lines)


def dump(column: str, *values: object) -> list[str]:
    return [json.dumps({"headings": ["_uuid", column], "data": [["x", value] for value in values]})]


def central() -> CentralView:
    gateway = names.gateway_port(NETWORK)
    port = {
        "id": PORT,
        "network_id": NETWORK,
        "binding:host_id": "host1",
        "device_owner": "sealane:docker",
        "fixed_ips": [{"ip_address": "10.1.0.2"}],
    }
    return CentralView(
        [port],
        [{"id": NETWORK, "name": "blue", "sealane:origin": "docker"}],
        [{"network_id": NETWORK, "gateway_ip": "10.1.0.1"}],
        {
            "switches": [f"neutron-{NETWORK}"],
            "switch ports": [PORT, gateway],
            "bindings": [PORT, gateway],
            "chassis": ["host1", "host2"],
            "allocations": dump("address", "10.1.0.1", "10.1.0.2"),
            "keys": dump("key", 7),
        },
    )


def views() -> Views:
    return container("host1"), nothing("host2"), central()


def found(planted: Views) -> set[str]:
    one, two, store = planted
    return {str(thing) for thing in wrong([one, two], store)}


def test_what_is_in_order_is_not_told() -> None:
    assert found(views()) == set()


def line(key: str, text: str) -> Callable[[Views], None]:
    return lambda views: views[1].lines[key].append(text)


def central_line(key: str, text: str) -> Callable[[Views], None]:
    return lambda views: views[2].lines[key].append(text)


def port_in_the_api(views: Views) -> None:
    views[2].ports.append({**views[2].ports[0], "id": GHOST, "binding:host_id": "host2", "fixed_ips": []})
    for key in ("switch ports", "bindings"):
        views[2].lines[key].append(GHOST)


def change(**values: Any) -> Callable[[Views], None]:
    def plant(views: Views) -> None:
        for name, value in values.items():
            setattr(views[1], name, value)

    return plant


LEAKS: dict[str, tuple[Callable[[Views], None], str]] = {
    "link": (line("links", f"slh{GHOST[:11]}"), "host2: links: slhdeadbeef-de"),
    "link not taken": (line("links", f"slc{GHOST[:11]}"), "host2: links: slcdeadbeef-de"),
    "uplink": (line("links", f"slu{GHOST[:11]}"), "host2: links: sludeadbeef-de"),
    "link in the switch": (line("inside", f"tap{GHOST[:11]}"), "host2: inside: tapdeadbeef-de"),
    "switch port": (line("ovs", f"tap{GHOST[:11]}"), "host2: ovs: tapdeadbeef-de"),
    "namespace": (line("namespaces", f"gw-{GHOST}"), f"host2: namespace gw-{GHOST}"),
    "rules": (line("nft", "table inet sealane_nat"), "host2: nft table inet sealane_nat"),
    "socket": (line("sockets", "0.0.0.0:8081"), "host2: published port 8081"),
    "attachment": (
        change(attachments={"ee": {**container("").attachments[END], "gateways": [], "publish": []}}),
        "host2: attachment ee",
    ),
    "endpoint": (change(docker_endpoints={"ee"}), "host2: endpoint in Docker ee"),
    "record": (
        change(records={DOCKER: {"network_id": NETWORK}, "ff": {"network_id": NETWORK}}),
        "host2: network record ff",
    ),
    "pool": (change(pools={"new-1": {}}), "host2: pool new-1"),
    "port": (port_in_the_api, f"host2: port in the API {GHOST}"),
    "claim": (
        lambda views: views[2].lines.update(allocations=dump("address", "10.1.0.1", "10.1.0.2", "10.1.0.3")),
        "store: claim 10.1.0.3",
    ),
    "tunnel key": (
        lambda views: views[2].lines.update(keys=dump("key", 7, 8)),
        "store: tunnel key 2 of 1 networks",
    ),
    "switch": (central_line("switches", f"neutron-{GHOST}"), f"store: switch in NB neutron-{GHOST}"),
    "northbound": (central_line("switch ports", GHOST), f"store: port in NB {GHOST}"),
    "southbound": (central_line("bindings", GHOST), f"store: binding in SB {GHOST}"),
    "chassis": (central_line("chassis", "ghost"), "store: chassis ghost"),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_leak_is_told(kind: str) -> None:
    plant, told = LEAKS[kind]
    planted = copy.deepcopy(views())
    plant(planted)
    assert told in found(planted)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("links", f"slh{PORT[:11]}"),
        ("links", f"sls{PORT[:11]}"),
        ("inside", f"tap{PORT[:11]}"),
        ("ovs", f"tap{PORT[:11]}"),
        ("namespaces", names.gateway_namespace(NETWORK)),
    ],
)
def test_what_a_container_lacks_is_told(key: str, text: str) -> None:
    planted = views()
    planted[0].lines[key].remove(text)
    (told,) = found(planted)
    assert told.startswith("host1: no ") and told.endswith(text)


def test_a_container_without_an_attachment_or_with_another_address_is_told() -> None:
    planted = views()
    planted[0].endpoints["ee"] = Endpoint("db", "ee", DOCKER, "10.1.0.9")
    assert "host1: no attachment ee" in found(planted)
    planted = views()
    planted[0].endpoints[END] = Endpoint("web", END, DOCKER, "10.1.0.9")
    assert found(planted) == {"host1: no address 10.1.0.9 of web"}


def test_two_ports_with_one_address_are_told() -> None:
    planted = views()
    planted[2].ports.append({**planted[2].ports[0], "id": GHOST, "device_owner": ""})
    assert any(told.startswith("store: duplicate address") for told in found(planted))


def test_only_gateways_are_idle() -> None:
    planted = views()
    planted[1].lines["links"] += [f"slu{GHOST[:11]}", f"slh{GHOST[:11]}"]
    idle = {thing.name: thing.idle for thing in wrong(planted[:2], planted[2])}
    assert idle == {f"slu{GHOST[:11]}": True, f"slh{GHOST[:11]}": False}
    assert Thing("host1", "link", "a") == Thing("host1", "link", "a", idle=True)
