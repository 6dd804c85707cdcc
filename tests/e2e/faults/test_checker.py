"""The checker reads what is really there: a leak is planted in each layer of a living host, and found."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from faults import leftovers
from faults.ask import ask
from faults.leftovers import Thing
from faults.life import HOME
from faults.site import Site

GHOST = "deadbeef-dead-4000-8000-000000000001"
OVS = ("ovs-vsctl", "--db=unix:/run/sealane/ovs/db.sock", "--timeout=20")
NB = ("ovn-nbctl", "--db=unix:/run/sealane/ovn/ovnnb_db.sock", "--timeout=20")
SB = ("ovn-sbctl", "--db=unix:/run/sealane/ovn/ovnsb_db.sock", "--timeout=20")
SWITCH = ("nsenter", "--net=/run/sealane/netns/switch")
LINK = f"slh{GHOST[:11]}"
NAMESPACE = f"/run/sealane/netns/gw-{GHOST}"
Plant = tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...], str]

PLANTS: dict[str, Plant] = {
    "link": (
        (("ip", "link", "add", LINK, "type", "veth", "peer", "name", "ghost"),),
        (("ip", "link", "delete", LINK),),
        f"links: {LINK}",
    ),
    "link in the switch": (
        ((*SWITCH, "ip", "link", "add", f"tap{GHOST[:11]}", "type", "veth", "peer", "name", "ghost"),),
        ((*SWITCH, "ip", "link", "delete", f"tap{GHOST[:11]}"),),
        f"inside: tap{GHOST[:11]}",
    ),
    "switch port": (
        ((*OVS, "--no-wait", "add-port", "br-int", f"tap{GHOST[:11]}"),),
        ((*OVS, "--no-wait", "del-port", f"tap{GHOST[:11]}"),),
        f"ovs: tap{GHOST[:11]}",
    ),
    "namespace": ((("touch", NAMESPACE),), (("rm", NAMESPACE),), f"namespace gw-{GHOST}"),
    "northbound": (
        ((*NB, "ls-add", "ghost"), (*NB, "lsp-add", "ghost", GHOST)),
        ((*NB, "ls-del", "ghost"),),
        f"port in NB {GHOST}",
    ),
    "southbound": (
        ((*SB, "chassis-add", "ghost", "geneve", "198.51.100.99"),),
        ((*SB, "chassis-del", "ghost"),),
        "chassis ghost",
    ),
}


@pytest.mark.parametrize("kind", PLANTS)
def test_a_planted_leak_is_found_and_no_other(site: Site, kind: str) -> None:
    plant, pull, told = PLANTS[kind]
    leftovers.settle(site, 60, idle=True)
    try:
        for argv in plant:
            site.lab.exec("host1", *argv)
        _, found = leftovers.settle(site, 1, idle=True)
        assert any(str(thing).endswith(told) for thing in found), found
    finally:
        for argv in pull:
            site.lab.exec("host1", *argv, check=False)
    assert leftovers.settle(site, 60, idle=True)[1] == set()


@contextmanager
def port_of_nobody(site: Site) -> Iterator[str]:
    api = site.lab.plan.api_socket
    (network,) = ask(api, "GET", f"/v2.0/networks?name={HOME}")[1]["networks"]
    body = {"network_id": network["id"], "device_owner": "sealane:docker", "binding:host_id": "host1"}
    _, made = ask(api, "POST", "/v2.0/ports", {"port": body})
    yield str(made["port"]["id"])
    ask(api, "DELETE", f"/v2.0/ports/{made['port']['id']}")


def transact(site: Site, *operations: object) -> list[dict[str, list[str]]]:
    request = json.dumps(["Sealane", *operations])
    said = site.lab.exec("host1", "ovsdb-client", "transact", "unix:/run/sealane/store.sock", request).stdout
    assert "error" not in said, said
    results: list[dict[str, list[str]]] = json.loads(said)
    return results


def test_a_claim_of_nobody_is_found(site: Site) -> None:
    """A row that one of the ports holds, for an address that it does not have."""
    ports = ask(site.lab.plan.api_socket, "GET", "/v2.0/ports")[1]["ports"]
    port = next(p for p in ports if p["device_owner"] == "sealane:docker")
    row = {"subnet": ["uuid", port["fixed_ips"][0]["subnet_id"]], "address": "10.81.0.99"}

    def hold(mutator: str, claim: list[str]) -> dict[str, object]:
        where = [["_uuid", "==", ["uuid", port["id"]]]]
        change = {"op": "mutate", "table": "Port", "where": where}
        return {**change, "mutations": [["allocations", mutator, claim]]}

    insert = {"op": "insert", "table": "Allocation", "uuid-name": "ghost", "row": row}
    made, _ = transact(site, insert, hold("insert", ["named-uuid", "ghost"]))
    assert Thing("store", "claim", "10.81.0.99") in leftovers.look(site)
    transact(site, hold("delete", made["uuid"]))
    assert leftovers.settle(site)[1] == set()


def test_a_port_of_nobody_is_found_and_the_agent_collects_it(site: Site) -> None:
    with port_of_nobody(site) as port:
        assert Thing("host1", "port in the API", port) in leftovers.look(site)
        spent, left = leftovers.settle(site)
        assert (left, spent > 5) == (set(), True), "it was collected, after its grace"
