"""/v2.0/sealane/…: tokens, joining, nodes and their certificates.

    GET    ca                    the central authority's certificate; for everybody
    POST   join                  a token and a request -> a certificate; for who has a token
    POST   renew                 a request -> a new certificate for the node that asks
    GET    tokens, tokens/ID     POST tokens, DELETE tokens/ID
    GET    nodes, nodes/ID       POST nodes (the central part's own), PUT nodes/ID, DELETE nodes/ID?force=true

A token is used up in the same transaction that makes the node: of two that join with one, one wins.
"""

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane import log
from sealane.api import nodes, tokens
from sealane.api.answers import answer, empty
from sealane.api.attributes import Values
from sealane.api.body import read_object
from sealane.api.caller import ADMIN, caller_of
from sealane.api.convert import to_boolean
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.issuer import Issuer
from sealane.api.nodes import NODES
from sealane.api.resources import Handlers, Resource
from sealane.api.tokens import TOKENS
from sealane.errors import BadRequest, Forbidden
from sealane.model import Node, Token
from sealane.pki import token as text
from sealane.store.changes import Change, Delete

SMALL = 65536
"""Bytes of a body that somebody without a certificate may send."""
BASE = "/v2.0/sealane"
_log = log.get("api")


class Joining(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    token_id: str
    secret: str
    request: str
    name: str
    address: str


class Renewal(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    request: str


class Membership:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._issuer = Issuer(desk.settings)
        self._nodes = Handlers(Resource(NODES, _unused, nodes.update, _unused), desk)
        self._tokens = Handlers(Resource(TOKENS, _unused, _unused, lambda token, look: [token]), desk)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route(f"{BASE}/ca", self.authority, methods=["GET"]),
            Route(f"{BASE}/join", self.join, methods=["POST"]),
            Route(f"{BASE}/renew", self.renew, methods=["POST"]),
            Route(f"{BASE}/tokens", self._tokens.list, methods=["GET"]),
            Route(f"{BASE}/tokens", self.make_token, methods=["POST"]),
            Route(f"{BASE}/tokens/{{id}}", self._tokens.show, methods=["GET"]),
            Route(f"{BASE}/tokens/{{id}}", self._tokens.delete, methods=["DELETE"]),
            Route(f"{BASE}/nodes", self._nodes.list, methods=["GET"]),
            Route(f"{BASE}/nodes", self.register, methods=["POST"]),
            Route(f"{BASE}/nodes/{{id}}", self._nodes.show, methods=["GET"]),
            Route(f"{BASE}/nodes/{{id}}", self._nodes.update, methods=["PUT"]),
            Route(f"{BASE}/nodes/{{id}}", self.remove, methods=["DELETE"]),
        )

    async def authority(self, request: Request) -> Response:
        return answer({"ca": {"certificate": await self._issuer.authority()}})

    async def make_token(self, request: Request) -> Response:
        """The secret is in this answer and nowhere else."""
        values = TOKENS.accept_new((await read_object(request)).get("token"))
        values.setdefault("ttl", self._desk.settings.token_lifetime)
        where = self._issuer.address()
        made = text.JoinToken(
            str(uuid.uuid4()), text.new_secret(), text.fingerprint(await self._issuer.authority())
        )

        def decide(draft: Draft) -> tuple[Sequence[Change], None]:
            return tokens.make(made.id, made.secret, values, draft), None

        _, look = await self._desk.write(caller_of(request), decide)
        shown = TOKENS.show(look.state.tokens[made.id], look)
        return answer({"token": {**shown, "token": str(made), "address": where}}, 201)

    async def join(self, request: Request) -> Response:
        asked = await _read(request, "join", Joining)
        values = NODES.accept_new({"name": asked.name, "address": asked.address})
        tokens.good(self._desk.look().state, asked.token_id, asked.secret)  # before anything is signed
        certificate, serial = await self._issuer.sign(asked.request, asked.name)
        id = str(uuid.uuid4())

        def decide(draft: Draft) -> tuple[Sequence[Change], Token]:
            token = tokens.good(draft.look.state, asked.token_id, asked.secret)
            values["projects"] = token.projects
            return [*nodes.admit(id, values, serial, draft), Delete(token, guarded=True)], token

        token, look = await self._desk.write(ADMIN, decide)
        node = nodes.named(look.state, asked.name)
        _log.info("a node has joined", node=asked.name, address=asked.address, token=token.name or token.id)
        return answer(
            {"join": {**await self._credentials(certificate), "node_id": node.id if node else id}}, 201
        )

    async def renew(self, request: Request) -> Response:
        """The certificate that was shown stays good beside the new one: the answer may be lost."""
        asked, caller = await _read(request, "renewal", Renewal), caller_of(request)
        if not caller.node:
            raise BadRequest("only a node has a certificate that can be renewed")
        certificate, serial = await self._issuer.sign(asked.request, caller.node)

        def decide(draft: Draft) -> tuple[Sequence[Change], None]:
            node = nodes.named(draft.look.state, caller.node)
            if node is None:
                raise Forbidden(f"There is no node '{caller.node}' any more.")
            return [nodes.certify(node, (caller.serial, serial), draft)], None

        await self._desk.write(ADMIN, decide)
        _log.info("renewed a certificate", node=caller.node)
        return answer({"renewal": await self._credentials(certificate)}, 201)

    async def register(self, request: Request) -> Response:
        values = NODES.accept_new((await read_object(request)).get("node"))
        id = str(uuid.uuid4())

        def decide(draft: Draft) -> tuple[Sequence[Change], None]:
            return nodes.register(id, values, draft), None

        _, look = await self._desk.write(caller_of(request), decide)
        node = nodes.named(look.state, values["name"])
        return answer({"node": NODES.show(node, look)} if node else {}, 201)

    async def remove(self, request: Request) -> Response:
        """At once for the API and, shortly after, for the southbound database."""
        force = _flag(request, "force")

        def decide(draft: Draft) -> tuple[Sequence[Change], Node]:
            node: Node = NODES.find(draft.look.state, request.path_params["id"])
            return nodes.remove(node, draft, force=force), node

        node, _ = await self._desk.write(caller_of(request), decide)
        _log.info("removed a node", node=node.name, address=node.address)
        return empty()

    async def _credentials(self, certificate: str) -> Values:
        return {
            "certificate": certificate,
            "central_ca": await self._issuer.authority(),
            "southbound": self._issuer.southbound(),
        }


async def _read(request: Request, key: str, kind: type[Any]) -> Any:
    body = await read_object(request, SMALL)
    try:
        return msgspec.convert(body.get(key), kind)
    except msgspec.ValidationError as exc:
        raise BadRequest(f"'{key}' in the request body: {exc}", type="HTTPBadRequest") from exc


def _flag(request: Request, key: str) -> bool:
    try:
        return to_boolean(request.query_params.get(key, "false"))
    except ValueError as exc:
        raise BadRequest(f"'{key}': {exc}") from exc


def _unused(*_: Any) -> Any:
    raise AssertionError("no route leads here")
