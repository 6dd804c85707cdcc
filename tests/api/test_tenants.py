"""Two tenants, with clients as they come from PyPI: openstackclient and openstacksdk log in by password."""

import asyncio
import json
import os
from typing import Any

import openstack
import pytest
from keystoneauth1.exceptions import Unauthorized
from openstack.exceptions import ForbiddenException, HttpException, NotFoundException, SDKException

from tests.api import warm
from tests.api.live import live
from tests.api.test_identity import Town
from tests.daemons import OvsdbServer


async def run(
    there: Town, line: str, user: str, project: str = "", *, cold: bool = False, **more: str
) -> warm.Done:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("OS_")},
        "OS_AUTH_URL": f"{there.api.url}/v3",
        "OS_USERNAME": user,
        "OS_PASSWORD": "sesame",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_IDENTITY_API_VERSION": "3",
        **({"OS_PROJECT_NAME": project} if project else {}),
        **more,
    }
    environment = {name: value for name, value in environment.items() if value}
    return await (warm.cold if cold else warm.openstack)(environment, line.split())


async def ok(there: Town, line: str, user: str, project: str = "", **more: Any) -> Any:
    status, out, err = await run(there, line, user, project, **more)
    assert status == 0, f"openstack {line}: {err}"
    return json.loads(out) if out.strip() else None


async def fails(there: Town, line: str, user: str, project: str = "", **more: str) -> str:
    status, out, err = await run(there, line, user, project, **more)
    assert status > 0, out
    return err


async def test_two_tenants_with_the_openstack_command(database: OvsdbServer) -> None:
    async with live(database) as api:
        there = Town(api)
        for project in ("ops", "red", "blue"):
            await there.ok("POST /v3/projects", {"project": {"name": project}})
        await there.user("root", "sesame", ops="admin")
        await there.user("bob", "sesame", blue="member")
        await there.user("eve", "sesame", red="reader")
        admin, ann, bob, eve = ("root", "ops"), ("ann", "red"), ("bob", "blue"), ("eve", "red")
        await ok(there, "user create ann --password sesame -f json", *admin, cold=True)
        ann_id = (await there.ok("GET /v3/users?name=ann"))["users"][0]["id"]
        await there.ok(f"PUT /v3/projects/red/users/{ann_id}/roles/member")
        network = await ok(there, "network create net -f json", *ann)
        assert network["project_id"] == "red" and not network.get("provider:network_type")
        await there.api.make("subnet", network_id=network["id"], project_id="red", cidr="10.7.0.0/24")
        mine, none, read, theirs, more = await asyncio.gather(
            ok(there, "project list -f json", *ann),
            ok(there, "network list -f json", *bob),
            ok(there, "network show net -f json", *eve),
            fails(there, f"network show {network['id']}", *bob),
            fails(there, "network create more", *eve),
        )
        assert ([p["Name"] for p in mine], none, read["id"]) == (["red"], [], network["id"])
        assert "No Network found" in theirs and "disallowed by policy" in more
        shared = {"object_type": "network", "object_id": network["id"], "action": "access_as_shared"}
        await there.api.make("rbac_policy", target_tenant="blue", **shared)
        port = await ok(there, f"port create p --network {network['id']} -f json", *bob)
        assert port["fixed_ips"][0]["ip_address"].startswith("10.7.0.")
        token = await there.token("ann", "sesame", "red")
        by_token = {
            "OS_AUTH_TYPE": "token",
            "OS_TOKEN": token,
            "OS_USERNAME": "",
            "OS_PASSWORD": "",
            "OS_USER_DOMAIN_NAME": "",
        }
        seen, refused = await asyncio.gather(
            ok(there, "port list -f json", *ann, **by_token),
            fails(there, "network list", *ann, OS_PASSWORD="no"),
        )
        assert [p["ID"] for p in seen] == [port["id"]]
        assert "requires authentication" in refused


def connect(url: str, user: str, project: str, password: str = "sesame") -> Any:
    return openstack.connection.Connection(
        auth_type="password",
        auth={
            "auth_url": f"{url}/v3",
            "username": user,
            "password": password,
            "project_name": project,
            "user_domain_id": "default",
            "project_domain_id": "default",
        },
    )


async def test_two_tenants_with_the_sdk(database: OvsdbServer) -> None:
    def story(url: str) -> None:
        with connect(url, "root", "ops") as root:
            for name, project in (("ann", "red"), ("bob", "blue")):
                made = root.identity.create_project(name=project, description="x")
                user = root.identity.create_user(name=name, password="sesame", default_project_id=made.id)
                role = root.identity.find_role("member")
                root.identity.assign_project_role_to_user(project=made, user=user, role=role)
                assert root.identity.find_user(name).default_project_id == made.id
            assert {p.name for p in root.identity.projects()} == {"default", "ops", "red", "blue"}
            assert len(list(root.identity.role_assignments(user_id=user.id))) == 1
        with connect(url, "ann", "red") as ann, connect(url, "bob", "blue") as bob:
            assert ann.current_project_id == "red"
            mine = ann.network.create_network(name="net")
            ann.network.create_subnet(network_id=mine.id, ip_version=4, cidr="10.7.0.0/24")
            assert bob.network.find_network(mine.id) is None
            assert list(bob.network.networks()) == []
            assert list(bob.network.networks(project_id="red")) == []
            with pytest.raises(NotFoundException):
                bob.network.create_port(network_id=mine.id)
            with pytest.raises(HttpException, match="requires admin privileges"):
                bob.network.create_network(name="x", project_id="red")
            with pytest.raises(ForbiddenException):
                ann.network.update_quota("red", networks=100)
            assert ann.network.get_quota("red").networks == -1
            with pytest.raises(ForbiddenException):
                list(ann.identity.users())
            policy = ann.network.create_rbac_policy(
                object_type="network", object_id=mine.id, action="access_as_shared", target_project_id="blue"
            )
            assert [n.id for n in bob.network.networks()] == [mine.id]
            ann.network.delete_rbac_policy(policy)
            ann.network.delete_network(mine)
        with pytest.raises((Unauthorized, SDKException), match="requires authentication"):
            connect(url, "ann", "blue").authorize()

    async with live(database) as api:
        there = Town(api)
        await there.ok("POST /v3/projects", {"project": {"name": "ops"}})
        await there.user("root", "sesame", ops="admin")
        await asyncio.to_thread(story, api.url)
