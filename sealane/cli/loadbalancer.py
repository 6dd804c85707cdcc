"""`sealane loadbalancer`: load balancers, and below them listeners, pools, members and health monitors."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Body
from sealane.cli.complete import names
from sealane.cli.failures import Several
from sealane.cli.fields import Field, Read, Scope
from sealane.cli.loadbalancer_member import member
from sealane.cli.output import Column, output_option, show_one
from sealane.cli.waiting import Patient, settle, wait_option
from sealane.errors import SealaneError

BALANCERS, LISTENERS, POOLS = "lbaas/loadbalancers", "lbaas/listeners", "lbaas/pools"
PROTOCOLS = ("TCP", "UDP", "SCTP")


def one_of(collection: str) -> Read:
    """Its id, by name or id."""
    return lambda text, scope: scope.api.find(collection, text)["id"]


def persistence(text: str, scope: Scope) -> Body | None:
    """none, source-ip, or source-ip:SECONDS. Raises ValueError."""
    kind, colon, seconds = text.partition(":")
    if text == "none":
        return None
    if kind != "source-ip" or (colon and not seconds.isdigit()):
        raise ValueError(f"'{text}' is none of none, source-ip and source-ip:SECONDS")
    return {"type": "SOURCE_IP", **({"persistence_timeout": int(seconds)} if colon else {})}


def _persistence(shown: Any) -> str:
    if not shown:
        return ""
    timeout = shown["persistence_timeout"]
    return f"source-ip:{timeout}" if timeout else "source-ip"


def _first(rows: Any) -> str:
    return " ".join(row["id"] for row in rows or ())


COMMON = (
    Field(option="--description", key="description", help="A text for people.", empty=""),
    Field(option="--enable/--disable", key="admin_state_up", help="Carry traffic, or none."),
    Field(option="--tag", key="tags", many=True, help="A tag to find it by."),
)
STATES = (Column("STATUS", "operating_status"), Column("PROJECT", "project_id"))
MORE = (
    Column("ADMIN UP", "admin_state_up"),
    Column("TAGS", "tags"),
    Column("CREATED", "created_at"),
    Column("DESCRIPTION", "description"),
)


def _examples(command: str, create: str, change: str) -> dict[str, str]:
    name, _, options = change.partition(" ")
    return {
        "group": f"sealane {command} {create}",
        "list": f"sealane {command} list --long",
        "show": f"sealane {command} show {name}",
        "create": f"sealane {command} {create}",
        "set": f"sealane {command} set {name} {options}",
        "add": f"sealane {command} add {name} --tag front",
        "unset": f"sealane {command} unset {name} --description --tag front",
        "delete": f"sealane {command} delete {name} --wait",
    }


BALANCER = noun.Noun(
    name="loadbalancer",
    path=BALANCERS,
    tagged=False,
    columns=(Column("ID", "id"), Column("NAME", "name"), Column("ADDRESS", "vip_address"), *STATES),
    more=(Column("PORT", "vip_port_id"), *MORE),
    fields=(
        Field(
            option="--subnet",
            key="vip_subnet_id",
            read=one_of("subnets"),
            lookup=True,
            change=False,
            help="Where its address is from.",
            complete=names("subnets"),
        ),
        Field(
            option="--network",
            key="vip_network_id",
            read=one_of("networks"),
            lookup=True,
            change=False,
            help="The same, when any subnet of the network will do.",
            complete=names("networks"),
        ),
        Field(
            option="--address",
            key="vip_address",
            metavar="IP",
            read=fields.address,
            change=False,
            help="This address; left out: a free one.",
        ),
        Field(
            option="--port",
            key="vip_port_id",
            read=one_of("ports"),
            lookup=True,
            change=False,
            help="The address of a port that was made for this.",
            complete=names("ports"),
        ),
        *COMMON,
    ),
    examples=_examples("loadbalancer", "create shop --subnet web-v4", "shop --disable"),
)
LISTENER = noun.Noun(
    name="listener",
    path=LISTENERS,
    tagged=False,
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROTOCOL", "protocol"),
        Column("PORT", "protocol_port"),
        Column("POOL", "default_pool_id"),
        *STATES,
    ),
    more=(Column("LOAD BALANCER", "loadbalancer_id"), *MORE),
    fields=(
        Field(
            option="--loadbalancer",
            key="loadbalancer_id",
            read=one_of(BALANCERS),
            lookup=True,
            change=False,
            help="Whose address it is at.",
            complete=names(BALANCERS),
        ),
        Field(option="--protocol", key="protocol", choices=PROTOCOLS, change=False, help="What it takes."),
        Field(
            option="--port",
            key="protocol_port",
            metavar="NUMBER",
            read=fields.number(1, 65535),
            change=False,
            help="At which port of the address.",
        ),
        Field(
            option="--pool",
            key="default_pool_id",
            read=one_of(POOLS),
            lookup=True,
            empty=None,
            help="Where to.",
            complete=names(POOLS),
        ),
        *COMMON,
    ),
    filters=(
        noun.Filter("--loadbalancer", "loadbalancer_id", "Only of this one.", BALANCERS),
        noun.Filter("--protocol", "protocol", "Only for this protocol."),
    ),
    examples=_examples(
        "loadbalancer listener",
        "create web --loadbalancer shop --protocol TCP --port 80",
        "web --pool servers",
    ),
)
POOL = noun.Noun(
    name="pool",
    path=POOLS,
    tagged=False,
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROTOCOL", "protocol"),
        Column("MEMBERS", "members", lambda rows: str(len(rows or ()))),
        Column("PERSISTENCE", "session_persistence", _persistence),
        *STATES,
    ),
    more=(
        Column("LISTENERS", "listeners", _first),
        Column("HEALTH MONITOR", "healthmonitor_id"),
        *MORE,
    ),
    fields=(
        Field(
            option="--listener",
            key="listener_id",
            read=one_of(LISTENERS),
            lookup=True,
            change=False,
            help="Which leads to it from now on.",
            complete=names(LISTENERS),
        ),
        Field(
            option="--loadbalancer",
            key="loadbalancer_id",
            read=one_of(BALANCERS),
            lookup=True,
            change=False,
            help="In place of a listener: none leads to it yet.",
            complete=names(BALANCERS),
        ),
        Field(
            option="--protocol",
            key="protocol",
            choices=PROTOCOLS,
            change=False,
            help="That of its listeners.",
        ),
        Field(
            option="--persistence",
            key="session_persistence",
            metavar="none|source-ip[:SECONDS]",
            read=persistence,
            help="A client stays with its server, for so many seconds after its last connection.",
        ),
        *COMMON,
    ),
    filters=(
        noun.Filter("--loadbalancer", "loadbalancer_id", "Only of this one.", BALANCERS),
        noun.Filter("--protocol", "protocol", "Only for this protocol."),
    ),
    examples=_examples(
        "loadbalancer pool", "create servers --listener web --protocol TCP", "servers --persistence source-ip"
    ),
)
MONITOR = noun.Noun(
    name="health-monitor",
    path="lbaas/healthmonitors",
    tagged=False,
    named=False,
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("TYPE", "type"),
        Column("POOL", "pool_id"),
        Column("DELAY", "delay"),
        *STATES,
    ),
    more=(
        Column("TIMEOUT", "timeout"),
        Column("GOOD", "max_retries"),
        Column("BAD", "max_retries_down"),
        *MORE,
    ),
    fields=(
        Field(
            option="--pool",
            key="pool_id",
            read=one_of(POOLS),
            lookup=True,
            change=False,
            help="Whose members it asks.",
            complete=names(POOLS),
        ),
        Field(
            option="--type",
            key="type",
            choices=("TCP", "UDP-CONNECT"),
            change=False,
            help="By a connection, or by a datagram that is not refused.",
        ),
        Field(
            option="--delay",
            key="delay",
            metavar="S",
            read=fields.number(1, 3600),
            help="From one to the next.",
        ),
        Field(
            option="--timeout",
            key="timeout",
            metavar="S",
            read=fields.number(1, 3600),
            help="For the answer.",
        ),
        Field(
            option="--good",
            key="max_retries",
            metavar="N",
            read=fields.number(1, 10),
            help="Answers in a row until a member is taken.",
        ),
        Field(
            option="--bad",
            key="max_retries_down",
            metavar="N",
            read=fields.number(1, 10),
            help="Missed ones in a row until it is out; left out: 3.",
        ),
        *COMMON,
    ),
    filters=(noun.Filter("--pool", "pool_id", "Only of this one.", POOLS),),
    examples=_examples(
        "loadbalancer health-monitor",
        "create alive --pool servers --type TCP --delay 5 --timeout 3 --good 2",
        "alive --delay 10",
    ),
)


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
