"""The composition root: the only place where features meet clients.

`services` opens everything that lives as long as the process, `application` makes of it what the public port serves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import FastAPI
from keyway_core.sensitive import Sensitive
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from keyway_backend import VERSION, instance
from keyway_backend.access.decide import Access
from keyway_backend.access.macs import Macs
from keyway_backend.access.routing import PUBLIC, GuardedRoute
from keyway_backend.access.sessions import SessionTokens
from keyway_backend.audit import GroupWriter
from keyway_backend.clients.github import GitHub, InstallationTokens
from keyway_backend.clients.github.transport import Transport
from keyway_backend.compose import ci, insight, outside
from keyway_backend.compose.commerce import Commerce
from keyway_backend.compose.deciding import Deciding
from keyway_backend.compose.insight import Insight
from keyway_backend.compose.syncs import Syncs
from keyway_backend.db.engine import Database
from keyway_backend.db.revision import WANTED
from keyway_backend.features.accounts import routes as accounts_routes
from keyway_backend.features.accounts.own import OwnAccount
from keyway_backend.features.accounts.people import People
from keyway_backend.features.accounts.service import Accounts
from keyway_backend.features.accounts.user_tokens import UserTokenSource
from keyway_backend.features.api_keys import routes as api_keys_routes
from keyway_backend.features.api_keys.service import ApiKeys
from keyway_backend.features.ci import routes as ci_routes
from keyway_backend.features.ci.service import Workflows
from keyway_backend.features.github import routes as github_routes
from keyway_backend.features.github.installation_tokens import SealedTokenStore
from keyway_backend.features.github.installations import Installations
from keyway_backend.features.github.service import Repositories
from keyway_backend.features.health import routes as health_routes
from keyway_backend.features.integrations.syncing import LinkedVaults
from keyway_backend.features.organizations import routes as organizations_routes
from keyway_backend.features.organizations.service import Organizations as OrganizationService
from keyway_backend.features.permissions import routes as permissions_routes
from keyway_backend.features.permissions.collaborators import Collaborators
from keyway_backend.features.permissions.service import Permissions
from keyway_backend.features.revisions import routes as revisions_routes
from keyway_backend.features.revisions.comparing import Comparisons
from keyway_backend.features.revisions.service import Revisions
from keyway_backend.features.secrets import routes as secrets_routes
from keyway_backend.features.secrets.service import SecretsService
from keyway_backend.features.secrets.single import routes as single_routes
from keyway_backend.features.secrets.single.entries import LiveSecrets
from keyway_backend.features.secrets.single.retention import Retention
from keyway_backend.features.secrets.single.routes import Single
from keyway_backend.features.secrets.single.trash import Trash
from keyway_backend.features.secrets.single.versions import Versions
from keyway_backend.features.sign_in import routes as sign_in_routes
from keyway_backend.features.sign_in.rules import Origins, origin_of
from keyway_backend.features.sign_in.service import WebSignIns
from keyway_backend.features.vaults import routes as vaults_routes
from keyway_backend.features.vaults.service import Vaults
from keyway_backend.features.webhooks import routes as webhooks_routes
from keyway_backend.features.webhooks.service import Webhooks
from keyway_backend.health import Check, CheckFailed, Health, clock_check, database_check, migrations_check
from keyway_backend.notify import Notifications
from keyway_backend.platform import metrics, openapi
from keyway_backend.platform.address import networks
from keyway_backend.platform.arrivals import Arrivals
from keyway_backend.platform.cookies import SessionCookies
from keyway_backend.platform.errors import Unavailable
from keyway_backend.platform.hop import DashboardHop
from keyway_backend.platform.http import Renderer, RequestEdge
from keyway_backend.platform.limits import Counters, Limits, Memory, Shared
from keyway_backend.platform.settings import Settings
from keyway_backend.vault_crypto import VaultCrypto

_START_SECONDS: Final = 30.0
_METHODS: Final = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS")
_REQUEST_HEADERS: Final = (
    "Authorization",
    "Content-Type",
    "If-Match",
    "If-None-Match",
    "Idempotency-Key",
    "X-Request-ID",
)
_ANSWER_HEADERS: Final = (
    "ETag",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
)


@dataclass(frozen=True, slots=True)
class Services:
    """What routes need."""

    access: Access
    accounts: Accounts
    own_account: OwnAccount
    api_keys: ApiKeys
    sign_ins: WebSignIns
    session_cookies: SessionCookies
    vaults: Vaults
    secrets: SecretsService
    single: Single
    retention: Retention
    revisions: Revisions
    comparisons: Comparisons
    health: Health
    repositories: Repositories
    installations: Installations
    webhooks: Webhooks
    insight: Insight
    permissions: Permissions
    collaborators: Collaborators
    limits: Limits
    organizations: OrganizationService
    commerce: Commerce
    notifications: Notifications
    workflows: Workflows
    syncs: Syncs


@asynccontextmanager
async def services(settings: Settings) -> AsyncIterator[Services]:
    """Opens database, crypto and GitHub, checks that they belong to this installation, and closes them in the end.

    Raises instance.WrongInstanceError, errors.Unavailable, and the driver's errors.
    """
    async with AsyncExitStack() as opened:
        outside.told(settings, _derived(settings.jwt_secret.get_secret_value(), b"keyway/backend/counting"), opened)
        database = Database(settings.database_url.get_secret_value(), size=settings.database_pool_size)
        await database.open()
        opened.push_async_callback(database.close)
        metrics.CONNECTIONS.set_function(lambda: database.connections()[0])
        metrics.CONNECTIONS_IN_USE.set_function(lambda: database.connections()[1])
        crypto = VaultCrypto(
            settings.crypto_service_url,
            ca=settings.crypto_tls_ca_path,
            certificate=settings.crypto_tls_cert_path,
            key=settings.crypto_tls_key_path,
        )
        opened.push_async_callback(crypto.close)
        bound = await _bound(database, crypto, settings)
        github = _github(settings, database, crypto)
        opened.push_async_callback(github.close)
        events = GroupWriter(database)
        events.start()
        opened.push_async_callback(events.stop)
        checks = {
            "database": database_check(database),
            "crypto": _crypto_check(bound, crypto),
            "migrations": migrations_check(database, WANTED),
            "github": github.app_answers,
            "clock": clock_check(database),
        }
        limits = await _limits(settings, opened)
        await insight.watch(settings, database, events, opened)
        commerce = Commerce.of(settings, database, opened)
        key = _derived(settings.jwt_secret.get_secret_value(), b"keyway/backend/idempotency")
        values = SecretsService(database, crypto, events, key)
        syncs = Syncs.of(settings, database, crypto, values, opened, commerce.plans)
        running = _services(settings, database, crypto, github, events, Health(checks), limits, commerce, values, syncs)
        opened.push_async_callback(running.workflows.close)
        yield running


async def _limits(settings: Settings, opened: AsyncExitStack) -> Limits:
    """Counted here, or together with other replicas where REDIS_URL is set."""
    counters: Counters = Memory()
    if url := settings.redis_url.get_secret_value():
        counters = shared = Shared(url)
        await shared.open()
        opened.push_async_callback(shared.close)
    return Limits(
        counters,
        trusted_proxies=networks(settings.trusted_proxies),
        session_cookie=SessionCookies(settings.session_cookie_domain).name,
        per_credential=settings.rate_limit_per_credential,
        per_address=settings.rate_limit_per_address,
    )


async def _bound(database: Database, crypto: VaultCrypto, settings: Settings) -> instance.Instance:
    """The installation's binding; waits for a crypto service that is still starting."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return await instance.ensure(database, crypto, settings)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)


