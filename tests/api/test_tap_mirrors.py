"""Tap mirrors in the API: who may have what, and what goes with whom."""

from typing import Any

from sealane.api.tap_mirrors import MOST
from tests.api.house import house
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

MIRRORS = "/v2.0/taas/tap_mirrors"
THERE = "198.51.100.9"


def wish(port: str, **values: Any) -> dict[str, Any]:
    standard = {"port_id": port, "remote_ip": THERE, "mirror_type": "gre", "directions": {"IN": 101}}
    return {"tap_mirror": {**standard, **values}}


async def port(api: Live, **values: Any) -> str:
    network = await api.make("network")
    return str((await api.make("port", network_id=network["id"], **values))["id"])


async def test_from_its_birth_to_its_end(database: OvsdbServer) -> None:
    async with live(database) as api:
        source, other = await port(api), await port(api)
        answer = await api.call(f"POST {MIRRORS}", wish(source, name="off", directions={"OUT": 7, "IN": 8}))
        made = answer.body["tap_mirror"]
        assert answer.status == 201, answer.body
        assert made["directions"] == {"IN": 8, "OUT": 7}
        told = ("name", "port_id", "remote_ip", "mirror_type", "status", "revision_number")
        assert [made[key] for key in told] == ["off", source, THERE, "gre", "DOWN", 1]
        path = f"{MIRRORS}/{made['id']}"
        changed = await api.call(f"PUT {path}", {"tap_mirror": {"name": "away", "description": "d"}})
        assert (changed.body["tap_mirror"]["name"], changed.body["tap_mirror"]["revision_number"]) == (
            "away",
            2,
        )
        for key, value in (("remote_ip", "198.51.100.8"), ("directions", {"IN": 9}), ("port_id", other)):
            assert (await api.call(f"PUT {path}", {"tap_mirror": {key: value}})).status == 400, key
        many = {"tap_mirrors": [wish(other, directions={"IN": n})["tap_mirror"] for n in (1, 2)]}
        assert (await api.call(f"POST {MIRRORS}", many)).status == 201
        found = (await api.call(f"GET {MIRRORS}?port_id={other}&fields=directions&sort_key=created_at")).body
        assert {m["directions"]["IN"] for m in found["tap_mirrors"]} == {1, 2}
        assert (await api.call(f"PUT {path}/tags/t")).status == 201
        assert (await api.call(f"GET {MIRRORS}?tags=t")).body["tap_mirrors"][0]["id"] == made["id"]
        assert (await api.call(f"DELETE /v2.0/ports/{other}")).status == 204
        assert len((await api.call(f"GET {MIRRORS}")).body["tap_mirrors"]) == 1, "they go with their port"
        assert (await api.call(f"DELETE {path}")).status == 204
        aliases = (await api.call("GET /v2.0/extensions")).body["extensions"]
        assert "tap-mirror" in {extension["alias"] for extension in aliases}


WRONG: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"remote_ip": "2001:db8::9"}, 400, "remote_ip"),
    ({"remote_ip": "224.0.0.9"}, 400, "remote_ip"),
    ({"remote_ip": "127.0.0.1"}, 400, "remote_ip"),
    ({"remote_ip": "nowhere"}, 400, "remote_ip"),
    ({"mirror_type": "erspanv2"}, 400, "mirror_type"),
    ({"directions": {}}, 400, "directions"),
    ({"directions": {"BOTH": 7}}, 400, "directions"),
    ({"directions": {"IN": 7, "OUT": 7}}, 400, "directions"),
    ({"directions": {"IN": -1}}, 400, "directions"),
    ({"directions": {"IN": 2**32}}, 400, "directions"),
    ({"directions": [7]}, 400, "directions"),
    ({"directions": {"IN": 1024}, "mirror_type": "erspanv1"}, 400, "directions"),
    ({"port_id": "99999999-9999-4999-8999-999999999999"}, 404, "Port"),
)


async def test_what_can_t_be_is_refused_and_leaves_nothing(database: OvsdbServer) -> None:
    async with live(database) as api:
        source = await port(api)
        for values, status, said in WRONG:
            answer = await api.call(f"POST {MIRRORS}", wish(source, **values))
            assert answer.status == status and said in answer.body["NeutronError"]["message"], answer.body
        assert (await api.call(f"GET {MIRRORS}")).body["tap_mirrors"] == []


async def test_a_tunnel_is_one_mirror_s(database: OvsdbServer) -> None:
    async with live(database) as api:
        one, two = await port(api), await port(api)
        await api.make("tap_mirror", **wish(one, directions={"IN": 1, "OUT": 2})["tap_mirror"])
        again = await api.call(f"POST {MIRRORS}", wish(two, directions={"IN": 2}))
        assert (again.status, again.error) == (409, "TapMirrorTunnelConflict")
        elsewhere = wish(two, directions={"IN": 2}, remote_ip="198.51.100.8")["tap_mirror"]
        await api.make("tap_mirror", **elsewhere)
        for number in range(MOST - 1):
            await api.make("tap_mirror", **wish(one, directions={"IN": 100 + number})["tap_mirror"])
        more = wish(one, directions={"IN": 999})
        assert (await api.call(f"POST {MIRRORS}", more)).error == "TapMirrorLimit"


async def test_quotas_hold(database: OvsdbServer) -> None:
    async with live(database) as api:
        source = await port(api)
        await api.call("PUT /v2.0/quotas/default", {"quota": {"tap_mirror": 1}})
        await api.make("tap_mirror", **wish(source)["tap_mirror"])
        assert (await api.call(f"POST {MIRRORS}", wish(source, directions={"IN": 5}))).error == "OverQuota"


async def test_a_port_in_a_trunk_has_none(database: OvsdbServer) -> None:
    async with live(database) as api:
        parent, inner = await port(api), await port(api)
        await api.make("tap_mirror", **wish(inner)["tap_mirror"])
        place = {"port_id": inner, "segmentation_type": "vlan", "segmentation_id": 7}
        refused = await api.call("POST /v2.0/trunks", {"trunk": {"port_id": parent, "sub_ports": [place]}})
        assert (refused.status, refused.error) == (409, "PortInUse"), refused.body
        (mirror,) = (await api.call(f"GET {MIRRORS}")).body["tap_mirrors"]
        await api.call(f"DELETE {MIRRORS}/{mirror['id']}")
        await api.make("trunk", port_id=parent, sub_ports=[place])
        assert (await api.call(f"POST {MIRRORS}", wish(inner))).status == 400


async def test_only_an_admin_makes_them_and_members_look(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        own = await rooms.port("own")
        refused = await users["member"].call(f"POST {MIRRORS}", wish(own["id"]))
        assert refused.status == 403, refused.body
        made = await rooms.root.call(f"POST {MIRRORS}", wish(own["id"], project_id="mine"))
        assert made.status == 201
        for user in (users["member"], users["reader"]):
            assert (await user.call(f"GET {MIRRORS}")).body["tap_mirrors"] == [made.body["tap_mirror"]]
            refused = await user.call(f"DELETE {MIRRORS}/{made.body['tap_mirror']['id']}")
            assert refused.status == 403
