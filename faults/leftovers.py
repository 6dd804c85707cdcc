"""What belongs to nothing, on the hosts of a lab and in all databases; and what a container lacks.

The engines' running containers say what is wanted.  Everything else that bears our mark is read where it
is, so that each layer is compared with the one above it:

    running containers -> endpoints -> attachments -> ports of the API -> claims in the store
                                                   -> northbound -> southbound
                                                   -> links, switch ports, namespaces, rules, sockets

A gateway without containers is ours to keep until the agent's next look at the whole host: it is told
apart (`idle`), since a story that makes one need not wait for its end.
"""

import http.client
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from faults.ask import ask
from faults.site import CENTRAL, HOSTS, Site
from sealane import names
from sealane.errors import SealaneError

COLLECTED = 30.0
"""Seconds after which nothing may be left: the promise."""
Body = Mapping[str, Any]

_GATEWAYS = ("slu", "slg", "slw", "tgw")
_OURS = ("slh", "sls", "slc", "tap", *_GATEWAYS)
_LOOK = {
    "links": "ip -o link | awk -F': ' '{print $2}' | cut -d@ -f1",
    "inside": "nsenter --net=/run/sealane/netns/switch ip -o link | awk -F': ' '{print $2}' | cut -d@ -f1",
    "ovs": "ovs-vsctl --db=unix:/run/sealane/ovs/db.sock --timeout=5 list-ports br-int",
    "namespaces": "ls /run/sealane/netns",
    "nft": "nft list tables",
    "sockets": "ss -Hltnp | grep python | awk '{print $4}'",
}
_LOOK_CENTRAL = {
    "nb": "ovn-nbctl --db=unix:/run/sealane/ovn/ovnnb_db.sock --timeout=5 --bare --columns=name list {}",
    "sb": "ovn-sbctl --db=unix:/run/sealane/ovn/ovnsb_db.sock --timeout=5 --bare --columns={} list {}",
    "store": "ovsdb-client -f json dump unix:/run/sealane/store.sock Sealane {}",
}


@dataclass(frozen=True, order=True)
class Thing:
    """Something that is left over, or (`lacking`) something that a container should have."""

    host: str
    kind: str
    name: str
    lacking: bool = False
    idle: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.host}: {'no ' if self.lacking else ''}{self.kind} {self.name}"


class Unreadable(Exception):
    """Some part that has to be asked is not there (yet)."""


@dataclass(frozen=True)
class Endpoint:
    container: str
    id: str
    network: str  # Docker's id
    address: str


@dataclass
class HostView:
    """One host, as everything there tells it."""

    name: str
    endpoints: dict[str, Endpoint]
    docker_endpoints: set[str]
    docker_networks: dict[str, str]  # Docker's id -> name
    attachments: dict[str, Body]
    records: dict[str, Body]
    pools: dict[str, Body]
    lines: dict[str, list[str]]


@dataclass
class CentralView:
    ports: list[Body]
    networks: list[Body]
    subnets: list[Body]
    lines: dict[str, list[str]]


def look(site: Site) -> set[Thing]:
    """All that is wrong at this moment. Raises Unreadable."""
    try:
        hosts = [_host(site, name) for name in HOSTS]
        central = _central(site)
    except (OSError, ValueError, KeyError, http.client.HTTPException, SealaneError) as exc:
        raise Unreadable(repr(exc)) from exc
    return wrong(hosts, central)


def wrong(hosts: Sequence[HostView], central: CentralView) -> set[Thing]:
    """What the views show that does not fit together."""
    found = {thing for host in hosts for thing in _wrong_on(host, central)}
    return found | set(_wrong_in(central, hosts))


def settle(
    site: Site, seconds: float = COLLECTED, *, idle: bool = False, known: Iterable[Thing] = ()
) -> tuple[float, set[Thing]]:
    """Wait until nothing is wrong: seconds that it took, and what is still wrong after `seconds`.

    `idle`: gateways without containers count as well. `known` is not waited for.
    """
    begin = time.monotonic()
    known = set(known)
    while True:
        try:
            found = {t for t in look(site) if (idle or not t.idle) and t not in known}
        except Unreadable as exc:
            found = {Thing("?", "view", str(exc), lacking=True)}
        spent = time.monotonic() - begin
        if not found or spent > seconds:
            return spent, found
        time.sleep(0.3)


# reading