def _services(  # noqa: PLR0913, PLR0917 - what lives as long as the process, one argument each
    settings: Settings,
    database: Database,
    crypto: VaultCrypto,
    github: GitHub,
    events: GroupWriter,
    health: Health,
    limits: Limits,
    commerce: Commerce,
    values: SecretsService,
    syncs: Syncs,
) -> Services:
    secret, previous = settings.jwt_secret.get_secret_value(), settings.jwt_secret_previous.get_secret_value()
    sessions, macs = SessionTokens(secret, previous), Macs(secret, previous)
    install_url, plans, links = settings.github_app_install_url, commerce.plans, LinkedVaults(database)
    cookies = SessionCookies(settings.session_cookie_domain)
    signed_in = People(github, crypto)
    user_tokens = UserTokenSource(database, crypto, github)
    lock = plans.admit_write if plans is not None else None
    access = Deciding(settings, database, github, sessions, macs).access(user_tokens, lock)
    installations = Installations(database, github, user_tokens, install_url=install_url)
    shown = installations.shown_organizations
    organizations = OrganizationService(database, access, macs, github, commerce.of_organizations, shown)
    permissions = Permissions(database, access, macs)
    webhook_secret = settings.github_app_webhook_secret.get_secret_value()
    return Services(
        access,
        Accounts(
            database, crypto, github, signed_in, sessions, github_url=settings.github_url, install_url=install_url
        ),
        OwnAccount(database, macs, plans=plans, connections=syncs.integrations),
        ApiKeys(database, access, macs),
        _sign_ins(settings, database, github, signed_in, sessions, installations),
        cookies,
        Vaults(database, access, macs, github_url=settings.github_url, plans=plans, owners=organizations, syncs=links),
        values,
        Single(LiveSecrets(database, crypto, events), Versions(database, crypto, events), Trash(database, crypto)),
        Retention(database),
        Revisions(database, crypto),
        Comparisons(database, crypto, events),
        health,
        Repositories(access),
        installations,
        Webhooks(database, github, installations, organizations, secret=webhook_secret),
        Insight.of(database, access, days=settings.audit_retention_days),
        permissions,
        Collaborators(database, github, permissions),
        limits,
        organizations,
        commerce,
        Notifications(database, outside.mailer(settings), dashboard_url=settings.dashboard_url),
        ci.workflows(settings, database, access, macs),
        syncs,
    )


