"""A person's GitHub token: renewed once however many ask, and gone is gone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import psycopg
import pytest
from keyway_backend import app
from keyway_backend.access.actor import Actor, CredentialKind
from keyway_backend.db.engine import Database
from keyway_backend.features.accounts.user_tokens import TokenGone, UserTokenSource
from keyway_backend.platform.errors import Unavailable
from keyway_backend.platform.settings import Settings, load
from keyway_backend.vault_crypto import VaultCrypto
from keyway_standalone.processes import Stack
from stack import sign_in


def settings_of(stack: Stack) -> Settings:
    """What the suite's backend runs with."""
    return load(stack.backend.command().environment)


@asynccontextmanager
async def source(stack: Stack) -> AsyncIterator[UserTokenSource]:
    """The source as a backend has it, over real database, crypto and GitHub."""
    settings = settings_of(stack)
    database = Database(stack.app_database_url, size=4)
    await database.open()
    crypto = VaultCrypto(
        settings.crypto_service_url,
        ca=settings.crypto_tls_ca_path,
        certificate=settings.crypto_tls_cert_path,
        key=settings.crypto_tls_key_path,
    )
    github = app._github(settings, database, crypto)
    try:
        await app._bound(database, crypto, settings)
        yield UserTokenSource(database, crypto, github)
    finally:
        await github.close()
        await crypto.close()
        await database.close()


def person(stack: Stack) -> tuple[str, Actor]:
    """Somebody new, signed in: login and the actor of a session."""
    login = f"renew-{secrets.token_hex(4)}"
    stack.control.create_user(login)
    sign_in(stack, login)
    with psycopg.connect(stack.app_database_url) as connection:
        row = connection.execute("SELECT id, github_user_id FROM users WHERE login = %s", [login]).fetchone()
    assert row is not None
    return login, Actor(row[0], row[1], login, CredentialKind.SESSION, uuid4())


def run_out(stack: Stack, user: Actor) -> None:
    """The access token comes to its end."""
    with psycopg.connect(stack.app_database_url) as connection:
        connection.execute("UPDATE github_tokens SET access_expires_at = now() WHERE user_id = %s", [user.user_id])


class TestRefuses:
    """No token, no answer."""

    def test_somebody_without_one(self, stack: Stack) -> None:
        """Never signed in, or gone: sign in again."""

        nobody = Actor(None, 1, "nobody", CredentialKind.CI, uuid4())

        async def go() -> None:
            async with source(stack) as tokens:
                with pytest.raises(TokenGone, match="Sign in again"):
                    await tokens.of(nobody)

        asyncio.run(go())

    def test_a_refresh_that_github_does_not_take(self, stack: Stack) -> None:
        """The person revoked the App: what was kept is dropped, and signing in again is asked for."""
        login, user = person(stack)
        stack.control.do("end-tokens", login=login)
        run_out(stack, user)

        async def go() -> None:
            async with source(stack) as tokens:
                for _ in range(2):
                    with pytest.raises(TokenGone):
                        await tokens.of(user)

        asyncio.run(go())
        with psycopg.connect(stack.app_database_url) as connection:
            assert not connection.execute("SELECT 1 FROM github_tokens WHERE user_id = %s", [user.user_id]).fetchall()

    def test_a_github_that_does_not_answer_is_no_loss(self, stack: Stack) -> None:
        """503, and the next one gets the renewed token."""
        login, user = person(stack)
        run_out(stack, user)
        stack.control.fault("status", "POST /login/oauth/access_token", status=502)

        async def go() -> None:
            async with source(stack) as tokens:
                with pytest.raises(Unavailable):
                    await tokens.of(user)
                stack.control.clear_faults()
                assert (await tokens.of(user)).reveal().startswith("ghu_")

        try:
            asyncio.run(go())
        finally:
            stack.control.clear_faults()
        assert login


def test_ten_who_ask_at_once_renew_once(stack: Stack) -> None:
    """GitHub takes a refresh token once, so a second renewal would end the person's authorization."""
    _, user = person(stack)
    run_out(stack, user)
    stack.control.reset_calls()

    async def go() -> set[str]:
        async with source(stack) as one, source(stack) as other:
            asked = await asyncio.gather(*(which.of(user) for which in (one, other) for _ in range(5)))
            return {token.reveal() for token in asked}

    assert len(asyncio.run(go())) == 1
    renewals = [call for call in stack.control.calls() if call["path"] == "/login/oauth/access_token"]
    assert len(renewals) == 1
