"""Which values an environment holds at a revision, under a MAC that only this service can make (design.md 5).

Stored form: key version (2 bytes, big endian) ‖ HMAC-SHA256 over canonical(instance, vault, repository, environment,
revision, key, value id, key, value id, …) in the order of the entries' bytes. A value row that was reopened, deleted,
inserted or exchanged changes the entries, so the MAC no longer fits."""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from keyway_crypto.envelope import SECRETS, Scope
from keyway_crypto.errors import IntegrityError, InvalidCallError
from keyway_crypto.keyring import MANIFESTS, KeyRing, canonical

_VERSION_BYTES, _MAC_BYTES = 2, 2 + 32


class Base(NamedTuple):
    """An environment whose manifest `verify` found right: what `follow` wants, so nothing tampered is signed again."""

    scope: Scope
    revision: int
    members: Mapping[str, bytes]
    key_version: int


def verify(
    ring: KeyRing, scope: Scope, revision: int, keys: Sequence[str], places: Sequence[bytes], mac: bytes
) -> Base:
    """Proof that the environment holds exactly these keys, with these `entries`, at this revision.
    An empty `mac` stands for the environment that nobody has written to yet: revision 0 without keys.
    Raises IntegrityError, UnknownKeyVersionError, and InvalidCallError when the scope is no environment."""
    if scope.purpose != SECRETS:
        raise InvalidCallError("only secrets have a manifest")
    members = dict(zip(keys, places, strict=True))
    if not mac and not revision and not keys:
        return Base(scope, 0, members, ring.active)
    version = int.from_bytes(mac[:_VERSION_BYTES], "big")
    if len(mac) != _MAC_BYTES or len(members) != len(keys):
        raise IntegrityError
    if not hmac.compare_digest(mac, _make(ring, scope, revision, places, version)):
        raise IntegrityError
    return Base(scope, revision, members, version)


def follow(ring: KeyRing, base: Base, revision: int, removed: Sequence[str], added: dict[str, bytes]) -> bytes:
    """The manifest after keys left and others came or got another value; empty when the members stay as they are.
    A base under an older key gets a new MAC when its own revision is asked for again: that is how re-sealing ends.
    Raises InvalidCallError for a removed key that is not there and for a revision that does not grow."""
    leaving = set(removed)
    if not leaving <= base.members.keys():
        raise InvalidCallError("a removed key is not in the environment")
    members = {key: place for key, place in base.members.items() if key not in leaving} | added
    changed = members != base.members
    if not changed and (base.key_version == ring.active or revision != base.revision):
        return b""
    if changed and revision <= base.revision:
        raise InvalidCallError("next_revision must be greater than the revision of the base")
    return _make(ring, base.scope, revision, members.values(), ring.active)


def _make(ring: KeyRing, scope: Scope, revision: int, places: Iterable[bytes], version: int) -> bytes:
    key = ring.derive(version, MANIFESTS, scope.instance, scope.vault, scope.repository)
    numbers = scope.repository.to_bytes(8, "big"), revision.to_bytes(8, "big")
    head = canonical(scope.instance, scope.vault, numbers[0], scope.environment, numbers[1])
    return version.to_bytes(_VERSION_BYTES, "big") + hmac.digest(key, head + b"".join(sorted(places)), "sha256")
