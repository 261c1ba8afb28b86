"""Every setting of the dashboard: read once, in the composition root, and handed down. Errors never hold a value."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic import model_validator as after

_MIN_SECRET_CHARACTERS: Final = 32
_MIN_DISTINCT_CHARACTERS: Final = 10


class SettingsError(Exception):
    """The process must not start. One line per variable."""


def _split(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


class Settings(BaseModel):
    """The dashboard's configuration. Empty means derived from DOMAIN, or off."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore")

    domain: str = Field("localhost", description="the domain below which api. and app. live")
    api_url: str = Field("", description="public address of the API; default: https://api.<DOMAIN>")
    dashboard_url: str = Field("", description="public address of the dashboard; default: https://app.<DOMAIN>")
    backend_url: str = Field("", description="where the dashboard itself reaches the backend; default: API_URL")
    dashboard_session_secret: SecretStr = Field(
        description="seals the session that a browser keeps; at least 32 characters: openssl rand -base64 32"
    )
    dashboard_session_secret_previous: SecretStr = Field(
        SecretStr(""), description="the one before, whose sessions still open during a rotation"
    )
    dashboard_hop_secret: SecretStr = Field(
        SecretStr(""),
        description="with it the dashboard forwards browsers' addresses; at least 32 characters; empty: off",
    )
    trusted_proxies: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        (), description="addresses or networks whose X-Forwarded-For is believed"
    )
    host: str = Field("127.0.0.1", description="address that the dashboard listens on")
    port: int = Field(3000, ge=0, le=65535, description="its port")
    log_level: str = Field(
        "info", pattern="(?i)^(debug|info|warning|error)$", description="debug, info, warning or error"
    )

    @field_validator("api_url", "dashboard_url", "backend_url")
    @classmethod
    def _is_address(cls, text: str) -> str:
        parts = urlsplit(text)
        if text and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("no address")
        return text.rstrip("/")

    @field_validator("dashboard_session_secret", "dashboard_session_secret_previous", "dashboard_hop_secret")
    @classmethod
    def _is_strong(cls, secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        if text and (len(text) < _MIN_SECRET_CHARACTERS or len(set(text)) < _MIN_DISTINCT_CHARACTERS):
            raise ValueError("too weak")
        return secret

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            ip_network(text, strict=False)
        return texts

    @after(mode="after")
    def _derive(self) -> Self:
        object.__setattr__(self, "api_url", self.api_url or f"https://api.{self.domain}")
        object.__setattr__(self, "dashboard_url", self.dashboard_url or f"https://app.{self.domain}")
        object.__setattr__(self, "backend_url", self.backend_url or self.api_url)
        return self

    @property
    def origin(self) -> str:
        """scheme://host[:port] of the dashboard, as a browser spells it."""
        parts = urlsplit(self.dashboard_url)
        return f"{parts.scheme}://{parts.netloc}".lower()


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the environment. Raises SettingsError with one line per problem."""
    environ = os.environ if environ is None else environ
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper())}
    problems: list[str] = []
    given |= _from_files(environ, problems)
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        problems += [_line(str(item["loc"][0]), item["type"]) for item in error.errors()]
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _line(name: str, kind: str) -> str:
    what = "is not set" if kind == "missing" else "has a wrong form"
    return f"{name.upper()}: {what}; it is {Settings.model_fields[name].description}"


def _from_files(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    """Secrets that are given as the path of a file."""
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
