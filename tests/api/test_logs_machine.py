"""Logs of security groups, with the groups and ports that they name, called in any order, against a model.

Groups and ports go while logs of them stay; which ACLs of the northbound database are logged is told by the
model from the logs alone.
"""

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors, names
from sealane.cli.api import Api
from sealane.translate.desired import desired
from tests.api.any_order import NOTHING, AnyOrder, Refusal, Sight, host, refused, run
from tests.api.test_server import Host

__all__ = ["host"]
LOGS = "log/logs"
PROJECTS = st.sampled_from(("default", "theirs"))
EVENTS = st.sampled_from(("ALL", "ACCEPT", "DROP"))


@dataclass
class Group:
    project: str
    rules: set[str] = field(default_factory=set)


@dataclass
class Port:
    project: str
    groups: set[str]


@dataclass
class Log:
    project: str
    group: str | None
    port: str | None
    event: str
    enabled: bool = True


class Logging(AnyOrder):
    groups, ports, logs = Bundle("groups"), Bundle("ports"), Bundle("logs")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.known_groups: dict[str, Group] = {}
        self.known_ports: dict[str, Port] = {}
        self.known_logs: dict[str, Log] = {}
        self.number = 1000
        self.network = api.create("networks", {})["id"]

    @rule(target=groups, project=PROJECTS)
    def make_group(self, project: str) -> str:
        made = self.api.create("security-groups", {"name": "g", "project_id": project})
        rules = {row["id"] for row in made["security_group_rules"]}
        self.known_groups[made["id"]] = Group(project, rules)
        return str(made["id"])

    @rule(group=groups)
    def delete_group(self, group: str) -> None:
        """Not while a port is in it; logs of it stay."""
        used = any(group in port.groups for port in self.known_ports.values())
        kind = errors.Conflict if used else None if group in self.known_groups else errors.NotFound
        with refused(kind):
            self.api.delete("security-groups", group)
        if kind is None:
            del self.known_groups[group]

    @rule(group=groups)
    def let_in(self, group: str) -> None:
        self.number += 1
        ports = {"protocol": "tcp", "port_range_min": self.number, "port_range_max": self.number}
        kind = None if group in self.known_groups else errors.NotFound
        with refused(kind):
            body = {"security_group_id": group, "direction": "ingress", **ports}
            made = self.api.create("security-group-rules", body)
        if kind is None:
            self.known_groups[group].rules.add(made["id"])

    @rule(target=ports, group=groups)
    def make_port(self, group: str) -> str:
        project = self.known_groups[group].project if group in self.known_groups else "default"
        body = {"network_id": self.network, "project_id": project, "security_groups": [group]}
        kind = None if group in self.known_groups else errors.NotFound
        with refused(kind):
            made = self.api.create("ports", body)
        if kind is not None:
            return NOTHING
        self.known_ports[made["id"]] = Port(project, {group})
        return str(made["id"])

    @rule(port=ports)
    def leave_groups(self, port: str) -> None:
        kind = None if port in self.known_ports else errors.NotFound
        with refused(kind):
            self.api.update("ports", port, {"security_groups": []})
        if kind is None:
            self.known_ports[port].groups = set()

    @rule(port=ports)
    def delete_port(self, port: str) -> None:
        with refused(None if port in self.known_ports else errors.NotFound):
            self.api.delete("ports", port)
        self.known_ports.pop(port, None)

    @rule(
        target=logs,
        group=st.one_of(st.none(), groups),
        port=st.one_of(st.none(), ports),
        event=EVENTS,
        project=PROJECTS,
    )
    def make_log(self, group: str | None, port: str | None, event: str, project: str) -> str:
        wanted = Log(project, group, port, event)
        body = {"resource_type": "security_group", "event": event, "project_id": project}
        kind = self.refusal(wanted)
        with refused(kind):
            made = self.api.create(LOGS, {**body, "resource_id": group, "target_id": port})
        if kind is not None:
            return NOTHING
        self.known_logs[made["id"]] = wanted
        return str(made["id"])

    def refusal(self, log: Log) -> Refusal:
        group, port = self.known_groups.get(log.group or ""), self.known_ports.get(log.port or "")
        if log.group is not None:
            if group is None:
                return errors.NotFound
            if group.project != log.project:
                return errors.BadRequest
        if log.port is not None:
            if port is None:
                return errors.NotFound
            if port.project != log.project:
                return errors.BadRequest
        if port is not None and log.group is not None and log.group not in port.groups:
            return errors.BadRequest
        return None

    @rule(log=logs, enabled=st.booleans())
    def switch(self, log: str, enabled: bool) -> None:
        kind = None if log in self.known_logs else errors.NotFound
        with refused(kind):
            assert self.api.update(LOGS, log, {"enabled": enabled})["enabled"] == enabled
        if kind is None:
            self.known_logs[log].enabled = enabled

    @rule(log=logs)
    def delete_log(self, log: str) -> None:
        with refused(None if log in self.known_logs else errors.NotFound):
            self.api.delete(LOGS, log)
        self.known_logs.pop(log, None)

    @invariant()
    def logs_are_as_the_model_says(self) -> None:
        shown = {
            row["id"]: Log(
                row["project_id"], row["resource_id"], row["target_id"], row["event"], row["enabled"]
            )
            for row in self.api.list(LOGS)
        }
        assert shown == self.known_logs

    @invariant()
    def logged_is_what_a_log_is_about(self) -> None:
        acls = [row for row in desired(self.sight.current()) if row.table == "ACL" and row.columns.get("log")]
        found = {str(row.columns["name"]) for row in acls}
        default = {
            rule.id
            for rule in self.sight.current().security_group_rules.values()
            if rule.security_group_id not in self.known_groups
        }
        theirs = {name for name in found if name.removeprefix(names.LOGGED_DROP) in self.default_groups()}
        assert found - default - theirs == self.logged()

    def default_groups(self) -> set[str]:
        return {
            group.id for group in self.sight.current().security_groups.values() if group.name == "default"
        }

    def logged(self) -> set[str]:
        """Names of ACLs: the rule's id, or what is dropped of which group or port."""
        found: set[str] = set()
        for log in self.known_logs.values():
            if not log.enabled:
                continue
            port = self.known_ports.get(log.port or "")
            if log.port is not None:
                groups = {g for g in (port.groups if port else ()) if log.group in (None, g)}
                dropping = {log.port} if groups or (port is not None and log.group is None) else set()
            elif log.group is not None:
                groups = dropping = {log.group} & self.known_groups.keys()
            else:
                groups = {id for id, g in self.known_groups.items() if g.project == log.project}
                bare = {id for id, p in self.known_ports.items() if not p.groups}
                dropping = groups | {id for id in bare if self.known_ports[id].project == log.project}
            if log.event != "DROP":
                found |= {rule for g in groups for rule in self.known_groups[g].rules}
            if log.event != "ACCEPT":
                found |= {f"{names.LOGGED_DROP}{id}" for id in dropping}
        return found


def test_logs_in_any_order(host: Host) -> None:
    run(Logging, host)
