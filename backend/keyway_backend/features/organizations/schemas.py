"""Shapes of the wire (contract.md 4.9 with the supersets of section 15)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PlanName = Literal["free", "pro", "team", "business"]
RoleName = Literal["owner", "member"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class ConnectBody(_Body):
    """The organisation to connect."""

    orgLogin: Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9_.\-]{1,100}$")]  # noqa: N815


class SettingsBody(_Body):
    """What is not given stays."""

    displayName: Annotated[str, Field(strict=True, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None  # noqa: N815
    defaultPermissions: dict[str, Any] | None = None  # noqa: N815


class Meta(BaseModel):
    """Beside every answer."""

    requestId: str  # noqa: N815


class TrialInfo(BaseModel):
    """How the trial of an organisation stands."""

    status: Literal["none", "active", "expired", "converted"]
    startedAt: str | None  # noqa: N815
    endsAt: str | None  # noqa: N815
    convertedAt: str | None  # noqa: N815
    daysRemaining: int | None  # noqa: N815


class OrganizationItem(BaseModel):
    """An organisation in a list."""

    id: str
    forgeType: Literal["github"]  # noqa: N815
    forgeOrgId: str  # noqa: N815
    login: str
    displayName: str | None  # noqa: N815
    avatarUrl: str | None  # noqa: N815
    plan: PlanName
    memberCount: int  # noqa: N815
    vaultCount: int  # noqa: N815
    createdAt: str  # noqa: N815
    updatedAt: str  # noqa: N815
    role: RoleName


class OrganizationListAnswer(BaseModel):
    """Envelope."""

    data: list[OrganizationItem]
    meta: Meta


class RosterMember(BaseModel):
    """A member inside an organisation. Addresses of others are for owners."""

    id: str
    userId: str | None  # noqa: N815
    username: str
    avatarUrl: str | None  # noqa: N815
    email: str | None
    orgRole: RoleName  # noqa: N815
    membershipState: Literal["active"]  # noqa: N815
    joinedAt: str  # noqa: N815


class OrganizationDetails(OrganizationItem):
    """An organisation in full."""

    members: list[RosterMember]
    defaultPermissions: dict[str, Any]  # noqa: N815
    stripeCustomerId: str | None  # noqa: N815
    trial: TrialInfo
    trialDurationDays: int  # noqa: N815
    effectivePlan: PlanName  # noqa: N815


class OrganizationAnswer(BaseModel):
    """Envelope."""

    data: OrganizationDetails
    meta: Meta


class Connected(BaseModel):
    """The organisation that is connected now."""

    organization: OrganizationDetails | None
    message: str


class ConnectedAnswer(BaseModel):
    """Envelope."""

    data: Connected
    meta: Meta


class Settings(BaseModel):
    """The settings of now."""

    id: str
    login: str
    displayName: str | None  # noqa: N815
    defaultPermissions: dict[str, Any]  # noqa: N815
    updatedAt: str  # noqa: N815


class SettingsAnswer(BaseModel):
    """Envelope."""

    data: Settings
    meta: Meta


class Member(BaseModel):
    """A line of the roster of now."""

    id: str
    username: str
    avatarUrl: str | None  # noqa: N815
    role: RoleName
    joinedAt: str | None  # noqa: N815
    onKeyway: bool  # noqa: N815


class MemberListAnswer(BaseModel):
    """Envelope."""

    data: list[Member]
    meta: Meta


class Synced(BaseModel):
    """What a look at GitHub changed."""

    message: str
    added: int
    updated: int
    removed: int


class SyncedAnswer(BaseModel):
    """Envelope."""

    data: Synced
    meta: Meta
