"""Shapes of the wire (contract.md 4.12), named as the public clients read them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

# Text columns hold no NUL, and no name of a provider holds another control character.
PLAIN: Final = r"^[^\x00-\x1f\x7f]+$"
Name = Annotated[str, Field(min_length=1, max_length=50, pattern=PLAIN)]
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=PLAIN)]


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class ProviderItem(BaseModel):
    """A provider that Keyway knows."""

    name: str
    displayName: str  # noqa: N815
    configured: bool


class ProviderList(BaseModel):
    """All of them."""

    providers: list[ProviderItem]


class ProviderListAnswer(BaseModel):
    """Envelope."""

    data: ProviderList
    meta: Meta


class ConnectionItem(BaseModel):
    """An account of the caller's."""

    id: str
    provider: str
    providerUserId: str  # noqa: N815
    providerTeamId: str | None  # noqa: N815
    createdAt: str  # noqa: N815
    updatedAt: str  # noqa: N815


class ConnectionList(BaseModel):
    """The caller's own."""

    connections: list[ConnectionItem]


class ConnectionListAnswer(BaseModel):
    """Envelope."""

    data: ConnectionList
    meta: Meta


class ConnectBody(BaseModel):
    """A token that the provider gave."""

    token: str = Field(min_length=1, max_length=4096)


class ProviderUser(BaseModel):
    """Whose account it is."""

    id: str
    username: str
    email: str | None = None
    teamName: str | None = None  # noqa: N815


class Connected(BaseModel):
    """A connection that was made."""

    success: Literal[True]
    provider: str
    user: ProviderUser


class ConnectedAnswer(BaseModel):
    """Envelope."""

    data: Connected
    meta: Meta


class ProjectItem(BaseModel):
    """A project there."""

    id: str
    name: str
    serviceId: str | None = None  # noqa: N815
    serviceName: str | None = None  # noqa: N815
    linkedRepo: str | None = None  # noqa: N815
    framework: str | None = None
    environments: list[str]
    createdAt: str | None = None  # noqa: N815


class ReachedProject(ProjectItem):
    """With the connection that reaches it."""

    connectionId: str  # noqa: N815
    teamId: str | None  # noqa: N815
    teamName: str | None  # noqa: N815


class ProjectList(BaseModel):
    """Of one connection."""

    projects: list[ProjectItem]


class ProjectListAnswer(BaseModel):
    """Envelope."""

    data: ProjectList
    meta: Meta


class ReachedList(BaseModel):
    """Of all connections to a provider."""

    projects: list[ReachedProject]
    connections: list[ConnectionItem]


class ReachedListAnswer(BaseModel):
    """Envelope."""

    data: ReachedList
    meta: Meta


class LinkBody(BaseModel):
    """What belongs together."""

    connectionId: str  # noqa: N815
    projectId: Id  # noqa: N815
    serviceId: Id | None = None  # noqa: N815
    keywayEnvironment: Name = "production"  # noqa: N815
    providerEnvironment: Name = "production"  # noqa: N815


class SyncBody(LinkBody):
    """What is synced, and how."""

    direction: Literal["push", "pull"] = "push"
    allowDelete: bool = False  # noqa: N815


class Link(BaseModel):
    """An environment and a project."""

    id: str
    vaultId: str  # noqa: N815
    connectionId: str  # noqa: N815
    provider: str
    projectId: str  # noqa: N815
    projectName: str | None  # noqa: N815
    keywayEnvironment: str  # noqa: N815
    providerEnvironment: str  # noqa: N815
    lastSyncedAt: str | None  # noqa: N815
    isNew: bool  # noqa: N815


class Linked(BaseModel):
    """The link."""

    link: Link


class LinkedAnswer(BaseModel):
    """Envelope."""

    data: Linked
    meta: Meta


class Status(BaseModel):
    """Before a first sync."""

    isFirstSync: bool  # noqa: N815
    vaultIsEmpty: bool  # noqa: N815
    providerHasSecrets: bool  # noqa: N815
    providerSecretCount: int  # noqa: N815


class StatusAnswer(BaseModel):
    """Envelope."""

    data: Status
    meta: Meta


class Diff(BaseModel):
    """Names, compared."""

    keywayCount: int  # noqa: N815
    providerCount: int  # noqa: N815
    onlyInKeyway: list[str]  # noqa: N815
    onlyInProvider: list[str]  # noqa: N815
    different: list[str]
    same: list[str]


class DiffAnswer(BaseModel):
    """Envelope."""

    data: Diff
    meta: Meta


class Preview(BaseModel):
    """What a sync would do."""

    toCreate: list[str]  # noqa: N815
    toUpdate: list[str]  # noqa: N815
    toDelete: list[str]  # noqa: N815
    toSkip: list[str]  # noqa: N815


class PreviewAnswer(BaseModel):
    """Envelope."""

    data: Preview
    meta: Meta


class SyncStats(BaseModel):
    """In figures."""

    created: int
    updated: int
    deleted: int
    skipped: int
    total: int


class Synced(BaseModel):
    """What a sync did, in the shapes of both clients that read it (contract.md 15)."""

    success: bool
    stats: SyncStats
    status: Literal["success", "partial", "error"]
    created: int
    updated: int
    deleted: int
    skipped: int
    error: str | None = None


class SyncedAnswer(BaseModel):
    """Envelope."""

    data: Synced
    meta: Meta
