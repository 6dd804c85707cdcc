"""Tokens of a real Keystone, where the operator has one (`keystone_url`): it is asked what each is good for.

As keystonemiddleware does: Sealane logs in as a user of its own (the role admin or service, for
identity:validate_token), shows the token as X-Subject-Token, and remembers the answer for a while.
https://docs.openstack.org/api-ref/identity/v3/#validate-and-show-information-for-token
"""

import hashlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from sealane import log
from sealane.api.accounts import implied
from sealane.api.caller import Caller, Role
from sealane.config import Settings
from sealane.errors import HostError, Unauthorized, Unavailable

REMEMBERED = 15.0
"""Seconds: so much later a token that Keystone has revoked is void here."""
MOST = 10_000
LONGEST = 8192
"""Characters of a token."""
DEADLINE = 4.0
"""Seconds for one question."""
_NAMES: dict[str, Role] = {"admin": "admin", "member": "member", "_member_": "member", "reader": "reader"}
_log = log.get("api")


@dataclass(frozen=True)
class Known:
    caller: Caller | None
    """None: the token is not good."""
    until: float


class Keystone:
    def __init__(
        self, url: str, user: str, password: str, project: str, *, tls: ssl.SSLContext | bool = True
    ) -> None:
        self._url = f"{url.rstrip('/').removesuffix('/v3')}/v3/auth/tokens"
        self._login = _login(user, password, project)
        self._tls = tls
        self._known: dict[bytes, Known] = {}
        self._mine = ""
        self._clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, settings: Settings) -> "Keystone | None":
        """None where there is none. Raises HostError."""
        if not settings.keystone_url:
            return None
        file = settings.keystone_password_file
        try:
            password = file.read_text().strip()
            ca = settings.keystone_ca
            tls = ssl.create_default_context(cafile=ca) if ca else True
        except OSError as exc:
            raise HostError(
                f"Keystone can't be asked: {exc}; see keystone_password_file, keystone_ca"
            ) from exc
        user, project = settings.keystone_user, settings.keystone_project
        return cls(settings.keystone_url, user, password, project, tls=tls)

    async def caller(self, token: str) -> Caller:
        """Raises Unauthorized; Unavailable while Keystone does not answer."""
        if len(token) > LONGEST or not token.isascii() or not token.isprintable():
            raise Unauthorized("The token is none: log in again.")
        key = hashlib.sha256(token.encode()).digest()
        known = self._known.get(key)
        if known is None or known.until <= self._clock():
            known = Known(await self._ask(token), self._clock() + REMEMBERED)
            self._known.pop(key, None)
            self._known[key] = known
            while len(self._known) > MOST:
                del self._known[next(iter(self._known))]
        if known.caller is None:
            raise Unauthorized("Keystone says that the token is not good (any more): log in again.")
        return known.caller

    async def _ask(self, token: str) -> Caller | None:
        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session:
                for _ in range(2):  # Sealane's own token may have expired
                    mine = self._mine or await self._log_in(session)
                    headers = {"X-Auth-Token": mine, "X-Subject-Token": token}
                    async with session.get(
                        f"{self._url}?nocatalog", headers=headers, ssl=self._tls
                    ) as response:
                        if response.status == 200:
                            return _caller(msgspec.json.decode(await response.read()))
                        if response.status == 404:
                            return None
                        self._mine = ""
        except (TimeoutError, aiohttp.ClientError, msgspec.MsgspecError) as exc:
            raise Unavailable(f"Keystone at {self._url} can't be asked ({exc}); try again") from exc
        raise Unavailable(f"Keystone at {self._url} answered {response.status}; see keystone_user")

    async def _log_in(self, session: aiohttp.ClientSession) -> str:
        async with session.post(self._url, json=self._login, ssl=self._tls) as response:
            if response.status != 201:
                _log.error("Keystone does not let us in", at=self._url, status=response.status)
                raise Unavailable(f"Keystone at {self._url} answered {response.status}; see keystone_user")
            self._mine = response.headers["X-Subject-Token"]
            return self._mine


def _login(user: str, password: str, project: str) -> dict[str, Any]:
    domain = {"id": "default"}
    who = {"user": {"name": user, "domain": domain, "password": password}}
    scope = {"project": {"name": project, "domain": domain}}
    return {"auth": {"identity": {"methods": ["password"], "password": who}, "scope": scope}}


def _caller(body: Any) -> Caller | None:
    """None for what makes no sense."""
    token = body.get("token") if isinstance(body, dict) else None
    if not isinstance(token, dict):
        return None
    user, project = str(token["user"]["id"]), str(token.get("project", {}).get("id", ""))
    roles = implied(_NAMES[r["name"]] for r in token.get("roles", ()) if r["name"] in _NAMES)
    ranked: tuple[Role, ...] = ("admin", "member", "reader")
    role: Role = next((role for role in ranked if role in roles and project), "unscoped")
    if role == "admin":
        return Caller("admin", user=user, project=project)
    return Caller(role, projects=(project,) if project else (), user=user, project=project)
