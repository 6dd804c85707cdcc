"""Whatever comes, in whatever pieces: the same messages, or an error, in linear time."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.errors import BadRequest
from sealane.gate.frames import MAX_BYTES, MAX_DEPTH, Frames

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
MESSAGES = st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=5)


@given(MESSAGES, st.lists(st.integers(1, 60), min_size=1, max_size=30), st.booleans())
def test_messages_come_out_whole_however_they_are_cut(
    messages: list[object], cuts: list[int], escape: bool
) -> None:
    stream = b" \n".join(json.dumps(m, ensure_ascii=escape).encode() for m in messages)
    frames = Frames()
    found: list[bytes] = []
    at = turn = 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += frames.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert [json.loads(raw) for raw in found] == messages


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_nothing_but_a_refusal_comes_of_noise(pieces: list[bytes]) -> None:
    frames = Frames()
    try:
        for piece in pieces:
            for raw in frames.feed(piece):
                assert raw[:1] == b"{"
    except BadRequest:
        pass


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"[]", b"\x16\x03\x01", b"}", b'"a"'])
def test_what_is_no_object_is_refused(noise: bytes) -> None:
    with pytest.raises(BadRequest):
        list(Frames().feed(noise))


def test_depth_is_limited_before_anything_is_parsed() -> None:
    deep = b'{"a":' + b"[" * MAX_DEPTH
    with pytest.raises(BadRequest, match="brackets"):
        list(Frames().feed(deep))
    flat = b'{"a":' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    assert list(Frames().feed(flat)) == [flat]


def test_size_is_limited() -> None:
    frames = Frames()
    list(frames.feed(b'{"a":"'))
    with pytest.raises(BadRequest, match="bytes"):
        for _ in range(MAX_BYTES // 65536 + 1):
            list(frames.feed(b"x" * 65536))


def test_what_costs_other_parsers_quadratic_time_does_not_here() -> None:
    """Each piece ends where a message could."""
    frames, piece = Frames(), b'"}{",' * 400
    begun = time.process_time()
    list(frames.feed(b'{"a":['))
    for _ in range(MAX_BYTES // len(piece) - 1):
        list(frames.feed(piece))
    assert time.process_time() - begun < 10
