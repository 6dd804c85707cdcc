"""`sealane loadbalancer`: load balancers, and below them listeners, pools, members and health monitors."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from sealane.cli import creating, noun
from sealane.cli.api import Body
from sealane.cli.complete import names
from sealane.cli.failures import Several
from sealane.cli.loadbalancer_member import member
from sealane.cli.loadbalancer_nouns import BALANCER, BALANCERS, LISTENER, MONITOR, POOL
from sealane.cli.output import output_option, show_one
from sealane.cli.waiting import Patient, settle, wait_option
from sealane.errors import SealaneError


def _pool_body(client: Any, body: Body, given: dict[str, Any]) -> Body:
    return {**body, "lb_algorithm": "SOURCE_IP_PORT"}


@click.command("delete", cls=Patient, epilog=BALANCER.example("delete"))
@click.argument("wanted", metavar="LOADBALANCER…", nargs=-1, required=True, shell_complete=names(BALANCERS))
@click.option("--cascade", is_flag=True, help="With its listeners, pools, members and monitors.")
@wait_option
def delete(wanted: Sequence[str], cascade: bool, wait: int | None) -> None:
    """Delete loadbalancers; goes on after an error and tells all of them."""
    client = noun.api()
    client.wait = wait
    query, failures = {"cascade": "true"} if cascade else {}, []
    for one in wanted:
        try:
            client.delete(BALANCERS, client.find(BALANCERS, one)["id"], **query)
        except SealaneError as exc:
            failures.append(f"loadbalancer '{one}': {exc.message}")
    if failures:
        raise Several(failures)
    settle(client, "deleted")


@click.command(epilog="\b\nExample:\n  sealane loadbalancer status shop")
@click.argument("wanted", metavar="LOADBALANCER", shell_complete=names(BALANCERS))
@output_option
def status(wanted: str, output: str) -> None:
    """What works of it, down to each member."""
    client = noun.api()
    id = client.find(BALANCERS, wanted)["id"]
    tree = client.request("GET", f"/v2.0/{BALANCERS}/{id}/status")["statuses"]
    if output == "json":
        return show_one(tree, output)
    for depth, text in _lines(tree["loadbalancer"]):
        click.echo(f"{'  ' * depth}{text}")


def _lines(root: Body) -> Iterator[tuple[int, str]]:
    yield 0, _line("loadbalancer", root)
    led = {pool["id"] for listener in root["listeners"] for pool in listener["pools"]}
    for listener in root["listeners"]:
        yield 1, _line("listener", listener)
        yield from _pools(listener["pools"], 2)
    yield from _pools((pool for pool in root["pools"] if pool["id"] not in led), 1)


def _pools(pools: Iterable[Body], depth: int) -> Iterator[tuple[int, str]]:
    for pool in pools:
        yield depth, _line("pool", pool)
        for one in pool["members"]:
            yield depth + 1, _line(f"member {one['address']} {one['protocol_port']}", one)


def _line(what: str, row: Body) -> str:
    return f"{what} {row['name'] or row['id']}: {row['operating_status']}"


loadbalancer: click.Group = noun.group(BALANCER, creating.create(BALANCER))
listener: click.Group = noun.group(LISTENER, creating.create(LISTENER))
pool: click.Group = noun.group(POOL, creating.create(POOL, _pool_body))
health_monitor: click.Group = noun.group(MONITOR, creating.create(MONITOR))
for command in (delete, status, listener, pool, member, health_monitor):
    loadbalancer.add_command(command)
