"""Shapes of the wire (contract.md 4.1, policy.yaml `once_only`)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ExchangeBody(BaseModel):
    """What proves that it is the dashboard which began the sign-in that now holds the code."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(description="the one-time code of the redirect; good for 60 s, once")
    codeVerifier: str = Field(description="of the code_challenge given at the start (RFC 7636, S256)")  # noqa: N815
    redirectOrigin: str = Field(description="scheme://host[:port] of the redirect_uri given at the start")  # noqa: N815


class Exchanged(BaseModel):
    """A session of a dashboard: it ends after 8 hours without use, and after 24 in any case."""

    keywayToken: str  # noqa: N815
    githubLogin: str  # noqa: N815
    expiresAt: str  # noqa: N815


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class ExchangedAnswer(BaseModel):
    """Envelope."""

    data: Exchanged
    meta: Meta