def _sign_ins(
    settings: Settings,
    database: Database,
    github: GitHub,
    people: People,
    sessions: SessionTokens,
    installations: Installations,
) -> WebSignIns:
    return WebSignIns(
        database,
        github,
        people,
        sessions,
        installations,
        origins=Origins(origin_of(settings.dashboard_url), settings.allowed_origins),
        callback_url=f"{settings.api_url}/v1/auth/callback",
        install_url=settings.github_app_install_url,
        key=_derived(settings.jwt_secret.get_secret_value(), b"keyway/backend/sign-in"),
    )


def _github(settings: Settings, database: Database, crypto: VaultCrypto) -> GitHub:
    transport = Transport(api=settings.github_base_url, web=settings.github_url)
    tokens = InstallationTokens(
        transport,
        app_id=settings.github_app_id,
        private_key=settings.private_key_pem,
        store=SealedTokenStore(database, crypto),
    )
    secret = Sensitive(settings.github_app_client_secret.get_secret_value())
    return GitHub(transport, tokens, client_id=settings.github_app_client_id, client_secret=secret)


def _crypto_check(bound: instance.Instance, crypto: VaultCrypto) -> Check:
    async def check() -> None:
        if not await bound.check(crypto):
            raise CheckFailed("the crypto service has another key")

    return check


def _derived(secret: str, purpose: bytes) -> bytes:
    """A key for one purpose, derived so that no other use of the secret tells it."""
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret.encode())


def application(running: Services, settings: Settings) -> tuple[ASGIApp, FastAPI]:
    """What the public port serves, and the FastAPI application inside it, which can describe itself."""
    renderer = Renderer(settings.error_base_url)
    app = _application(running, renderer)
    cross_origin = CORSMiddleware(
        app,
        allow_origins=settings.allowed_origins,
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        allow_credentials=True,
        expose_headers=_ANSWER_HEADERS,
        max_age=600,
    )
    hop = DashboardHop(cross_origin, settings.dashboard_hop_secret.get_secret_value())
    return RequestEdge(hop, metrics.observe, Arrivals(networks(settings.trusted_proxies))), app


def document() -> dict[str, Any]:
    """The OpenAPI document, without anything running: routes are described by their shapes alone."""
    described: dict[str, Any] = _application(cast(Services, _Nothing()), Renderer("")).openapi()
    return described


class _Nothing:
    """Stands where a service would, in an application that is described and never served."""

    def __getattr__(self, name: str) -> _Nothing:
        return self


def _application(running: Services, renderer: Renderer) -> FastAPI:
    app = FastAPI(
        title="Keyway",
        version=VERSION,
        description="Secrets for teams that live on GitHub: who can reach the repository can reach its secrets.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers=renderer.handlers(),
    )
    app.state.access = running.access
    app.state.limits = running.limits
    routers = (
        health_routes.router(running.health),
        # Routes are tried in this order: what is asked for most stands first.
        secrets_routes.router(running.secrets),
        accounts_routes.router(running.accounts, running.access.origin),
        accounts_routes.own_router(running.own_account, running.session_cookies, running.access),
        api_keys_routes.router(running.api_keys, running.access.origin),
        sign_in_routes.router(running.sign_ins, running.session_cookies, running.access.origin),
        vaults_routes.router(running.vaults),
        single_routes.router(running.single),
        revisions_routes.router(running.revisions, running.comparisons),
        github_routes.router(running.repositories, running.installations),
        webhooks_routes.router(running.webhooks),
        *Insight.routers(running.insight),
        permissions_routes.router(running.permissions, running.collaborators),
        organizations_routes.router(running.organizations),
        *Commerce.routers(running.commerce),
        ci_routes.router(running.workflows, running.access.origin),
        *Syncs.routers(running.syncs, running.access.origin),
    )
    routes = [route for router in routers for route in router.routes if isinstance(route, GuardedRoute)]
    app.router.routes[:] = routes
    public = {(method, route.path) for route in routes if route.guard is PUBLIC for method in route.methods or ()}
    needed = {(method, route.path): route.guard.needs() for route in routes for method in route.methods or ()}
    app.openapi = lambda: openapi.document(app, routes, frozenset(public), needed)  # type: ignore[method-assign]
    return app
