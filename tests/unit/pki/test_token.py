"""The text of a token."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.errors import BadRequest
from sealane.pki import token
from sealane.pki.authority import Authority

PRINT = "A" * 43


def test_a_token_survives_its_text() -> None:
    for _ in range(50):  # secrets with the separator in them are among them
        made = token.JoinToken(str(uuid.uuid4()), token.new_secret(), PRINT)
        assert token.parse(f"  {made}\n") == made
        assert made.secret not in repr(made)
        assert token.matches(made.secret, token.digest(made.secret))
        assert not token.matches(made.secret, token.digest(made.secret + "x"))


def test_wrong_texts_are_told_apart() -> None:
    text = str(token.JoinToken(str(uuid.uuid4()), token.new_secret(), PRINT))
    for cut in (text[:-1], text + "x", text.replace("_", "-", 1), text.upper(), "slt1_"):
        with pytest.raises(BadRequest, match="token is") as refused:
            token.parse(cut)
        assert "sealane token create" in refused.value.message
        assert cut[40:60] not in refused.value.message or not cut[40:60]
    with pytest.raises(BadRequest, match="cut off"):
        token.parse(text[:-1])
    with pytest.raises(BadRequest, match="no token of Sealane"):
        token.parse("SWMTKN-1-xyz")


@given(st.text(max_size=200))
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        token.parse(text)


def test_a_fingerprint_is_of_the_certificate_alone() -> None:
    pem = Authority.make("test").certificate_pem
    assert len(token.fingerprint(pem)) == 43
    assert token.fingerprint(f"\n{pem}\n") == token.fingerprint(pem)
    assert token.fingerprint(Authority.make("test").certificate_pem) != token.fingerprint(pem)
    for text in ("", "x", pem.replace("-----END", "----END")):
        with pytest.raises(BadRequest, match="no certificate"):
            token.fingerprint(text)
