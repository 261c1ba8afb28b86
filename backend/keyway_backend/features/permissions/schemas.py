"""Shapes of the wire (contract.md 4.4 and 4.5), named as it names them."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from uuid import UUID

from keyway_core.roles import Role
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

RoleName = Literal["read", "triage", "write", "maintain", "admin"]
TypeName = Literal["development", "standard", "protected"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class NewOverrideBody(_Body):
    """An override: for one person or one role, in one environment or (`*`) in all."""

    environment: Annotated[str, Field(strict=True, min_length=1, max_length=50)]
    targetType: Literal["user", "role"]  # noqa: N815
    targetUserId: UUID | None = None  # noqa: N815
    targetRole: RoleName | None = None  # noqa: N815
    canRead: StrictBool  # noqa: N815
    canWrite: StrictBool  # noqa: N815

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        wanted, other = self.targetUserId, self.targetRole
        if self.targetType == "role":
            wanted, other = other, wanted  # type: ignore[assignment]
        if wanted is None or other is not None:
            raise ValueError("the target's type names the one field that must be there")
        return self

    @property
    def role(self) -> Role | None:
        """The role that it is for, if it is for one."""
        return Role(self.targetRole) if self.targetRole is not None else None


class ChangeOverrideBody(_Body):
    """What changes; at least one of both."""

    canRead: StrictBool | None = None  # noqa: N815
    canWrite: StrictBool | None = None  # noqa: N815

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.canRead is None and self.canWrite is None:
            raise ValueError("give canRead, canWrite, or both")
        return self


class MinimumRolesBody(_Body):
    """The lowest roles that may read and write."""

    read: RoleName
    write: RoleName


class RuleBody(_Body):
    """A rule of the older form."""

    permissions: MinimumRolesBody


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class Access(BaseModel):
    """What may be done."""

    read: bool
    write: bool


Matrix = dict[RoleName, dict[TypeName, Access]]


class TargetUser(BaseModel):
    """Whom an override is for."""

    id: str
    username: str
    avatarUrl: str | None  # noqa: N815


class Author(BaseModel):
    """Who wrote it."""

    id: str
    username: str


class OverrideShape(BaseModel):
    """One override."""

    id: str
    environment: str
    targetType: Literal["user", "role"]  # noqa: N815
    targetUser: TargetUser | None = None  # noqa: N815
    targetRole: RoleName | None = None  # noqa: N815
    canRead: bool  # noqa: N815
    canWrite: bool  # noqa: N815
    createdBy: Author | None  # noqa: N815
    createdAt: str  # noqa: N815
    updatedAt: str  # noqa: N815


class OverrideAnswer(BaseModel):
    """Envelope."""

    data: OverrideShape
    meta: Meta


class OverrideList(BaseModel):
    """The overrides of a vault, and what holds without them."""

    overrides: list[OverrideShape]
    defaults: Matrix


class OverrideListAnswer(BaseModel):
    """Envelope."""

    data: OverrideList
    meta: Meta


class Deleted(BaseModel):
    """It is gone."""

    deleted: Literal[True]


class DeletedAnswer(BaseModel):
    """Envelope."""

    data: Deleted
    meta: Meta


class Reset(BaseModel):
    """All are gone; what holds now."""

    message: str
    defaults: Matrix


class ResetAnswer(BaseModel):
    """Envelope."""

    data: Reset
    meta: Meta


class Effective(BaseModel):
    """What somebody may do, by environment. No role: nothing."""

    role: RoleName | None
    permissions: dict[str, Access]


class EffectiveAnswer(BaseModel):
    """Envelope."""

    data: Effective
    meta: Meta


class Description(BaseModel):
    """Words for people."""

    roles: dict[RoleName, str]
    environmentTypes: dict[TypeName, str]  # noqa: N815


class Defaults(BaseModel):
    """What holds where nothing more specific was said."""

    matrix: Matrix
    description: Description


class DefaultsAnswer(BaseModel):
    """Envelope."""

    data: Defaults
    meta: Meta


class MinimumRoles(BaseModel):
    """The lowest roles that may read and write."""

    read: RoleName
    write: RoleName


class CustomRule(BaseModel):
    """A rule of the older form that holds for an environment."""

    environment: str
    environmentType: TypeName  # noqa: N815
    permissions: MinimumRoles
    isCustom: Literal[True]  # noqa: N815
    createdAt: str  # noqa: N815
    updatedAt: str  # noqa: N815


class RuleList(BaseModel):
    """The rules of a vault in their older form, and what holds without them."""

    repoFullName: str  # noqa: N815
    vaultId: str  # noqa: N815
    custom: list[CustomRule]
    defaults: dict[TypeName, MinimumRoles]
    roleDefaults: Matrix  # noqa: N815


class RuleListAnswer(BaseModel):
    """Envelope."""

    data: RuleList
    meta: Meta


class RuleSet(BaseModel):
    """The rule that holds now."""

    success: Literal[True]
    message: str
    permissions: MinimumRoles


class RuleSetAnswer(BaseModel):
    """Envelope."""

    data: RuleSet
    meta: Meta


class RuleDropped(BaseModel):
    """No rule holds now; the defaults do."""

    success: Literal[True]
    message: str
    defaults: MinimumRoles


class RuleDroppedAnswer(BaseModel):
    """Envelope."""

    data: RuleDropped
    meta: Meta


class Reach(BaseModel):
    """What a collaborator can do in at least one environment."""

    canRead: bool  # noqa: N815
    canWrite: bool  # noqa: N815
    canManage: bool  # noqa: N815


class Collaborator(BaseModel):
    """Somebody with a role on the repository. `userId` is there for those who have signed in here."""

    login: str
    userId: str | None  # noqa: N815
    avatarUrl: str  # noqa: N815
    htmlUrl: str  # noqa: N815
    githubPermission: str  # noqa: N815
    keywayPermissions: Reach  # noqa: N815
    type: Literal["bot", "user"]


class Collaborators(BaseModel):
    """Everybody with a role on the repository."""

    repoFullName: str  # noqa: N815
    provider: Literal["github"]
    collaborators: list[Collaborator]


class CollaboratorsAnswer(BaseModel):
    """Envelope."""

    data: Collaborators
    meta: Meta


class Contributor(BaseModel):
    """Somebody with a role on the repository, in short."""

    login: str
    avatarUrl: str  # noqa: N815
    htmlUrl: str  # noqa: N815
    permission: str


class Contributors(BaseModel):
    """Everybody with a role on the repository, in short."""

    repoId: str  # noqa: N815
    provider: Literal["github"]
    contributors: list[Contributor]


class ContributorsAnswer(BaseModel):
    """Envelope."""

    data: Contributors
    meta: Meta
