"""Create, show, list, update and delete: the same for every resource; what differs is its table."""

import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sealane.api import policy, query, rules, tenancy
from sealane.api.answers import answer, empty
from sealane.api.attributes import Kind, Values
from sealane.api.body import read_object
from sealane.api.caller import ADMIN, Caller, caller_of
from sealane.api.convert import TAGS
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.encoded import Encoder
from sealane.api.links import origin
from sealane.api.look import Look
from sealane.api.query import Query
from sealane.api.touched import Touched
from sealane.errors import BadRequest, NotFound, SealaneError
from sealane.store.changes import Change, Create, Delete, Update

REVISION = re.compile(r"^revision_number=(\d{1,18})$")
MAX_BULK = 10_000


@dataclass(frozen=True)
class Resource:
    """A table and its rules; the module of each gives the three functions."""

    kind: Kind
    create: Callable[[str, Values, Draft], Any]
    update: Callable[[Any, Values, Draft], Any]
    delete: Callable[[Any, Draft], Sequence[Any]]
    """The rows that go; what goes with them is in the draft's `also`."""
    spare: Callable[[Any, Caller], None] | None = None
    """Raises where the caller may not delete the row."""
    arises: Callable[[Caller, Query, Draft], None] | None = None
    """Makes what is there for everybody who looks for it."""


