"""Role × verb × limit and mark, and who may give which policy to what: users, an admin, a node."""

from typing import Any

from tests.api.house import House, User, house
from tests.api.live import Live, plural
from tests.api.test_policy_matrix import roles
from tests.daemons import OvsdbServer

RULES = {"bandwidth_limit_rule": {"max_kbps": 1000}, "dscp_marking_rule": {"dscp_mark": 46}}
PUTS: dict[str, dict[str, Any]] = {
    "bandwidth_limit_rule": {"max_kbps": 2000, "max_burst_kbps": 500, "direction": "ingress"},
    "dscp_marking_rule": {"dscp_mark": 8},
}
# of whose policy, and whether it is shared -> what a member gets for reading, and for writing
POLICIES = {
    "own": ({"project_id": "mine"}, 200, 403),
    "shared": ({"project_id": "theirs", "shared": True}, 200, 403),
    "foreign": ({"project_id": "theirs"}, 404, 404),
}
# a policy -> what a member gets who gives it to something of his own
GIVEN = {"own": 200, "shared": 200, "granted": 200, "foreign": 404}


async def make(root: Live, kind: str, policy: str) -> str:
    made = await root.call(f"POST /v2.0/qos/policies/{policy}/{kind}s", {kind: RULES[kind]})
    assert made.status == 201, made
    return str(made.body[kind]["id"])


async def test_limits_and_marks_are_an_admins_to_write(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        wrong: list[str] = []
        for situation, (values, reads, writes) in POLICIES.items():
            for kind in RULES:
                await _ask_of(rooms, users, kind, values, (situation, reads, writes), wrong)
        assert not wrong, "\n".join(wrong)


async def _ask_of(
    rooms: House,
    users: dict[str, User],
    kind: str,
    values: dict[str, Any],
    wanted: tuple[str, int, int],
    wrong: list[str],
) -> None:
    situation, reads, writes = wanted
    for role in ("reader", "member", "admin"):
        policy = (await rooms.root.make("policy", name="p", **values))["id"]
        base = f"/v2.0/qos/policies/{policy}/{kind}s"
        bare = (await rooms.root.make("policy", name="p", **values))["id"]
        id = await make(rooms.root, kind, policy)
        full = role == "admin"
        write = writes if role == "member" else 403
        lines = [
            (f"GET {base}", None, 200 if full else reads),
            (f"GET {base}/{id}", None, 200 if full else reads),
            *(
                (f"PUT {base}/{id}", {kind: {name: value}}, 200 if full else write)
                for name, value in PUTS[kind].items()
            ),
            (f"DELETE {base}/{id}", None, 204 if full else write),
            (f"POST /v2.0/qos/policies/{bare}/{kind}s", {kind: RULES[kind]}, 201 if full else write),
        ]
        for line, body, expected in lines:
            found = await users[role].call(line, body)
            if found.status != expected:
                wrong.append(f"{role} {situation} {line} {body}: {found.status}, wanted {expected}")


async def test_who_may_give_which_policy(database: OvsdbServer) -> None:
    """To a network, a port and a floating IP of his own, when it is made and later."""
    async with house(database) as (rooms, users):
        root, member, wrong = rooms.root, users["member"], []
        world = (await root.make("network", **{"router:external": True}))["id"]
        await root.make("subnet", network_id=world, cidr="192.0.2.0/24")
        needed = {
            "network": {},
            "port": {"network_id": rooms.networks["own"]},
            "floatingip": {"floating_network_id": world},
        }
        for situation, wanted in GIVEN.items():
            values = POLICIES["foreign" if situation == "granted" else situation][0]
            policy = (await root.make("policy", name="p", **values))["id"]
            if situation == "granted":
                granted = {"object_type": "qos_policy", "object_id": policy, "target_tenant": "mine"}
                await root.make("rbac_policy", action="access_as_shared", **granted)
            for kind, body in needed.items():
                given = {kind: {"qos_policy_id": policy}}
                row = (await root.make(kind, project_id="mine", **body))["id"]
                later = await member.call(f"PUT /v2.0/{plural(kind)}/{row}", given)
                new = await member.call(
                    f"POST /v2.0/{plural(kind)}", {kind: {**body, "qos_policy_id": policy}}
                )
                reader = await users["reader"].call(f"PUT /v2.0/{plural(kind)}/{row}", given)
                got = (later.status, new.status, reader.status)
                if got != (wanted, 201 if wanted == 200 else wanted, 403):
                    wrong.append(f"{situation} {kind}: {got}")
        assert not wrong, "\n".join(wrong)


async def test_what_is_not_seen_is_not_taken_off(database: OvsdbServer) -> None:
    """A limit that an admin has set, by a policy of somebody else's."""
    async with house(database) as (rooms, users):
        root, member = rooms.root, users["member"]
        hard = (await root.make("policy", name="hard", project_id="theirs"))["id"]
        port = {"network_id": rooms.networks["own"], "qos_policy_id": hard}
        for kind, body in (("network", {"qos_policy_id": hard}), ("port", port)):
            row = (await root.make(kind, project_id="mine", **body))["id"]
            refused = await member.call(f"PUT /v2.0/{plural(kind)}/{row}", {kind: {"qos_policy_id": None}})
            assert refused.status == 403, kind


async def test_a_node_finds_policies_and_writes_none(database: OvsdbServer) -> None:
    async with roles(database) as (root, node):
        mine, theirs = [(await root.make("policy", name="p", project_id=p))["id"] for p in ("mine", "theirs")]
        listed = (await node.call("GET /v2.0/qos/policies")).body["policies"]
        assert [p["id"] for p in listed] == [mine]
        for kind in RULES:
            id = await make(root, kind, mine)
            base = f"/v2.0/qos/policies/{mine}/{kind}s"
            for line in (f"GET {base}", f"GET {base}/{id}", f"DELETE {base}/{id}"):
                assert (await node.call(line)).status == 403, line
            for line in (f"POST {base}", f"PUT {base}/{id}"):
                assert (await node.call(line, {kind: RULES[kind]})).status == 403, line
        for policy, made, changed in ((mine, 201, 403), (theirs, 404, 404)):
            network = await root.make("network", project_id="mine", **{"sealane:origin": "docker"})
            given = {"network": {"qos_policy_id": policy}}
            assert (await node.call(f"PUT /v2.0/networks/{network['id']}", given)).status == changed
            new = {"project_id": "mine", "sealane:origin": "docker", "qos_policy_id": policy}
            assert (await node.call("POST /v2.0/networks", {"network": new})).status == made
