"""What `sealane project`, `user` and `role` share: rows of the identity API by name or id, and passwords."""

import secrets
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from sealane.cli.api import Api, Body
from sealane.errors import BadRequest, NotFound


def rows(client: Api, noun: str, **query: str) -> list[Body]:
    asked = urllib.parse.urlencode(query)
    return list(client.request("GET", f"/v3/{noun}s{'?' if asked else ''}{asked}")[f"{noun}s"])


def find(client: Api, noun: str, wanted: str) -> Body:
    """By name, then by id. Raises NotFound."""
    if not wanted:
        raise BadRequest(f"the name or id of the {noun} is empty; give one of them")
    found = rows(client, noun, name=wanted) or [r for r in rows(client, noun) if r["id"] == wanted]
    if not found:
        raise NotFound(f"no {noun} '{wanted}'; 'sealane {noun} list' shows all")
    return found[0]


def path(noun: str, id: str) -> str:
    return f"/v3/{noun}s/{urllib.parse.quote(id, safe='')}"


def grant(project: Body, user: Body, role: str) -> str:
    return f"{path('project', project['id'])}{path('user', user['id']).removeprefix('/v3')}/roles/{role}"


def create(client: Api, noun: str, values: Mapping[str, Any]) -> Body:
    return dict(client.request("POST", f"/v3/{noun}s", {noun: dict(values)})[noun])


def change(client: Api, noun: str, wanted: str, values: Mapping[str, Any]) -> Body:
    if not values:
        raise click.UsageError("nothing to set; see --help for what can be")
    row = find(client, noun, wanted)
    return dict(client.request("PATCH", path(noun, row["id"]), {noun: dict(values)})[noun])


def delete(client: Api, noun: str, wanted: Sequence[str]) -> None:
    for row in [find(client, noun, one) for one in wanted]:
        client.request("DELETE", path(noun, row["id"]))


def shown(row: Mapping[str, Any]) -> Body:
    """Without what only Keystone has more than one of."""
    dull = ("links", "options", "domain_id", "parent_id", "is_domain", "password_expires_at", "tags")
    return {key: value for key, value in row.items() if key not in dull}


def read_password(file: str | None, *, ask: bool) -> tuple[str, bool]:
    """The password, and whether it was made up here. Never from the command line: everybody can read that."""
    if file is not None and ask:
        raise click.UsageError("--password-file and --ask exclude each other")
    if ask:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True)), False
    if file is None:
        return secrets.token_urlsafe(18), True
    text = sys.stdin.read() if file == "-" else _read(Path(file))
    found = text.rstrip("\r\n")
    if not found:
        raise BadRequest("the password is empty; give one line")
    return found, False


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadRequest(f"{file} can't be read: {exc}") from exc
