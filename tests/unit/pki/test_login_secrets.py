"""Passwords at rest, log-in tokens, and what slows guessing down."""

import pytest

from sealane.api.throttle import ADDRESS, FROM_THERE, Throttle
from sealane.errors import TooMany, Unauthorized
from sealane.pki import password
from sealane.pki.bearer import Bearer, Signer

BEARER = Bearer("u", "p", ("password",), 1, 2, 3, ("a",))


def test_a_password_is_kept_as_something_that_only_it_matches() -> None:
    kept = password.hashed("sesame")
    assert "sesame" not in kept and kept != password.hashed("sesame")
    assert kept.split("$")[:4] == ["scrypt", "14", "8", "5"]
    assert password.matches("sesame", kept)
    assert not password.matches("sesame ", kept)
    assert not password.matches("\ud800", kept)
    assert not password.matches("", "")


def test_a_cheaper_hash_of_earlier_is_still_read() -> None:
    salt, digest = password._bytes("AAAA"), password._scrypt("x", password._bytes("AAAA"), (4, 8, 1))
    assert password.matches("x", f"scrypt$4$8$1${password._text(salt)}${password._text(digest)}")


def test_a_token_is_read_by_who_has_the_key() -> None:
    text = Signer("k").write(BEARER)
    assert text.startswith("slu1_") and Signer("k").read(text) == BEARER
    for signer, shown in ((Signer("other"), text), (Signer("k"), text[:-1]), (Signer("k"), "\ud800.\ud800")):
        with pytest.raises(Unauthorized):
            signer.read(shown)


def test_a_token_of_another_shape_is_refused_though_it_is_signed() -> None:
    signer = Signer("k")
    head = "slu1_AAAA"
    with pytest.raises(Unauthorized, match="another version"):
        signer.read(f"{head}.{password._text(signer._mac(head))}")


def test_failures_are_granted_in_a_burst_and_then_one_by_one() -> None:
    now = 1000.0
    throttle = Throttle(lambda: now)
    for _ in range(FROM_THERE.burst):
        throttle.begin("ann", "192.0.2.1")
    with pytest.raises(TooMany) as refused:
        throttle.begin("ann", "192.0.2.1")
    assert refused.value.after == FROM_THERE.seconds
    throttle.begin("ann", "192.0.2.2")
    throttle.begin("bob", "192.0.2.1")
    now += FROM_THERE.seconds
    throttle.begin("ann", "192.0.2.1")
    with pytest.raises(TooMany):
        throttle.begin("ann", "192.0.2.1")


def test_many_names_from_one_address_are_slowed_down_as_well() -> None:
    throttle = Throttle(lambda: 0.0)
    for number in range(ADDRESS.burst):
        throttle.begin(f"user{number}", "192.0.2.1")
    with pytest.raises(TooMany):
        throttle.begin("another", "192.0.2.1")


def test_successes_cost_nothing() -> None:
    throttle = Throttle(lambda: 0.0)
    for _ in range(1000):
        throttle.begin("ann", "192.0.2.1").succeeded()
    for _ in range(FROM_THERE.burst):
        throttle.begin("ann", "192.0.2.1")
    with pytest.raises(TooMany):
        throttle.begin("ann", "192.0.2.1")
