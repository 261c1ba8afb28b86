"""GitHub, or a GitHub Enterprise Server: the part of it that decides access and signs people in."""

from keyway_backend.clients.github.answers import (
    Collaborator,
    DeviceStart,
    Installation,
    Member,
    Membership,
    OrganizationProfile,
    Permission,
    Person,
    ReachedRepository,
    Repository,
    UserTokens,
)
from keyway_backend.clients.github.client import GitHub
from keyway_backend.clients.github.errors import (
    CodeRejected,
    DeviceDenied,
    DeviceExpired,
    DevicePending,
    GitHubUnknown,
    PermissionMissing,
    TokenRejected,
)
from keyway_backend.clients.github.tokens import InstallationTokens, StoredToken, TokenStore

__all__ = [
    "CodeRejected",
    "Collaborator",
    "DeviceDenied",
    "DeviceExpired",
    "DevicePending",
    "DeviceStart",
    "GitHub",
    "GitHubUnknown",
    "Installation",
    "InstallationTokens",
    "Member",
    "Membership",
    "OrganizationProfile",
    "Permission",
    "PermissionMissing",
    "Person",
    "ReachedRepository",
    "Repository",
    "StoredToken",
    "TokenRejected",
    "TokenStore",
    "UserTokens",
]
