"""Tokens of a real Keystone are good here, for what its roles say."""

import asyncio
from pathlib import Path

import pytest

from sealane.api.app import create_app
from sealane.api.auth import Keys
from sealane.api.desk import Desk
from sealane.api.keystone import REMEMBERED
from sealane.api.keystone import Keystone as Asked
from sealane.api.look import Unbound
from sealane.config import Settings
from sealane.errors import HostError
from sealane.store.db import Store
from tests.api.keystone import keystone
from tests.api.live import TOKEN, Answer, Live, serving
from tests.daemons import PATIENCE, OvsdbServer


async def as_(api: Live, token: str, line: str, body: object = None) -> Answer:
    return await api.call(line, body, headers={"X-Auth-Token": token})


@pytest.mark.timeout(600)
async def test_a_real_keystone_says_who_may_what(database: OvsdbServer, directory: Path) -> None:
    with keystone(directory) as there:
        service, red, blue = (there.project(name) for name in ("service", "red", "blue"))
        there.user("sealane", "s3cret", service, "admin")
        there.user("ann", "sesame", red, "member")
        eve = there.user("eve", "sesame", red, "reader")
        there.user("bob", "sesame", blue, "member")
        ann, bob, reader = (
            there.log_in(n, "sesame", p) for n, p in (("ann", "red"), ("bob", "blue"), ("eve", "red"))
        )
        unscoped, root = there.log_in("ann", "sesame"), there.token

        (directory / "password").write_text("s3cret\n")
        settings = Settings(keystone_url=there.url, keystone_password_file=directory / "password")
        asked = Asked.of(settings)
        assert asked is not None
        now = 0.0
        asked._clock = lambda: now
        store = Store(database.remote)
        await store.start(PATIENCE)
        app = create_app(Desk(settings, store, Unbound()), Keys(TOKEN, "key", asked))
        async with serving(app) as api:
            made = await as_(api, ann, "POST /v2.0/networks", {"network": {"name": "net"}})
            assert made.status == 201 and made.body["network"]["project_id"] == red
            assert len((await as_(api, reader, "GET /v2.0/networks")).body["networks"]) == 1
            assert (await as_(api, reader, "POST /v2.0/networks", {"network": {}})).status == 403
            assert (await as_(api, bob, "GET /v2.0/networks")).body["networks"] == []
            path = f"/v2.0/networks/{made.body['network']['id']}"
            assert (await as_(api, bob, f"DELETE {path}")).status == 404
            assert (await as_(api, root, f"GET {path}")).status == 200
            assert (await as_(api, root, "GET /v2.0/quotas")).status == 200
            assert (await as_(api, unscoped, "GET /v2.0/networks")).status == 403
            for token in ("nonsense", ann[:-4] + "AAAA", "x" * 9000):
                assert (await as_(api, token, "GET /v2.0/networks")).status == 401
            assert (await api.call("GET /v2.0/networks")).status == 200, (
                "the admin's token is as good as ever"
            )

            await asyncio.to_thread(there.call, "PATCH", f"users/{eve}", {"user": {"enabled": False}})
            now += REMEMBERED
            assert (await as_(api, reader, "GET /v2.0/networks")).status == 401
            asked._mine = "expired"
            now += REMEMBERED
            assert (await as_(api, ann, "GET /v2.0/networks")).status == 200, "logs in again by itself"
        await store.stop()


async def test_while_it_does_not_answer_nobody_gets_in(database: OvsdbServer) -> None:
    store = Store(database.remote)
    await store.start(PATIENCE)
    nowhere = Asked("http://127.0.0.1:1", "sealane", "x", "service")
    async with serving(create_app(Desk(Settings(), store, Unbound()), Keys(TOKEN, "key", nowhere))) as api:
        refused = await as_(api, "gAAAAA", "GET /v2.0/networks")
        assert refused.status == 503 and "can't be asked" in refused.body["NeutronError"]["message"]
        assert (await api.call("GET /v2.0/networks")).status == 200
    await store.stop()


def test_without_a_password_file_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert Asked.of(Settings()) is None
    settings = Settings(keystone_url="http://k", keystone_password_file=tmp_path / "no")
    with pytest.raises(HostError, match="keystone_password_file"):
        Asked.of(settings)
