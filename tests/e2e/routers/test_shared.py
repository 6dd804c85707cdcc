"""Tenants that are routed to each other by a network that one of them shares."""

import pytest

from sealane.errors import Conflict
from tests.e2e.routers.site import Site

HALL, ROOM, CELLAR = "10.71.0.0/24", "10.72.0.0/24", "10.73.0.0/24"
LEG = "10.71.0.9"


def lets_in(site: Site, project: str, prefix: str) -> None:
    """A rule in the project's default group."""
    (group,) = site.api.list("security-groups", project_id=project, name="default")
    rule = {"direction": "ingress", "protocol": "icmp", "remote_ip_prefix": prefix}
    site.create("security-group-rules", security_group_id=group["id"], project_id=project, **rule)


def test_tenants_meet_on_a_shared_network(site: Site) -> None:
    """Ann shares her hall with Bob, whose router leads from it to his room, and not to his cellar."""
    hall = site.network("hall", HALL, project_id="ann")
    room, cellar = (site.network(*of, project_id="bob") for of in (("room", ROOM), ("cellar", CELLAR)))
    share = {"object_type": "network", "object_id": hall, "action": "access_as_shared"}
    policy = site.create("rbac-policies", **share, target_tenant="bob", project_id="ann")
    router = site.router(room, project_id="bob")
    leg = site.api.create(
        "ports", {"network_id": hall, "project_id": "bob", "fixed_ips": [{"ip_address": LEG}]}
    )
    site.api.change("PUT", f"routers/{router}/add_router_interface", {"port_id": leg["id"]})
    ann, bob = site.machine("host1", "ann", hall), site.machine("host2", "bob", room)
    below = site.machine("host1", "below", cellar)
    ann.exec("ip", "route", "add", ROOM, "via", LEG)

    assert not bob.reaches(ann.addresses[0]), "the default group of Ann lets her own in"
    lets_in(site, "ann", ROOM)
    bob.soon_reaches(ann.addresses[0])
    assert not ann.reaches(bob.addresses[0]), "what Ann lets in is no rule of Bob's"
    lets_in(site, "bob", HALL)
    ann.soon_reaches(bob.addresses[0])
    assert not below.reaches(ann.addresses[0]) and not ann.reaches(below.addresses[0])
    with pytest.raises(Conflict):
        site.api.delete("rbac-policies", policy)
