"""The `openstack` command of python-openstackclient, as it comes from PyPI."""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from tests.api import warm
from tests.api.live import TOKEN, Live, live
from tests.api.test_server import Host, becomes, host
from tests.daemons import PATIENCE, OvsdbServer

__all__ = ["host"]
COMMAND = Path(sys.executable).with_name("openstack")


async def openstack(api: Live, line: str, *, fails: bool = False) -> Any:
    """What the command prints as JSON; nothing for what prints nothing; what it says when it fails."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("OS_")},
        "OS_AUTH_TYPE": "admin_token",
        "OS_ENDPOINT": api.url,
        "OS_TOKEN": TOKEN,
    }
    done = await warm.openstack(environment, line.split())
    if fails:
        assert done.status > 0, f"openstack {line}: {done.out}"
        return done.err
    assert done.status == 0, f"openstack {line}: {done.err}"
    return json.loads(done.out) if done.out.strip() else None


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


async def test_projects_and_quotas(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await openstack(api, "network create same --project red -f json")
        assert network["project_id"] == "red"
        await api.make("network", name="same", project_id="green")
        await openstack(api, "quota set --networks 1 --ports 2 red")
        shown = await openstack(api, "quota show --network red -f json")
        limits = {row["Resource"]: row["Limit"] for row in shown}
        assert (limits["networks"], limits["ports"], limits["subnets"]) == (1, 2, -1)
        refused = await openstack(api, "network create more --project red", fails=True)
        assert "Quota exceeded" in refused
        await openstack(api, "quota delete --network red")
        await api.make("network", name="more", project_id="red")
        mine = await openstack(api, "network list --project red --limit 1 --sort-column Name -f json")
        assert [n["Name"] for n in mine] == ["more", "same"], "the client follows pages"


async def test_ports_in_detail_zones_and_what_is_not_served(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network", name="more")
        await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24")
        pair = "--allowed-address ip-address=10.0.0.99"
        port = f"port create p --network more --disable --device d --host host1 --no-security-group {pair}"
        made = await openstack(api, f"{port} -f json")
        mac = made["mac_address"]
        assert made["allowed_address_pairs"] == [{"ip_address": "10.0.0.99", "mac_address": mac}]
        assert made["admin_state_up"] is False and made["binding_host_id"] == "host1"
        await openstack(api, f"port unset p --allowed-address ip-address=10.0.0.99,mac-address={mac}")
        await openstack(api, "port set p --enable --no-fixed-ip --disable-port-security --tag x")
        now = (await api.call(f"GET /v2.0/ports/{made['id']}")).body["port"]
        assert now["port_security_enabled"] is False and now["tags"] == ["x"] and now["fixed_ips"] == []
        await openstack(api, "network set more --disable --share --mtu 1280 --dns-domain x.example.")
        now = (await api.call(f"GET /v2.0/networks/{network['id']}")).body["network"]
        assert (now["status"], now["shared"], now["mtu"]) == ("DOWN", True, 1280)
        zones = await openstack(api, "availability zone list --network -f json")
        assert [z["Zone Name"] for z in zones] == ["default", "default"]
        for line, said in (
            ("network show nobody", "no network found for nobody"),
            ("network delete more", "one or more ports"),
        ):
            assert said in (await openstack(api, line, fails=True)).lower(), line


async def test_segments(database: OvsdbServer) -> None:
    async with live(database) as api:
        lan = "--provider-network-type vlan --provider-physical-network lan --provider-segment 7"
        network = await openstack(api, f"network create lan {lan} -f json")
        await openstack(api, "network create blue -f json")
        (row,) = await openstack(api, "network segment list --network lan --long -f json")
        assert (row["Network"], row["Network Type"], row["Segment"]) == (network["id"], "vlan", 7)
        assert len(await openstack(api, "network segment list -f json")) == 2
        await openstack(api, f"network segment set {row['ID']} --name first --description x")
        shown = await openstack(api, "network segment show first -f json")
        assert (shown["name"], shown["description"], shown["physical_network"]) == ("first", "x", "lan")
        subnet = "subnet create s --network lan --network-segment first --subnet-range 192.0.2.0/24"
        assert (await openstack(api, f"{subnet} -f json"))["segment_id"] == row["ID"]
        assert "delete the network" in await openstack(api, "network segment delete first", fails=True)
        more = "network segment create --network-type vlan --segment 8"
        refused = await openstack(api, f"{more} --physical-network lan --network lan second", fails=True)
        assert "give another physical_network" in refused
        made = await openstack(api, f"{more} --physical-network yard --network lan second -f json")
        assert (made["physical_network"], made["segmentation_id"], made["name"]) == ("yard", 8, "second")
        more = "subnet create t --network lan --network-segment second --subnet-range 198.51.100.0/24"
        assert (await openstack(api, f"{more} -f json"))["segment_id"] == made["id"]
        assert "subnet(s)" in await openstack(api, "network segment delete second", fails=True)
        await openstack(api, "port create p --network lan -f json")
        assert (await openstack(api, "port show p -f json"))["ip_allocation"] == "deferred"
        shown = await openstack(api, "network show lan -f json")
        assert shown["is_vlan_transparent"] is None and len(shown["segments"]) == 2
        for line in ("port delete p", "subnet delete t", "network segment delete second"):
            await openstack(api, line)
        assert len(await openstack(api, "network segment list --network lan -f json")) == 1


async def test_trunks(database: OvsdbServer) -> None:
    async with live(database) as api:
        for name in ("own", "blue", "green"):
            await openstack(api, f"network create {name} -f json")
            await openstack(api, f"port create p-{name} --network {name} -f json")
        wish = "--subport port=p-blue,segmentation-type=vlan,segmentation-id=101"
        made = await openstack(api, f"network trunk create all --parent-port p-own {wish} -f json")
        assert made["sub_ports"][0]["segmentation_id"] == 101 and made["status"] == "DOWN"
        more = "port=p-green,segmentation-type=vlan,segmentation-id=102"
        await openstack(api, f"network trunk set all --subport {more} --name every --description x")
        await openstack(api, "network trunk set every --disable")
        (row,) = await openstack(api, "network trunk list -f json")
        assert (row["Name"], row["Parent Port"]) == ("every", made["port_id"])
        assert "disabled" in await openstack(api, "network trunk unset every --subport p-blue", fails=True)
        await openstack(api, "network trunk set every --enable")
        await openstack(api, "network trunk unset every --subport p-blue")
        (left,) = await openstack(api, "network subport list --trunk every -f json")
        assert left["Segmentation ID"] == 102
        shown = await openstack(api, "network trunk show every -f json")
        assert (shown["is_admin_state_up"], shown["description"]) == (True, "x")
        assert (await openstack(api, "port show p-own -f json"))["trunk_details"]["trunk_id"] == made["id"]
        assert "parent port" in await openstack(api, "port delete p-own", fails=True)
        await openstack(api, "network trunk delete every")
        assert await openstack(api, "network trunk list -f json") == []


async def test_dhcp_options_of_a_port(database: OvsdbServer) -> None:
    async with live(database) as api:
        await openstack(api, "network create blue -f json")
        option = "--extra-dhcp-option name=ntp-server,value=10.7.0.5"
        made = await openstack(
            api, f"port create web --network blue {option},ip-version=4 --dns-name web -f json"
        )
        assert made["extra_dhcp_opts"] == [
            {"opt_name": "ntp-server", "opt_value": "10.7.0.5", "ip_version": 4}
        ]
        said = await openstack(api, f"port create v6 --network blue {option},ip-version=6", fails=True)
        assert "extra_dhcp_opts" in said and "leave it out" in said


async def test_what_openrc_prints_is_all_that_the_command_needs(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, host.api(api_listen_fd=str(listener.fileno())):
        async with host.session() as api:
            await becomes(api, "GET /v2.0/networks", [], "networks")
            await api.make("network", name="blue")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "SEALANE_"))} | {
            "SEALANE_CONFIG": "/nonexistent",
            "SEALANE_ETC_DIR": str(host.directory / "etc"),
            "SEALANE_API_BIND": f"127.0.0.1:{listener.getsockname()[1]}",
            "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
        }
        shell = 'eval "$(sealane openrc)" && openstack network list --project default -f value -c Name'
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            shell,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
        assert out.decode().split() == ["blue"], err.decode()


async def test_a_router_gets_a_gateway_and_loses_it(database: OvsdbServer) -> None:
    """By calls of their own, which the command makes where several gateways are possible."""
    async with live(database) as api:
        for name, cidr in (("world", "203.0.113.0/24"), ("other", "198.51.100.0/24")):
            made = await openstack(api, f"network create {name} --external -f json")
            subnet = {"network_id": made["id"], "ip_version": 4, "cidr": cidr}
            await api.make("subnet", **subnet)
        await openstack(api, "router create edge --external-gateway world -f json")
        for line, gateways in (
            ("set edge --external-gateway other", 1),
            ("unset edge --external-gateway", 0),
        ):
            await openstack(api, f"router {line}")
            (router,) = (await api.call("GET /v2.0/routers?name=edge")).body["routers"]
            assert len(router["external_gateways"]) == gateways


async def test_quality_of_service(database: OvsdbServer) -> None:
    async with live(database) as api:
        await openstack(api, "network create blue -f json")
        await openstack(api, "subnet create low --network blue --subnet-range 10.7.0.0/24 -f json")
        made = await openstack(api, "network qos policy create slow --description guests -f json")
        rules = "network qos rule create slow"
        limit = await openstack(api, f"{rules} --type bandwidth-limit --max-kbps 4000 --egress -f json")
        assert (limit["max_kbps"], limit["direction"]) == (4000, "egress")
        await openstack(
            api, f"{rules} --type bandwidth-limit --max-kbps 2000 --max-burst-kbits 300 --ingress -f json"
        )
        await openstack(api, f"{rules} --type dscp-marking --dscp-mark 46 -f json")
        again = await openstack(api, f"{rules} --type bandwidth-limit --max-kbps 9000 --egress", fails=True)
        assert "already exists in QoS Policy" in again
        refused = await openstack(
            api, f"{rules} --type minimum-bandwidth --min-kbps 9000 --egress", fails=True
        )
        assert "min_kbps" in refused
        await openstack(api, f"network qos rule set slow {limit['id']} --max-kbps 5000")
        listed = await openstack(api, "network qos rule list slow -f json")
        assert {r["Max Kbps"] for r in listed} == {5000, 2000, ""}
        await openstack(api, "port create web --network blue --qos-policy slow -f json")
        assert (await openstack(api, "port show web -f json"))["qos_policy_id"] == made["id"]
        assert "used by port" in await openstack(api, "network qos policy delete slow", fails=True)
        await openstack(api, "port unset web --qos-policy")
        await openstack(api, f"network qos rule delete slow {limit['id']}")
        types = await openstack(api, "network qos rule type list -f json")
        assert {t["Type"] for t in types} == {"bandwidth_limit", "dscp_marking"}
        await openstack(api, "network qos policy delete slow")
        assert await openstack(api, "network qos policy list -f json") == []


async def test_metering(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await openstack(api, "network meter create out --description x --share -f json")
        assert (made["name"], made["description"], made["shared"]) == ("out", "x", True)
        words = "network meter rule create out --egress"
        rule = await openstack(api, f"{words} --destination-ip-prefix 192.0.2.0/24 -f json")
        assert (rule["direction"], rule["destination_ip_prefix"]) == ("egress", "192.0.2.0/24")
        overlapping = f"{words} --destination-ip-prefix 192.0.2.7/32"
        assert "overlaps" in await openstack(api, overlapping, fails=True)
        await openstack(api, f"{overlapping} --exclude -f json")
        old = await openstack(
            api, "network meter rule create out --ingress --remote-ip-prefix 10.0.0.0/24 -f json"
        )
        assert old["remote_ip_prefix"] == "10.0.0.0/24"
        assert len(await openstack(api, "network meter rule list -f json")) == 3
        shown = await openstack(api, f"network meter rule show {rule['id']} -f json")
        assert shown["destination_ip_prefix"] == "192.0.2.0/24"
        await openstack(api, f"network meter rule delete {rule['id']}")
        assert [m["Name"] for m in await openstack(api, "network meter list -f json")] == ["out"]
        assert (await openstack(api, "network meter show out -f json"))["name"] == "out"
        await openstack(api, "network meter delete out")
        assert await openstack(api, "network meter rule list -f json") == []


async def test_taps(database: OvsdbServer) -> None:
    async with live(database) as api:
        await openstack(api, "network create blue -f json")
        ports = {
            name: await openstack(api, f"port create {name} --network blue -f json")
            for name in ("probe", "web", "db")
        }
        made = await openstack(api, "tap service create --name watch --port probe -f json")
        assert (made["port_id"], made["status"]) == (ports["probe"]["id"], "DOWN")
        words = "tap flow create --name all --port web --tap-service watch"
        flow = await openstack(api, f"{words} --direction BOTH -f json")
        assert (flow["source_port"], flow["direction"]) == (ports["web"]["id"], "BOTH")
        again = await openstack(api, f"{words} --direction IN", fails=True)
        assert "already" in again
        itself = "tap flow create --port probe --tap-service watch --direction IN"
        assert "itself" in await openstack(api, itself, fails=True)
        filtered = "tap flow create --port db --tap-service watch --direction IN --vlan-filter 7"
        assert "vlan_filter" in await openstack(api, filtered, fails=True)
        await openstack(api, "tap flow update all --name some -f json")
        assert [f["Name"] for f in await openstack(api, "tap flow list -f json")] == ["some"]
        assert (await openstack(api, "tap service show watch -f json"))["name"] == "watch"
        await openstack(api, "tap flow delete some")
        await openstack(api, "tap service delete watch")
        assert await openstack(api, "tap service list -f json") == []
