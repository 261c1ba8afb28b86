"""Keys are used and never seen."""

from __future__ import annotations

import copy
import os
import pickle

import pytest
from keyway_crypto.errors import UnknownKeyVersionError
from keyway_crypto.keyring import MANIFESTS, KeyRing, canonical, hkdf_sha256

KEY = os.urandom(32)
RING = KeyRing({1: KEY, 7: os.urandom(32)}, active=1)
PLACE = (b"i" * 16, b"v" * 16, 42)


@pytest.mark.parametrize("look", [repr, str, "{}".format, lambda ring: f"{ring!r}", lambda ring: "%s" % ring])  # noqa: UP031
def test_no_way_of_printing_shows_a_key(look: object) -> None:
    """Neither raw nor hex nor as a Python literal, whole or in part."""
    text = look(RING)  # type: ignore[operator]
    assert text == "KeyRing(2 keys)"


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_ring_is_not_copied_out(copying: object) -> None:
    """A pickle on disk would be a second place where the keys are."""
    with pytest.raises(TypeError, match="not pickled"):
        copying(RING)  # type: ignore[operator]


def test_a_ring_is_neither_compared_nor_hashed() -> None:
    """There is no question that a comparison of keys answers."""
    with pytest.raises(TypeError, match="compared"):
        _ = RING == RING  # noqa: PLR0124
    with pytest.raises(TypeError, match="unhashable"):
        hash(RING)
    assert not hasattr(RING, "__dict__")


@pytest.mark.parametrize(
    ("keys", "active"),
    [({}, 1), ({1: KEY}, 2), ({1: KEY[:31]}, 1), ({1: KEY + b"x"}, 1), ({0: KEY}, 0), ({65_536: KEY}, 65_536)],
)
def test_a_ring_that_could_not_work_is_not_made(keys: dict[int, bytes], active: int) -> None:
    """Wrong lengths and versions fail at the start and not at the first value."""
    with pytest.raises(ValueError, match="key ring"):
        KeyRing(keys, active=active)


def test_a_fingerprint_is_short_stable_and_derived_under_its_own_label() -> None:
    """It tells keys apart and is no part of any key that is used for values."""
    fingerprint = RING.fingerprints()[1]
    assert fingerprint == KeyRing({1: KEY}, active=1).fingerprints()[1] == hkdf_fingerprint(KEY)
    assert len(fingerprint) == 16
    assert fingerprint != RING.fingerprints()[7]
    assert fingerprint not in KEY.hex()


def hkdf_fingerprint(key: bytes) -> str:
    return hkdf_sha256(key, b"", canonical(b"keyway/1", b"fingerprint"), 8).hex()


def test_an_unknown_version_is_named() -> None:
    """The message says which key is missing."""
    with pytest.raises(UnknownKeyVersionError, match="key version 3 is not configured"):
        RING.cipher(3, "secret", *PLACE)


def test_every_field_and_purpose_derives_another_key() -> None:
    """Version, instance, vault, repository, purpose: a change in one is another key."""
    instance, vault, repository = PLACE
    keys = {
        RING.derive(1, MANIFESTS, instance, vault, repository),
        RING.derive(7, MANIFESTS, instance, vault, repository),
        RING.derive(1, MANIFESTS, b"j" * 16, vault, repository),
        RING.derive(1, MANIFESTS, instance, b"w" * 16, repository),
        RING.derive(1, MANIFESTS, instance, vault, 43),
        hkdf_sha256(KEY, instance, canonical(b"keyway/1", b"secret", vault, repository.to_bytes(8, "big")), 32),
    }
    assert len(keys) == 6


def test_the_cache_is_bounded_and_does_not_mix_vaults_up() -> None:
    """More vaults than it holds go through it, and each still gets its own key."""
    ring = KeyRing({1: KEY}, active=1)
    made = [ring.derive(1, MANIFESTS, b"i" * 16, number.to_bytes(16, "big"), 1) for number in range(5_000)]
    assert len(set(made)) == 5_000
    assert ring.derive(1, MANIFESTS, b"i" * 16, bytes(16), 1) == made[0]
    assert ring.derive.cache_info().currsize == ring.derive.cache_info().maxsize == 4_096
