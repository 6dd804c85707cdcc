"""Subnet pools, address scopes and what shares them, by the `openstack` command as it comes from PyPI."""

from tests.api.live import live
from tests.api.test_openstack import openstack
from tests.daemons import OvsdbServer


async def test_subnet_pools(database: OvsdbServer) -> None:
    async with live(database) as api:
        scope = await openstack(api, "address scope create firm --ip-version 4 --share -f json")
        assert (scope["ip_version"], scope["shared"]) == (4, True)
        made = await openstack(
            api,
            "subnet pool create low --pool-prefix 10.0.0.0/16 --default-prefix-length 24 --min-prefix-length"
            " 20 --address-scope firm --default --share --default-quota 4096 --description d --tag t -f json",
        )
        assert (made["prefixes"], made["is_default"], made["address_scope_id"]) == (
            *(["10.0.0.0/16"], True),
            scope["id"],
        )
        await openstack(api, "network create blue -f json")
        one = await openstack(api, "subnet create one --network blue --subnet-pool low -f json")
        assert (one["cidr"], one["subnetpool_id"]) == ("10.0.0.0/24", made["id"])
        two = await openstack(
            api, "subnet create two --network blue --use-default-subnet-pool --prefix-length 26 -f json"
        )
        assert two["cidr"] == "10.0.1.0/26"
        blue = await openstack(api, "network show blue -f json")
        assert (blue["ipv4_address_scope"], blue["ipv6_address_scope"]) == (scope["id"], None)
        assert [s["Name"] for s in await openstack(api, "subnet list --subnet-pool low -f json")] == [
            "one",
            "two",
        ]
        await openstack(
            api, "subnet pool set low --pool-prefix 10.1.0.0/16 --no-default --default-quota 9999"
        )
        shown = await openstack(api, "subnet pool show low -f json")
        assert (shown["prefixes"], shown["is_default"]) == (["10.0.0.0/15"], False)
        assert len(await openstack(api, "subnet pool list --address-scope firm --long -f json")) == 1
        await openstack(api, "network create old -f json")
        await openstack(api, "subnet create old4 --network old --subnet-range 192.168.7.0/24 -f json")
        await openstack(api, "network onboard subnet old low")
        assert len(await openstack(api, "subnet list --subnet-pool low -f json")) == 3
        await openstack(api, "subnet pool set low --no-address-scope")
        await openstack(api, "address scope set firm --name company")
        assert (await openstack(api, "address scope list -f json"))[0]["Name"] == "company"
        assert "existing allocations" in await openstack(api, "subnet pool delete low", fails=True)
        await openstack(api, "network delete blue old")
        await openstack(api, "subnet pool delete low")
        await openstack(api, "address scope delete company")


async def test_what_can_be_for_another_project(database: OvsdbServer) -> None:
    async with live(database) as api:
        await openstack(api, "address scope create firm --ip-version 4 -f json")
        await openstack(api, "subnet pool create low --pool-prefix 10.0.0.0/16 -f json")
        await openstack(api, "network qos policy create slow -f json")
        await openstack(api, "security group create web -f json")
        await openstack(api, "address group create office -f json")
        await openstack(api, "network create blue -f json")
        objects = {
            "address_scope": "firm",
            "subnetpool": "low",
            "qos_policy": "slow",
            "security_group": "web",
            "address_group": "office",
            "network": "blue",
        }
        for kind, name in objects.items():
            made = await openstack(
                api,
                f"network rbac create {name} --type {kind} --action access_as_shared"
                " --target-all-projects -f json",
            )
            assert (made["object_type"], made["target_project_id"]) == (kind, "*")
        assert len(await openstack(api, "network rbac list --type subnetpool -f json")) == 1
        await openstack(api, f"network rbac set {made['id']} --target-project acme")
        await openstack(api, f"network rbac delete {made['id']}")
        assert len(await openstack(api, "network rbac list -f json")) == len(objects) - 1
