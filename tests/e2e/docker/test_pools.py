"""Networks of Docker whose addresses come from subnet pools."""

from collections.abc import Iterator

import pytest

from tests.e2e.docker.engines import Api, Engine, Failed, until

CREATE = ("network", "create", "-d", "sealane", "--ipam-driver", "sealane")
FROM = (*CREATE, "--ipam-opt")


@pytest.fixture
def low(api: Api) -> Iterator[str]:
    """Asked for before the engines: what is of it has gone when it goes."""
    body = {"name": "low", "prefixes": ["10.164.0.0/24"], "default_prefixlen": 26}
    made = api.call("POST", "subnetpools", {"subnetpool": body})["subnetpool"]["id"]
    yield str(made)
    until(
        lambda: not api.call("GET", f"subnets?subnetpool_id={made}")["subnets"],
        what="the pool is whole again",
    )
    api.call("DELETE", f"subnetpools/{made}")


@pytest.fixture
def high(api: Api) -> Iterator[str]:
    body = {"name": "high", "prefixes": ["fd64::/48"]}
    made = api.call("POST", "subnetpools", {"subnetpool": body})["subnetpool"]["id"]
    yield str(made)
    until(lambda: not of_pool(api, made), what="the pool is whole again")
    api.call("DELETE", f"subnetpools/{made}")


def of_pool(api: Api, pool: str) -> list[str]:
    return sorted(s["cidr"] for s in api.call("GET", f"subnets?subnetpool_id={pool}")["subnets"])


def test_networks_of_two_engines_are_of_one_pool(
    api: Api, low: str, high: str, one: Engine, two: Engine
) -> None:
    """Four times a /26 is all there is; containers on both hosts reach each other; what goes comes back."""
    one(*FROM, "sealane.subnetpool=low", "blue")
    two(*FROM, "sealane.subnetpool=low", "red")
    assert len(of_pool(api, low)) == 2
    subnets = ("--subnet", next_free(of_pool(api, low)), "--ipv6", "--subnet", "fd64:0:0:7::/64")
    one(*FROM, f"sealane.subnetpool={low},high", *subnets, "green")
    assert of_pool(api, high) == ["fd64:0:0:7::/64"]
    one(*FROM, "sealane.subnetpool=low", "plain")
    assert of_pool(api, low) == [f"10.164.0.{n}/26" for n in (0, 128, 192, 64)]
    with pytest.raises(Failed, match="Insufficient prefix space"):
        two(*FROM, "sealane.subnetpool=low", "more")
    one.run("anna", "blue")
    until(lambda: "blue" in two("network", "ls", "--format", "{{.Name}}").split(), what="its mirror")
    two.run("bert", "blue")
    assert "1 packets received" in two("exec", "bert", "ping", "-c", "1", "-W", "30", "anna")
    two.run("carl", "red")
    shown = {
        p["name"]: p["fixed_ips"][0]["ip_address"]
        for p in api.ports()
        if p["name"] in ("anna", "bert", "carl")
    }
    assert all(address.startswith("10.164.0.") for address in shown.values())
    assert "0 packets received" in two("exec", "carl", "sh", "-c", f"ping -c 2 -W 1 {shown['anna']} || true")
    one("network", "rm", "plain")
    until(lambda: len(of_pool(api, low)) == 3, what="its addresses are free again")


def next_free(taken: list[str]) -> str:
    return next(c for c in (f"10.164.0.{n}/26" for n in (0, 64, 128, 192)) if c not in taken)


def test_what_can_t_be_of_a_pool_is_refused(api: Api, low: str, one: Engine) -> None:
    for words, said in (
        (("--ipam-opt", "sealane.subnetpool=nowhere", "x"), "no subnet pool is called 'nowhere'"),
        (("--ipam-opt", "sealane.subnetpool=low", "--subnet", "10.9.0.0/24", "x"), "not within the prefixes"),
        (("--ipam-opt", "sealane.subnetpool=a b", "x"), "no list of pools"),
        (("-o", "sealane.subnetpool=low", "--subnet", "10.164.0.0/26", "x"), "comes too late"),
    ):
        with pytest.raises(Failed, match=said):
            one(*CREATE, *words)
    assert of_pool(api, low) == []
