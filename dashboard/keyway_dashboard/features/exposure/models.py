"""What the backend says of who saw what (contract.md 4.2 and 4.10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

COLUMNS: Final = (
    "username", "userId", "repository", "environment", "key", "roleAtAccess", "firstAccess", "lastAccess",
    "accessCount", "firstRevision", "lastRevision", "status", "rotatedAt", "tickedAt", "mustRotate",
)  # fmt: skip


class Person(BaseModel):
    """Who saw something; a workflow has no id."""

    id: str | None
    username: str


class Summary(BaseModel):
    """How many people saw how many secrets how often."""

    users: int
    secrets: int
    accesses: int


class Listed(BaseModel):
    """A person in the list."""

    user: Person
    secretsAccessed: int  # noqa: N815
    vaultsAccessed: int  # noqa: N815
    lastAccess: str  # noqa: N815


class People(BaseModel):
    """A page of the people who saw something."""

    summary: Summary
    users: list[Listed]


class Organization(BaseModel):
    """An organisation, and what the caller is in it."""

    login: str
    role: str


class Seen(BaseModel):
    """A secret that somebody saw. `mustRotate`: its present value is one that they saw, and nobody ticked it off."""

    secretId: str  # noqa: N815
    key: str
    environment: str
    roleAtAccess: str | None  # noqa: N815
    firstAccess: str  # noqa: N815
    lastAccess: str  # noqa: N815
    accessCount: int  # noqa: N815
    firstRevision: int | None  # noqa: N815
    lastRevision: int | None  # noqa: N815
    status: str
    rotatedAt: str | None  # noqa: N815
    tickedAt: str | None  # noqa: N815
    mustRotate: bool  # noqa: N815

    @property
    def revisions(self) -> str:
        """At which revisions of the environment; empty when it was seen through a copy alone."""
        if self.firstRevision is None:
            return ""
        same = self.firstRevision == self.lastRevision
        return f"#{self.firstRevision}" if same else f"#{self.firstRevision} to #{self.lastRevision}"


class SeenVault(BaseModel):
    """What was seen in a vault: as much as the page holds, with the numbers of all of it.

    What could be left to do stands first, ticked off or not: no line moves under the hand that ticks.
    """

    repoFullName: str  # noqa: N815
    totalSecrets: int  # noqa: N815
    secretsToRotate: int  # noqa: N815
    secrets: list[Seen]


class ReportSummary(BaseModel):
    """What one person saw, in numbers."""

    totalSecretsAccessed: int  # noqa: N815
    totalVaultsAccessed: int  # noqa: N815
    secretsToRotate: int  # noqa: N815
    firstAccess: str | None  # noqa: N815
    lastAccess: str | None  # noqa: N815


class Report(BaseModel):
    """What one person saw: all of it, or a page, with the numbers of all of it."""

    user: Person
    summary: ReportSummary
    vaults: list[SeenVault]

    @property
    def total(self) -> int:
        """How many secrets."""
        return self.summary.totalSecretsAccessed

    @property
    def open(self) -> int:
        """How many of them are still to be rotated."""
        return self.summary.secretsToRotate

    @property
    def percent(self) -> int:
        """How much of it is dealt with."""
        return round(100 * (self.total - self.open) / self.total) if self.total else 100

    def rows(self) -> Iterator[dict[str, Any]]:
        """A line for each secret."""
        for vault in self.vaults:
            for one in vault.secrets:
                known = {"username": self.user.username, "userId": self.user.id, "repository": vault.repoFullName}
                yield known | one.model_dump()
