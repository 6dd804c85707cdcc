"""Who a log-in token stands for, judged anew at each use: so what an admin takes away is gone at once.

log in ── password ─┐                                    ┌─ the user is there and enabled, same epoch
       ── token ────┴─► Bearer, signed ─► X-Auth-Token ─►┤  neither the token nor its first is revoked
                                                         └─ project enabled, at least one role in it
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sealane.api.accounts import Accounts, Book
from sealane.api.caller import Caller, Role
from sealane.errors import Unauthorized, Unavailable
from sealane.model import Project, State, User
from sealane.pki.bearer import Bearer, Signer

REFUSED = "The request you have made requires authentication."
"""Whatever was wrong: nobody is to learn which names there are."""
RANK: tuple[Role, ...] = ("admin", "member", "reader")


@dataclass(frozen=True)
class Session:
    bearer: Bearer
    user: User
    project: Project | None
    roles: tuple[str, ...]

    @property
    def caller(self) -> Caller:
        role: Role = next((role for role in RANK if role in self.roles), "unscoped")
        if role == "admin":
            return Caller("admin", user=self.user.id, project=self.bearer.project)
        held = (self.bearer.project,) if self.bearer.project else ()
        return Caller(role, projects=held, user=self.user.id, project=self.bearer.project)


class Sessions:
    def __init__(
        self,
        signer: Signer,
        state: Callable[[], State],
        lifetime: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signer = signer
        self._state = state
        self._lifetime = lifetime
        self._clock = clock
        self._book = Book()

    @property
    def accounts(self) -> Accounts:
        """Raises Unavailable before the store's first view."""
        return self._book.on(self._seen())

    def read(self, text: str) -> Session:
        """The session of a token. Raises Unauthorized when it is not good (any more)."""
        bearer = self._signer.read(text)
        revoked = self._seen().revocations
        if bearer.expires <= self._clock():
            raise Unauthorized("The token has expired: log in again.")
        if any(audit in revoked for audit in bearer.audit):
            raise Unauthorized("The token was revoked: log in again.")
        return self._session(bearer)

    def open(
        self, user: User, project: str, methods: tuple[str, ...], former: Bearer | None = None
    ) -> Session:
        """A new one, which does not outlive `former`, the token by which it was got. Raises Unauthorized."""
        now, audit = int(self._clock()), str(uuid.uuid4())
        return self._session(
            Bearer(
                user=user.id,
                project=project,
                methods=tuple(dict.fromkeys((*(former.methods if former else ()), *methods))),
                issued=now,
                expires=former.expires if former else now + self._lifetime,
                epoch=user.epoch,
                audit=(audit, former.audit[-1]) if former else (audit,),
            )
        )

    def text(self, session: Session) -> str:
        return self._signer.write(session.bearer)

    def _session(self, bearer: Bearer) -> Session:
        user = self.accounts.user(bearer.user)
        if user is None or not user.enabled or user.epoch != bearer.epoch:
            raise Unauthorized(REFUSED)
        if not bearer.project:
            return Session(bearer, user, None, ())
        project = self.accounts.projects.get(bearer.project)
        roles = self.accounts.roles(user.id, bearer.project)
        if project is None or not project.enabled or not roles:
            raise Unauthorized(REFUSED)
        return Session(bearer, user, project, roles)

    def _seen(self) -> State:
        state = self._state()
        if state.sequence == 0:
            raise Unavailable("the store has not been reached yet; try again")
        return state
