"""Every setting of the backend: read once, in the composition root, and handed down.

A variable `NAME` that holds a secret may be given as `NAME_FILE` instead: the path of a file that holds it.
What is wrong is told in one message, by the names of the variables, never by their values.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_FORBIDDEN: Final = ("ENCRYPTION_KEY", "ENCRYPTION_KEYS", "ENCRYPTION_KEY_FILE", "ENCRYPTION_KEYS_FILE")
_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_DOMAIN: Final = re.compile(r"([a-z0-9-]+\.)*[a-z0-9-]+")
_MIN_SECRET_CHARACTERS: Final = 32
# Where tokens, and to some of them addresses of people or values, go while the variable behind it is set.
_GET_TOKENS: Final = {
    "ipinfo_url": "ipinfo_token",
    "resend_url": "resend_api_key",
    "stripe_api_base": "billing_enabled",
    "vercel_url": "vercel_client_id",
    "vercel_api_url": "vercel_client_id",
    "netlify_url": "netlify_client_id",
    "netlify_api_url": "netlify_client_id",
    "railway_api_url": "railway_api_url",
    "posthog_host": "posthog_key",
}
_MIN_DISTINCT_CHARACTERS: Final = 10


class SettingsError(Exception):
    """The process must not start. One line per variable."""


def _split(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Settings(BaseModel):
    """The backend's configuration. Empty means off, or derived from DOMAIN."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore")

    database_url: SecretStr = Field(
        description="Postgres, as the application role: postgresql://user:password@host/name"
    )
    migration_database_url: SecretStr = Field(
        SecretStr(""), description="Postgres, as the owner of the schema; default: DATABASE_URL"
    )
    database_pool_size: int = Field(20, ge=2, le=200, description="connections per backend process")

    crypto_service_url: str = Field(description="host:port of the crypto service")
    crypto_tls_ca_path: Path = Field(description="certificate of the CA that signed crypto and backend")
    crypto_tls_cert_path: Path = Field(description="this backend's certificate")
    crypto_tls_key_path: Path = Field(description="its private key")

    jwt_secret: SecretStr = Field(
        description="signs sessions and rows that grant; at least 32 characters: openssl rand -base64 32"
    )
    jwt_secret_previous: SecretStr = Field(
        SecretStr(""), description="the one before, still accepted during a rotation"
    )

    github_app_id: str = Field(description="App ID of the GitHub App")
    github_app_client_id: str = Field(description="its client id")
    github_app_client_secret: SecretStr = Field(description="its client secret")
    github_app_private_key: SecretStr = Field(description="its private key: the PEM file in base64, on one line")
    github_app_name: str = Field("keyway", description="its name in the address github.com/apps/<name>")
    github_app_install_url: str = Field(
        "", description="where people install it; default: from GITHUB_URL and GITHUB_APP_NAME"
    )
    github_app_webhook_secret: SecretStr = Field(
        SecretStr(""), description="signs webhooks; without it they are refused"
    )
    github_url: str = Field(
        "https://github.com", description="GitHub's pages; a GitHub Enterprise Server's address otherwise"
    )
    github_base_url: str = Field(
        "https://api.github.com", description="GitHub's API; https://<host>/api/v3 for Enterprise Server"
    )
    github_pat_login: bool = Field(default=False, description="accept a person's own GitHub token as a credential")
    role_cache_seconds: int = Field(60, ge=0, le=300, description="how long a role that GitHub told is believed")

    audit_retention_days: int = Field(
        400, ge=30, le=36500, description="how many days the audit and exposure reach back"
    )

    geoip_database_path: Path | None = Field(None, description="GeoIP database in MaxMind's format; empty: none")
    ipinfo_token: SecretStr = Field(
        SecretStr(""), description="asks ipinfo where addresses are, unless there is a GeoIP database; empty: nobody"
    )
    ipinfo_url: str = Field("https://ipinfo.io", description="where ipinfo answers")

    github_grace_seconds: int = Field(
        0, ge=0, le=900, description="how long reads go on by roles told before while GitHub is out; 0: not at all"
    )

    domain: str = Field("localhost", description="the domain below which api. and app. live")
    api_url: str = Field("", description="public address of the API; default: https://api.<DOMAIN>")
    dashboard_url: str = Field("", description="public address of the dashboard; default: https://app.<DOMAIN>")
    allowed_origins: Words = Field((), description="origins of browsers that may call the API; default: DASHBOARD_URL")
    error_base_url: str = Field("https://api.keyway.sh/errors", description="prefix of the `type` of every error")
    session_cookie_domain: str = Field(
        "",
        description="parent domain of the cookies that the public dashboard reads; empty: a cookie of this host alone",
    )
    dashboard_hop_secret: SecretStr = Field(
        SecretStr(""),
        description="with it the dashboard forwards browsers' addresses; at least 32 characters; empty: off",
    )
    trusted_proxies: Words = Field((), description="addresses or networks whose X-Forwarded-For is believed")

    mail_from: str = Field("", description="sender of our mail: Keyway <keyway@example.org>")
    resend_api_key: SecretStr = Field(SecretStr(""), description="sends mail through Resend; empty: not through it")
    resend_url: str = Field("https://api.resend.com", description="Resend's API")
    smtp_host: str = Field("", description="mail server that takes our mail; empty: none")
    smtp_port: int = Field(587, ge=1, le=65535, description="its port")
    smtp_tls: str = Field("starttls", pattern="^(starttls|tls|none)$", description="starttls, tls, or none on loopback")
    smtp_username: str = Field("", description="who signs in there; empty: nobody")
    smtp_password: SecretStr = Field(SecretStr(""), description="its password")

    vercel_client_id: str = Field("", description="client id of a Vercel integration; empty: no syncs with Vercel")
    vercel_client_secret: SecretStr = Field(SecretStr(""), description="its client secret")
    vercel_integration_slug: str = Field("", description="its name in vercel.com/integrations/<slug>")
    vercel_url: str = Field("https://vercel.com", description="Vercel's pages")
    vercel_api_url: str = Field("https://api.vercel.com", description="Vercel's API")
    netlify_client_id: str = Field("", description="client id of a Netlify OAuth application; empty: no syncs with it")
    netlify_client_secret: SecretStr = Field(SecretStr(""), description="its client secret")
    netlify_url: str = Field("https://app.netlify.com", description="Netlify's pages")
    netlify_api_url: str = Field("https://api.netlify.com", description="Netlify's API")
    railway_api_url: str = Field("https://backboard.railway.com/graphql/v2", description="Railway's GraphQL API")

    posthog_key: SecretStr = Field(SecretStr(""), description="project key of PostHog; empty: nothing is counted there")
    posthog_host: str = Field("https://eu.i.posthog.com", description="PostHog's address")
    sentry_dsn: SecretStr = Field(SecretStr(""), description="where Sentry takes errors; empty: nowhere")

    billing_enabled: bool = Field(
        default=False, description="sell plans through Stripe; without it everything is unlimited for everybody"
    )
    stripe_secret_key: SecretStr = Field(SecretStr(""), description="secret key of the account at Stripe")
    stripe_webhook_secret: SecretStr = Field(
        SecretStr(""), description="signing secret of the endpoint /v1/billing/webhook at Stripe"
    )
    stripe_api_base: str = Field("https://api.stripe.com", description="address of Stripe's API")

    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis or Valkey that shares rate limits between replicas; empty: each counts alone"
    )
    rate_limit_per_credential: int = Field(600, ge=60, description="requests a minute of one credential")
    rate_limit_per_address: int = Field(300, ge=30, description="requests a minute of one address without credential")

    host: str = Field("127.0.0.1", description="address that the public port listens on")
    port: int = Field(8080, ge=0, le=65535, description="public port")
    ops_host: str = Field(
        "127.0.0.1", description="address of the ops port: loopback or a private network, never public"
    )
    ops_port: int = Field(8081, ge=0, le=65535, description="ops port: /livez, /readyz, /metrics")
    worker_in_process: bool = Field(
        default=True, description="run background jobs inside the backend; false where `keyway-backend worker` does"
    )
    worker_jobs_at_once: int = Field(4, ge=1, le=64, description="background jobs that one process does side by side")
    worker_stalled_seconds: int = Field(
        30, ge=1, le=600, description="silence after which the jobs of a killed worker go to another"
    )
    log_level: str = Field(
        "info", pattern="(?i)^(debug|info|warning|error)$", description="debug, info, warning or error"
    )

    @model_validator(mode="after")
    def _derive(self) -> Self:
        derived = {
            "migration_database_url": self.migration_database_url
            if self.migration_database_url.get_secret_value()
            else self.database_url,
            "api_url": (self.api_url or f"https://api.{self.domain}").rstrip("/"),
            "dashboard_url": (self.dashboard_url or f"https://app.{self.domain}").rstrip("/"),
            "github_url": self.github_url.rstrip("/"),
            "github_base_url": self.github_base_url.rstrip("/"),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        install = self.github_app_install_url or f"{self.github_url}/apps/{self.github_app_name}/installations/new"
        object.__setattr__(self, "github_app_install_url", install)
        own = urlsplit(self.dashboard_url)
        object.__setattr__(self, "allowed_origins", self.allowed_origins or (f"{own.scheme}://{own.netloc}".lower(),))
        return self

    @property
    def private_key_pem(self) -> str:
        """The App's private key as PEM, whichever form the variable has."""
        text = self.github_app_private_key.get_secret_value().strip()
        return text if text.startswith("-----BEGIN") else base64.b64decode(text, validate=True).decode()


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads and judges the environment. Raises SettingsError with one line per problem."""
    environ = os.environ if environ is None else environ
    problems = [
        f"{name}: the backend must never hold it; give it to the crypto service alone"
        for name in _FORBIDDEN
        if environ.get(name)
    ]
    values = {name.lower(): value for name, value in environ.items() if value}
    values |= _from_files(environ, problems)
    try:
        settings = Settings.model_validate({name: values[name] for name in Settings.model_fields if name in values})
    except ValidationError as error:
        raise SettingsError(
            "\n".join(problems + [_line(item["loc"], item["type"]) for item in error.errors()])
        ) from None
    problems += refusals(settings)
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _line(location: tuple[int | str, ...], kind: str) -> str:
    name = str(location[0]).upper() if location else "settings"
    what = "is not set" if kind == "missing" else f"has a wrong form ({kind})"
    field = Settings.model_fields.get(name.lower())
    return f"{name}: {what}" + (f"; it is {field.description}" if field else "")


def _from_files(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        path = environ.get(f"{name.upper()}_FILE")
        if field.annotation is not SecretStr or not path:
            continue
        if environ.get(name.upper()):
            problems.append(f"{name.upper()}: given together with {name.upper()}_FILE; keep one")
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{name.upper()}_FILE: cannot be read ({type(error).__name__})")
    return found


def refusals(settings: Settings) -> list[str]:
    """What makes a well-formed configuration unsafe (assurance.md O-08)."""
    problems = (
        _weak_secrets(settings)
        + _unsafe_database(settings)
        + _half_configured(settings)
        + _foreign_cookie_domain(settings)
    )
    files = ("crypto_tls_ca_path", "crypto_tls_cert_path", "crypto_tls_key_path")
    problems += [f"{path.upper()}: no such file" for path in files if not getattr(settings, path).is_file()]
    if settings.geoip_database_path is not None and not settings.geoip_database_path.is_file():
        problems.append("GEOIP_DATABASE_PATH: no such file")
    problems += _unencrypted(settings)
    if (dsn := settings.sentry_dsn.get_secret_value()) and not _is_dsn(dsn):
        problems.append("SENTRY_DSN: not of the form https://key@host/project")
    problems += _incomplete_billing(settings)
    if "*" in settings.allowed_origins:
        problems.append("ALLOWED_ORIGINS: * would let every site act for the people signed in; list exact origins")
    elif not all(_ORIGIN.fullmatch(origin) for origin in settings.allowed_origins):
        problems.append("ALLOWED_ORIGINS: each is scheme://host or scheme://host:port, in lower case, without a path")
    if settings.ops_host in {"0.0.0.0", "::"} and settings.ops_port == settings.port:  # noqa: S104
        problems.append("OPS_PORT: equals PORT; the ops port must not be public")
    try:
        key = settings.private_key_pem
    except (binascii.Error, UnicodeDecodeError, ValueError):
        key = ""
    if "PRIVATE KEY-----" not in key:
        problems.append("GITHUB_APP_PRIVATE_KEY: neither a PEM key nor one in base64")
    return problems


def _incomplete_billing(settings: Settings) -> list[str]:
    if not settings.billing_enabled:
        return []
    needed = ("stripe_secret_key", "stripe_webhook_secret")
    missing = [name for name in needed if not getattr(settings, name).get_secret_value()]
    return [f"{name.upper()}: needed while BILLING_ENABLED is true" for name in missing]


def _is_dsn(text: str) -> bool:
    parts = urlsplit(text)
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    return encrypted and bool(parts.username and parts.hostname) and parts.path.rpartition("/")[2].isdigit()


def _unencrypted(settings: Settings) -> list[str]:
    problems = []
    for name, switch in _GET_TOKENS.items():
        on = getattr(settings, switch)
        parts = urlsplit(getattr(settings, name))
        if not (on.get_secret_value() if isinstance(on, SecretStr) else on):
            continue
        if parts.scheme != "https" and (parts.hostname or "") not in LOOPBACK:
            problems.append(f"{name.upper()}: tokens go there, so it must start with https://")
    return problems


def _weak_secrets(settings: Settings) -> list[str]:
    problems = []
    for name in ("jwt_secret", "jwt_secret_previous", "dashboard_hop_secret"):
        text = getattr(settings, name).get_secret_value()
        if name != "jwt_secret" and not text:
            continue
        if len(text) < _MIN_SECRET_CHARACTERS or len(set(text)) < _MIN_DISTINCT_CHARACTERS:
            problems.append(f"{name.upper()}: too weak; make one with: openssl rand -base64 32")
    return problems


def _foreign_cookie_domain(settings: Settings) -> list[str]:
    """A browser drops a cookie for a domain that its host does not lie in."""
    domain, host = settings.session_cookie_domain, urlsplit(settings.api_url).hostname or ""
    if not domain or (_DOMAIN.fullmatch(domain) and (host == domain or host.endswith(f".{domain}"))):
        return []
    return ["SESSION_COOKIE_DOMAIN: API_URL is not below it, or it is no domain (without a leading dot)"]


def _half_configured(settings: Settings) -> list[str]:
    """Optional services: all that one needs, or nothing of it."""
    problems = []
    resend, smtp = settings.resend_api_key.get_secret_value(), settings.smtp_host
    if resend and smtp:
        problems.append("SMTP_HOST: given together with RESEND_API_KEY; keep one")
    if (resend or smtp) and not settings.mail_from:
        problems.append("MAIL_FROM: is not set; mail needs a sender")
    if smtp and settings.smtp_tls == "none" and smtp not in LOOPBACK:
        problems.append("SMTP_TLS: none is for a server on loopback; take starttls or tls")
    pairs = {"vercel_client_id": "vercel_client_secret", "netlify_client_id": "netlify_client_secret"}
    for name, secret in pairs.items():
        if getattr(settings, name) and not getattr(settings, secret).get_secret_value():
            problems.append(f"{secret.upper()}: is not set; {name.upper()} needs it")
    if settings.vercel_client_id and not settings.vercel_integration_slug:
        problems.append("VERCEL_INTEGRATION_SLUG: is not set; VERCEL_CLIENT_ID needs it")
    return problems


def _unsafe_database(settings: Settings) -> list[str]:
    problems = []
    given = {name: getattr(settings, name).get_secret_value() for name in ("migration_database_url", "database_url")}
    for url, name in {url: name for name, url in given.items()}.items():
        parts = urlsplit(url)
        if parts.scheme not in {"postgresql", "postgres"}:
            problems.append(f"{name.upper()}: does not start with postgresql://")
            continue
        if parts.password in {"keyway", "postgres", "password", "changeme"}:
            problems.append(f"{name.upper()}: uses a sample password")
        if (parts.hostname or "localhost") not in LOOPBACK and "sslmode=verify-full" not in parts.query:
            problems.append(f"{name.upper()}: a database on another host needs sslmode=verify-full and sslrootcert")
    return problems