def _host(site: Site, name: str) -> HostView:
    engine = site.lab.plan.docker_socket(name)
    listed = _get(engine, "/networks?filters=" + '{"driver":["sealane"]}'.replace('"', "%22"))
    networks = {str(n["Id"]): str(n["Name"]) for n in listed}
    known = set()
    for docker_id in networks:
        inspected = _get(engine, f"/networks/{docker_id}")
        known |= {str(c["EndpointID"]) for c in (inspected.get("Containers") or {}).values()}
    lasting, running = _memory(site, name, "agent.json"), _memory(site, name, "attachments.json")
    return HostView(
        name=name,
        endpoints={e.id: e for e in _endpoints(_get(engine, "/containers/json"), networks)},
        docker_endpoints=known,
        docker_networks=networks,
        attachments=running.get("attachments", {}),
        records=lasting.get("networks", {}),
        pools=lasting.get("pools", {}),
        lines=_lines(site, name, _LOOK),
    )


def _central(site: Site) -> CentralView:
    api = site.lab.plan.api_socket
    sets = {
        "switches": _LOOK_CENTRAL["nb"].format("Logical_Switch"),
        "switch ports": _LOOK_CENTRAL["nb"].format("Logical_Switch_Port"),
        "bindings": _LOOK_CENTRAL["sb"].format("logical_port", "Port_Binding"),
        "chassis": _LOOK_CENTRAL["sb"].format("name", "Chassis"),
        "allocations": _LOOK_CENTRAL["store"].format("Allocation"),
        "keys": _LOOK_CENTRAL["store"].format("TunnelKey"),
    }
    ports, networks, subnets = (_get(api, f"/v2.0/{kind}")[kind] for kind in ("ports", "networks", "subnets"))
    return CentralView(ports, networks, subnets, _lines(site, CENTRAL, sets))


def _get(socket: Any, target: str) -> Any:
    status, body = ask(socket, "GET", target, seconds=5.0)
    if status != 200:
        raise ValueError(f"{target} answered {status}: {body}")
    return body


def _endpoints(listed: Iterable[Body], networks: Mapping[str, str]) -> Iterator[Endpoint]:
    for container in listed:
        for place in (container["NetworkSettings"]["Networks"] or {}).values():
            if place["NetworkID"] in networks and place["EndpointID"]:
                name = container["Names"][0].lstrip("/")
                yield Endpoint(name, place["EndpointID"], place["NetworkID"], place["IPAddress"])