@dataclass(frozen=True)
class Handlers:
    """The handlers of one resource; routes are written in app.py."""

    resource: Resource
    desk: Desk

    @property
    def kind(self) -> Kind:
        return self.resource.kind

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self.kind)

    @cached_property
    def _tenants(self) -> Encoder:
        return Encoder(self.kind.without(tenancy.hidden(self.kind.singular)))

    def _encoder_for(self, request: Request) -> Encoder:
        """With the attributes that are there for who asks."""
        return self._tenants if caller_of(request).is_tenant else self._encoder

    def _seen(self, request: Request, look: Look) -> Look:
        """`shared` is true for whom it is shared with, as in Neutron."""
        caller = caller_of(request)
        return look.asked_by(caller.project, caller.is_tenant)

    @cached_property
    def _touched(self) -> Touched:
        return Touched()

    async def list(self, request: Request) -> Response:
        raw = request.scope["query_string"].decode("latin-1")
        caller, encoder = caller_of(request), self._encoder_for(request)
        asked = query.parse(encoder.kind, raw)
        look = await self._arisen(caller, asked)
        wanted = self.among(request, _of_what_is_seen(caller, asked), look)
        news: Values = {}
        if wanted.since is not None:
            wanted, news = self._since(wanted, wanted.since, look, caller)
        look = self._seen(request, look)
        page = query.select(encoder.kind, wanted, look, raw)
        body: Values = {self.kind.plural: _shown(encoder, page.rows, look, wanted.fields), **news}
        if wanted.among is not None:
            body["sealane:gone"] = sorted(wanted.among - {row.id for row in page.rows})
        if page.links:
            base = f"{origin(request)}{request.scope['path']}"
            body[f"{self.kind.plural}_links"] = [{"rel": r, "href": f"{base}?{q}"} for r, q in page.links]
        return answer(body)

    def among(self, request: Request, wanted: Query, look: Look) -> Query:
        """`wanted`, within what the path names."""
        return wanted

    def make(self, request: Request, id: str, values: Values, draft: Draft) -> Any:
        """The new row."""
        return self.resource.create(id, values, draft)

    async def _arisen(self, caller: Caller, asked: Query) -> Look:
        """What can't be made now is not there."""
        if self.resource.arises is None:
            return self.desk.look()
        draft = self.desk.draft()
        self.resource.arises(caller, asked, draft)
        if draft.also:

            def decide(draft: Draft) -> tuple[list[Change], None]:
                self.resource.arises(caller, asked, draft)  # type: ignore[misc]  # it was there above
                return [], None

            with suppress(SealaneError):
                await self.desk.write(ADMIN, decide)
        return self.desk.look()

    def _since(self, wanted: Query, cursor: str, look: Look, caller: Caller) -> tuple[Query, Values]:
        """The query of what has changed, or of all; and what the answer says of it.

        Who does not see all is not told what is gone either: it may have been somebody else's.
        """
        sight = policy.sight(caller)
        self._touched.follow(self.kind.collection(look.state))
        changed = self._touched.since(cursor, sight) if policy.sees_all(caller) else None
        news = {"sealane:cursor": self._touched.cursor(sight), "sealane:complete": changed is None}
        return replace(wanted, among=changed), news

    async def show(self, request: Request) -> Response:
        raw = request.scope["query_string"].decode("latin-1")
        look = self.desk.look()
        encoder = self._encoder_for(request)
        fields = query.parse(encoder.kind, raw).fields
        (shown,) = _shown(encoder, [self.find(request, look)], self._seen(request, look), fields)
        return answer({self.kind.singular: shown})

    async def create(self, request: Request) -> Response:
        """One, or many that are all made or none."""
        body = await read_object(request)
        many = self.kind.plural in body
        bodies = body[self.kind.plural] if many else [body.get(self.kind.singular)]
        if not isinstance(bodies, list) or not bodies or len(bodies) > MAX_BULK:
            raise BadRequest(
                f"'{self.kind.plural}' is to be a list of 1 to {MAX_BULK}", type="HTTPBadRequest"
            )
        caller, kind = caller_of(request), self.kind
        wanted = [(str(uuid.uuid4()), kind.accept_new(tenancy.placed(caller, one, kind))) for one in bodies]

        def decide(draft: Draft) -> tuple[list[Change], None]:
            for _, values in wanted:
                policy.check_given(caller, kind, values, None, draft.look)
            made: list[Change] = [Create(self.make(request, id, values, draft)) for id, values in wanted]
            return made, None

        _, look = await self.desk.write(caller_of(request), decide)
        rows = [kind.find(look.state, id) for id, _ in wanted]
        shown = _shown(self._encoder_for(request), rows, self._seen(request, look))
        return answer({self.kind.plural: shown} if many else {self.kind.singular: shown[0]}, 201)

    async def update(self, request: Request) -> Response:
        body = await read_object(request)
        values = self.kind.accept_changes(body.get(self.kind.singular))
        return answer({self.kind.singular: await self._change(request, values)})

    async def delete(self, request: Request) -> Response:
        """Guarded where it matters which revision was seen: to the caller, or to the policy."""
        revision, caller = revision_of(request), caller_of(request)
        guarded = revision is not None or caller.role != "admin"

        def decide(draft: Draft) -> tuple[list[Change], None]:
            row = self.find(request, draft.look)
            tenancy.check_may(caller, "delete", row, draft.look)
            rules.revision_is(row, revision)
            if self.resource.spare is not None:
                self.resource.spare(row, caller)
            draft.also.extend(Delete(policy) for policy in draft.look.policies_of(row.id))
            return [Delete(each, guarded=guarded) for each in self.resource.delete(row, draft)], None

        await self.desk.write(caller, decide)
        return empty()

    async def _change(self, request: Request, values: Values) -> Values:
        def update(old: Any, draft: Draft) -> Any:
            policy.check_given(caller_of(request), self.kind, values, old, draft.look)
            return self.resource.update(old, values, draft)

        return await self.change(request, update)

    async def change(self, request: Request, update: Callable[[Any, Draft], Any]) -> Values:
        """The row of the path as it is after `update`."""
        revision, caller = revision_of(request), caller_of(request)

        def decide(draft: Draft) -> tuple[list[Change], None]:
            old = self.find(request, draft.look)
            tenancy.check_may(caller, "update", old, draft.look)
            rules.revision_is(old, revision)
            new = update(old, draft)
            return updates(old, new, draft.now), None

        _, look = await self.desk.write(caller, decide)
        row = self.kind.find(look.state, request.path_params["id"])
        return self._encoder_for(request).kind.show(row, self._seen(request, look))

    def find(self, request: Request, look: Look) -> Any:
        """The row of the path. Raises NotFound, also for what the caller is not to see."""
        id = request.path_params["id"]
        row = self.kind.find(look.state, id)
        if not policy.sees(caller_of(request), row, look):
            raise self.kind.missing(id)
        return row

    # tags: /v2.0/PLURAL/ID/tags and …/tags/TAG

    async def tags(self, request: Request) -> Response:
        row = self.find(request, self.desk.look())
        return answer({"tags": list(row.tags)})

    async def set_tags(self, request: Request) -> Response:
        body = await read_object(request)
        wanted = _tags(body.get("tags"))
        return answer({"tags": list(await self._retag(request, lambda tags: wanted))})

    async def clear_tags(self, request: Request) -> Response:
        await self._retag(request, lambda tags: ())
        return empty()

    async def has_tag(self, request: Request) -> Response:
        row = self.find(request, self.desk.look())
        _require_tag(row.tags, request.path_params["tag"])
        return empty()

    async def add_tag(self, request: Request) -> Response:
        tag = _tags([request.path_params["tag"]])
        await self._retag(request, lambda tags: _tags([*tags, *(t for t in tag if t not in tags)]))
        return Response(status_code=201)

    async def remove_tag(self, request: Request) -> Response:
        tag = request.path_params["tag"]

        def without(tags: tuple[str, ...]) -> tuple[str, ...]:
            _require_tag(tags, tag)
            return tuple(t for t in tags if t != tag)

        await self._retag(request, without)
        return empty()

    async def _retag(
        self, request: Request, change: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> tuple[str, ...]:
        revision, caller = revision_of(request), caller_of(request)

        def decide(draft: Draft) -> tuple[list[Change], None]:
            old = self.find(request, draft.look)
            tenancy.check_may(caller, "update", old, draft.look)
            rules.revision_is(old, revision)
            return updates(old, replace(old, tags=change(old.tags)), draft.now), None

        _, look = await self.desk.write(caller_of(request), decide)
        tags: tuple[str, ...] = self.kind.find(look.state, request.path_params["id"]).tags
        return tags


def _shown(encoder: Encoder, rows: Sequence[Any], look: Look, fields: Sequence[str] = ()) -> Sequence[Any]:
    """As clients see them, ready to be encoded."""
    if not fields:
        return [encoder.raw(row, look) for row in rows]
    readers = encoder.kind.chosen(fields)
    return [{name: read(row, look) for name, read in readers} for row in rows]


def _of_what_is_seen(caller: Caller, wanted: query.Query) -> query.Query:
    if policy.sees_all(caller):
        return wanted
    return replace(wanted, tests=(lambda row, look: policy.sees(caller, row, look), *wanted.tests))


def updates(old: Any, new: Any, now: str) -> list[Change]:
    """A change of nothing is no change, and makes no new revision."""
    if new == old:
        return []
    return [Update(old, replace(new, updated_at=now, revision_number=old.revision_number + 1))]


def revision_of(request: Request) -> int | None:
    """What If-Match says. Raises BadRequest."""
    given = request.headers.get("if-match")
    if given is None:
        return None
    found = REVISION.fullmatch(given)
    if found is None:
        raise BadRequest(
            f"If-Match '{given[:80]}' can't be read; give revision_number=N", type="HTTPBadRequest"
        )
    return int(found[1])


def _tags(given: Any) -> tuple[str, ...]:
    try:
        found: tuple[str, ...] = TAGS.convert(given)
    except ValueError as exc:
        raise BadRequest(f"Invalid input for tags. Reason: {exc}.", type="HTTPBadRequest") from exc
    return found


def _require_tag(tags: Sequence[str], tag: str) -> None:
    if tag not in tags:
        raise NotFound(f"Tag {tag} could not be found.", type="TagNotFound")
