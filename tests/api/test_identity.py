"""The identity API: logging in, what a token is good for, and projects, users and roles."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.api.live import Answer, Live, live
from tests.daemons import OvsdbServer

DEFAULT = {"id": "default"}


def by_password(name: str, password: str, project: str | None = None, **scope: Any) -> Any:
    user = {"name": name, "domain": DEFAULT, "password": password}
    auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if project is not None:
        scope["project"] = {"name": project, "domain": {"name": "Default"}}
    return {"auth": {**auth, **({"scope": scope} if scope else {})}}


def by_token(token: str, project: str | None = None) -> Any:
    auth: dict[str, Any] = {"identity": {"methods": ["token"], "token": {"id": token}}}
    return {"auth": {**auth, **({"scope": {"project": {"id": project}}} if project else {})}}


class Town:
    """An API with the projects red and blue, and ann, a member of red."""

    def __init__(self, api: Live) -> None:
        self.api = api
        self.users: dict[str, str] = {}

    async def user(self, name: str, password: str, **roles: str) -> str:
        body = {"user": {"name": name, "password": password}}
        id = str((await self.ok("POST /v3/users", body))["user"]["id"])
        for project, role in roles.items():
            await self.ok(f"PUT /v3/projects/{project}/users/{id}/roles/{role}")
        self.users[name] = id
        return id

    async def ok(self, line: str, body: object = None) -> Any:
        found = await self.api.call(line, body)
        assert found.status < 300, found
        return found.body

    async def log_in(self, *given: Any, **scope: Any) -> Answer:
        return await self.api.call("POST /v3/auth/tokens", by_password(*given, **scope))

    async def token(self, *given: Any) -> str:
        found = await self.log_in(*given)
        assert found.status == 201, found
        return str(found.headers["X-Subject-Token"])

    async def as_(self, token: str, line: str, body: object = None) -> Answer:
        return await self.api.call(line, body, headers={"X-Auth-Token": token})


@asynccontextmanager
async def town(database: OvsdbServer) -> AsyncIterator[Town]:
    async with live(database) as api:
        built = Town(api)
        for name in ("red", "blue"):
            await built.ok("POST /v3/projects", {"project": {"name": name}})
        await built.user("ann", "sesame", red="member")
        yield built


async def test_a_password_gets_a_token_that_says_what_it_is_good_for(database: OvsdbServer) -> None:
    async with town(database) as there:
        found = await there.log_in("ann", "sesame", "red")
        assert found.status == 201
        token = found.body["token"]
        assert token["user"]["name"] == "ann" and token["methods"] == ["password"]
        assert token["project"] == {
            "id": "red",
            "name": "red",
            "domain": {"id": "default", "name": "Default"},
        }
        assert {role["name"] for role in token["roles"]} == {"member", "reader"}
        urls = {s["type"]: {e["url"] for e in s["endpoints"]} for s in token["catalog"]}
        here = there.api.url
        assert urls == {"network": {here}, "load-balancer": {here}, "identity": {f"{here}/v3"}}
        text = found.headers["X-Subject-Token"]
        seen = await there.api.call("GET /v3/auth/tokens", headers={"X-Subject-Token": text})
        assert (seen.status, seen.body) == (200, found.body)
        mine = await there.api.call(
            "HEAD /v3/auth/tokens", headers={"X-Auth-Token": text, "X-Subject-Token": text}
        )
        assert (mine.status, mine.body) == (200, b"")
        assert (await there.as_(text, "GET /v3/auth/projects")).body["projects"][0]["id"] == "red"
        assert (await there.as_(text, "GET /v3/auth/catalog")).body["catalog"] == token["catalog"]


@pytest.mark.parametrize(
    "given",
    [
        ("ann", "wrong", "red"),
        ("ann", "", "red"),
        ("ann", "sesame" + "e" * 5000, "red"),
        ("nobody", "sesame", "red"),
        ("ann", "sesame", "blue"),
        ("ann", "sesame", "nowhere"),
    ],
)
async def test_what_does_not_fit_is_refused_in_the_same_words(database: OvsdbServer, given: Any) -> None:
    async with town(database) as there:
        found = await there.log_in(*given)
        assert found.status == 401
        assert found.body == {
            "error": {
                "code": 401,
                "title": "Unauthorized",
                "message": "The request you have made requires authentication.",
            }
        }


async def test_without_a_project_a_token_is_unscoped_and_gets_one_that_is_not(database: OvsdbServer) -> None:
    async with town(database) as there:
        found = await there.log_in("ann", "sesame")
        assert not {"project", "roles", "catalog"} & found.body["token"].keys()
        unscoped = found.headers["X-Subject-Token"]
        assert (await there.as_(unscoped, "GET /v2.0/networks")).status == 403
        scoped = await there.api.call("POST /v3/auth/tokens", by_token(unscoped, "red"))
        assert scoped.status == 201 and scoped.body["token"]["methods"] == ["password", "token"]
        assert scoped.body["token"]["expires_at"] == found.body["token"]["expires_at"]
        assert (await there.api.call("POST /v3/auth/tokens", by_token(unscoped, "blue"))).status == 401
        await there.ok(f"PATCH /v3/users/{there.users['ann']}", {"user": {"default_project_id": "red"}})
        assert (await there.log_in("ann", "sesame")).body["token"]["project"]["id"] == "red"
        assert "project" not in (await there.log_in("ann", "sesame", unscoped={})).body["token"]


async def _out(there: Town, token: str) -> bool:
    """Whether the token is good for nothing."""
    return (await there.as_(token, "GET /v3/auth/catalog")).status == 401


async def test_what_is_taken_away_is_gone_at_once(database: OvsdbServer) -> None:
    async with town(database) as there:
        ann = f"/v3/users/{there.users['ann']}"
        role = f"/v3/projects/red{ann.removeprefix('/v3')}/roles/member"

        async def ends(*lines: tuple[str, Any]) -> None:
            token = await there.token("ann", there_password[0], "red")
            assert not await _out(there, token)
            await there.ok(*lines[0])
            assert await _out(there, token), lines[0]
            for line in lines[1:]:
                await there.ok(*line)

        there_password = ["sesame"]
        await ends((f"DELETE {role}", None), (f"PUT {role}", None))
        await ends(
            (f"PATCH {ann}", {"user": {"enabled": False}}), (f"PATCH {ann}", {"user": {"enabled": True}})
        )
        await ends(
            ("PATCH /v3/projects/red", {"project": {"enabled": False}}),
            ("PATCH /v3/projects/red", {"project": {"enabled": True}}),
        )
        new = {"user": {"original_password": "sesame", "password": "open"}}
        await ends((f"POST {ann}/password", new))
        there_password = ["open"]
        await ends((f"PATCH {ann}", {"user": {"password": "sesame"}}))
        there_password = ["sesame"]
        await ends((f"DELETE {ann}", None))


async def test_logging_out_ends_a_token_and_what_was_got_by_it(database: OvsdbServer) -> None:
    async with town(database) as there:
        first, other = await there.token("ann", "sesame"), await there.token("ann", "sesame", "red")
        found = await there.api.call("POST /v3/auth/tokens", by_token(first, "red"))
        second = found.headers["X-Subject-Token"]
        headers = {"X-Auth-Token": first, "X-Subject-Token": first}
        assert (await there.api.call("DELETE /v3/auth/tokens", headers=headers)).status == 204
        assert [await _out(there, t) for t in (first, second, other)] == [True, True, False]
        assert (await there.api.call("POST /v3/auth/tokens", by_token(first, "red"))).status == 401
        again = await there.api.call("GET /v3/auth/tokens", headers={"X-Subject-Token": first})
        assert again.status == 404


async def test_a_token_that_was_changed_is_none(database: OvsdbServer) -> None:
    async with town(database) as there:
        token = await there.token("ann", "sesame", "red")
        for at in range(5, len(token), 7):
            changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
            assert await _out(there, changed), at
        for text in ("slu1_", "slu1_.", ".", token + "=", "é" * 40, "x" * 9000):
            assert await _out(there, text), text


async def test_failed_log_ins_are_slowed_down_and_good_ones_elsewhere_are_not(database: OvsdbServer) -> None:
    async with town(database) as there:
        await there.user("bob", "sesame", red="reader")
        tried = await asyncio.gather(*(there.log_in("ann", "wrong", "red") for _ in range(8)))
        assert sorted({found.status for found in tried}) == [401, 429]
        late = next(found for found in tried if found.status == 429)
        assert 1 <= int(late.headers["Retry-After"]) <= 60
        assert late.body["error"]["code"] == 429
        assert (await there.log_in("ann", "sesame", "red")).status == 429
        for _ in range(12):
            assert (await there.log_in("bob", "sesame", "red")).status == 201


BAD = [
    {},
    {"auth": None},
    {"auth": {"identity": {}}},
    {"auth": {"identity": {"methods": "password"}}},
    {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "ann"}}}}},
    {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": 7, "password": "x"}}}}},
]


@pytest.mark.parametrize("body", BAD)
async def test_a_body_that_is_none_is_said_to_be(database: OvsdbServer, body: Any) -> None:
    async with live(database) as api:
        found = await api.call("POST /v3/auth/tokens", body)
        assert found.status == 400 and found.body["error"]["title"] == "Bad Request"


async def test_other_methods_and_scopes_are_refused(database: OvsdbServer) -> None:
    async with town(database) as there:
        other = {"auth": {"identity": {"methods": ["totp"]}}}
        assert (await there.api.call("POST /v3/auth/tokens", other)).status == 401
        for scope in ({"system": {"all": True}}, {"domain": {"id": "default"}}):
            assert (await there.log_in("ann", "sesame", **scope)).status == 401


async def test_projects_are_made_changed_listed_and_removed(database: OvsdbServer) -> None:
    async with town(database) as there:
        made = await there.ok("POST /v3/projects", {"project": {"name": "a b/c", "description": "x"}})
        assert len(made["project"]["id"]) == 32, "a name that can't be in a path is no id"
        path = f"/v3/projects/{made['project']['id']}"
        changed = await there.ok(f"PATCH {path}", {"project": {"name": "sea", "enabled": False}})
        assert (changed["project"]["name"], changed["project"]["enabled"]) == ("sea", False)
        assert (await there.api.call("POST /v3/projects", {"project": {"name": "sea"}})).status == 409
        names = [p["name"] for p in (await there.ok("GET /v3/projects"))["projects"]]
        assert names == ["blue", "default", "red", "sea"]
        found = (await there.ok("GET /v3/projects?name=sea&enabled=false"))["projects"]
        assert [p["id"] for p in found] == [made["project"]["id"]]
        await there.ok(f"DELETE {path}")
        assert (await there.api.call(f"GET {path}")).status == 404
        network = await there.api.make("network", project_id="red")
        refused = await there.api.call("DELETE /v3/projects/red")
        assert refused.status == 409 and "networks" in refused.body["error"]["message"]
        assert len(await groups_of(there, "red")) == 1
        await there.ok(f"DELETE /v2.0/networks/{network['id']}")
        await there.ok("DELETE /v3/projects/red")
        assert await groups_of(there, "red") == [], "its default group has gone with it"


async def groups_of(there: Town, project: str) -> Any:
    return (await there.ok(f"GET /v2.0/security-groups?project_id={project}"))["security_groups"]


async def test_a_project_that_was_merely_used_becomes_one(database: OvsdbServer) -> None:
    async with town(database) as there:
        await there.api.make("network", project_id="old")
        await there.ok(f"PUT /v3/projects/old/users/{there.users['ann']}/roles/reader")
        assert (await there.log_in("ann", "sesame", "old")).status == 201
        made = await there.ok("POST /v3/projects", {"project": {"name": "default"}})
        assert made["project"]["id"] == "default"


async def test_a_name_that_was_given_up_does_not_lead_to_its_former_project(database: OvsdbServer) -> None:
    async with town(database) as there:
        await there.ok("PATCH /v3/projects/red", {"project": {"name": "crimson"}})
        made = await there.ok("POST /v3/projects", {"project": {"name": "red"}})
        assert made["project"]["id"] != "red"
        assert (await there.log_in("ann", "sesame", "red")).status == 401
        assert (await there.log_in("ann", "sesame", "crimson")).body["token"]["project"]["id"] == "red"


async def test_users_see_themselves_and_manage_nobody(database: OvsdbServer) -> None:
    async with town(database) as there:
        bob = await there.user("bob", "sesame", blue="member")
        token, ann = await there.token("ann", "sesame", "red"), there.users["ann"]
        answers = {
            f"GET /v3/users/{ann}": 200,
            f"GET /v3/users/{bob}": 404,
            "GET /v3/users": 403,
            "GET /v3/projects": 403,
            "GET /v3/projects/red": 200,
            "GET /v3/projects/blue": 404,
            "GET /v3/projects/nowhere": 404,
            "GET /v3/roles": 200,
            f"GET /v3/users/{ann}/projects": 200,
            f"GET /v3/users/{bob}/projects": 404,
            f"GET /v3/projects/red/users/{ann}/roles": 403,
            f"PUT /v3/projects/red/users/{ann}/roles/admin": 403,
            f"DELETE /v3/projects/blue/users/{bob}/roles/member": 403,
            f"DELETE /v3/users/{bob}": 403,
            "DELETE /v3/projects/red": 403,
        }
        found = {line: (await there.as_(token, line)).status for line in answers}
        assert found == answers
        new = {"user": {"password": "x"}}
        assert (await there.as_(token, f"PATCH /v3/users/{ann}", new)).status == 403
        stolen = {"user": {"original_password": "sesame", "password": "x"}}
        assert (await there.as_(token, f"POST /v3/users/{bob}/password", stolen)).status == 404
        wrong = {"user": {"original_password": "no", "password": "x"}}
        assert (await there.as_(token, f"POST /v3/users/{ann}/password", wrong)).status == 401
        mine = (await there.as_(token, "GET /v3/role_assignments")).body["role_assignments"]
        assert [a["scope"]["project"]["id"] for a in mine] == ["red"]


async def test_roles_and_who_has_them(database: OvsdbServer) -> None:
    async with town(database) as there:
        ann = there.users["ann"]
        held = f"/v3/projects/red/users/{ann}/roles"
        assert [r["name"] for r in (await there.ok("GET /v3/roles"))["roles"]] == [
            "admin",
            "member",
            "reader",
        ]
        assert [r["id"] for r in (await there.ok(f"GET {held}"))["roles"]] == ["member"]
        await there.ok(f"HEAD {held}/member")
        await there.ok(f"PUT {held}/member")
        assert (await there.api.call(f"HEAD {held}/admin")).status == 404
        assert (await there.api.call(f"PUT {held}/king")).status == 404
        assert (await there.api.call(f"DELETE {held}/admin")).status == 404
        asked = f"GET /v3/role_assignments?user.id={ann}&include_names=true"
        (found,) = (await there.ok(asked))["role_assignments"]
        assert (found["role"]["name"], found["user"]["name"]) == ("member", "ann")
        assert found["scope"]["project"]["name"] == "red"


async def test_no_answer_and_no_list_holds_a_password(database: OvsdbServer) -> None:
    async with town(database) as there:
        for line in ("GET /v3/users", f"GET /v3/users/{there.users['ann']}"):
            assert "sesame" not in str(await there.ok(line)) and "scrypt" not in str(await there.ok(line))


async def test_an_admin_by_role_may_what_the_admins_token_may(database: OvsdbServer) -> None:
    async with town(database) as there:
        await there.user("root", "sesame", red="admin")
        token = await there.token("root", "sesame", "red")
        assert (await there.as_(token, "GET /v3/users")).status == 200
        assert (await there.as_(token, "GET /v2.0/networks")).status == 200
        assert (await there.as_(token, "GET /metrics")).status == 200
