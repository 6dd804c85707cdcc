"""Projects, users and their roles, found in a State: pure.

Beside the projects that somebody has made there are those that are merely used: by a Docker network, or in a
request of an admin.  The id of those is their name.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from sealane.api.attributes import DEFAULT_PROJECT
from sealane.model import Project, RoleAssignment, State, User

ROLES: Mapping[str, frozenset[str]] = {
    "admin": frozenset({"admin", "member", "reader"}),
    "member": frozenset({"member", "reader"}),
    "reader": frozenset({"reader"}),
}
"""Role -> what it comes with."""
DOMAINS = frozenset({"default", "Default"})
"""Id and name of the only one."""


class Accounts:
    """Indexes over the three collections of a State."""

    def __init__(self, state: State) -> None:
        self._projects, self._users = state.projects, state.users
        self._assignments = state.role_assignments

    def are_of(self, state: State) -> bool:
        return (
            self._projects is state.projects
            and self._users is state.users
            and self._assignments is state.role_assignments
        )

    @cached_property
    def projects(self) -> Mapping[str, Project]:
        """By the id that the API shows."""
        return {project.project_id: project for project in self._projects.values()}

    @cached_property
    def _project_names(self) -> Mapping[str, Project]:
        return {project.name: project for project in self._projects.values()}

    @cached_property
    def _user_names(self) -> Mapping[str, User]:
        return {user.name: user for user in self._users.values()}

    @cached_property
    def by_user(self) -> Mapping[str, tuple[RoleAssignment, ...]]:
        found: dict[str, list[RoleAssignment]] = defaultdict(list)
        for assignment in self._assignments.values():
            found[assignment.user_id].append(assignment)
        return {user: tuple(held) for user, held in found.items()}

    def project_named(self, name: str) -> Project | None:
        return self._project_names.get(name)

    def user(self, id: str) -> User | None:
        return self._users.get(id)

    def user_named(self, name: str) -> User | None:
        return self._user_names.get(name)

    def roles(self, user: str, project: str) -> tuple[str, ...]:
        """With what they come with, sorted."""
        held = (a.role for a in self.by_user.get(user, ()) if a.project_id == project)
        return implied(held)

    def projects_of(self, user: str) -> list[Project]:
        """Enabled ones in which the user has a role, by name."""
        ids = {a.project_id for a in self.by_user.get(user, ())}
        found = (self.projects[id] for id in ids if id in self.projects)
        return sorted((p for p in found if p.enabled), key=lambda project: project.name)


def implied(roles: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({each for role in roles for each in ROLES.get(role, ())}))


class Book:
    """Gives the Accounts of a State; the same as long as nobody's account changes."""

    def __init__(self) -> None:
        self._accounts = Accounts(State())

    def on(self, state: State) -> Accounts:
        if not self._accounts.are_of(state):
            self._accounts = Accounts(state)
        return self._accounts


def known_projects(state: State) -> dict[str, Project]:
    """By id: those that were made and those that are in use."""
    kinds = (
        *(state.networks, state.subnets, state.ports, state.quotas, state.routers),
        *(state.floatingips, state.security_groups, state.address_groups),
        *(state.address_scopes, state.subnetpools),
    )
    used = {row.project_id for rows in kinds for row in rows.values() if row.project_id}
    named = {name for node in state.nodes.values() for name in node.projects if name != "*"}
    unmade = {id: Project(id="", project_id=id, name=id) for id in {DEFAULT_PROJECT, *used, *named}}
    return unmade | {project.project_id: project for project in state.projects.values()}
