"""Containers with the same service label form a pool by themselves, on both hosts."""

import subprocess

from tests.e2e.docker.engines import IMAGE, Engine, until
from tests.e2e.docker.test_groups import inside

CREATE = (
    "network",
    "create",
    "-d",
    "sealane",
    "--ipam-driver",
    "sealane",
    "--subnet",
    "10.66.0.0/24",
    "blue",
)
SERVE = "echo {} > /index.html; echo > /well; httpd -p 8080 -h /; sleep 3600"
CHECK = ("--health-cmd", "test -e /well", "--health-interval", "1s", "--health-retries", "1")
TRIES = " ".join(map(str, range(24)))


def serve(engine: Engine, name: str, *options: str) -> None:
    label = ("--label", "sealane.service=shop:80:8080")
    engine(
        "run",
        "-d",
        "--init",
        "--name",
        name,
        "--network",
        "blue",
        *label,
        *options,
        IMAGE,
        "sh",
        "-c",
        SERVE.format(name),
    )


def address_of(engine: Engine, container: str, name: str) -> str:
    """By the container's own resolver; "" for none."""
    said = engine("exec", container, "sh", "-c", f"nslookup {name} || true")
    return said.rpartition("Address: ")[2].split()[0] if "Name:" in said else ""


def fetched(engine: Engine, container: str, address: str) -> set[str]:
    """Names of those who answer; empty where nobody does."""
    script = f"for n in {TRIES}; do curl -s -m 2 http://{address}/ || break; done"
    done = subprocess.run(
        inside(engine, container, "sh", "-c", script), capture_output=True, text=True, timeout=90, check=False
    )
    return set(done.stdout.split())


def test_a_service_is_where_its_containers_are_and_well(one: Engine, two: Engine) -> None:
    one(*CREATE)
    until(lambda: "blue" in two.networks(), what="the mirror")
    one.run("client", "blue")
    serve(one, "first")
    shop = until(lambda: address_of(one, "client", "shop"), what="its name")
    until(lambda: fetched(one, "client", shop) == {"first"}, what="the first one serves")
    serve(two, "second", *CHECK)
    until(
        lambda: fetched(one, "client", shop) == {"first", "second"},
        what="so does the second, once it is well",
    )
    two("exec", "second", "sh", "-c", "rm /well")
    until(lambda: fetched(one, "client", shop) == {"first"}, what="one that is not well is left out")
    two("exec", "second", "sh", "-c", "echo > /well")
    until(lambda: fetched(one, "client", shop) == {"first", "second"}, what="it is back")
    one("rm", "-f", "first")
    until(lambda: fetched(one, "client", shop) == {"second"}, what="the first one has gone")
    two("rm", "-f", "second")
    until(lambda: not address_of(one, "client", "shop"), what="nobody is left, and no name")
    assert not fetched(one, "client", shop)
