"""Where installation tokens survive a restart: sealed, in the row of their installation."""

from __future__ import annotations

from uuid import UUID

from keyway_backend.clients.github import StoredToken
from keyway_backend.db.engine import Database, one, run
from keyway_backend.platform.clock import now
from keyway_backend.vault_crypto import Sealed, VaultCrypto

_PURPOSE = "installation-token"
_NAME = "token"

_LOAD = """
    SELECT token_sealed, token_expires_at FROM installation_tokens WHERE installation_id = %(installation_id)s"""
_SAVE = """
    INSERT INTO installation_tokens (installation_id, token_sealed, token_expires_at, updated_at)
    VALUES (%(installation_id)s, %(sealed)s, %(expires_at)s, %(now)s)
    ON CONFLICT (installation_id) DO UPDATE SET
        token_sealed = excluded.token_sealed, token_expires_at = excluded.token_expires_at,
        updated_at = excluded.updated_at"""


class SealedTokenStore:
    """A `TokenStore`. The place of a sealed token is made of the installation's number, which GitHub never reuses."""

    def __init__(self, database: Database, crypto: VaultCrypto) -> None:
        self._database = database
        self._crypto = crypto

    async def load(self, installation_id: int) -> StoredToken | None:
        """The kept token, opened."""
        async with self._database.read() as connection:
            row = await one(connection, _LOAD, installation_id=installation_id)
        if row is None:
            return None
        token = await self._crypto.open_text(_PURPOSE, _NAME, _row_id(installation_id), Sealed(row["token_sealed"]))
        return StoredToken(token, row["token_expires_at"])

    async def save(self, installation_id: int, token: StoredToken) -> None:
        """Seals and keeps a token."""
        sealed = await self._crypto.seal_text(_PURPOSE, _NAME, _row_id(installation_id), token.token)
        async with self._database.read() as connection:
            await run(
                connection,
                _SAVE,
                installation_id=installation_id,
                sealed=bytes(sealed),
                expires_at=token.expires_at,
                now=now(),
            )


def _row_id(installation_id: int) -> UUID:
    return UUID(int=installation_id)
