"""The query of a list: fields, filters, sorting and pages, as Neutron reads them. Pure.

name=a&name=b              either (within one attribute: or; between attributes: and)
fixed_ips=subnet_id=S      ports by subnet, ip_address, or a part of it (ip_address_substr)
tags, tags-any, not-tags, not-tags-any      words separated by commas
sort_key=name&sort_dir=desc                 repeatable, in order of weight
limit=N&marker=ID&page_reverse=True         pages; links to the next and the previous one
sealane:since=CURSOR       what has changed since (touched.py); not with pages
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sealane.api.attributes import Kind, Read
from sealane.api.convert import to_address, to_boolean, to_mac, to_port_range, to_prefix, to_uuid
from sealane.api.look import Look
from sealane.errors import BadRequest

Test = Callable[[Any, Look], bool]
MAX_VALUES = 10_000
SINCE = "sealane:since"

CANONICAL: dict[str, Callable[[str], str]] = {
    "cidr": to_prefix,
    "external_port_range": to_port_range,
    "internal_port_range": to_port_range,
    "gateway_ip": to_address,
    "mac_address": to_mac,
    "remote_ip_prefix": to_prefix,
    "normalized_cidr": to_prefix,
}
"""Attributes that have several spellings."""

TAG_TESTS: dict[str, Callable[[set[str], set[str]], bool]] = {
    "tags": lambda wanted, tags: wanted <= tags,
    "tags-any": lambda wanted, tags: bool(wanted & tags),
    "not-tags": lambda wanted, tags: not wanted <= tags,
    "not-tags-any": lambda wanted, tags: not wanted & tags,
}
FIXED_IP_TESTS: dict[str, Callable[[str, Any], bool]] = {
    "ip_address": lambda wanted, fixed: fixed.ip_address == wanted,
    "subnet_id": lambda wanted, fixed: fixed.subnet_id == wanted,
    "ip_address_substr": lambda wanted, fixed: wanted in fixed.ip_address,
}


@dataclass(frozen=True)
class Query:
    fields: tuple[str, ...] = ()
    tests: tuple[Test, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    limit: int = 0
    marker: str = ""
    reverse: bool = False
    exact_id: str | None = None
    since: str | None = None
    among: Set[str] | None = None
    """Ids of rows that alone are looked at."""
    projects: tuple[str, ...] = ()
    """Those that alone are asked for."""


@dataclass(frozen=True)
class Page:
    rows: Sequence[Any]
    links: tuple[tuple[str, str], ...] = ()
    """(relation, query string of that page)"""


def parse(kind: Kind, raw: str) -> Query:
    """Raises BadRequest that names the parameter."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=MAX_VALUES)
    except (UnicodeDecodeError, ValueError) as exc:
        raise BadRequest(f"the query can't be read: {exc}") from exc
    given: dict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        given[key].append(value)
    fields = tuple(given.pop("fields", ()))
    sort = _sort(kind, given.pop("sort_key", []), given.pop("sort_dir", []))
    limit = _number("limit", given.pop("limit", ["0"])[-1])
    marker = given.pop("marker", [""])[-1]
    reverse = _boolean("page_reverse", given.pop("page_reverse", ["false"])[-1])
    since = given.pop(SINCE, [None])[-1] if kind.followed else None
    if since is not None and (limit or marker):
        raise BadRequest(f"'{SINCE}' is not for pages")
    tests = tuple(_test(kind, key, values) for key, values in given.items())
    ids = given.get("id", [])
    exact_id = ids[0] if len(ids) == 1 else None
    projects = (*given.get("project_id", ()), *given.get("tenant_id", ()))
    return Query(fields, tests, sort, limit, marker, reverse, exact_id, since, projects=projects)


CHANGED_SINCE = ("changed_since", "changed-since")
"""Of Neutron's extension standard-attr-timestamp."""


def _changed_test(kind: Kind, key: str, value: str) -> Test:
    """Rows that have changed at that time or later."""
    if "updated_at" not in kind.by_name:
        raise BadRequest(f"'{key}' is invalid attribute for filtering", type="HTTPBadRequest")
    try:
        at = datetime.fromisoformat(value)
    except ValueError as exc:
        raise BadRequest(
            f"Invalid input for {key}. Reason: '{value[:40]}' is no time; give it as 2026-01-31T12:00:00.",
            type="HTTPBadRequest",
        ) from exc
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return lambda row, look: bool(row.updated_at >= since)


