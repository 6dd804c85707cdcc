"""POST /v3/auth/tokens: the credentials that are shown, and the project that is wanted.

https://docs.openstack.org/api-ref/identity/v3/#password-authentication-with-scoped-authorization
"""

import asyncio
from typing import Any

import msgspec

from sealane.api.accounts import DOMAINS, Accounts
from sealane.api.sessions import REFUSED, Session, Sessions
from sealane.api.throttle import Throttle
from sealane.errors import BadRequest, Unauthorized
from sealane.model import User
from sealane.pki import password

AT_ONCE = 2
"""Passwords that are looked at at the same time: each takes 16 MiB and a processor."""


class Domain(msgspec.Struct):
    id: str | None = None
    name: str | None = None


class Named(msgspec.Struct):
    """A project; a user."""

    id: str | None = None
    name: str | None = None
    domain: Domain | None = None


class Credentials(Named):
    password: str = ""


class ByPassword(msgspec.Struct):
    user: Credentials


class ByToken(msgspec.Struct):
    id: str


class Proof(msgspec.Struct):
    methods: list[str]
    password: ByPassword | None = None
    token: ByToken | None = None


class Scope(msgspec.Struct):
    project: Named | None = None
    domain: Domain | None = None
    system: Any = None
    unscoped: Any = None


class Asked(msgspec.Struct):
    identity: Proof
    scope: Scope | str | None = None


class Login:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._throttle = Throttle()
        self._looking = asyncio.Semaphore(AT_ONCE)

    async def session(self, body: Any, address: str) -> Session:
        """Raises BadRequest, Unauthorized, TooMany."""
        asked = _asked(body)
        if asked.identity.methods == ["token"] and asked.identity.token is not None:
            former = self._sessions.read(asked.identity.token.id)
            return self._sessions.open(
                former.user, self._project(asked, former.user), ("token",), former.bearer
            )
        if asked.identity.methods == ["password"] and asked.identity.password is not None:
            user = await self.user(asked.identity.password.user, address)
            return self._sessions.open(user, self._project(asked, user), ("password",))
        raise Unauthorized("Attempted to authenticate with an unsupported method: take password or token.")

    async def user(self, shown: Credentials, address: str) -> User:
        """The user who has that password. Raises Unauthorized, TooMany."""
        user = _find(self._sessions.accounts, shown)
        attempt = self._throttle.begin(user.id if user else str(shown.name or shown.id)[:255], address)
        if not await self.knows(user, shown.password) or user is None or not user.enabled:
            raise Unauthorized(REFUSED)
        attempt.succeeded()
        return user

    async def knows(self, user: User | None, shown: str) -> bool:
        async with self._looking:
            kept = user.password if user else ""
            return await asyncio.to_thread(password.matches, shown[: password.LONGEST + 1], kept)

    async def hashed(self, new: str) -> str:
        async with self._looking:
            return await asyncio.to_thread(password.hashed, new)

    def _project(self, asked: Asked, user: User) -> str:
        """The id of the project to be scoped to. Raises Unauthorized."""
        scope, accounts = asked.scope, self._sessions.accounts
        if scope is None:
            mine = user.project_id
            return mine if any(p.project_id == mine for p in accounts.projects_of(user.id)) else ""
        if scope == "unscoped" or (isinstance(scope, Scope) and scope.unscoped is not None):
            return ""
        if isinstance(scope, str) or scope.project is None:
            raise Unauthorized("Only a project can be logged in to: give scope.project.")
        wanted = scope.project
        if wanted.id is not None:
            return wanted.id or _refuse()
        project = accounts.project_named(wanted.name) if wanted.name and _in_domain(wanted) else None
        return project.project_id if project else _refuse()


def _asked(body: Any) -> Asked:
    try:
        return msgspec.convert(body.get("auth"), Asked)
    except msgspec.ValidationError as exc:
        raise BadRequest(f"'auth' in the request body: {exc}.") from exc


def _find(accounts: Accounts, shown: Named) -> User | None:
    if shown.id is not None:
        return accounts.user(shown.id)
    if shown.name is None or shown.domain is None:
        raise BadRequest("Give the user's id, or his name and domain.")
    return accounts.user_named(shown.name) if _in_domain(shown) else None


def _in_domain(named: Named) -> bool:
    domain = named.domain
    return domain is not None and (domain.id in DOMAINS or domain.name in DOMAINS)


def _refuse() -> str:
    raise Unauthorized(REFUSED)
