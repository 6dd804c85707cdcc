"""`list` and `show` of a noun."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.noun import COMMON_FILTERS, Filter, Noun, api, find, scope_options
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.errors import BadRequest

Pairs = list[tuple[str, str]]


def listing(noun: Noun) -> click.Command:
    filters = (*COMMON_FILTERS, *noun.filters)

    @click.command("list", help=f"{noun.title}, all or some.", epilog=noun.example("list"))
    @click.option("--filter", "others", multiple=True, metavar="KEY=VALUE", help="Any attribute of the API.")
    @click.option(
        "--sort",
        multiple=True,
        metavar="KEY[:desc]",
        help="Order; given again: by that next. Left out: name.",
    )
    @click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many.")
    @click.option("--long", "is_long", is_flag=True, help="More columns.")
    @click.option("--fields", metavar="KEY,…", help="These attributes of the API instead.")
    @click.option("-q", "--quiet", is_flag=True, help="Only the ids, one a line.")
    @output_option
    def command(
        others: Sequence[str],
        sort: Sequence[str],
        limit: int | None,
        output: str,
        **given: Any,
    ) -> None:
        client = api()
        pairs = [*_wanted(client, filters, given), *_others(others), *_order(sort or ("name",))]
        if limit:
            pairs.append(("limit", str(limit)))
        if given["quiet"]:
            for row in _listed(client, noun, pairs, ("id",), given):
                click.echo(row["id"])
            return
        if given["fields"]:
            return _chosen(client, noun, pairs, given, output)
        rows = _listed(client, noun, pairs, (), given)
        if output == "table":
            rows = named(client, by_name(client, rows, noun.columns))
        show_many(rows, (*noun.columns, *noun.more) if given["is_long"] else noun.columns, output)

    command.params = [*(_option(f) for f in filters), *command.params]
    if noun.unlisted:
        text = "Also those that are kept ready and that nobody has yet."
        command.params.insert(-1, click.Option(["--all", "everything"], is_flag=True, help=text))
    return command


def _listed(
    client: Api, noun: Noun, pairs: Pairs, keys: Sequence[str], given: Mapping[str, Any]
) -> list[Body]:
    """With these attributes, or all; without what nobody has asked for."""
    if noun.unlisted is None or given["everything"] or noun.unlisted[0] in dict(pairs):
        return client.list(noun.collection, *pairs, *(("fields", key) for key in keys))
    key, start = noun.unlisted
    asked = (*keys, key) if keys and key not in keys else keys
    rows = client.list(noun.collection, *pairs, *(("fields", key) for key in asked))
    shown = [row for row in rows if not str(row.get(key) or "").startswith(start)]
    return [{k: v for k, v in row.items() if k in keys} for row in shown] if keys else shown


def show(noun: Noun) -> click.Command:
    @click.command(
        "show", help=f"All attributes of one {noun.words}, by name or id.", epilog=noun.example("show")
    )
    @click.argument("wanted", metavar=noun.name.upper(), shell_complete=names(noun.collection))
    @click.option("--fields", metavar="KEY,…", help="Only these attributes.")
    @output_option
    def command(wanted: str, fields: str | None, output: str, **within: str | None) -> None:
        client = api()
        row = find(client, noun, wanted, within)
        if fields:
            _known(words(fields), row)
            row = {key: row[key] for key in words(fields)}
        if output == "table":
            (row,) = by_name(client, [row], noun.columns, with_id=True)
        show_one(row, output)

    command.params += scope_options(noun)
    return command


def named(client: Api, rows: list[Body]) -> list[Body]:
    """For people: networks by name, subnets by what they span."""
    networks = _lookup(client, "networks", "name") if any(row.get("network_id") for row in rows) else {}
    spans = _lookup(client, "subnets", "cidr") if any(row.get("subnets") for row in rows) else {}
    shown = []
    for row in rows:
        if network := networks.get(row.get("network_id", "")):
            row = {**row, "network_id": network}
        if row.get("subnets"):
            row = {**row, "subnets": [spans.get(id) or id for id in row["subnets"]]}
        shown.append(row)
    return shown


def by_name(client: Api, rows: list[Body], columns: Iterable[Column], *, with_id: bool = False) -> list[Body]:
    """For people: what columns are `of`, by the names that it was given; what has none by its id.

    with_id: the id behind the name.
    """
    for column in columns:
        ids = {id for row in rows for id in _ids(row.get(column.key))} if column.of else set[str]()
        if not ids:
            continue
        some = [("id", id) for id in sorted(ids)] if len(ids) <= MOST_ASKED else []
        known = _lookup(client, column.of, "name", *some)
        texts = {id: f"{name} ({id})" if with_id else name for id, name in known.items() if name}
        rows = [{**row, column.key: _with_names(row.get(column.key), texts)} for row in rows]
    return rows


MOST_ASKED = 50
"""Ids in one question; of more, all names are asked for."""


def _ids(value: Any) -> Iterable[str]:
    """Of an attribute that is an id, or a list of objects with a port."""
    if isinstance(value, str):
        return [value]
    return [one["port_id"] for one in value] if isinstance(value, list) else []


def _with_names(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [{**one, "port_id": texts.get(one["port_id"], one["port_id"])} for one in value]
    return texts.get(value, value)


def _lookup(client: Api, collection: str, key: str, *which: tuple[str, str]) -> dict[str, str]:
    rows = client.list(collection, *which, ("fields", "id"), ("fields", key))
    return {row["id"]: row[key] for row in rows}


def _option(one: Filter) -> click.Option:
    return click.Option(
        [one.option, _parameter(one)],
        multiple=one.many,
        metavar=one.parent[:-1].upper() if one.parent else one.metavar,
        help=one.help,
        shell_complete=names(one.parent) if one.parent else None,
    )


def _parameter(one: Filter) -> str:
    return "by_" + one.option.lstrip("-").replace("-", "_")


def _wanted(client: Api, filters: Iterable[Filter], given: dict[str, Any]) -> Pairs:
    pairs: Pairs = []
    for one in filters:
        value = given.get(_parameter(one))
        if value is None or value == ():
            continue
        if one.many:
            value = ",".join(value)  # tags, which hold no comma
        elif one.parent:
            value = client.find(one.parent, value)["id"]
        pairs.append((one.key, f"{one.prefix}{value}"))
    return pairs


def _others(texts: Iterable[str]) -> Pairs:
    pairs = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"'{text}' is not KEY=VALUE, as device_id=web", param_hint="--filter")
        pairs.append((key, value))
    return pairs


def _order(sort: Iterable[str]) -> Pairs:
    pairs = []
    for text in (word for group in sort for word in words(group)):
        key, _, direction = text.rpartition(":") if text.endswith((":asc", ":desc")) else (text, "", "asc")
        pairs += [("sort_key", key), ("sort_dir", direction)]
    return pairs


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _chosen(client: Api, noun: Noun, pairs: Pairs, given: Mapping[str, Any], output: str) -> None:
    keys = words(given["fields"])
    rows = _listed(client, noun, pairs, keys, given)
    if rows and set(keys) - rows[0].keys():
        _known(keys, client.list(noun.collection, ("limit", "1"))[0])
    show_many(rows, [Column(key.upper(), key) for key in keys], output)


def _known(keys: Iterable[str], row: Body) -> None:
    for key in keys:
        if key not in row:
            raise BadRequest(f"--fields: there is no attribute '{key}'; there are {', '.join(sorted(row))}")