def _sort(kind: Kind, keys: Sequence[str], directions: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """(attribute, descending) of each key."""
    if directions and len(directions) != len(keys):
        raise BadRequest("The number of sort_keys and sort_dirs must be same")
    for key in keys:
        if key not in kind.by_name or not kind.by_name[key].filter:
            raise BadRequest(f"'{key}' is an invalid attribute for sort key")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise BadRequest(f"sort_dir '{direction}' is none of 'asc' and 'desc'")
    return tuple(zip(keys, (d == "desc" for d in directions or ["asc"] * len(keys)), strict=True))


def _number(key: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise BadRequest(f"'{key}' should be an integer of 0 or greater, got '{value[:40]}'")
    return int(value)


def _boolean(key: str, value: str) -> bool:
    try:
        return to_boolean(value)
    except ValueError as exc:
        raise BadRequest(f"Invalid input for {key}. Reason: {exc}.") from exc


def _test(kind: Kind, key: str, values: list[str]) -> Test:
    if key in TAG_TESTS:
        return _tag_test(key, values)
    if key in CHANGED_SINCE:
        return _changed_test(kind, key, values[-1])
    attribute = kind.by_name.get(key)
    if attribute is None or not attribute.filter:
        raise BadRequest(f"'{key}' is invalid attribute for filtering", type="HTTPBadRequest")
    if key == "fixed_ips":
        return _fixed_ips_test(values)
    sample = attribute.type.schema.get("type")
    if sample == "array":
        return _overlap(attribute.reader, set(values))
    wanted = {_wanted(key, sample, value) for value in values}
    if "" in wanted:  # Neutron's extension empty-string-filtering: what has no value
        wanted.add(None)
    return _membership(attribute.reader, wanted)


def _membership(read: Read, wanted: set[Any]) -> Test:
    return lambda row, look: read(row, look) in wanted


def _overlap(read: Read, wanted: set[str]) -> Test:
    """Of an attribute that is a list: some of it is wanted; an empty value wants the empty list."""
    return lambda row, look: bool(wanted & set(found := read(row, look))) or ("" in wanted and not found)


def _wanted(key: str, kind: str | None, value: str) -> Any:
    """The value of a query in the type of the attribute; text is compared as text."""
    if kind == "boolean" or key in ("router:external", "is_default"):
        return _boolean(key, value)
    if kind == "integer":
        return _number(key, value)
    with suppress(ValueError):  # what is no address is the address of nothing
        return CANONICAL[key](value) if key in CANONICAL else value
    return value


def _tag_test(key: str, values: Iterable[str]) -> Test:
    wanted = {tag for value in values for tag in value.split(",")}
    test = TAG_TESTS[key]
    return lambda row, look: test(wanted, set(row.tags))


def _fixed_ips_test(values: Iterable[str]) -> Test:
    """One fixed IP of the port must fit a value of each key that is given."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for value in values:
        key, _, inner = value.partition("=")
        if key not in FIXED_IP_TESTS or not inner:
            raise BadRequest(
                f"Invalid input for fixed_ips. Reason: '{value[:80]}' is no KEY=VALUE of "
                f"{', '.join(FIXED_IP_TESTS)}."
            )
        wanted[key].append(_fixed_ip_value(key, inner))
    tests = [(FIXED_IP_TESTS[key], inner) for key, inner in wanted.items()]
    return lambda row, look: all(
        any(test(value, fixed) for fixed in row.fixed_ips for value in inner) for test, inner in tests
    )


def _fixed_ip_value(key: str, value: str) -> str:
    convert = {"ip_address": to_address, "subnet_id": to_uuid}.get(key, str)
    try:
        return convert(value)
    except ValueError as exc:
        raise BadRequest(f"Invalid input for fixed_ips. Reason: {exc}.") from exc


def select(kind: Kind, query: Query, look: Look, raw: str = "") -> Page:
    """Rows of one page, and the queries of its neighbours. Raises BadRequest for an unknown marker."""
    collection = kind.collection(look.state)
    rows: Iterable[Any] = collection.values()
    if query.exact_id is not None:
        rows = [collection[query.exact_id]] if query.exact_id in collection else []
    elif query.among is not None:
        rows = [collection[id] for id in query.among if id in collection]
    tests = query.tests
    found = [row for row in rows if all(test(row, look) for test in tests)] if tests else list(rows)
    if not (query.sort or query.limit or query.marker):
        return Page(found)
    ordered = _ordered(kind, query, look, found)
    return _page(kind, query, ordered, look, raw)


def _ordered(kind: Kind, query: Query, look: Look, rows: list[Any]) -> list[Any]:
    """By the sort keys, then by id: pages need an order without ties."""
    rows.sort(key=lambda row: row.id)
    for key, descending in reversed(query.sort):
        read = kind.by_name[key].reader
        rows.sort(key=lambda row: _comparable(read(row, look)), reverse=descending)
    return rows


def _comparable(value: Any) -> tuple[bool, Any]:
    """None before everything; lists and booleans by their text."""
    return (value is not None, value if isinstance(value, int | str) else str(value))


def _page(kind: Kind, query: Query, rows: list[Any], look: Look, raw: str) -> Page:
    begin, end = 0, len(rows)
    if query.marker:
        at = next((i for i, row in enumerate(rows) if row.id == query.marker), None)
        if at is None:
            raise BadRequest(f"The marker '{query.marker[:80]}' is no {kind.singular} of this list")
        begin, end = (0, at) if query.reverse else (at + 1, len(rows))
    if query.limit:
        begin, end = (
            (max(begin, end - query.limit), end) if query.reverse else (begin, min(end, begin + query.limit))
        )
    return Page(rows[begin:end], _links(query, rows, (begin, end), raw))


def _links(query: Query, rows: list[Any], part: tuple[int, int], raw: str) -> tuple[tuple[str, str], ...]:
    begin, end = part
    if not query.limit or begin >= end:
        return ()
    kept = [(k, v) for k, v in parse_qsl(raw, keep_blank_values=True) if k not in ("marker", "page_reverse")]
    links = []
    if end < len(rows):
        links.append(("next", urlencode([*kept, ("marker", rows[end - 1].id)])))
    if begin > 0:
        links.append(("previous", urlencode([*kept, ("marker", rows[begin].id), ("page_reverse", "True")])))
    return tuple(links)
