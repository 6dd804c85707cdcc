"""Packets that hosts have logged, with the names that users gave. Pure.

A host says which ACL it was, by its name (translate/logs.py), and what is in the packet; a port is known by
the host, its MAC and its address.  What no log is about is told to nobody: a host can't say more than what is
logged of its own ports.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from sealane import names
from sealane.model import Log, Port, SecurityGroupRule, State
from sealane.translate.logs import all_logs, covers

Word = Annotated[str, Meta(max_length=64)]
Number = Annotated[int, Meta(ge=0, le=65535)] | None


class Packet(Struct, kw_only=True, forbid_unknown_fields=True):
    """`acl` is its name, `mac` that of the host's own port."""

    acl: Word
    verdict: Literal["ACCEPT", "DROP"]
    direction: Literal["ingress", "egress"]
    protocol: Word
    mac: Word
    source: Word
    destination: Word
    source_port: Number = None
    destination_port: Number = None
    icmp_type: Number = None


class Seen(Struct, kw_only=True, forbid_unknown_fields=True):
    host: Word
    seen: Annotated[list[Packet], Meta(max_length=500)]


class Book:
    """Who is who in one State."""

    def __init__(self, state: State) -> None:
        self.state = state

    @cached_property
    def _by_mac(self) -> Mapping[str, list[Port]]:
        found: dict[str, list[Port]] = defaultdict(list)
        for port in self.state.ports.values():
            found[port.mac_address].append(port)
        return found

    @cached_property
    def _logs(self) -> Mapping[str, list[Log]]:
        """By the port that they are about; "": of all ports."""
        found: dict[str, list[Log]] = {"": []}
        for log in all_logs(self.state):
            found.setdefault(log.target_id or "", []).append(log)
        return found

    @cached_property
    def _by_address(self) -> Mapping[tuple[str, str], Port]:
        ports = self.state.ports.values()
        return {(port.network_id, ip.ip_address): port for port in ports for ip in port.fixed_ips}

    def told(self, packets: Iterable[Packet], host: str) -> list[dict[str, Any]]:
        """What is told of them, in their order."""
        shown = (self._one(packet, host) for packet in packets)
        return [one for one in shown if one is not None]

    def _one(self, packet: Packet, host: str) -> dict[str, Any] | None:
        port = self._port(packet, host)
        if port is None:
            return None
        rule = self.state.security_group_rules.get(packet.acl)
        mine = (*self._logs[""], *self._logs.get(port.id, ()))
        logs = [log for log in mine if self._fits(log, packet, port, rule)]
        if not logs:
            return None
        groups = (rule.security_group_id,) if rule is not None else port.security_groups
        network = self.state.networks.get(port.network_id)
        there = packet.source if packet.direction == "ingress" else packet.destination
        peer = self._by_address.get((port.network_id, there))
        return {
            "project_id": port.project_id,
            "host": host,
            "verdict": packet.verdict,
            "direction": packet.direction,
            "protocol": packet.protocol,
            "source": packet.source,
            "source_port": packet.source_port,
            "destination": packet.destination,
            "destination_port": packet.destination_port,
            "icmp_type": packet.icmp_type,
            "port_id": port.id,
            "port": port.name,
            "peer": peer.name if peer is not None and peer.project_id == port.project_id else "",
            "network_id": port.network_id,
            "network": network.name if network is not None else "",
            "security_groups": [g.name for id in groups if (g := self.state.security_groups.get(id))],
            "rule_id": rule.id if rule is not None else None,
            "rule": self._text(rule) if rule is not None else "",
            "logs": [log.name or log.id for log in sorted(logs, key=lambda log: (log.name, log.id))],
        }

    def _port(self, packet: Packet, host: str) -> Port | None:
        """Several networks may have the same MAC on one host, and then hardly the same address."""
        here = [port for port in self._by_mac.get(packet.mac, ()) if port.host == host]
        own = packet.destination if packet.direction == "ingress" else packet.source
        exact = [port for port in here if any(ip.ip_address == own for ip in port.fixed_ips)]
        found = exact or here
        return found[0] if len(found) == 1 else None

    def _fits(self, log: Log, packet: Packet, port: Port, rule: SecurityGroupRule | None) -> bool:
        if log.event not in ("ALL", packet.verdict) or not covers(log, port):
            return False
        if packet.verdict == "DROP":
            return packet.acl.startswith(names.LOGGED_DROP)
        if rule is None:
            return packet.acl.startswith(names.LOGGED_NETWORK) and log.resource_id is None
        return rule.security_group_id in port.security_groups and log.resource_id in (
            None,
            rule.security_group_id,
        )

    def _text(self, rule: SecurityGroupRule) -> str:
        """Its description or, as a rule has no name, what it says."""
        if rule.description:
            return rule.description
        words = [rule.direction, rule.ethertype, rule.protocol or "any"]
        low, high = rule.port_range_min, rule.port_range_max
        if low is not None:
            words.append(str(low) if high in (None, low) else f"{low}:{high}")
        remote = rule.remote_ip_prefix
        for id, rows in (
            (rule.remote_group_id, self.state.security_groups),
            (rule.remote_address_group_id, self.state.address_groups),
        ):
            if id is not None:
                row = rows.get(id)
                remote = row.name if row is not None else id
        if remote:
            words.append(f"{'from' if rule.direction == 'ingress' else 'to'} {remote}")
        return " ".join(words)
