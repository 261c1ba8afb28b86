"""What this installation is bound to from its first start: id, GitHub, encryption keys (design.md 2 and 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString
from urllib.parse import urlsplit
from uuid import UUID

from keyway_core.sensitive import Sensitive
from psycopg.rows import DictRow

from keyway_backend.db.engine import Connection, Database, one, rows, run
from keyway_backend.platform import errors, log
from keyway_backend.platform.clock import now
from keyway_backend.platform.ids import new_id
from keyway_backend.platform.settings import Settings
from keyway_backend.vault_crypto import KeyInfo, Sealed, VaultCrypto

_PURPOSE: Final = "key-check"
_READ: Final[LiteralString] = "SELECT id, github_host, github_app_id, key_check FROM instance"
_log = log.logger("instance")


class WrongInstanceError(Exception):
    """The database belongs to another key, GitHub or App than this process was given. One line; nothing was written."""


@dataclass(frozen=True, slots=True)
class Instance:
    """This installation. `key_check` holds the id, sealed at the first start."""

    id: UUID
    github_host: str
    github_app_id: str
    key_check: Sealed

    async def check(self, crypto: VaultCrypto) -> bool:
        """Whether the key of the first start still opens what it sealed. Raises errors.Unavailable."""
        opened = await crypto.open_text(_PURPOSE, _PURPOSE, self.id, self.key_check)
        return opened.reveal() == str(self.id)  # house: reveal the check value is no secret


async def ensure(database: Database, crypto: VaultCrypto, settings: Settings) -> Instance:
    """Reads the installation's binding, or makes it at the first start, and binds `crypto` to it.

    Raises WrongInstanceError, errors.Unavailable when crypto does not answer, and the driver's errors.
    """
    keys = await crypto.keys()
    async with database.read() as connection:
        row = await one(connection, _READ)
        known = await _known_fingerprints(connection)
    if row is None:
        row = await _create(database, crypto, settings)
    instance = _instance(row)
    _refuse_other_github(instance, settings)
    _refuse_other_keys(instance, known, keys)
    crypto.bind(instance.id)
    await _refuse_damaged_check(instance, crypto)
    await _remember(database, crypto, instance, keys)
    crypto.insist([key.fingerprint for key in keys])
    return instance


def _instance(row: DictRow) -> Instance:
    return Instance(row["id"], row["github_host"], row["github_app_id"], Sealed(row["key_check"]))


async def _create(database: Database, crypto: VaultCrypto, settings: Settings) -> DictRow:
    """Two backends that start at once make one instance: the second keeps what the first wrote."""
    made = new_id()
    crypto.bind(made)
    check = await crypto.seal_text(_PURPOSE, _PURPOSE, made, Sensitive(str(made)))
    async with database.transaction() as connection:
        await run(
            connection,
            "INSERT INTO instance (id, github_host, github_app_id, key_check, created_at)"
            " VALUES (%(id)s, %(host)s, %(app)s, %(check)s, %(at)s) ON CONFLICT DO NOTHING",
            id=made,
            host=_host(settings),
            app=settings.github_app_id,
            check=check,
            at=now(),
        )
        row = await one(connection, _READ)
    if row is None:
        raise WrongInstanceError("the instance row vanished while it was made; start again")
    return row


async def _known_fingerprints(connection: Connection) -> dict[int, str]:
    found = await rows(connection, "SELECT version, fingerprint FROM crypto_keys")
    return {row["version"]: row["fingerprint"] for row in found}


async def _remember(database: Database, crypto: VaultCrypto, instance: Instance, keys: Sequence[KeyInfo]) -> None:
    """New key versions are noted; the check value moves to the active key, so that an old one can retire."""
    active = next(key.version for key in keys if key.active)
    moved = None
    if active != instance.key_check.key_version:
        moved = await crypto.seal_text(_PURPOSE, _PURPOSE, instance.id, Sensitive(str(instance.id)))
    async with database.transaction() as connection:
        await run(
            connection,
            "INSERT INTO crypto_keys (version, fingerprint, first_seen_at)"
            " SELECT *, %(at)s FROM unnest(%(versions)s::smallint[], %(prints)s::text[]) ON CONFLICT DO NOTHING",
            versions=[key.version for key in keys],
            prints=[key.fingerprint for key in keys],
            at=now(),
        )
        if moved is not None:
            await run(connection, "UPDATE instance SET key_check = %(check)s", check=moved)


def _refuse_other_github(instance: Instance, settings: Settings) -> None:
    if instance.github_host != _host(settings):
        raise WrongInstanceError(
            f"GITHUB_URL: this database belongs to an installation for {instance.github_host}, not {_host(settings)}"
        )
    if instance.github_app_id != settings.github_app_id:
        raise WrongInstanceError(
            f"GITHUB_APP_ID: this database belongs to GitHub App {instance.github_app_id}, not {settings.github_app_id}"
        )


def _refuse_other_keys(instance: Instance, known: Mapping[int, str], keys: Sequence[KeyInfo]) -> None:
    """A known version must come with its known key. One that is gone is only a warning once nothing needs it."""
    given = {key.version: key.fingerprint for key in keys}
    for version, wanted in sorted(known.items()):
        got = given.get(version)
        if got is not None and got != wanted:
            raise WrongInstanceError(
                f"ENCRYPTION_KEY: wrong key: version {version} must have fingerprint {wanted}, crypto has {got}"
            )
        if got is None and version == instance.key_check.key_version:
            raise WrongInstanceError(
                f"ENCRYPTION_KEYS: version {version} with fingerprint {wanted} is missing, crypto has {_listed(given)}"
            )
        if got is None:
            _log.warning("key_version_gone", version=version, fingerprint=wanted)


async def _refuse_damaged_check(instance: Instance, crypto: VaultCrypto) -> None:
    try:
        opens = await instance.check(crypto)
    except errors.IntegrityFailed:
        opens = False
    if not opens:
        raise WrongInstanceError("ENCRYPTION_KEY: the check value in this database does not open under it")


def _listed(given: Mapping[int, str]) -> str:
    return ", ".join(f"{version}:{fingerprint}" for version, fingerprint in sorted(given.items()))


def _host(settings: Settings) -> str:
    return urlsplit(settings.github_url).netloc.lower()
