"""An environment that somebody else changed is noticed, and never signed again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from keyway_crypto.envelope import Scope, entries
from keyway_crypto.errors import IntegrityError, InvalidCallError, UnknownKeyVersionError
from keyway_crypto.keyring import KeyRing
from keyway_crypto.manifest import Base, follow, verify

KEYS = {1: os.urandom(32), 2: os.urandom(32)}
RING = KeyRing({1: KEYS[1]}, active=1)
SCOPE = Scope("secret", b"i" * 16, b"v" * 16, 42, b"e" * 16)
Rows = list[tuple[str, bytes]]
ROWS: Rows = [("A", b"a" * 16), ("B", b"b" * 16), ("C", b"c" * 16)]


def members(rows: Rows) -> dict[str, bytes]:
    return dict(zip([key for key, _ in rows], entries(*columns(rows)), strict=True))


def columns(rows: Rows) -> tuple[list[str], list[bytes]]:
    return [key for key, _ in rows], [value_id for _, value_id in rows]


def check(rows: Rows, mac: bytes, *, revision: int = 5, scope: Scope = SCOPE, ring: KeyRing = RING) -> Base:
    return verify(ring, scope, revision, columns(rows)[0], entries(*columns(rows)), mac)


EMPTY = check([], b"", revision=0)
MAC = follow(RING, EMPTY, 5, [], members(ROWS))


@pytest.mark.parametrize(
    "tamper",
    [
        lambda rows: rows[1:],
        lambda rows: [*rows, ("D", b"d" * 16)],
        lambda rows: [("A", b"z" * 16), *rows[1:]],
        lambda rows: [("A", b"b" * 16), ("B", b"a" * 16), rows[2]],
        lambda rows: [("Z", b"a" * 16), *rows[1:]],
        lambda rows: [*rows, rows[0]],
        lambda rows: [*rows, ("A", b"z" * 16)],
        lambda _rows: [],
    ],
    ids=["deleted", "inserted", "older row reopened", "exchanged", "renamed", "doubled", "two of a key", "emptied"],
)
def test_tampered_rows_are_noticed(tamper: Callable[[Rows], Rows]) -> None:
    """Whatever a writer of the database does to the open rows, the MAC no longer fits."""
    with pytest.raises(IntegrityError, match="does not open here"):
        check(tamper(ROWS), MAC)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(SCOPE, instance=b"j" * 16),
        replace(SCOPE, vault=b"w" * 16),
        replace(SCOPE, repository=43),
        replace(SCOPE, environment=b"f" * 16),
    ],
)
def test_a_manifest_of_another_environment_is_refused(elsewhere: Scope) -> None:
    """Each field of the place binds."""
    with pytest.raises(IntegrityError):
        check(ROWS, MAC, scope=elsewhere)


@pytest.mark.parametrize("revision", [0, 4, 6])
def test_another_revision_is_refused(revision: int) -> None:
    """An old manifest does not fit a new head."""
    with pytest.raises(IntegrityError):
        check(ROWS, MAC, revision=revision)


def test_every_flipped_bit_and_length_of_the_mac_is_refused() -> None:
    """The MAC is compared whole; only the key version, which is no secret, has a message of its own."""
    ring = KeyRing(KEYS | {1 ^ (1 << bit): os.urandom(32) for bit in range(1, 16)}, active=1)
    number = int.from_bytes(MAC, "big")
    broken = [(number ^ (1 << bit)).to_bytes(len(MAC), "big") for bit in range(8 * len(MAC)) if bit != 256]
    for mac in [*broken, *[MAC[:length] for length in range(len(MAC))], MAC + b"\0"]:
        with pytest.raises(IntegrityError):
            check(ROWS, mac, ring=ring)


def test_no_manifest_is_accepted_only_where_nothing_was_written() -> None:
    """Deleting the manifest is no way around it."""
    assert EMPTY.members == {}
    for rows, revision in (([], 1), (ROWS, 0), (ROWS, 5)):
        with pytest.raises(IntegrityError):
            check(rows, b"", revision=revision)


def test_the_order_of_rows_does_not_matter() -> None:
    """The database may answer in any order."""
    assert check(ROWS[::-1], MAC).revision == 5


def test_only_secrets_have_a_manifest() -> None:
    """A token lives in no environment."""
    with pytest.raises(InvalidCallError, match="only secrets"):
        verify(RING, Scope("github-token", b"i" * 16), 0, [], [], b"")


class TestFollow:
    def test_members_leave_come_and_are_replaced(self) -> None:
        """Base without the removed, with the added: exactly that environment verifies afterwards."""
        change = members([("B", b"y" * 16), ("D", b"d" * 16)])
        mac = follow(RING, check(ROWS, MAC), 6, ["A"], change)
        assert check([("B", b"y" * 16), ("C", b"c" * 16), ("D", b"d" * 16)], mac, revision=6).key_version == 1

    def test_nothing_changed_makes_no_manifest(self) -> None:
        """A push of the same values is no revision."""
        assert follow(RING, check(ROWS, MAC), 6, [], {}) == b""

    def test_the_last_key_may_leave(self) -> None:
        """An emptied environment has a manifest of its own, unlike one that was never written."""
        mac = follow(RING, check(ROWS, MAC), 6, ["A", "B", "C"], {})
        assert check([], mac, revision=6).members == {}

    def test_a_key_that_is_not_there_cannot_leave(self) -> None:
        """The caller's idea of the environment is wrong, so nothing is signed for it."""
        with pytest.raises(InvalidCallError, match="removed"):
            follow(RING, check(ROWS, MAC), 6, ["Z"], {})

    @pytest.mark.parametrize("revision", [0, 4, 5])
    def test_a_revision_does_not_come_back(self, revision: int) -> None:
        """Two states of one revision would both verify."""
        with pytest.raises(InvalidCallError, match="next_revision"):
            follow(RING, check(ROWS, MAC), revision, ["A"], {})

    def test_rotation_ends_with_a_manifest_under_the_active_key(self) -> None:
        """The same members at the same revision get a new MAC once, and no second one."""
        both = KeyRing(KEYS, active=2)
        mac = follow(both, check(ROWS, MAC, ring=both), 5, [], {})
        assert mac[:2] == b"\x00\x02"
        fresh = check(ROWS, mac, ring=KeyRing({2: KEYS[2]}, active=2))
        assert follow(both, fresh, 5, [], {}) == b""
        with pytest.raises(UnknownKeyVersionError):
            check(ROWS, MAC, ring=KeyRing({2: KEYS[2]}, active=2))
