"""Providers that secrets are synced with, each off while its client id is empty; Railway needs none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter, Request
from keyway_core.sensitive import Sensitive

from keyway_backend.access.actor import Origin
from keyway_backend.clients.providers import Provider
from keyway_backend.clients.providers.netlify import Netlify
from keyway_backend.clients.providers.railway import Railway
from keyway_backend.clients.providers.vercel import Vercel
from keyway_backend.db.engine import Database
from keyway_backend.features.integrations import routes as integrations_routes
from keyway_backend.features.integrations.hooks import Plans
from keyway_backend.features.integrations.service import Integrations
from keyway_backend.features.integrations.syncing import Syncing
from keyway_backend.features.secrets.service import SecretsService
from keyway_backend.features.sign_in.rules import Origins, WrongTarget, origin_of
from keyway_backend.platform.settings import Settings
from keyway_backend.vault_crypto import VaultCrypto


@dataclass(frozen=True, slots=True)
class Syncs:
    """The services of integrations."""

    integrations: Integrations
    syncing: Syncing

    @classmethod
    def of(
        cls,
        settings: Settings,
        database: Database,
        crypto: VaultCrypto,
        secrets: SecretsService,
        opened: AsyncExitStack,
        plans: Plans | None,
    ) -> Self:
        """All of them; connections to providers are closed with `opened`."""
        origins = Origins(origin_of(settings.dashboard_url), settings.allowed_origins)

        def allowed(redirect_uri: str | None) -> str | None:
            try:
                return None if redirect_uri is None else origins.target(redirect_uri)
            except WrongTarget:
                return None

        providers = _providers(settings, opened)
        api = settings.api_url
        integrations = Integrations(database, crypto, providers, api_url=api, allowed=allowed, plans=plans)
        return cls(integrations, Syncing(database, integrations, secrets))

    def routers(self, origin: Callable[[Request], Origin]) -> tuple[APIRouter, ...]:
        """Their routes."""
        return (integrations_routes.router(self.integrations, self.syncing, origin),)


def _providers(settings: Settings, opened: AsyncExitStack) -> dict[str, Provider]:
    """In the order of the wire."""
    vercel = Vercel(
        web=settings.vercel_url,
        api=settings.vercel_api_url,
        client_id=settings.vercel_client_id,
        client_secret=Sensitive(settings.vercel_client_secret.get_secret_value()),
        slug=settings.vercel_integration_slug,
    )
    railway = Railway(api=settings.railway_api_url)
    netlify = Netlify(
        web=settings.netlify_url,
        api=settings.netlify_api_url,
        client_id=settings.netlify_client_id,
        client_secret=Sensitive(settings.netlify_client_secret.get_secret_value()),
    )
    for one in (vercel, railway, netlify):
        opened.push_async_callback(one.close)
    return {one.name: one for one in (vercel, railway, netlify)}
