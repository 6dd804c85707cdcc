"""Who asks: root by the unix socket (mode 0600), who shows the admin's token, a user who has logged in, and
a node by mutual TLS.

The token file is made once, readable by root alone; comparing takes the same time whatever is shown.
"""

import base64
import hmac
import os
import secrets
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers

from sealane.api.caller import ADMIN, CALLER, Caller
from sealane.api.keystone import Keystone
from sealane.api.sessions import Sessions
from sealane.config import Settings
from sealane.errors import Unauthorized, Unavailable
from sealane.model import State
from sealane.pki import admission, bearer
from sealane.pki.certificate import Certificate

TRUSTED = "sealane.trusted"
"""Set in the ASGI scope by a door whose callers are root already; never by anything a caller sends."""

LOGIN = frozenset({("POST", "/v3/auth/tokens")})
OPEN = frozenset({"/", "/v2.0", "/v2.0/", "/v3", "/v3/", "/healthz", "/openapi.json"})
"""Paths that tell nothing about tenants."""

BASIC = ("/controller/", "/restconf/")
"""What clients of OpenDaylight call, with a name and a password in every request."""

PEER = "sealane.peer"
"""Set in the ASGI scope by the TLS door: the verified certificate, or None when none was shown."""

JOINING = frozenset({("GET", "/v2.0/sealane/ca"), ("POST", "/v2.0/sealane/join")})
"""All that there is for a machine that has no certificate yet."""


@dataclass(frozen=True)
class Keys:
    """admin: the token that stands for an admin. login: what log-in tokens are signed with. keystone: says
    what the tokens of a real Keystone are good for.
    """

    admin: str
    login: str
    keystone: Keystone | None = None

    @classmethod
    def of(cls, settings: Settings) -> "Keys":
        """Secrets are made when missing. Raises OSError, HostError."""
        admin, login = settings.admin_token_file, settings.login_key_file
        return cls(ensure_secret(admin), ensure_secret(login), Keystone.of(settings))


class Guard:
    """`sessions` know the tokens of users."""

    def __init__(self, keys: Keys, sessions: Sessions, state: Callable[[], State]) -> None:
        self._token = keys.admin.encode()
        self._keystone = keys.keystone
        self._sessions = sessions
        self._state = state

    async def check(self, scope: MutableMapping[str, Any]) -> None:
        """Leaves the Caller in the scope; None for who may only see what is open. Raises Unauthorized."""
        scope[CALLER] = await self._caller(scope)

    async def _caller(self, scope: MutableMapping[str, Any]) -> Caller | None:
        if PEER in scope:
            if (scope["method"], scope["path"]) in JOINING:
                return None
            return _node(scope[PEER], self._state())
        if scope.get(TRUSTED) is True:
            return ADMIN
        if scope["path"] in OPEN or (scope["method"], scope["path"]) in LOGIN:
            return None
        headers = Headers(scope=scope)
        if scope["path"].startswith(BASIC) and "authorization" in headers:
            return self._basic(headers["authorization"])
        return await self._shown(headers.get("x-auth-token", ""))

    def _basic(self, shown: str) -> Caller:
        """The admin, by HTTP's Basic authentication (RFC 7617)."""
        scheme, _, text = shown.partition(" ")
        try:
            name, _, password = base64.b64decode(text, validate=True).partition(b":")
        except ValueError:
            name = password = b""
        right = hmac.compare_digest(password, self._token)
        if scheme.lower() != "basic" or name != b"admin" or not right:
            raise Unauthorized("Authenticate as the user 'admin' with the admin's token as the password.")
        return ADMIN

    async def _shown(self, shown: str) -> Caller:
        if not shown:
            raise Unauthorized("The request you have made requires authentication: send X-Auth-Token.")
        if hmac.compare_digest(shown.encode(), self._token):
            return ADMIN
        if self._keystone is not None and not shown.startswith(bearer.PREFIX):
            return await self._keystone.caller(shown)
        return self._sessions.read(shown).caller


def _node(peer: Certificate | None, state: State) -> Caller:
    """Judged anew for each request, so that a removed node is out at once. Raises Unauthorized."""
    if peer is not None and state.sequence == 0:
        raise Unavailable("the store has not been reached yet; try again")
    node = admission.node_of(peer, state, time.time())
    return Caller("node", node.name, node.projects, peer.serial if peer else "")


def ensure_secret(path: Path) -> str:
    """The admin's token, the key of log-in tokens; made when missing, with its directory. Raises OSError."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not path.exists():
        _write_new(path, secrets.token_hex(32))
    token = path.read_text().strip()
    if not token:
        raise OSError(f"{path} is empty; remove it and a new one is made")
    return token


def _write_new(path: Path, token: str) -> None:
    """Complete or not there: a half-written token would lock everybody out."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(f"{token}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # does not replace what another has made meanwhile
    except FileExistsError:
        pass
    finally:
        draft.unlink()
