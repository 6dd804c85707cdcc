"""Ports: the table of attributes, and how a row is made and changed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, get_args

from sealane import names
from sealane.api import (
    container_groups,
    convert,
    extra_dhcp,
    floating_reach,
    ipam,
    metering,
    offers,
    packet_logs,
    qos,
    rules,
    segment_hosts,
    slaac,
    taps,
    trunk_places,
)
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import BOOLEAN, WantedIP, nullable, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import AddressesExhausted, Conflict
from sealane.model import AddressPair, DatapathType, FixedIP, Network, Port, Subnet

VIF_DETAILS = {
    kind: {"port_filter": True, "connectivity": "l2", "bridge_name": "br-int", "datapath_type": kind}
    for kind in get_args(DatapathType)
}
"""What nova hands to os-vif, by the type of datapath, which os-vif gives to br-int."""


def _vif_details(port: Port, look: Look) -> dict[str, Any]:
    """Of a host that is no node the type is not known; Neutron's driver for OVN says "system" then."""
    return VIF_DETAILS[look.datapaths.get(port.host, "system")] if port.host else {}


def _bound(port: Port) -> str:
    """The port that a host has in OVN. What leaves by a router's gateway has one beside it."""
    return names.gateway_place(port.id) if port.device_owner == names.ROUTER_GATEWAY else port.id


def _host(port: Port, look: Look) -> str:
    """A router's gateway is where OVN has it at the moment."""
    if port.device_owner != names.ROUTER_GATEWAY:
        return port.host
    return look.bindings.chassis(_bound(port)) or ""


def _status(port: Port, look: Look) -> str:
    """ACTIVE when the chassis has bound it, its flows are in place, and nobody has switched it off."""
    if not port.admin_state_up or not look.bindings.up(_bound(port)):
        return "DOWN"
    network = look.state.networks.get(port.network_id)
    return "ACTIVE" if network is not None and network.admin_state_up else "DOWN"


def _allocation(port: Port, look: Look) -> str:
    """When it is given addresses (Neutron's extension ip_allocation)."""
    return "deferred" if port.deferred and not port.fixed_ips else "immediate"


def _assignment(port: Port, look: Look) -> list[dict[str, str]]:
    """The names by which the port's addresses are known."""
    if not port.dns_name:
        return []
    domain = look.state.networks[port.network_id].dns_domain if port.network_id in look.state.networks else ""
    full = f"{port.dns_name}.{domain}" if domain else port.dns_name
    return [{"ip_address": f.ip_address, "hostname": port.dns_name, "fqdn": full} for f in port.fixed_ips]


GROUPS = nullable(convert.listing(convert.to_uuid, {"type": "string", "format": "uuid"}))
"""Null is as if nothing was said."""

