"""Shapes of the wire (contract.md 4.4), named as the public clients read them."""

from __future__ import annotations

from typing import Final, Literal

from keyway_core.names import ENVIRONMENT
from pydantic import BaseModel, Field

EnvironmentKind = Literal["development", "standard", "protected"]
_ENVIRONMENT: Final = f"^{ENVIRONMENT.pattern}$"


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class Pagination(BaseModel):
    """Where in a list an answer stands."""

    total: int
    limit: int
    offset: int
    hasMore: bool  # noqa: N815


class PageMeta(Meta):
    """Beside a page of a list."""

    pagination: Pagination


class NewVaultBody(BaseModel):
    """The repository that gets a vault."""

    repoFullName: str  # noqa: N815


class NewVault(BaseModel):
    """The vault that was made."""

    vaultId: str  # noqa: N815
    repoFullName: str  # noqa: N815
    message: str


class EnvironmentDetail(BaseModel):
    """An environment of a vault. API keys are bound to its `id`."""

    id: str
    name: str
    type: EnvironmentKind
    displayOrder: int  # noqa: N815


class VaultItem(BaseModel):
    """A vault in a list."""

    id: str
    repoOwner: str  # noqa: N815
    repoName: str  # noqa: N815
    repoAvatar: str  # noqa: N815
    secretCount: int  # noqa: N815
    environments: list[str]
    environmentDetails: list[EnvironmentDetail]  # noqa: N815
    permission: Literal["read", "triage", "write", "maintain", "admin"] | None
    warning: Literal["repo_inaccessible"] | None = None
    isPrivate: bool  # noqa: N815
    isReadOnly: bool  # noqa: N815
    readonlyReason: Literal["plan_limit_exceeded", "org_free_plan"] | None  # noqa: N815
    syncs: list[dict[str, str | None]]
    updatedAt: str  # noqa: N815


class VaultDetail(VaultItem):
    """A vault by itself."""

    repoFullName: str  # noqa: N815
    createdAt: str  # noqa: N815


class NewEnvironmentBody(BaseModel):
    """The name of a new environment."""

    name: str = Field(pattern=_ENVIRONMENT)


class RenamedEnvironmentBody(BaseModel):
    """Another name."""

    newName: str = Field(pattern=_ENVIRONMENT)  # noqa: N815


class RetypedEnvironmentBody(BaseModel):
    """Another type."""

    type: EnvironmentKind


class Environments(BaseModel):
    """All environments of a vault, in display order."""

    environments: list[EnvironmentDetail]


class NewEnvironment(Environments):
    """The environment that was made, and all of them."""

    environment: EnvironmentDetail


class RenamedEnvironment(Environments):
    """What was renamed, and all environments."""

    oldName: str  # noqa: N815
    newName: str  # noqa: N815


class DeletedEnvironment(Environments):
    """What was deleted, and the environments that are left."""

    deleted: str


class RetypedEnvironment(BaseModel):
    """What an environment was and is."""

    environment: str
    oldType: EnvironmentKind  # noqa: N815
    newType: EnvironmentKind  # noqa: N815


class EnvironmentsAnswer(BaseModel):
    """Envelope."""

    data: Environments
    meta: Meta


class NewEnvironmentAnswer(BaseModel):
    """Envelope."""

    data: NewEnvironment
    meta: Meta


class RenamedEnvironmentAnswer(BaseModel):
    """Envelope."""

    data: RenamedEnvironment
    meta: Meta


class DeletedEnvironmentAnswer(BaseModel):
    """Envelope."""

    data: DeletedEnvironment
    meta: Meta


class RetypedEnvironmentAnswer(BaseModel):
    """Envelope."""

    data: RetypedEnvironment
    meta: Meta


class NewVaultAnswer(BaseModel):
    """Envelope."""

    data: NewVault
    meta: Meta


class VaultAnswer(BaseModel):
    """Envelope."""

    data: VaultDetail
    meta: Meta


class VaultListAnswer(BaseModel):
    """Envelope."""

    data: list[VaultItem]
    meta: PageMeta
