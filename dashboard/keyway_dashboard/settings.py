"""Every setting of the dashboard: read once, in the composition root, and handed down. None of them is a secret."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator


class SettingsError(Exception):
    """The process must not start. One line per variable."""


class Settings(BaseModel):
    """The dashboard's configuration. Empty means derived from DOMAIN."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore")

    domain: str = Field("localhost", description="the domain below which api. and app. live")
    api_url: str = Field("", description="public address of the API; default: https://api.<DOMAIN>")
    backend_url: str = Field("", description="where the dashboard itself reaches the backend; default: API_URL")
    host: str = Field("127.0.0.1", description="address that the dashboard listens on")
    port: int = Field(3000, ge=0, le=65535, description="its port")
    log_level: str = Field(
        "info", pattern="(?i)^(debug|info|warning|error)$", description="debug, info, warning or error"
    )

    @field_validator("api_url", "backend_url")
    @classmethod
    def _is_address(cls, text: str) -> str:
        parts = urlsplit(text)
        if text and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("no address")
        return text.rstrip("/")

    @model_validator(mode="after")
    def _derive(self) -> Self:
        object.__setattr__(self, "api_url", self.api_url or f"https://api.{self.domain}")
        object.__setattr__(self, "backend_url", self.backend_url or self.api_url)
        return self


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the environment. Raises SettingsError with one line per problem."""
    environ = os.environ if environ is None else environ
    given = {name: environ[name.upper()] for name in Settings.model_fields if environ.get(name.upper())}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        names = [str(item["loc"][0]) for item in error.errors()]
        lines = (f"{name.upper()}: has a wrong form; it is {Settings.model_fields[name].description}" for name in names)
        raise SettingsError("\n".join(lines)) from None
