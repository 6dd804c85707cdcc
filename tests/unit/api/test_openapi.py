"""The description of the API: complete in itself, and it says what the tables say."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sealane.api import openapi
from sealane.api.app import KINDS
from sealane.api.attributes import Kind

DOCUMENT = msgspec.json.decode(msgspec.json.encode(openapi.document(KINDS)))


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert found
    for reference in found:
        part = DOCUMENT
        for key in reference.removeprefix("#/").split("/"):
            part = part[key]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_it_shows_and_takes_what_the_table_does(kind: Kind) -> None:
    shown = DOCUMENT["components"]["schemas"][kind.singular]["properties"]
    assert set(shown) == {name for name, _ in kind.readers}
    post = DOCUMENT["paths"][f"/v2.0/{kind.path}"]["post"]["requestBody"]
    one = post["content"]["application/json"]["schema"]["oneOf"][0]["properties"][kind.singular]
    assert set(one["properties"]) == {a.name for a in kind.attributes if a.post}


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_every_parameter_of_a_path_is_described(path: str) -> None:
    described = {p["name"] for p in DOCUMENT["paths"][path].get("parameters", ())}
    assert described == {part[1:-1] for part in path.split("/") if part.startswith("{")}
