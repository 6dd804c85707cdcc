"""What the gate knows of the southbound database: pure."""

from collections.abc import Mapping, Sequence

from sealane.ovsdb.replica import Change
from sealane.ovsdb.values import Row

COLUMNS: Mapping[str, Sequence[str]] = {
    "Chassis": ("name",),
    "Chassis_Private": ("name",),
    "Encap": ("chassis_name", "ip"),
    "Port_Binding": ("logical_port", "type", "chassis", "options", "datapath", "tunnel_key", "mac"),
    "Datapath_Binding": ("tunnel_key",),
    "FDB": ("dp_key", "port_key"),
}
UNKNOWN = "unknown"
"""In Port_Binding.mac: OVN learns who is behind the port (ovn-nb(5), Logical_Switch_Port.addresses)."""


class View:
    """`tables` is live (a replica's); `follow` keeps the index of ports beside it."""

    def __init__(self, tables: Mapping[str, Mapping[str, Row]]) -> None:
        self._tables = tables
        self._ports: dict[tuple[object, object], str] = {}
        self._datapaths: dict[object, str] = {}

    def row(self, table: str, uuid: str) -> Row | None:
        return self._tables[table].get(uuid)

    def meant_for(self, binding: Row) -> str:
        """The only chassis that may have the port; "" when it is for any."""
        options = binding["options"]
        return str(options.get("requested-chassis", "")) if isinstance(options, Mapping) else ""

    def holder(self, binding: Row) -> str:
        """Name of the chassis that has it; "" for none."""
        row = self._tables["Chassis"].get(str(binding["chassis"]))
        return str(row["name"]) if row else ""

    def port_of(self, datapath_key: object, port_key: object) -> Row | None:
        datapath = self._datapaths.get(_hashable(datapath_key))
        uuid = self._ports.get((datapath, _hashable(port_key)))
        return self._tables["Port_Binding"].get(uuid) if uuid else None

    def learns(self, binding: Row) -> bool:
        macs = binding["mac"]
        words = macs if isinstance(macs, frozenset) else (macs,)
        return any(UNKNOWN in str(word).split() for word in words)

    def follow(self, changes: Sequence[Change]) -> None:
        """What is gone first: a key may be another row's in the same transaction."""
        for table, _, old, _ in changes:
            if old is not None and table == "Port_Binding":
                self._ports.pop((old["datapath"], old["tunnel_key"]), None)
            elif old is not None and table == "Datapath_Binding":
                self._datapaths.pop(old["tunnel_key"], None)
        for table, uuid, _, new in changes:
            if new is not None and table == "Port_Binding":
                self._ports[new["datapath"], new["tunnel_key"]] = uuid
            elif new is not None and table == "Datapath_Binding":
                self._datapaths[new["tunnel_key"]] = uuid


def _hashable(key: object) -> object:
    return key if isinstance(key, int) else None