PORTS = Kind(
    singular="port",
    plural="ports",
    followed=True,
    collection=lambda state: state.ports,
    attributes=(
        *standard(),
        Attribute(name="network_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(name="mac_address", type=convert.MAC_ADDRESS, post=True, put=True),
        Attribute(
            name="fixed_ips",
            type=convert.FIXED_IPS,
            read=lambda port, look: [
                {"subnet_id": f.subnet_id, "ip_address": f.ip_address} for f in port.fixed_ips
            ],
            post=True,
            put=True,
        ),
        Attribute(name="admin_state_up", type=BOOLEAN, default=True, post=True, put=True),
        Attribute(name="status", type=convert.NAME, read=_status),
        Attribute(name="device_id", type=convert.NAME, default="", post=True, put=True),
        Attribute(name="device_owner", type=convert.NAME, default="", post=True, put=True),
        Attribute(
            name="binding:host_id",
            type=convert.HOST,
            field="host",
            read=_host,
            default="",
            post=True,
            put=True,
        ),
        Attribute(
            name="binding:vnic_type",
            type=one_of("normal"),
            field="vnic_type",
            default="normal",
            post=True,
            put=True,
        ),
        Attribute(
            name="binding:profile",
            type=convert.PROFILE,
            field="profile",
            read=trunk_places.profile,
            default={},
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(
            name="binding:vif_type",
            type=convert.NAME,
            read=lambda port, look: "ovs" if port.host else "unbound",
        ),
        Attribute(
            name="binding:vif_details",
            type=convert.ANY,
            read=_vif_details,
            filter=False,
        ),
        Attribute(name="port_security_enabled", type=BOOLEAN, post=True, put=True),
        Attribute(
            name="allowed_address_pairs",
            type=convert.PAIRS,
            read=lambda port, look: [
                {"ip_address": p.ip_address, "mac_address": p.mac_address} for p in port.allowed_address_pairs
            ],
            default=(),
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(name="dns_name", type=convert.DNS, default="", post=True, put=True),
        Attribute(name="dns_assignment", type=convert.ANY, read=_assignment, filter=False),
        Attribute(
            name="security_groups",
            type=GROUPS,
            read=lambda port, look: list(port.security_groups),
            post=True,
            put=True,
        ),
        Attribute(
            name="extra_dhcp_opts",
            type=extra_dhcp.OPTIONS,
            read=lambda port, look: [
                {"opt_name": o.opt_name, "opt_value": o.opt_value, "ip_version": o.ip_version}
                for o in port.extra_dhcp_opts
            ],
            default=None,
            post=True,
            put=True,
            filter=False,
        ),
        qos.POLICY,
        Attribute(
            name="qos_network_policy_id",
            type=nullable(convert.ID),
            read=lambda port, look: getattr(look.state.networks.get(port.network_id), "qos_policy_id", None),
        ),
        Attribute(name="trunk_details", type=convert.ANY, read=trunk_places.details, filter=False),
        Attribute(name="ip_allocation", type=convert.NAME, read=_allocation),
        Attribute(
            name="sealane:dns_aliases",
            type=convert.DNS_LIST,
            field="dns_aliases",
            default=(),
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(
            name="sealane:services",
            type=offers.SERVICES,
            field="services",
            read=lambda port, look: list(port.services),
            default=(),
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(
            name="sealane:taps",
            type=taps.TAPS,
            field="taps",
            read=lambda port, look: list(port.taps),
            default=(),
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(
            name="sealane:log",
            type=one_of("", *packet_logs.EVENTS),
            field="log",
            default="",
            post=True,
            put=True,
        ),
        Attribute(
            name="sealane:meters",
            type=metering.NAMES,
            field="meters",
            read=lambda port, look: list(port.meters),
            default=(),
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(
            name="sealane:withdrawn", type=BOOLEAN, field="withdrawn", default=False, post=True, put=True
        ),
        Attribute(name="sealane:quarantine", type=BOOLEAN, field="quarantine", post=True, put=True),
        Attribute(
            name="sealane:allocate_from",
            type=nullable(one_of("", "bottom", "top")),
            post=True,
            visible=False,
            filter=False,
        ),
    ),
)
FOLLOWING = frozenset({*names.CONTAINER_PORTS, names.NETNS_PORT})
"""Owners of ports whose MAC address follows from the IPv4 address: containers come and go, and the next
one with the address must not meet neighbours that remember the last one's MAC."""

UNGROUPED = frozenset({*names.CONTAINER_PORTS, names.AUXILIARY_PORT})
"""Owners of ports that get no default group: a container's network says what reaches it."""

UNSTORED = frozenset({"extra_dhcp_opts", "sealane:allocate_from", "fixed_ips"})


def create(id: str, values: Values, draft: Draft) -> Port:
    network = rules.network_exists(values["network_id"], draft)
    rules.owner_is_ones_to_give(values["device_owner"])
    given = PORTS.as_fields({k: v for k, v in values.items() if k not in UNSTORED})
    given.setdefault("port_security_enabled", network.port_security_enabled)
    top = values.get("sealane:allocate_from") == "top"
    wanted = values.get("fixed_ips")
    places = segment_hosts.subnets(network, given["host"], wanted, draft)
    given["deferred"] = wanted is None and not given["host"] and segment_hosts.is_routed(network, draft)
    if given["device_id"].startswith(names.READY) and given["device_owner"] == names.RUNTIME_PORT:
        rules.room_to_wait(places, draft)
    if slaac.follows(given["device_owner"]):
        given["mac_address"] = _mac(given.get("mac_address"), network.id, draft)
        own = slaac.addresses(places, given["mac_address"])
        given["fixed_ips"] = _addresses(wanted, network, places, draft, own, top=top)
    else:
        given["fixed_ips"] = _addresses(wanted, network, places, draft, top=top)
        hint = given["fixed_ips"] if given["device_owner"] in FOLLOWING else ()
        given["mac_address"] = _mac(given.get("mac_address"), network.id, draft, hint)
    given["allowed_address_pairs"] = _pairs(given["allowed_address_pairs"], given["mac_address"])
    given["extra_dhcp_opts"] = extra_dhcp.merged((), values.get("extra_dhcp_opts") or ())
    if _is_ruled_by_network(given):
        given["security_groups"] = container_groups.of_network(network, draft)
        given["quarantine"] = container_groups.waits_for_label(network, draft)
    given["security_groups"] = _groups(given, draft)
    port = Port(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    rules.port_may_bind(port)
    taps.check_port(port, draft.look.state)
    segment_hosts.check(port, draft)
    draft.ports.append(port)
    return port


def update(old: Any, values: Values, draft: Draft) -> Port:
    given = PORTS.as_fields({k: v for k, v in values.items() if k not in UNSTORED})
    _check_service(old, given, "fixed_ips" in values)
    if given.get("mac_address", old.mac_address) != old.mac_address:
        rules.mac_is_free(given["mac_address"], old.network_id, draft)
    network = rules.network_exists(old.network_id, draft)
    arrives = _arrives(old, given, values)
    asked = values.get("fixed_ips", None if arrives else _wished(old))
    places = segment_hosts.subnets(network, given.get("host", old.host), asked, draft)
    own = _own(old, given, places)
    if arrives:
        given["fixed_ips"] = _addresses(None, network, places, draft, own, top=False)
    elif "fixed_ips" in values or own != _own(old, {}, places):
        wanted = values.get("fixed_ips", _without(old, own))
        given["fixed_ips"] = _moved(old, wanted, draft, own)
        given["deferred"] = False
        floating_reach.let_go(old, draft, given["fixed_ips"])
    if "allowed_address_pairs" in given:
        mac = given.get("mac_address", old.mac_address)
        given["allowed_address_pairs"] = _pairs(given["allowed_address_pairs"], mac)
    if "extra_dhcp_opts" in values:
        given["extra_dhcp_opts"] = extra_dhcp.merged(old.extra_dhcp_opts, values["extra_dhcp_opts"])
    if "security_groups" in given:
        given["security_groups"] = tuple(sorted(given["security_groups"] or ()))
    changed: Port = replace(old, **given)
    rules.port_may_bind(changed)
    taps.check_port(changed, draft.look.state)
    rules.port_may_have_groups(changed, asked=bool(given.get("security_groups")))
    if (old.host, old.fixed_ips) != (changed.host, changed.fixed_ips):
        segment_hosts.check(changed, draft)
    trunk_places.follow(old, changed, draft)
    return changed


def _arrives(old: Port, given: Values, values: Values) -> bool:
    """Whether it has waited for a host to be given addresses."""
    return old.deferred and not old.fixed_ips and bool(given.get("host")) and "fixed_ips" not in values


def _wished(port: Port) -> tuple[WantedIP, ...]:
    return tuple(WantedIP(fixed.subnet_id, fixed.ip_address) for fixed in port.fixed_ips)


def _check_service(old: Port, given: Values, moves: bool) -> None:
    """What a router's port is, or a load balancer's, and where is theirs to say."""
    if old.device_owner in rules.SERVICE_PORTS:
        if moves or given.keys() & {"mac_address", "device_id", "device_owner", "host"}:
            raise Conflict(
                f"Port {old.id} is of {old.device_owner}: change the router, the floating IP or the load "
                "balancer instead.",
                type="PortInUse",
            )
    elif "device_owner" in given:
        rules.owner_is_ones_to_give(given["device_owner"])


def make(id: str, network: Network, wanted: tuple[WantedIP, ...] | None, draft: Draft, **given: Any) -> Port:
    """A port that the API makes for itself. Raises as `create` does."""
    fixed = _addresses(wanted, network, draft.subnets_of(network.id), draft, top=False)
    mac = _mac(given.pop("mac_address", None), network.id, draft)
    given |= {"created_at": draft.now, "updated_at": draft.now}
    port = Port(id=id, network_id=network.id, mac_address=mac, fixed_ips=fixed, revision_number=1, **given)
    draft.ports.append(port)
    return port


def moved(old: Port, wanted: tuple[WantedIP, ...], draft: Draft) -> tuple[FixedIP, ...]:
    """Its addresses when these are wished for."""
    return _moved(old, wanted, draft)


def delete(port: Any, draft: Draft) -> tuple[Port, ...]:
    rules.port_is_nobodys_service(port)
    trunk_places.delete(port, draft)
    floating_reach.let_go(port, draft)
    taps.without((port,), draft)
    return (port,)


def _is_ruled_by_network(given: Values) -> bool:
    """A container of which nobody has said anything."""
    told = given.get("security_groups") is not None or "quarantine" in given
    container = given["device_owner"] in names.CONTAINER_PORTS
    return container and given["port_security_enabled"] and not told


def _groups(given: Values, draft: Draft) -> tuple[str, ...]:
    """Not given: the project's default group, where the port is one that groups are for."""
    asked = given.get("security_groups")
    if not given["port_security_enabled"]:
        rules.port_may_have_groups_at_all(bool(asked))
        return ()
    if asked is not None:
        return tuple(sorted(asked))
    owner = given["device_owner"]
    if owner in UNGROUPED or owner.startswith("network:"):
        return ()
    return (draft.default_group(given["project_id"]),)


def _mac(given: str | None, network_id: str, draft: Draft, like: tuple[FixedIP, ...] = ()) -> str:
    if given is not None:
        rules.mac_is_free(given, network_id, draft)
    following = next((ipam.mac_of(f.ip_address) for f in like if ":" not in f.ip_address), None)
    if given is None and following not in draft.macs(network_id):
        given = following
    mac = given or ipam.choose_mac(draft.macs(network_id), draft.chance)
    draft.macs(network_id).add(mac)
    return mac


def _pairs(given: Iterable[AddressPair], mac: str) -> tuple[AddressPair, ...]:
    return tuple(p if p.mac_address else replace(p, mac_address=mac) for p in given)


def _addresses(
    wanted: tuple[WantedIP, ...] | None,
    network: Network,
    subnets: Sequence[Subnet],
    draft: Draft,
    own: tuple[WantedIP, ...] = (),
    *,
    top: bool,
) -> tuple[FixedIP, ...]:
    """Not given: one of each family, from the first of `subnets` that has a free one. Given ones go first.

    `own`: what it has beside them, unless it is to have none at all; in those subnets nothing is chosen.
    """
    if wanted is None:
        families = (4, 6)
        places = {wish.subnet_id for wish in own}
        open_ = [s for s in subnets if s.id not in places]
        found = (_any([s for s in open_ if s.ip_version == v], network, draft, top=top) for v in families)
        first = tuple(f for f in found if f is not None)
        return (*first, *(_given(wish, network.id, draft) for wish in own))
    if wanted and own:
        wanted = (*slaac.others(wanted, own, subnets), *own)
    fixed = {w: _given(w, network.id, draft) for w in wanted if w.ip_address is not None}
    return tuple(
        fixed[w]
        if w in fixed
        else _chosen(rules.subnet_is_of(str(w.subnet_id), network.id, draft), draft, top=top)
        for w in wanted
    )


def _given(wanted: WantedIP, network_id: str, draft: Draft) -> FixedIP:
    ip_address = str(wanted.ip_address)
    if wanted.subnet_id is None:
        subnet = rules.subnet_of_address(ip_address, network_id, draft)
    else:
        subnet = rules.subnet_is_of(wanted.subnet_id, network_id, draft)
    rules.address_is_usable(ip_address, subnet)
    rules.address_is_free(ip_address, subnet, draft)
    draft.used(subnet).add(ipam.number(ip_address))
    return FixedIP(subnet_id=subnet.id, ip_address=ip_address)


def _chosen(subnet: Subnet, draft: Draft, *, top: bool) -> FixedIP:
    used = draft.used(subnet)
    try:
        value = ipam.choose(subnet.allocation_pools, used, top=top, skip=draft.skip())
    except AddressesExhausted:
        if draft.dismiss(
            subnet.network_id, lambda port: any(f.subnet_id == subnet.id for f in port.fixed_ips)
        ):
            return _chosen(subnet, draft, top=top)
        raise _exhausted(f"subnet {subnet.id}") from None
    used.add(value)
    return FixedIP(subnet_id=subnet.id, ip_address=ipam.address(value, subnet.ip_version))


def _any(subnets: list[Subnet], network: Network, draft: Draft, *, top: bool) -> FixedIP | None:
    for subnet in subnets:
        try:
            return _chosen(subnet, draft, top=top)
        except AddressesExhausted:
            continue
    if subnets:
        raise _exhausted(f"network {network.id}")
    return None


def _exhausted(where: str) -> AddressesExhausted:
    return AddressesExhausted(f"No more IP addresses available on {where}.")


def _own(old: Port, given: Values, places: Iterable[Subnet]) -> tuple[WantedIP, ...]:
    """Addresses that follow from its MAC, as it is or as it is to be."""
    if not slaac.follows(given.get("device_owner", old.device_owner)):
        return ()
    return slaac.addresses(places, given.get("mac_address", old.mac_address))


def _without(old: Port, own: Iterable[WantedIP]) -> tuple[WantedIP, ...]:
    places = {wish.subnet_id for wish in own}
    return tuple(wish for wish in _wished(old) if wish.subnet_id not in places)


def _moved(
    old: Port, wanted: tuple[WantedIP, ...], draft: Draft, own: tuple[WantedIP, ...] = ()
) -> tuple[FixedIP, ...]:
    """Addresses of an update: what the port has already stays, and is not in its own way."""
    network = rules.network_exists(old.network_id, draft)
    for fixed in old.fixed_ips:
        subnet = draft.look.state.subnets.get(fixed.subnet_id)
        if subnet is not None:
            draft.used(subnet).discard(ipam.number(fixed.ip_address))
    kept = _kept(old, wanted)
    return _addresses(kept, network, draft.subnets_of(network.id), draft, own, top=False)


def _kept(old: Port, wanted: tuple[WantedIP, ...]) -> tuple[WantedIP, ...]:
    """A wish for any address of a subnet is fulfilled by one that the port has there."""
    named = {w.ip_address for w in wanted}
    spare = [f for f in old.fixed_ips if f.ip_address not in named]
    found = []
    for wish in wanted:
        mine = next((f for f in spare if wish.ip_address is None and f.subnet_id == wish.subnet_id), None)
        if mine is not None:
            spare.remove(mine)
            wish = WantedIP(mine.subnet_id, mine.ip_address)
        found.append(wish)
    return tuple(found)
