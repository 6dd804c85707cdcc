"""Tokens to join with: the table of attributes, how one is made, and whether one is good."""

import time
from datetime import UTC, datetime

from sealane.api import convert
from sealane.api.attributes import Attribute, Kind, Values, standard
from sealane.api.draft import Draft
from sealane.api.nodes import EVERYTHING, PROJECTS
from sealane.errors import Unauthorized
from sealane.model import State, Token
from sealane.pki import token as text
from sealane.store.changes import Change, Create, Delete

LONGEST = 86400
"""Seconds that a token may live: it is a password on its way."""
_KEPT = ("id", "name", "description", "created_at", "updated_at", "revision_number")

TOKENS = Kind(
    singular="token",
    plural="tokens",
    collection=lambda state: state.tokens,
    attributes=(
        *(a for a in standard() if a.name in _KEPT),
        Attribute(name="ttl", type=convert.integer(1, LONGEST), post=True, visible=False, filter=False),
        Attribute(name="projects", type=PROJECTS, default=EVERYTHING, post=True, filter=False),
        Attribute(name="expires_at", type=convert.NAME, read=lambda token, look: moment(token.expires_at)),
        Attribute(
            name="expired", type=convert.BOOLEAN, read=lambda token, look: token.expires_at <= time.time()
        ),
    ),
)


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make(id: str, secret: str, values: Values, draft: Draft) -> list[Change]:
    """A new one; those whose time is over go."""
    given = TOKENS.as_fields({**values})
    expires_at = int(time.time()) + given.pop("ttl")
    made = Token(
        id=id,
        project_id="",
        digest=text.digest(secret),
        expires_at=expires_at,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        **given,
    )
    over = (t for t in draft.look.state.tokens.values() if t.expires_at <= time.time())
    return [*(Delete(token) for token in over), Create(made)]


def good(state: State, id: str, secret: str) -> Token:
    """The token that the caller has the secret of. Raises Unauthorized."""
    found = state.tokens.get(id)
    if found is None:
        raise Unauthorized(
            "The token is not good (any more): each serves once. Make one with 'sealane token create'."
        )
    if not text.matches(secret, found.digest):
        raise Unauthorized("The token's secret is wrong. Make one with 'sealane token create'.")
    if found.expires_at <= time.time():
        raise Unauthorized(
            f"The token has expired at {moment(found.expires_at)}. Make one with 'sealane token create'."
        )
    return found
