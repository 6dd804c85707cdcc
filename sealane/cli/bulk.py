"""Many resources from a file: JSON or YAML, with the attributes of the API.

    - {name: web, network: blue, tags: [front]}
    - {name: db, network: blue, fixed_ips: [{ip_address: 10.1.0.9}]}

The list may be the value of the one key that the API uses ("ports"). Two names are understood besides ids:
`network`, and `subnet` in fixed_ips.
"""

import json
import re
from typing import Any, BinaryIO

from sealane.cli.api import Api, Body
from sealane.errors import BadRequest

HELP = "Make what a file of JSON or YAML lists"
LARGEST = 2**23
"""Bytes; the API takes no more either."""


def read(file: BinaryIO, noun: str, client: Api) -> list[Body]:
    """The bodies to send. Raises BadRequest that names the entry."""
    raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise BadRequest(f"--file: more than {LARGEST >> 20} MiB; give it in parts")
    found = _parsed(raw)
    if isinstance(found, dict):
        key = noun.replace("-", "_")
        found = found[f"{key}s"] if set(found) == {f"{key}s"} else [found.get(key, found)]
    if not isinstance(found, list) or not found:
        raise BadRequest(f"--file: it is to hold a list of {noun}s, each an object as {{name: …}}")
    known: dict[tuple[str, ...], Body] = {}
    return [
        _resolved(entry, f"--file: entry {number}", client, known) for number, entry in enumerate(found, 1)
    ]


def _parsed(raw: bytes) -> Any:
    """Of JSON, which is quick to read, else of YAML."""
    try:
        return json.loads(raw)
    except ValueError:
        return _yaml(raw)


def _yaml(raw: bytes) -> Any:
    """As in JSON there are texts, integers, true, false and null: a MAC address is no number to the base 60,
    and `no` is a name."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}

    for tag, pattern, first in SCALARS:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))
    try:
        found = yaml.load(raw, Loader)
        json.dumps(found)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError, RecursionError) as exc:
        raise BadRequest(f"--file: it is neither JSON nor YAML: {exc}") from exc
    return found


SCALARS = (
    ("bool", r"^(true|false)$", "tf"),
    ("int", r"^(0|-?[1-9][0-9]*)$", "-0123456789"),
    ("null", r"^(null|~|)$", ["n", "~", ""]),
    ("merge", r"^<<$", "<"),
)
"""Tag, pattern and first characters of what is not a text in YAML."""


def _resolved(entry: Any, where: str, client: Api, known: dict[tuple[str, ...], Body]) -> Body:
    """With ids in place of names."""
    if not isinstance(entry, dict):
        raise BadRequest(f"{where} is no object; give it as {{name: …, …}}")
    body = dict(entry)
    if "network" in body:
        network = _find(client, known, where, "networks", body.pop("network"))
        body["network_id"] = network["id"]
        body.setdefault("project_id", network["project_id"])
    if isinstance(body.get("fixed_ips"), list):
        body["fixed_ips"] = [_fixed(one, body, where, client, known) for one in body["fixed_ips"]]
    return body


def _fixed(one: Any, body: Body, where: str, client: Api, known: dict[tuple[str, ...], Body]) -> Any:
    if not isinstance(one, dict) or "subnet" not in one:
        return one
    rest = {key: value for key, value in one.items() if key != "subnet"}
    found = _find(client, known, where, "subnets", one["subnet"], str(body.get("network_id", "")))
    return {**rest, "subnet_id": found["id"]}


def _find(
    client: Api,
    known: dict[tuple[str, ...], Body],
    where: str,
    collection: str,
    wanted: Any,
    network_id: str = "",
) -> Body:
    """Each is asked for once."""
    key = (collection, str(wanted), network_id)
    if key not in known:
        within = {"network_id": network_id} if network_id else {}
        try:
            known[key] = client.find(collection, str(wanted), **within)
        except BadRequest as exc:
            raise BadRequest(f"{where}: {exc.message}") from exc
    return known[key]