def _memory(site: Site, host: str, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(site.path(host, f"/var/lib/sealane/{name}").read_text())
    except FileNotFoundError:
        return {}
    return found


def _lines(site: Site, host: str, commands: Mapping[str, str]) -> dict[str, list[str]]:
    """The output of several commands by one visit; empty lines are left out."""
    script = "\n".join(f"echo @{key}\n{command} || echo !failed" for key, command in commands.items())
    found: dict[str, list[str]] = {}
    for line in site.lab.exec(host, "sh", "-c", script).stdout.splitlines():
        if line.startswith("@"):
            found[line[1:]] = current = []
        elif line == "!failed" and commands is not _LOOK:
            raise ValueError(f"one of {', '.join(commands)} can't be asked")
        elif line.strip():
            current.append(line.strip())
    return found


# comparing


def _wrong_on(host: HostView, central: CentralView) -> Iterator[Thing]:
    asked, attached = set(host.endpoints), set(host.attachments)
    yield from _differ(host.name, "attachment", attached, asked)
    yield from _left(host.name, "endpoint in Docker", host.docker_endpoints - asked)
    ports = {a["port_id"]: a for a in host.attachments.values()}
    mine = {
        p["id"]
        for p in central.ports
        if p["binding:host_id"] == host.name and p["device_owner"].startswith("sealane:docker")
    }
    yield from _differ(host.name, "port in the API", mine, set(ports))
    for endpoint in host.endpoints.values():
        attachment = host.attachments.get(endpoint.id)
        have = [a.split("/")[0] for a in attachment["addresses"]] if attachment else []
        if attachment and endpoint.address not in have:
            yield Thing(host.name, "address", f"{endpoint.address} of {endpoint.container}", lacking=True)
    yield from _left(host.name, "pool", host.pools)
    yield from _networks_of(host, central)
    yield from _on_the_host(host, ports)


def _networks_of(host: HostView, central: CentralView) -> Iterator[Thing]:
    """Docker's networks, the agent's records of them, and the API's networks, one for one."""
    known = {n["id"] for n in central.networks}
    named = {n["id"] for n in central.networks if n["name"]}
    yield from _differ(host.name, "network record", set(host.records), set(host.docker_networks))
    for record in host.records.values():
        if record["network_id"] not in known:
            yield Thing(host.name, "network record", record["network_id"])
    mirrored = {record["network_id"] for record in host.records.values()}
    yield from _left(host.name, "mirror", named - mirrored, lacking=True)


def _on_the_host(host: HostView, ports: Mapping[str, Body]) -> Iterator[Thing]:
    short = {port[:11] for port in ports}
    gateways = {
        a["network_id"]
        for a in ports.values()
        if a["gateway_mode"] == "host" and a["gateways"] and not a["internal"]
    }
    ways = {network[:11] for network in gateways}
    for kind in ("links", "inside", "ovs"):
        for name in host.lines[kind]:
            if name.startswith(_OURS):
                gateway = name.startswith(_GATEWAYS)
                if name[3:] not in (ways if gateway else short) or name.startswith("slc"):
                    yield Thing(host.name, f"{kind}:", name, idle=gateway)
    spaces = {names.gateway_namespace(network) for network in gateways}
    found = {name for name in host.lines["namespaces"] if name.startswith(names.gateway_namespace(""))}
    yield from (Thing(host.name, "namespace", name, idle=True) for name in found - spaces)
    yield from _left(host.name, "namespace", spaces - found, lacking=True)
    tables = [line for line in host.lines["nft"] if "sealane_nat" in line]
    if tables and not gateways:
        yield Thing(host.name, "nft", tables[0], idle=True)
    for prefix, kind in (("slh", "links"), ("sls", "links"), ("tap", "ovs"), ("tap", "inside")):
        for port in short:
            if prefix + port not in host.lines[kind]:
                yield Thing(host.name, f"{kind}:", prefix + port, lacking=True)
    yield from _sockets(host, ports)


def _sockets(host: HostView, ports: Mapping[str, Body]) -> Iterator[Thing]:
    """TCP ports that the agent holds for containers; those of Sealane's own doors are left out."""
    published = {p["host_port"] for a in ports.values() for p in a["publish"] if p["protocol"] == "tcp"}
    open_ = {
        int(line.rpartition(":")[2]) for line in host.lines["sockets"] if line.startswith(("0.0.0.0", "[::]"))
    }
    yield from _differ(host.name, "published port", {str(p) for p in open_}, {str(p) for p in published})


def _wrong_in(central: CentralView, hosts: Iterable[HostView]) -> Iterator[Thing]:
    ports, networks = {p["id"] for p in central.ports}, {n["id"] for n in central.networks}
    lines = central.lines
    yield from _differ("store", "switch in NB", set(lines["switches"]), {f"neutron-{n}" for n in networks})
    gateways = {names.gateway_port(s["network_id"]) for s in central.subnets if s["gateway_ip"]}
    for where, kind in (("switch ports", "port in NB"), ("bindings", "binding in SB")):
        yield from _left("store", kind, set(lines[where]) - ports - gateways)
        yield from _left("store", kind, ports - set(lines[where]), lacking=True)
    yield from _differ("store", "chassis", set(lines["chassis"]), set(HOSTS))
    claimed = Counter(_column(lines["allocations"], "address"))
    due = Counter(ip["ip_address"] for p in central.ports for ip in p["fixed_ips"])
    due.update(s["gateway_ip"] for s in central.subnets if s["gateway_ip"])
    yield from _differ("store", "claim", set((claimed - due).elements()), set((due - claimed).elements()))
    keys = len(_column(lines["keys"], "key"))
    if keys != len(networks):
        yield Thing("store", "tunnel key", f"{keys} of {len(networks)} networks")
    listed = {record["network_id"] for host in hosts for record in host.records.values()}
    made = {n["id"] for n in central.networks if n.get("sealane:origin") == "docker"}
    yield from _left("store", "network in the API", made - listed)
    taken = Counter((p["network_id"], ip["ip_address"]) for p in central.ports for ip in p["fixed_ips"])
    yield from _left("store", "duplicate address", {str(key) for key, number in taken.items() if number > 1})


def _column(lines: list[str], name: str) -> list[Any]:
    table = json.loads(" ".join(lines))
    place = table["headings"].index(name)
    return [row[place] for row in table["data"]]


def _differ(host: str, kind: str, found: set[str], wanted: set[str]) -> Iterator[Thing]:
    yield from _left(host, kind, found - wanted)
    yield from _left(host, kind, wanted - found, lacking=True)


def _left(host: str, kind: str, these: Iterable[str], *, lacking: bool = False) -> Iterator[Thing]:
    yield from (Thing(host, kind, name, lacking=lacking) for name in these)
