"""Providers that secrets are synced with: what all of them can do, and how they fail."""

from keyway_backend.clients.providers.base import (
    Account,
    Key,
    NoSuchTarget,
    Project,
    Provider,
    ProviderFailed,
    ProviderSilent,
    Target,
    Variables,
    within,
)

__all__ = [
    "Account",
    "Key",
    "NoSuchTarget",
    "Project",
    "Provider",
    "ProviderFailed",
    "ProviderSilent",
    "Target",
    "Variables",
    "within",
]
