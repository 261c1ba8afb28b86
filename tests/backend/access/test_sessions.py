"""Session tokens (contract.md 2.2, policy.yaml `credentials.session`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import jwt
import pytest
from keyway_backend.access.sessions import InvalidSession, Session, SessionTokens
from keyway_backend.platform.clock import now

SECRET: Final = "a secret that signs sessions in this test"
OTHER: Final = "another secret that signs sessions in this test"
SESSION: Final = Session(UUID(int=1), UUID(int=2), 2**41, "me")


def claims(**changed: Any) -> dict[str, Any]:
    """Claims of a good token, changed; None takes one away."""
    token = SessionTokens(SECRET).issue(SESSION, now() + timedelta(hours=1))
    good = jwt.decode(token, SECRET, algorithms=["HS256"], issuer="keyway-api")
    return {name: value for name, value in (good | changed).items() if value is not None}


class TestRefuses:
    """What is no session."""

    @pytest.mark.parametrize(
        "changed",
        [{"exp": 1}, {"exp": None}, {"iss": "somebody"}, {"iss": None}, {"sid": None}, {"sid": "x"}, {"sub": None},
         {"sub": "x"}, {"forgeUserId": "x"}, {"forgeUserId": None}, {"username": None}, {"iat": None}, {"iat": 2**40},
         {"sid": 7}, {"nbf": 2**40}],
    )  # fmt: skip
    def test_a_missing_or_odd_claim(self, changed: dict[str, Any]) -> None:
        """Well signed, and not what we sign."""
        token = jwt.encode(claims(**changed), SECRET, algorithm="HS256")
        with pytest.raises(InvalidSession):
            SessionTokens(SECRET).verify(token)

    @pytest.mark.parametrize("text", ["", "x", "a.b.c", "kw_live_x", "é", "\udcff", "x" * 5000])
    def test_no_token_at_all(self, text: str) -> None:
        """Anything that is no JWT."""
        with pytest.raises(InvalidSession):
            SessionTokens(SECRET).verify(text)

    def test_another_way_to_write_the_signature(self) -> None:
        """Padding, signs that the decoder skips, unused bits: a session has one token, and one share of each limit."""
        tokens = SessionTokens(SECRET)
        token = tokens.issue(SESSION, now() + timedelta(hours=1))
        head, _, signature = token.rpartition(".")
        digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        neighbour = signature[:-1] + digits[digits.index(signature[-1]) + 1]
        for other in (signature + "=", signature + "==", signature[:4] + "!!!!" + signature[4:], neighbour):
            with pytest.raises(InvalidSession):
                tokens.verify(f"{head}.{other}")
        assert tokens.verify(token) == SESSION

    def test_another_algorithm(self) -> None:
        """Neither an unsigned token nor one of a stronger HMAC."""
        for algorithm, key in (("none", ""), ("HS512", SECRET * 2)):
            with pytest.raises(InvalidSession):
                SessionTokens(SECRET).verify(jwt.encode(claims(), key, algorithm=algorithm))

    def test_what_expires_while_it_is_remembered(self) -> None:
        """A token that was good a moment ago is refused from its end on, though its signature is remembered."""
        tokens = SessionTokens(SECRET)
        token = tokens.issue(SESSION, now() + timedelta(seconds=1.2))
        assert tokens.verify(token) == SESSION
        tokens._verified = type(tokens._verified)((key, (0.0, one)) for key, (_, one) in tokens._verified.items())
        with pytest.raises(InvalidSession):
            tokens.verify(token)


class TestAccepts:
    """What we signed."""

    def test_its_own(self) -> None:
        """A token says again what it was made of, the first time and every other."""
        tokens = SessionTokens(SECRET)
        token = tokens.issue(SESSION, now() + timedelta(hours=1))
        assert [tokens.verify(token) for _ in range(3)] == [SESSION] * 3

    def test_those_of_the_secret_before(self) -> None:
        """During a rotation both count, and the new one signs."""
        old = SessionTokens(SECRET).issue(SESSION, now() + timedelta(hours=1))
        rotated = SessionTokens(OTHER, previous=SECRET)
        assert rotated.verify(old) == SESSION
        assert SessionTokens(OTHER).verify(rotated.issue(SESSION, now() + timedelta(hours=1))) == SESSION
        with pytest.raises(InvalidSession):
            SessionTokens(OTHER).verify(old)

    def test_it_remembers_no_more_than_it_should(self) -> None:
        """However many tokens come by, only so many are kept."""
        tokens = SessionTokens(SECRET)
        for number in range(5000):
            tokens.verify(tokens.issue(Session(UUID(int=number), UUID(int=2), 1, "me"), now() + timedelta(hours=1)))
        assert len(tokens._verified) == 4096
