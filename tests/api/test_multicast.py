"""Multicast by the API: what a network and a router have, who may, and what is refused."""

from typing import Any

import pytest

from tests.api.live import Live, live
from tests.api.test_openstack import openstack
from tests.daemons import OvsdbServer

SNOOPING, RELAY = "sealane:multicast_snooping", "sealane:multicast_relay"
OF: dict[str, str] = {"network": SNOOPING, "router": RELAY}


async def put(api: Live, kind: str, made: Any, **values: Any) -> Any:
    return await api.call(f"PUT /v2.0/{kind}s/{made['id']}", {kind: values})


@pytest.mark.parametrize("kind", OF)
async def test_it_is_off_unless_somebody_wants_it(kind: str, database: OvsdbServer) -> None:
    key = OF[kind]
    async with live(database) as api:
        plain, wanted = await api.make(kind, name="plain"), await api.make(kind, name="on", **{key: True})
        assert (plain[key], wanted[key]) == (False, True)
        listed = await api.call(f"GET /v2.0/{kind}s?{key}=true&fields=name&fields={key}")
        assert listed.body[f"{kind}s"] == [{"name": "on", key: True}]
        changed = (await put(api, kind, wanted, **{key: False})).body[kind]
        assert (changed[key], changed["revision_number"]) == (False, wanted["revision_number"] + 1)
        for answer in (
            await put(api, kind, plain, **{key: "maybe"}),
            await api.call(f"POST /v2.0/{kind}s", {kind: {key: None}}),
        ):
            assert answer.status == 400 and key in answer.body["NeutronError"]["message"]
        two = {f"{kind}s": [{key: True}, {key: "false"}]}
        made = await api.call(f"POST /v2.0/{kind}s", two)
        assert [one[key] for one in made.body[f"{kind}s"]] == [True, False]
        extensions = (await api.call("GET /v2.0/extensions/sealane-multicast")).body["extension"]
        assert key in extensions["description"]


async def test_by_openstack_s_own_command(database: OvsdbServer) -> None:
    async with live(database) as api:
        given = f"--extra-property type=bool,name={SNOOPING},value="
        assert (await openstack(api, f"network create {given}true stage -f json"))[SNOOPING]
        await openstack(api, f"network set {given}false stage")
        assert not (await openstack(api, "network show stage -f json"))[SNOOPING]
