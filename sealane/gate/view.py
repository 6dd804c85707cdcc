"""What the gate knows of the southbound database: pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sealane.ovsdb.replica import Change
from sealane.ovsdb.values import Row

COLUMNS: Mapping[str, Sequence[str]] = {
    "Chassis": ("name",),
    "Chassis_Private": ("name",),
    "Encap": ("chassis_name", "ip"),
    "Port_Binding": (
        *("logical_port", "type", "chassis", "options", "datapath", "tunnel_key", "mac"),
        *("ha_chassis_group", "parent_port"),
    ),
    "HA_Chassis_Group": ("ha_chassis",),
    "HA_Chassis": ("chassis",),
    "MAC_Binding": ("logical_port", "datapath"),
    "BFD": ("logical_port",),
    "Service_Monitor": ("logical_port",),
    "Datapath_Binding": ("tunnel_key",),
    "FDB": ("dp_key", "port_key"),
    "IGMP_Group": ("address", "chassis", "datapath"),
}
UNKNOWN = "unknown"
"""In Port_Binding.mac: OVN learns who is behind the port (ovn-nb(5), Logical_Switch_Port.addresses)."""


GATEWAY = "chassisredirect"
"""Port_Binding.type of a router's gateway (ovn-sb(5)); its ha_chassis_group tells where it may be."""


ROUTER = "patch"
"""Of a router's port, and of what it leads to in its network."""


EVERYWHERE = frozenset({"localport", "localnet"})
"""Of ports that no chassis holds, because each host has one of its own."""


class View:
    """`tables` is live (a replica's); `follow` keeps the index of ports beside it."""

    def __init__(self, tables: Mapping[str, Mapping[str, Row]]) -> None:
        self._tables = tables
        self._ports: dict[tuple[object, object], str] = {}
        self._datapaths: dict[object, str] = {}
        self._named: dict[object, str] = {}
        self._members: defaultdict[object, set[str]] = defaultdict(set)

    def row(self, table: str, uuid: str) -> Row | None:
        return self._tables[table].get(uuid)

    def meant_for(self, binding: Row) -> str:
        """The only chassis that may have the port; "" when it is for any."""
        options = binding["options"]
        return str(options.get("requested-chassis", "")) if isinstance(options, Mapping) else ""

    def carrier(self, binding: Row) -> Row | None:
        """The port whose link it comes and goes by, of a port within a trunk."""
        return self.port(binding["parent_port"])

    def holder(self, binding: Row) -> str:
        """Name of the chassis that has it; "" for none."""
        row = self._tables["Chassis"].get(str(binding["chassis"]))
        return str(row["name"]) if row else ""

    def port_of(self, datapath_key: object, port_key: object) -> Row | None:
        datapath = self._datapaths.get(_hashable(datapath_key))
        uuid = self._ports.get((datapath, _hashable(port_key)))
        return self._tables["Port_Binding"].get(uuid) if uuid else None

    def port(self, name: object) -> Row | None:
        uuid = self._named.get(name if isinstance(name, str) else None)
        return self._tables["Port_Binding"].get(uuid) if uuid else None

    def ports_on(self, datapath: object) -> Iterator[Row]:
        for uuid in self._members.get(datapath, ()):
            yield self._tables["Port_Binding"][uuid]

    def gateway_hosts(self, binding: Row) -> set[str]:
        """Chassis that a router's gateway may be on."""
        group = self._tables["HA_Chassis_Group"].get(str(binding["ha_chassis_group"]))
        if binding["type"] != GATEWAY or group is None:
            return set()
        members = group["ha_chassis"]
        uuids = members if isinstance(members, frozenset) else (members,)
        entries = (self._tables["HA_Chassis"].get(str(uuid)) for uuid in uuids)
        chassis = (self._tables["Chassis"].get(str(e["chassis"])) for e in entries if e is not None)
        return {str(row["name"]) for row in chassis if row is not None}

    def may_be_gateway(self, name: object, node: str) -> bool:
        """Whether the router's port of that name is a gateway's that may be on the node."""
        port = self.port(name)
        beside = self.ports_on(port["datapath"]) if port is not None else ()
        return any(_distributes(p) == name and node in self.gateway_hosts(p) for p in beside)

    def serves_router(self, binding: Row, node: str) -> bool:
        """Whether the node does a part of this router port's work: it may be the gateway, or it has machines
        of the network beside it."""
        if any(node in self.gateway_hosts(port) for port in self.ports_on(binding["datapath"])):
            return True
        options = binding["options"]
        peer = self.port(options.get("peer")) if isinstance(options, Mapping) else None
        return peer is not None and any(self.holder(p) == node for p in self.ports_on(peer["datapath"]))

    def takes_part(self, datapath: object, node: str) -> bool:
        """Whether the node has a machine of this network, or may be the gateway of a router beside it."""
        return any(
            self.holder(port) == node or (port["type"] == ROUTER and self._leads_out(port, node))
            for port in self.ports_on(datapath)
        )

    def _leads_out(self, binding: Row, node: str) -> bool:
        options = binding["options"]
        peer = self.port(options.get("peer")) if isinstance(options, Mapping) else None
        beside = self.ports_on(peer["datapath"]) if peer is not None else ()
        return any(node in self.gateway_hosts(port) for port in beside)

    def learns(self, binding: Row) -> bool:
        macs = binding["mac"]
        words = macs if isinstance(macs, frozenset) else (macs,)
        return any(UNKNOWN in str(word).split() for word in words)

    def follow(self, changes: Sequence[Change]) -> None:
        """What is gone first: a key may be another row's in the same transaction."""
        for table, uuid, old, _ in changes:
            if old is not None and table == "Port_Binding":
                self._ports.pop((old["datapath"], old["tunnel_key"]), None)
                self._named.pop(old["logical_port"], None)
                self._leave(old["datapath"], uuid)
            elif old is not None and table == "Datapath_Binding":
                self._datapaths.pop(old["tunnel_key"], None)
        for table, uuid, _, new in changes:
            if new is not None and table == "Port_Binding":
                self._ports[new["datapath"], new["tunnel_key"]] = uuid
                self._named[new["logical_port"]] = uuid
                self._members[new["datapath"]].add(uuid)
            elif new is not None and table == "Datapath_Binding":
                self._datapaths[new["tunnel_key"]] = uuid

    def _leave(self, datapath: object, uuid: str) -> None:
        self._members[datapath].discard(uuid)
        if not self._members[datapath]:
            del self._members[datapath]


def _distributes(binding: Row) -> object:
    """The router's port for which a gateway stands."""
    options = binding["options"]
    return options.get("distributed-port") if isinstance(options, Mapping) else None


def _hashable(key: object) -> object:
    return key if isinstance(key, int) else None
