"""What a node may say at all: methods, databases, how many monitors. Pure; transactions are rules.py's.

RFC 7047 §4.1 and ovsdb-server(7) have more methods: those that lock, convert, steal or write elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from sealane.errors import BadRequest
from sealane.gate.asked import Refused
from sealane.gate.rules import DATABASE

DATABASES = (DATABASE, "_Server")
MAX_MONITORS = 16
"""At once in one connection; ovn-controller has two."""

Message = Mapping[str, object]

WITH_DATABASE = ("get_schema", "monitor", "monitor_cond", "monitor_cond_since")
WITHOUT = (
    *("echo", "list_dbs", "get_server_id", "set_db_change_aware", "cancel"),
    *("monitor_cond_change", "monitor_cancel"),
)
TRANSACT = "transact"


def parse(raw: bytes) -> Message:
    """Raises BadRequest."""
    try:
        message = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadRequest(f"what was sent is no JSON: {exc}") from exc
    if not isinstance(message, dict) or message.keys() - {"id", "method", "params", "result", "error"}:
        raise BadRequest("what was sent is no message of JSON-RPC")
    return message


def text(message: Message) -> bytes:
    """What goes on is what was judged, not what was sent: a key that comes twice counts once."""
    return msgspec.json.encode(message)


@dataclass
class Conversation:
    """The monitors that a connection has, by what the client calls them."""

    monitors: set[bytes] = field(default_factory=set)

    def check(self, message: Message) -> bool:
        """True: a transaction, to be judged by its operations. Raises Refused, BadRequest."""
        method = message.get("method")
        if method is None:
            _check_reply(message)
            return False
        params = message.get("params")
        if not isinstance(method, str) or not isinstance(params, list):
            raise BadRequest("what was sent is neither request nor reply")
        if method == TRANSACT:
            _check_database(params, DATABASE)
            return True
        if method in WITH_DATABASE:
            _check_database(params, *DATABASES)
        elif method not in WITHOUT:
            raise Refused(f"the method '{method[:40]}' is not for nodes")
        self._count(method, params)
        return False

    def _count(self, method: str, params: list[object]) -> None:
        if method == "monitor_cancel":
            self.monitors.discard(msgspec.json.encode(params[:1]))
        elif method in WITH_DATABASE[1:]:
            self.monitors.add(msgspec.json.encode(params[1:2]))
            if len(self.monitors) > MAX_MONITORS:
                raise BadRequest(f"more than {MAX_MONITORS} monitors in one connection")


def _check_reply(message: Message) -> None:
    """The server only ever asks for an echo."""
    if "method" in message or "params" in message or not isinstance(message.get("result"), list):
        raise BadRequest("what was sent is neither request nor reply")


def _check_database(params: list[object], *allowed: str) -> None:
    if not params or params[0] not in allowed:
        name = params[0] if params and isinstance(params[0], str) else ""
        raise Refused(f"the database '{name[:40]}' is not for nodes")


def instead(message: Message) -> bytes:
    """A request that the server itself refuses, in place of one that we refuse.

    So that every answer comes from the server, in its order, and its stream is never looked into.
    """
    if message.get("method") == TRANSACT:
        return text({"id": message.get("id"), "method": TRANSACT, "params": [DATABASE, {"op": "refused"}]})
    return text({"id": message.get("id"), "method": "refused", "params": []})
