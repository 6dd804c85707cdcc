"""Methods and databases that are for nodes, and that all others are refused."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.errors import BadRequest
from sealane.gate import messages
from sealane.gate.asked import Refused
from sealane.gate.messages import MAX_MONITORS, Conversation

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "method",
    [
        *("lock", "steal", "unlock", "convert", "convert_database", "monitor2", "", "TRANSACT", "__class__"),
        *("update", "update2", "locked", "quit", "exit"),
    ],
)
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(Refused, match="method"):
        Conversation().check({"id": 1, "method": method, "params": ["OVN_Southbound"]})


@pytest.mark.parametrize("database", ["OVN_Northbound", "Sealane", "Open_vSwitch", "", None, ["set", []], 7])
@pytest.mark.parametrize("method", ["transact", *messages.WITH_DATABASE])
def test_other_databases_are_refused(method: str, database: object) -> None:
    for params in ([database], [database, {}], []):
        with pytest.raises(Refused, match="database"):
            Conversation().check({"id": 1, "method": method, "params": params})


def test_the_server_database_may_be_seen_but_not_written() -> None:
    Conversation().check({"id": 1, "method": "monitor_cond", "params": ["_Server", "m", {}]})
    with pytest.raises(Refused):
        Conversation().check({"id": 1, "method": "transact", "params": ["_Server"]})


def test_monitors_are_counted_by_their_names() -> None:
    conversation = Conversation()
    for number in range(MAX_MONITORS):
        conversation.check({"id": 1, "method": "monitor", "params": ["OVN_Southbound", number, {}]})
        conversation.check({"id": 1, "method": "monitor_cancel", "params": ["never made"]})
    with pytest.raises(BadRequest, match="monitors"):
        conversation.check({"id": 1, "method": "monitor", "params": ["OVN_Southbound", "more", {}]})


def test_a_reply_is_only_one_to_an_echo() -> None:
    replies: list[dict[str, object]] = [
        {"id": 1, "result": {}, "error": None},
        {"id": 1},
        {"id": 1, "method": None, "params": []},
    ]
    assert not Conversation().check({"id": "echo", "result": [], "error": None})
    for reply in replies:
        with pytest.raises(BadRequest):
            Conversation().check(reply)


@given(st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error"]), ANYTHING))
def test_only_refusals_come_of_nonsense(message: dict[str, object]) -> None:
    with suppress(BadRequest, Refused):
        Conversation().check(message)


def test_what_goes_on_is_what_was_judged() -> None:
    raw = b'{"method":"lock","id":1,"method":"echo","params":[]}'
    assert msgspec.json.decode(messages.text(messages.parse(raw))) == {
        "method": "echo",
        "id": 1,
        "params": [],
    }


@pytest.mark.parametrize(
    "raw", [b"{]", b'{"a":1}', b'{"id":\xff}', b'{"id":"\\ud800"}', b"{}}", b'{"id":01}']
)
def test_what_is_no_message_is_an_error(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        messages.parse(raw)
