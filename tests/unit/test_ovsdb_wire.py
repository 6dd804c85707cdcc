"""Framing: however the bytes are cut, the same messages come out."""

import itertools
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.errors import BadRequest
from sealane.ovsdb.wire import Framer, Remote, WireError, parse_remotes

texts = st.text(st.sampled_from('{}[]"\\ \n,é0a'), max_size=12)
values = st.recursive(
    texts | st.integers(-9, 9) | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
messages = st.lists(st.dictionaries(texts, values, max_size=4), min_size=1, max_size=4)


@given(messages, st.sampled_from(["", "\n", " \r\n"]), st.lists(st.integers(0, 400), max_size=8))
def test_messages_survive_any_cut(sent: list[dict[str, object]], gap: str, cuts: list[int]) -> None:
    stream = gap.join(json.dumps(message, ensure_ascii=False) for message in sent).encode()
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    framer = Framer()
    received = [m for a, b in itertools.pairwise(edges) for m in framer.feed(stream[a:b])]
    assert received == sent


def test_byte_by_byte() -> None:
    framer = Framer()
    stream = b'{"a":"}{"}\n{"b":[{"c":"\\"}{"}]}{}'
    received = [m for byte in stream for m in framer.feed(bytes([byte]))]
    assert received == [{"a": "}{"}, {"b": [{"c": '"}{'}]}, {}]


@pytest.mark.parametrize("stream", [b"[1]{}", b"GET / HTTP/1.1}", b'{"a":,}', b"{}]{}"])
def test_what_is_no_json_object_ends_the_stream(stream: bytes) -> None:
    with pytest.raises(WireError):
        list(Framer().feed(stream))


@given(st.dictionaries(texts, values, min_size=1, max_size=4), st.integers(0, 400))
def test_the_parser_tells_truncated_from_malformed_by_its_message(value: object, choice: int) -> None:
    """The framer tries to decode after each `}`; the rest of the message may still be under way."""
    whole = msgspec.json.encode({"outer": value, "last": 1})
    ends = [index for index, byte in enumerate(whole[:-1], 1) if byte == ord("}")]
    with pytest.raises(msgspec.DecodeError, match="truncated"):
        msgspec.json.decode(whole[: ends[choice % len(ends)]])


def test_remotes() -> None:
    assert parse_remotes("unix:/run/a.sock, tcp:10.0.0.1:6641,tcp:[fd00::1]:6642") == (
        Remote("unix:/run/a.sock", path="/run/a.sock"),
        Remote("tcp:10.0.0.1:6641", host="10.0.0.1", port=6641),
        Remote("tcp:[fd00::1]:6642", host="fd00::1", port=6642),
    )


@pytest.mark.parametrize("text", ["", ",", "unix:", "tcp:1.2.3.4", "tcp:h:0", "tcp:h:70000", "udp:h:1", "/x"])
def test_a_bad_remote_is_named(text: str) -> None:
    with pytest.raises(BadRequest, match="remote"):
        parse_remotes(text)
