"""A client that follows by cursors has what it would have read whole."""

from hypothesis import given
from hypothesis import strategies as st

from sealane.api.touched import Touched

KEYS = ("a", "b", "c", "d", "e")
Step = tuple[str, int, bool]
steps = st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 3), st.booleans()), max_size=40)


class Client:
    """Takes what an answer of a list holds."""

    def __init__(self, server: Touched) -> None:
        self.server = server
        self.cursor = ""
        self.rows: dict[str, object] = {}
        self.complete = 0

    def read(self, rows: dict[str, object], sight: str = "all") -> None:
        self.server.follow(rows)
        changed = self.server.since(self.cursor, sight)
        self.cursor = self.server.cursor(sight)
        if changed is None:
            self.rows, self.complete = dict(rows), self.complete + 1
            return
        shown = {key: rows[key] for key in changed if key in rows}
        gone = changed - shown.keys()
        self.rows = {key: row for key, row in self.rows.items() if key not in gone} | shown


@given(steps, st.integers(1, 4))
def test_followed_is_read(taken: list[Step], limit: int) -> None:
    server, rows = Touched(limit), dict[str, object]()
    often, seldom = Client(server), Client(server)
    for number, (key, verb, both) in enumerate(taken):
        rows = {k: v for k, v in rows.items() if k != key} | ({} if verb == 0 else {key: f"{key}{number}"})
        for client in (often, seldom) if both else (often,):
            client.read(rows)
            assert client.rows == rows
    assert often.complete <= 1, "one change at a time is never too much"


def test_what_is_not_known_is_read_whole() -> None:
    server = Touched()
    client = Client(server)
    client.read({"a": object()})
    client.read({"a": object()})
    assert client.complete == 1
    client.read({"a": object()}, sight="other")
    assert client.complete == 2, "another sight"
    for cursor in (
        "",
        "x",
        "x.1.all",
        client.cursor.replace(".", ".9", 1),
        client.cursor.replace(".", ".-", 1),
    ):
        assert server.since(cursor, "other") is None
    assert Touched().since(client.cursor, "other") is None, "another process"
