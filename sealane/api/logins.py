"""/v3/auth: logging in and out, what a token is good for, and what there is to log in to."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from sealane import log
from sealane.api import keystone_json
from sealane.api.answers import answer, empty
from sealane.api.body import read_object
from sealane.api.caller import ADMIN, caller_of
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.login import Login
from sealane.api.sessions import Session, Sessions
from sealane.errors import BadRequest, NotFound, Unauthorized
from sealane.model import Revocation
from sealane.store.changes import Change, Create, Delete

_log = log.get("api")
SUBJECT = "x-subject-token"


class Logins:
    def __init__(self, sessions: Sessions, login: Login, desk: Desk) -> None:
        self._sessions = sessions
        self._login = login
        self._desk = desk

    async def log_in(self, request: Request) -> Response:
        body = await read_object(request, keystone_json.SMALL)
        address = request.client.host if request.client else ""
        session = await self._login.session(body, address)
        _log.info("logged in", user=session.user.name, project=session.bearer.project, address=address)
        return self._answer(session, request, 201)

    async def validate(self, request: Request) -> Response:
        """What the token in X-Subject-Token is good for: an admin asks of anybody's, a user of his own."""
        return self._answer(self._subject(request), request, 200)

    async def log_out(self, request: Request) -> Response:
        """From now on the token is void, and what was got by it."""
        bearer = self._subject(request).bearer

        def decide(draft: Draft) -> tuple[Sequence[Change], None]:
            state = draft.look.state
            over = [Delete(r) for r in state.revocations.values() if r.expires_at < bearer.issued]
            made = Revocation(
                id=bearer.audit[0], project_id="", expires_at=bearer.expires, created_at=draft.now
            )
            return [*over, *([] if made.id in state.revocations else [Create(made)])], None

        await self._desk.write(ADMIN, decide)
        return empty()

    async def catalog(self, request: Request) -> Response:
        return answer({"catalog": keystone_json.catalog(request), "links": {}})

    async def projects(self, request: Request) -> Response:
        """Those that the caller can log in to."""
        caller = caller_of(request)
        if not caller.user:
            raise BadRequest("Only a user has projects to log in to: this token is the admin's.")
        mine = self._sessions.accounts.projects_of(caller.user)
        return keystone_json.listed("projects", (keystone_json.project(p, request) for p in mine), request)

    def _subject(self, request: Request) -> Session:
        """Raises NotFound for a token that is not good, and for one of somebody else."""
        text = request.headers.get(SUBJECT)
        if not text:
            raise BadRequest("Show the token in the header X-Subject-Token.")
        try:
            session = self._sessions.read(text)
        except Unauthorized as exc:
            raise NotFound(f"Could not find token: {exc.message}", type="TokenNotFound") from exc
        caller = caller_of(request)
        if caller.role != "admin" and caller.user != session.user.id:
            raise NotFound("Could not find token.", type="TokenNotFound")
        return session

    def _answer(self, session: Session, request: Request, status: int) -> Response:
        catalogued = "nocatalog" not in request.query_params
        response = answer(keystone_json.token(session, request, catalogued=catalogued), status)
        response.headers["X-Subject-Token"] = (
            self._sessions.text(session) if status == 201 else request.headers[SUBJECT]
        )
        response.headers["Vary"] = "X-Auth-Token"
        response.headers["Cache-Control"] = "no-store"
        return response
