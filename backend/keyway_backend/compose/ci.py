"""Workflows: whose tokens are exchanged here."""

from __future__ import annotations

from typing import Final

from keyway_backend.access.decide import Access
from keyway_backend.access.macs import Macs
from keyway_backend.clients.oidc import IssuerKeys
from keyway_backend.db.engine import Database
from keyway_backend.features.ci.service import Workflows
from keyway_backend.platform.settings import Settings

_PUBLIC_GITHUB: Final = "https://github.com"
_PUBLIC_ISSUER: Final = "https://token.actions.githubusercontent.com"


def workflows(settings: Settings, database: Database, access: Access, macs: Macs) -> Workflows:
    """The issuer is pinned by GITHUB_URL. Runners of one's own count at an Enterprise Server alone, without a rule."""
    public = settings.github_url == _PUBLIC_GITHUB
    keys = IssuerKeys(_PUBLIC_ISSUER if public else f"{settings.github_url}/_services/token")
    return Workflows(database, access, macs, keys, audience=settings.api_url, hosted_only=public)
