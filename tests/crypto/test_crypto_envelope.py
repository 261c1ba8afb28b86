"""A sealed value opens in the place that it was sealed for, unchanged, and nowhere else."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyway_core.limits import VALUE_BYTES
from keyway_crypto.envelope import Scope, entries, open_, pad, seal, unpad
from keyway_crypto.errors import IntegrityError, InvalidCallError, RefusedError, UnknownKeyVersionError
from keyway_crypto.keyring import KeyRing, canonical

RING = KeyRing({1: os.urandom(32)}, active=1)
# Every version that one flipped bit makes of version 1, so that no flip can hide behind a missing key.
NEIGHBOURS = [1 ^ (1 << bit) for bit in range(1, 16)]
SCOPE = Scope("secret", b"i" * 16, b"v" * 16, 42, b"e" * 16)
VALUE_ID = b"n" * 16
PLACE = entries(["KEY"], [VALUE_ID])


def why_refused(blob: bytes, *, scope: Scope = SCOPE, place: list[bytes] = PLACE, ring: KeyRing = RING) -> str:
    """Class and message of the refusal; the value itself must never come out."""
    try:
        opened = open_(ring, scope, place, [blob])
    except RefusedError as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError(f"opened to {len(opened[0])} bytes")


class TestTampering:
    @pytest.mark.parametrize("size", [0, 100, 900])
    def test_every_flipped_bit_cut_and_extension_is_refused_with_one_message(self, size: int) -> None:
        """Over three sizes more than 10,000 mutations, and an attacker learns nothing from which one failed how."""
        keys = {1: os.urandom(32)} | {version: os.urandom(32) for version in NEIGHBOURS}
        ring = KeyRing(keys, active=1)
        (blob,) = seal(ring, SCOPE, PLACE, [os.urandom(size)])
        number = int.from_bytes(blob, "big")
        mutations = [(number ^ (1 << bit)).to_bytes(len(blob), "big") for bit in range(8 * len(blob))]
        mutations += [blob[:length] for length in range(len(blob))]
        mutations += [blob + bytes(length) for length in (1, 16, 64)] + [blob + blob, b"\x00" + blob]
        assert {why_refused(mutation, ring=ring) for mutation in mutations} == {"IntegrityError: does not open here"}
        assert len(mutations) >= 9 * len(blob)

    def test_a_version_without_a_key_is_told_apart(self) -> None:
        """An operator who forgot a key must not be told that the data is damaged."""
        (blob,) = seal(RING, SCOPE, PLACE, [b"value"])
        assert why_refused(blob[:1] + b"\x00\x09" + blob[3:]).startswith("UnknownKeyVersionError: key version 9")

    def test_another_key_of_the_same_version_is_refused(self) -> None:
        """The wrong master key opens nothing."""
        (blob,) = seal(RING, SCOPE, PLACE, [b"value"])
        assert why_refused(blob, ring=KeyRing({1: os.urandom(32)}, active=1)) == "IntegrityError: does not open here"


class TestContext:
    @pytest.mark.parametrize(
        "elsewhere",
        [
            replace(SCOPE, instance=b"j" * 16),
            replace(SCOPE, vault=b"w" * 16),
            replace(SCOPE, repository=43),
            replace(SCOPE, environment=b"f" * 16),
            Scope("github-token", b"i" * 16),
        ],
        ids=["instance", "vault", "repository", "environment", "purpose"],
    )
    def test_a_value_does_not_open_in_another_scope(self, elsewhere: Scope) -> None:
        """Each field of the scope binds on its own."""
        (blob,) = seal(RING, SCOPE, PLACE, [b"value"])
        assert why_refused(blob, scope=elsewhere) == "IntegrityError: does not open here"

    @pytest.mark.parametrize("place", [("OTHER", VALUE_ID), ("KEY", b"m" * 16), ("key", VALUE_ID)])
    def test_a_value_does_not_open_under_another_key_or_row(self, place: tuple[str, bytes]) -> None:
        """Neither a renamed row nor an older row of the same key takes a ciphertext over."""
        (blob,) = seal(RING, SCOPE, PLACE, [b"value"])
        assert why_refused(blob, place=entries([place[0]], [place[1]])) == "IntegrityError: does not open here"

    def test_purposes_other_than_secrets_are_apart_from_each_other(self) -> None:
        """A provider's token pasted into a GitHub token's row stays closed."""
        provider, github = Scope("provider-token", b"i" * 16), Scope("github-token", b"i" * 16)
        (blob,) = seal(RING, provider, PLACE, [b"value"])
        assert why_refused(blob, scope=github) == "IntegrityError: does not open here"
        assert open_(RING, provider, PLACE, [blob]) == [b"value"]

    @pytest.mark.parametrize(
        "fields",
        [
            ("", b"i" * 16, b"v" * 16, 42, b"e" * 16),
            ("manifest", b"i" * 16),
            ("Secret", b"i" * 16),
            ("secret", b"", b"v" * 16, 42, b"e" * 16),
            ("secret", b"i" * 16, b"", 42, b"e" * 16),
            ("secret", b"i" * 16, b"v" * 16, 0, b"e" * 16),
            ("secret", b"i" * 16, b"v" * 16, 42, b""),
            ("secret", b"i" * 16, b"v" * 17, 42, b"e" * 16),
            ("github-token", b"i" * 16, b"v" * 16),
            ("github-token", b"i" * 16, b"", 42),
        ],
    )
    def test_an_incomplete_scope_is_refused(self, fields: tuple[str, bytes]) -> None:
        """A missing field would bind less than promised; the key of manifests is no purpose of values."""
        with pytest.raises(InvalidCallError, match="scope"):
            Scope(*fields)

    @pytest.mark.parametrize(
        ("keys", "ids"),
        [([""], [VALUE_ID]), (["K" * 257], [VALUE_ID]), (["é" * 129], [VALUE_ID]), (["K"], [b""]), (["K"], [])],
    )
    def test_an_incomplete_entry_is_refused(self, keys: list[str], ids: list[bytes]) -> None:
        """Lengths are bytes; a key has 1 to 256, a value id 16, and there is one for each."""
        with pytest.raises(InvalidCallError):
            entries(keys, ids)


class TestCanonical:
    def test_no_two_of_a_hundred_thousand_awkward_tuples_collide(self) -> None:
        """Fields that look like lengths, empty ones and splits at every place, exhaustively."""
        fields = [
            b"",
            b"\0",
            b"\0\0\0\0",
            b"\0\0\0\1",
            b"\0\0\0\1a",
            b"a",
            b"aa",
            b"secret",
            "é".encode(),
            b"e\xcc\x81",
        ]
        tuples = [choice for length in range(6) for choice in itertools.product(fields, repeat=length)]
        assert len({canonical(*choice) for choice in tuples}) == len(tuples) > 100_000

    @settings(max_examples=500, deadline=None)
    @given(st.lists(st.binary(max_size=40)))
    def test_the_fields_can_be_read_back(self, fields: list[bytes]) -> None:
        """What can be parsed into the one tuple that it came from cannot stand for another."""
        encoded, found = canonical(*fields), []
        while encoded:
            end = 4 + int.from_bytes(encoded[:4], "big")
            found.append(encoded[4:end])
            encoded = encoded[end:]
        assert found == fields

    @settings(max_examples=200, deadline=None)
    @given(st.text(min_size=1, max_size=60), st.binary(min_size=16, max_size=16))
    def test_the_fast_path_is_the_canonical_form(self, key: str, value_id: bytes) -> None:
        """Entries are built with prepared prefixes, and are the same bytes."""
        assert entries([key], [value_id]) == [canonical(key.encode(), value_id)]


class TestSizes:
    @pytest.mark.parametrize(
        ("length", "size"),
        [
            (0, 64),
            (60, 64),
            (61, 128),
            (124, 128),
            (125, 256),
            (508, 512),
            (1020, 1024),
            (1021, 2048),
            (65_536, 66_560),
        ],
    )
    def test_a_value_fills_its_bucket(self, length: int, size: int) -> None:
        """The stored size tells the bucket and not the length."""
        assert len(pad(bytes(length))) == size
        (blob,) = seal(RING, SCOPE, PLACE, [bytes(length)])
        assert len(blob) == 1 + 2 + 12 + size + 16

    def test_the_largest_value_passes_and_one_byte_more_does_not(self) -> None:
        """policy.yaml limits a value to 64 KiB."""
        value = os.urandom(VALUE_BYTES)
        assert open_(RING, SCOPE, PLACE, seal(RING, SCOPE, PLACE, [value])) == [value]
        with pytest.raises(InvalidCallError, match="65536"):
            seal(RING, SCOPE, PLACE, [value + b"x"])

    def test_a_length_beyond_the_plaintext_is_refused(self) -> None:
        """Nothing that this service sealed looks like that."""
        with pytest.raises(IntegrityError):
            unpad((61).to_bytes(4, "big") + bytes(60))

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.binary(max_size=3_000), max_size=5))
    def test_any_bytes_come_back(self, values: list[bytes]) -> None:
        """Sealing and opening is the identity, zeros at the end included."""
        places = entries([f"K{i}" for i in range(len(values))], [os.urandom(16) for _ in values])
        assert open_(RING, SCOPE, places, seal(RING, SCOPE, places, values)) == values

    def test_no_two_nonces_are_equal(self) -> None:
        """Nonces are taken from one random string; an off-by-one there would repeat them."""
        places = entries([f"K{i}" for i in range(5_000)], [VALUE_ID] * 5_000)
        assert len({blob[3:15] for blob in seal(RING, SCOPE, places, [b""] * 5_000)}) == 5_000


def test_rotation_seals_with_the_active_key_and_opens_with_all() -> None:
    """Key 2 is added, then activated; values of key 1 go on being read, until key 1 is taken away."""
    first, second = os.urandom(32), os.urandom(32)
    (old,) = seal(KeyRing({1: first}, active=1), SCOPE, PLACE, [b"value"])
    both = KeyRing({1: first, 2: second}, active=2)
    (new,) = seal(both, SCOPE, PLACE, [b"value"])
    assert (old[1:3], new[1:3]) == (b"\x00\x01", b"\x00\x02")
    assert open_(both, SCOPE, PLACE * 2, [old, new]) == [b"value", b"value"]
    with pytest.raises(UnknownKeyVersionError):
        open_(KeyRing({2: second}, active=2), SCOPE, PLACE, [old])
