"""`sealane loadbalancer member`: the servers of a pool, each known by its address and port."""

import re
from collections.abc import Sequence
from typing import Any

import click

from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.fields import Scope, address
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.cli.waiting import Patient, settle, wait_option
from sealane.errors import NotFound

POOLS = "lbaas/pools"
PLACE = re.compile(r"\[(.+)\]:([0-9]{1,5})|([^:]+):([0-9]{1,5})")
COLUMNS = (
    Column("ADDRESS", "address"),
    Column("PORT", "protocol_port"),
    Column("WEIGHT", "weight"),
    Column("STATUS", "operating_status"),
    Column("ADMIN UP", "admin_state_up"),
    Column("NAME", "name"),
)
WEIGHT = click.IntRange(0, 256)
pool_argument = click.argument("pool", shell_complete=names(POOLS))

member = Ordered(
    "member",
    help="Servers of a pool: list, add, set, remove.\n\n"
    "\b\nExample:\n"
    "  sealane loadbalancer member add servers 10.0.0.5:8080 10.0.0.6:8080",
)


@member.command("list")
@pool_argument
@output_option
def list_members(pool: str, output: str) -> None:
    """Members, and whether each is well.

    \b
    Example:
      sealane loadbalancer member list servers
    """
    client = api()
    show_many(client.list(_below(client, pool), ("sort_key", "address")), COLUMNS, output)


@member.command(cls=Patient)
@pool_argument
@click.argument("places", metavar="ADDRESS:PORT…", nargs=-1, required=True)
@click.option("--weight", type=WEIGHT, default=1, show_default=True, help="Its share.")
@click.option(
    "--subnet", help="Where the address is; left out: it is found.", shell_complete=names("subnets")
)
@wait_option
@output_option
def add(
    pool: str, places: Sequence[str], weight: int, subnet: str | None, wait: int | None, output: str
) -> None:
    """Add members: all of them or none.

    \b
    Example:
      sealane loadbalancer member add servers 10.0.0.5:8080 10.0.0.6:8080
      sealane loadbalancer member add servers [fd00:1::5]:8080 --weight 3
    """
    client = api()
    client.wait = wait
    common: Body = {"weight": weight}
    if subnet:
        common["subnet_id"] = client.find("subnets", subnet)["id"]
    made = client.create_many(_below(client, pool), [{**_place(text), **common} for text in places])
    show_many(made, COLUMNS, output)
    settle(client, "added")


@member.command("set", cls=Patient)
@pool_argument
@click.argument("place", metavar="ADDRESS:PORT")
@click.option("--weight", type=WEIGHT, help="Its share; 0: no new connections.")
@click.option("--enable/--disable", "admin_state_up", default=None, help="Carry traffic, or none.")
@click.option("--name", help="Another name.")
@wait_option
@output_option
def set_(pool: str, place: str, wait: int | None, output: str, **given: Any) -> None:
    """Change a member.

    \b
    Example:
      sealane loadbalancer member set servers 10.0.0.5:8080 --weight 0
    """
    values = {key: value for key, value in given.items() if value is not None}
    if not values:
        raise click.UsageError("nothing to set; give at least one option")
    client = api()
    client.wait = wait
    below = _below(client, pool)
    show_one(client.update(below, _find(client, below, place)["id"], values), output)
    settle(client, "changed")


@member.command(cls=Patient)
@pool_argument
@click.argument("places", metavar="ADDRESS:PORT…", nargs=-1, required=True)
@wait_option
def remove(pool: str, places: Sequence[str], wait: int | None) -> None:
    """Take members away; connections that are there go on.

    \b
    Example:
      sealane loadbalancer member remove servers 10.0.0.5:8080
    """
    client = api()
    client.wait = wait
    below = _below(client, pool)
    found = [_find(client, below, place) for place in places]
    for row in found:
        client.delete(below, row["id"])
    settle(client, "removed")


def _below(client: Api, pool: str) -> str:
    """The collection of its members."""
    return f"{POOLS}/{client.find(POOLS, pool)['id']}/members"


def _find(client: Api, below: str, text: str) -> Body:
    place = _place(text)
    rows = client.list(below, **{key: str(value) for key, value in place.items()})
    if not rows:
        raise NotFound(f"the pool has no member {text}; 'sealane loadbalancer member list' shows all")
    return rows[0]


def _place(text: str) -> Body:
    """Raises BadParameter."""
    match = PLACE.fullmatch(text)
    try:
        if match is None or not 0 < int(match[2] or match[4]) < 65536:
            raise ValueError(
                f"'{text}' is no member; give ADDRESS:PORT, as 10.0.0.5:8080 or [fd00:1::5]:8080"
            )
        return {
            "address": address(match[1] or match[3], Scope(api())),
            "protocol_port": int(match[2] or match[4]),
        }
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="ADDRESS:PORT") from exc
