"""What the backend says of vaults, as far as pages show it (contract.md 4.4)."""

from __future__ import annotations

from pydantic import BaseModel


class Environment(BaseModel):
    """An environment of a vault."""

    name: str
    type: str


class Sync(BaseModel):
    """A connection of an environment to a provider."""

    provider: str
    keywayEnvironment: str  # noqa: N815
    lastSyncedAt: str | None = None  # noqa: N815


class Vault(BaseModel):
    """A vault in the list."""

    repoOwner: str  # noqa: N815
    repoName: str  # noqa: N815
    secretCount: int  # noqa: N815
    environmentDetails: list[Environment]  # noqa: N815
    permission: str | None
    warning: str | None = None
    isPrivate: bool  # noqa: N815
    isReadOnly: bool  # noqa: N815
    readonlyReason: str | None  # noqa: N815
    syncs: list[Sync]
    updatedAt: str  # noqa: N815

    @property
    def full_name(self) -> str:
        """owner/name"""
        return f"{self.repoOwner}/{self.repoName}"

    @property
    def trouble(self) -> str:
        """What is wrong with it, in words; empty when nothing is."""
        if self.warning:
            return "not reachable"
        return {"plan_limit_exceeded": "read-only: over the plan", "org_free_plan": "read-only: free plan"}.get(
            self.readonlyReason or "", "read-only" if self.isReadOnly else ""
        )

    @property
    def synced(self) -> str | None:
        """When the connection that waits longest was synced; None when one never was."""
        moments = [one.lastSyncedAt for one in self.syncs]
        return min(moment for moment in moments if moment) if moments and all(moments) else None

    @property
    def url(self) -> str:
        """Its page."""
        return f"/vaults/{self.full_name}"


class Repository(BaseModel):
    """A repository that the App reaches."""

    fullName: str  # noqa: N815
    owner: str
    name: str
    private: bool
    role: str
    hasVault: bool  # noqa: N815

    @property
    def url(self) -> str:
        """The page of its vault, when it has one."""
        return f"/vaults/{self.fullName}"


class Installations(BaseModel):
    """Where the App is installed from."""

    installUrl: str  # noqa: N815


class NewVault(BaseModel):
    """A vault that was made."""

    repoFullName: str  # noqa: N815
