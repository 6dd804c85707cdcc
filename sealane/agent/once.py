"""JSON in which no key is there twice: the second would win unseen."""

import json
from typing import Any


def decoded(text: str) -> dict[str, Any]:
    """Raises ValueError: no JSON, no object, a key twice, too deep."""
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found
