"""openstacksdk as it comes from PyPI, doing everything that the API's core has."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import openstack
import pytest
from openstack.exceptions import (
    BadRequestException,
    ConflictException,
    NotFoundException,
    PreconditionFailedException,
)
from openstack.network.v2.network import Network

from tests.api.live import TOKEN, live
from tests.api.test_server import Host, becomes, host
from tests.api.test_waiting import controllers
from tests.daemons import OvsdbServer

__all__ = ["host"]


def connect(url: str, token: str = TOKEN) -> Any:
    return openstack.connection.Connection(
        auth_type="admin_token", auth={"endpoint": url, "token": token}, identity_api_version="3"
    )


async def with_sdk(database: OvsdbServer, story: Callable[[Any], None]) -> None:
    """The SDK blocks, so it has a thread of its own."""
    async with live(database) as api:
        connection = connect(api.url)
        try:
            await asyncio.to_thread(story, connection.network)
        finally:
            connection.close()


async def test_networks_subnets_and_ports(database: OvsdbServer) -> None:
    def story(net: Any) -> None:
        network = net.create_network(name="blue", description="sea", mtu=1400, dns_domain="blue.example.")
        assert (network.status, network.mtu, network.is_admin_state_up) == ("ACTIVE", 1400, True)
        low = net.create_subnet(
            network_id=network.id,
            ip_version=4,
            cidr="10.7.0.0/24",
            gateway_ip="10.7.0.254",
            dns_nameservers=["10.7.0.53"],
            allocation_pools=[{"start": "10.7.0.10", "end": "10.7.0.99"}],
            host_routes=[{"destination": "10.8.0.0/16", "nexthop": "10.7.0.9"}],
        )
        high = net.create_subnet(network_id=network.id, ip_version=6, cidr="fd00:7::/64")
        chosen = net.create_port(network_id=network.id, name="one")
        assert [f["ip_address"] for f in chosen.fixed_ips] == ["10.7.0.10", "fd00:7::2"]
        second = net.create_subnet(network_id=network.id, ip_version=4, cidr="10.9.0.0/24", enable_dhcp=False)
        assert set(net.get_network(network.id).subnet_ids) == {low.id, high.id, second.id}
        given = net.create_port(
            network_id=network.id,
            name="two",
            mac_address="02:42:0a:07:00:32",
            fixed_ips=[{"subnet_id": second.id, "ip_address": "10.9.0.50"}, {"subnet_id": low.id}],
            allowed_address_pairs=[{"ip_address": "10.7.0.200"}],
            device_id="d",
            device_owner="compute:nova",
            binding_host_id="host1",
            binding_profile={"a": 1},
        )
        assert given.mac_address == "02:42:0a:07:00:32" and given.binding_vif_type == "ovs"
        assert [f["ip_address"] for f in given.fixed_ips] == ["10.9.0.50", "10.7.0.11"]
        pair = {"ip_address": "10.7.0.200", "mac_address": given.mac_address}
        assert given.allowed_address_pairs == [pair]
        changed = net.update_port(given, name="due", is_admin_state_up=False, allowed_address_pairs=[])
        assert (changed.name, changed.is_admin_state_up, changed.status) == ("due", False, "DOWN")
        net.update_subnet(low, dns_nameservers=[], host_routes=[], gateway_ip=None)
        assert net.get_subnet(low.id).gateway_ip is None
        with pytest.raises(ConflictException, match="ports still in use"):
            net.delete_network(network)
        with pytest.raises(BadRequestException, match="overlaps"):
            net.create_subnet(network_id=network.id, ip_version=4, cidr="10.7.0.0/25")
        for port in (chosen, given):
            net.delete_port(port, ignore_missing=False)
        with pytest.raises(NotFoundException):
            net.delete_port(given, ignore_missing=False)
        net.delete_network(network, ignore_missing=False)
        assert list(net.subnets()) == []

    await with_sdk(database, story)


async def test_bulk_lists_filters_sorting_and_pages(database: OvsdbServer) -> None:
    def story(net: Any) -> None:
        names = [f"n{i:02}" for i in range(12)]
        networks = {n.name: n for n in Network.bulk_create(net, [{"name": name} for name in names])}
        assert set(networks) == set(names)
        listed = [n.name for n in net.networks(sort_key="name", sort_dir="desc", limit=5)]
        assert listed == sorted(names, reverse=True), "all pages, in their order"
        assert [n.name for n in net.networks(name="n03")] == ["n03"]
        assert net.find_network("n03").id == networks["n03"].id
        assert net.find_network("nobody") is None
        part = list(net.networks(fields=["id", "name"], name="n04"))
        assert part[0].name == "n04" and part[0].mtu is None
        ports = list(
            net.create_ports([{"network_id": networks["n00"].id, "name": f"p{i}"} for i in range(5)])
        )
        assert len({p.id for p in ports}) == 5
        assert len(list(net.ports(network_id=networks["n00"].id, limit=2))) == 5
        assert list(net.ports(status="ACTIVE")) == []
        with pytest.raises(ConflictException):
            net.create_ports([{"network_id": networks["n01"].id, "mac_address": ports[0].mac_address}] * 2)
        assert list(net.ports(network_id=networks["n01"].id)) == [], "all or nothing"

    await with_sdk(database, story)


async def test_revisions_and_tags(database: OvsdbServer) -> None:
    def story(net: Any) -> None:
        network = net.create_network(name="blue")
        net.update_network(network.id, description="a")
        with pytest.raises(PreconditionFailedException):
            net.update_network(network.id, if_revision=network.revision_number, description="b")
        now = net.get_network(network.id)
        assert now.revision_number == network.revision_number + 1
        net.update_network(network.id, if_revision=now.revision_number, description="c")
        with pytest.raises(PreconditionFailedException):
            net.delete_network(network.id, if_revision=now.revision_number)
        assert net.set_tags(network, ["red", "warm"]).tags == ["red", "warm"]
        net.create_network(name="other")
        assert [n.name for n in net.networks(tags="red")] == ["blue"]
        assert [n.name for n in net.networks(not_tags="red")] == ["other"]
        assert [n.name for n in net.networks(any_tags="red,cold")] == ["blue"]
        assert net.set_tags(network, []).tags == []
        shown = net.get_network(network.id)
        assert shown.created_at.endswith("Z") and shown.updated_at >= shown.created_at

    await with_sdk(database, story)


async def test_quotas_extensions_zones_and_projects_that_overlap(database: OvsdbServer) -> None:
    def story(net: Any) -> None:
        net.update_quota("red", networks=1, ports=2)
        assert net.get_quota("red").networks == 1
        assert net.get_quota_default("red").networks == -1
        assert [q.project_id for q in net.quotas()] == ["red"]
        for project in ("red", "green"):
            network = net.create_network(name="same", project_id=project)
            net.create_subnet(network_id=network.id, project_id=project, ip_version=4, cidr="10.0.0.0/24")
            assert net.create_port(network_id=network.id, project_id=project).fixed_ips[0]["ip_address"]
        with pytest.raises(ConflictException, match="Quota exceeded"):
            net.create_network(name="second", project_id="red")
        assert net.get_quota("red", details=True).networks["used"] == 1
        net.delete_quota("red")
        net.create_network(name="second", project_id="red")
        assert {n.name for n in net.networks(project_id="red")} == {"same", "second"}
        aliases = {e.alias for e in net.extensions()}
        assert {"standard-attr-tag", "quotas", "binding", "agent"} <= aliases
        assert not {"fwaas_v2"} & aliases and {"security-group", "segment"} <= aliases
        assert net.find_extension("binding").name
        assert [z.name for z in net.availability_zones()] == ["default", "default"]
        assert {s.network_id for s in net.segments()} == {n.id for n in net.networks()}

    await with_sdk(database, story)


async def test_agents(host: Host) -> None:
    def story(net: Any) -> None:
        found = list(net.agents())
        assert {a.host for a in found} == {"one", "three"}
        assert net.get_agent("one").binary == "ovn-controller"
        assert [a.host for a in net.agents(host="three")] == ["three"]
        assert {a.is_alive for a in found} == {False}, "no agent has asked"

    with socket.create_server(("127.0.0.1", 0)) as listener, host.api(api_listen_fd=str(listener.fileno())):
        async with host.session() as api, controllers(host):
            await becomes(api, "GET /v2.0/agents/three", "three", "agent", "host")
            connection = connect(f"http://127.0.0.1:{listener.getsockname()[1]}", host.token)
            try:
                await asyncio.to_thread(story, connection.network)
            finally:
                connection.close()
