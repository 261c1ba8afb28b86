"""The fields that we read from GitHub, and no others: an unusual but legal answer must not become an outage.

(githubkit's own models require every documented field, so one that an older Enterprise Server leaves out would.)
Ids are numeric and decide; logins and names are labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from keyway_core.roles import ROLE_ORDER, Role, role_from_github
from keyway_core.sensitive import Sensitive
from pydantic import AliasPath, BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, strict=True)


class Account(_Answer):
    """A person or an organisation."""

    id: int
    login: str
    type: str = "User"
    avatar_url: str | None = None


class Installation(_Answer):
    """Our App on an account."""

    id: int
    account: Account
    suspended_at: str | None = None
    repository_selection: str = "all"
    permissions: dict[str, str] = Field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether it may be used."""
        return self.suspended_at is None


class Repository(_Answer):
    """A repository as an installation sees it."""

    id: int
    name: str
    owner: Account
    private: bool
    visibility: str | None = None
    default_branch: str = ""

    @property
    def full_name(self) -> str:
        """owner/name"""
        return f"{self.owner.login}/{self.name}"

    @property
    def open_to_many(self) -> bool:
        """Public or internal: there `read` is told of people whom nobody invited."""
        return not self.private or self.visibility in {"public", "internal"}


class ReachedRepository(Repository):
    """A repository in a person's own listing, with what the person may do there."""

    permissions: dict[str, bool] = Field(default_factory=dict)

    @property
    def role(self) -> Role | None:
        """The highest role that is flagged."""
        return _highest(self.permissions)


class Counted(_Answer):
    """How long a list is."""

    total_count: int


class Permission(_Answer):
    """What GitHub says of a person on a repository. `user_id` is None when it names nobody."""

    permission: str
    role_name: str = ""
    user_id: int | None = Field(None, validation_alias=AliasPath("user", "id"))


class Membership(_Answer):
    """What somebody is in an organisation."""

    state: str
    role: str
    user_id: int | None = Field(None, validation_alias=AliasPath("user", "id"))
    organization_id: int | None = Field(None, validation_alias=AliasPath("organization", "id"))


class OrganizationProfile(_Answer):
    """What an organisation is called."""

    id: int
    login: str
    name: str | None = None
    avatar_url: str | None = None


class Member(_Answer):
    """A line of an organisation's roster."""

    id: int
    login: str
    avatar_url: str | None = None


class Collaborator(_Answer):
    """Somebody with a role on a repository."""

    id: int
    login: str
    type: str = "User"
    avatar_url: str | None = None
    html_url: str | None = None
    role_name: str = ""
    permissions: dict[str, bool] = Field(default_factory=dict)

    @property
    def role(self) -> Role | None:
        """The role by its name; a custom one counts as the base level that GitHub tells beside it."""
        return role_from_github(self.role_name) or _highest(self.permissions)


def _highest(flags: Mapping[str, bool]) -> Role | None:
    held = [role for name, yes in flags.items() if yes and (role := role_from_github(name))]
    return max(held, key=ROLE_ORDER.index, default=None)


class Person(_Answer):
    """The person behind a user token."""

    id: int
    login: str
    email: str | None = None
    avatar_url: str | None = None


class CheckedToken(_Answer):
    """For which App a user token was issued."""

    client_id: str = Field(validation_alias=AliasPath("app", "client_id"))


class Email(_Answer):
    """One address of a person."""

    email: str
    primary: bool = False
    verified: bool = False


class DeviceStart(_Answer):
    """A device login that GitHub began."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, arbitrary_types_allowed=True)

    device_code: str = Field(repr=False)
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int = 5


class InstallationToken(_Answer):
    """A fresh installation token, as GitHub sends it."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    token: str = Field(repr=False)
    expires_at: datetime


class OAuthAnswer(_Answer):
    """What the token endpoint answers, good or bad: it says 200 to both."""

    error: str | None = None
    interval: int | None = None
    access_token: str | None = Field(None, repr=False)
    expires_in: int | None = None
    refresh_token: str | None = Field(None, repr=False)
    refresh_token_expires_in: int | None = None
    token_type: Literal["bearer", "Bearer"] | None = None


class UserTokens:
    """A person's tokens. Seconds count from now; None means that they do not expire."""

    __slots__ = ("access", "access_seconds", "refresh", "refresh_seconds")

    def __init__(self, answer: OAuthAnswer) -> None:
        self.access = Sensitive(answer.access_token or "")
        self.access_seconds = answer.expires_in
        self.refresh = Sensitive(answer.refresh_token) if answer.refresh_token else None
        self.refresh_seconds = answer.refresh_token_expires_in
