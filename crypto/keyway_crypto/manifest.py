"""Which values an environment holds at a revision, under a MAC that only this service can make (design.md 5).

Stored form: key version (2 bytes, big endian) ‖ HMAC-SHA256 over canonical(instance, vault, repository, environment,
revision, key, value id, key, value id, …) in the order of the entries' bytes. A value row that was reopened, deleted,
inserted or exchanged changes the entries, so the MAC no longer fits.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from keyway_crypto.canonical import canonical
from keyway_crypto.envelope import SECRETS, Scope
from keyway_crypto.errors import IntegrityError, InvalidCallError
from keyway_crypto.keyring import KeyRing

_VERSION_BYTES: Final = 2
_MAC_BYTES: Final = _VERSION_BYTES + 32


@dataclass(frozen=True, slots=True)
class Base:
    """An environment whose manifest `verify` found right: what `follow` wants, so nothing tampered is signed again."""

    scope: Scope
    revision: int
    members: Mapping[str, bytes]
    key_version: int


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a base: keys that leave, then members that come or replace the one of the same key."""

    next_revision: int
    removed: Sequence[str]
    added_keys: Sequence[str]
    added: Sequence[bytes]


def verify(
    ring: KeyRing, scope: Scope, *, revision: int, keys: Sequence[str], members: Sequence[bytes], mac: bytes
) -> Base:
    """Proof that the environment holds exactly these members (`entries` of the keys) at this revision.

    An empty `mac` stands for the environment that nobody has written to yet: revision 0 without members.
    Raises IntegrityError, UnknownKeyVersionError, and InvalidCallError when the scope is no environment.
    """
    if scope.purpose != SECRETS:
        raise InvalidCallError("only secrets have a manifest")
    by_key = dict(zip(keys, members, strict=True))
    if len(by_key) != len(keys):
        raise IntegrityError
    if not mac and not revision and not keys:
        return Base(scope, 0, {}, ring.active)
    if len(mac) != _MAC_BYTES:
        raise IntegrityError
    version = int.from_bytes(mac[:_VERSION_BYTES], "big")
    if not hmac.compare_digest(mac, _make(ring, scope, revision, members, version)):
        raise IntegrityError
    return Base(scope, revision, by_key, version)


def follow(ring: KeyRing, base: Base, change: Change) -> bytes:
    """The manifest after a change; empty when the members stay as they are.

    A base under an older key gets a new MAC when its own revision is asked for again: that is how re-sealing ends.
    Raises InvalidCallError for a key added twice, a removed key that is not there, a revision that does not grow.
    """
    members = dict(base.members)
    for key in change.removed:
        if members.pop(key, None) is None:
            raise InvalidCallError(f"removed key {key[:256]!r} is not in the environment")
    added = dict(zip(change.added_keys, change.added, strict=True))
    if len(added) != len(change.added_keys):
        raise InvalidCallError("a key is added twice")
    members |= added
    if members == base.members:
        stale = base.key_version != ring.active and change.next_revision == base.revision
        return _make(ring, base.scope, base.revision, members.values(), ring.active) if stale else b""
    if change.next_revision <= base.revision:
        raise InvalidCallError("next_revision must be greater than the revision of the base")
    return _make(ring, base.scope, change.next_revision, members.values(), ring.active)


def _make(ring: KeyRing, scope: Scope, revision: int, members: Iterable[bytes], version: int) -> bytes:
    key = ring.mac_key(version, scope.instance, scope.vault, scope.repository)
    place = canonical(
        scope.instance, scope.vault, scope.repository.to_bytes(8, "big"), scope.environment, revision.to_bytes(8, "big")
    )
    return version.to_bytes(_VERSION_BYTES, "big") + hmac.digest(key, place + b"".join(sorted(members)), "sha256")
