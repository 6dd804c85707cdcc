"""The `openstack` command of python-openstackclient, as it comes from PyPI."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.api.live import TOKEN, Live, live
from tests.daemons import PATIENCE, OvsdbServer

COMMAND = Path(sys.executable).with_name("openstack")


async def openstack(api: Live, line: str) -> Any:
    """What the command prints as JSON; nothing for what prints nothing."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("OS_")},
        "OS_AUTH_TYPE": "admin_token",
        "OS_ENDPOINT": api.url,
        "OS_TOKEN": TOKEN,
    }
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *line.split(),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode == 0, f"openstack {line}: {err.decode()}"
    return json.loads(out) if out.strip() else None


async def test_networks_subnets_and_ports_are_made_shown_changed_and_deleted(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await openstack(api, "network create blue --description sea --mtu 1400 -f json")
        assert network["mtu"] == 1400 and network["status"] == "ACTIVE"
        subnet = await openstack(
            api,
            "subnet create low --network blue --subnet-range 10.7.0.0/24 --dns-nameserver 10.7.0.53"
            " --allocation-pool start=10.7.0.10,end=10.7.0.99 -f json",
        )
        assert subnet["gateway_ip"] == "10.7.0.1" and subnet["network_id"] == network["id"]
        await openstack(
            api, "subnet create high --network blue --ip-version 6 --subnet-range fd00:7::/64 -f json"
        )
        first = await openstack(api, "port create one --network blue -f json")
        assert [f["ip_address"] for f in first["fixed_ips"]] == ["10.7.0.10", "fd00:7::2"]
        given = "--fixed-ip subnet=low,ip-address=10.7.0.50 --mac-address 02:42:0a:07:00:32"
        second = await openstack(api, f"port create two --network blue {given} --tag red -f json")
        assert second["mac_address"] == "02:42:0a:07:00:32" and second["tags"] == ["red"]

        shown = await openstack(api, "port show one -f json")
        assert shown["id"] == first["id"] and shown["binding_vif_type"] == "unbound"
        await openstack(api, "port set one --name uno --description changed")
        assert (await openstack(api, "port show uno -f json"))["description"] == "changed"
        await openstack(api, "network set blue --name azure --tag sky")
        await openstack(api, "subnet set low --dns-nameserver 10.7.0.54")
        assert {n["Name"] for n in await openstack(api, "network list --tags sky -f json")} == {"azure"}
        assert len(await openstack(api, "subnet list --network azure -f json")) == 2
        ports = await openstack(api, "port list --network azure --fixed-ip subnet=low -f json")
        assert {p["Name"] for p in ports} == {"uno", "two"}
        assert len(await openstack(api, "extension list --network -f json")) > 10

        await openstack(api, "port delete uno two")
        await openstack(api, "subnet delete low high")
        await openstack(api, "network delete azure")
        assert await openstack(api, "network list -f json") == []
