"""What the backend says of providers and syncs (contract.md 4.12), and what forms make of it. Names only, no value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from keyway_dashboard.features.vaults.models import Vault

# Connected with a token that the person made there; the others ask for consent in the browser of the command line.
WITH_TOKEN: Final = frozenset({"railway"})
_DIRECTIONS: Final = ("push", "pull")


class Provider(BaseModel):
    """A provider, and whether this server can connect to it."""

    name: str
    displayName: str  # noqa: N815
    configured: bool

    @property
    def takes_token(self) -> bool:
        """Whether it is connected by a form of ours."""
        return self.name in WITH_TOKEN

    @property
    def variables(self) -> str:
        """What whoever runs the server sets to switch it on."""
        return f"{self.name.upper()}_CLIENT_ID and {self.name.upper()}_CLIENT_SECRET"


class Providers(BaseModel):
    """All of them."""

    providers: list[Provider]


class Connection(BaseModel):
    """An account of the caller's."""

    id: str
    provider: str
    providerUserId: str  # noqa: N815
    createdAt: str  # noqa: N815


class Connections(BaseModel):
    """The caller's own."""

    connections: list[Connection]


class Account(BaseModel):
    """Whose account a token opened."""

    username: str


class Connected(BaseModel):
    """An account that was connected."""

    provider: str
    user: Account


class Project(BaseModel):
    """A project, or a service of one, that an account reaches."""

    id: str
    name: str
    serviceId: str | None = None  # noqa: N815
    serviceName: str | None = None  # noqa: N815
    environments: list[str]
    connectionId: str  # noqa: N815
    teamName: str | None = None  # noqa: N815

    @property
    def label(self) -> str:
        """As people know it."""
        return " / ".join(one for one in (self.teamName, self.name, self.serviceName) if one)

    @property
    def choice(self) -> str:
        """As a form names it. No id holds a space."""
        return " ".join(one for one in (self.connectionId, self.id, self.serviceId) if one)


class Reached(BaseModel):
    """What all accounts at a provider reach."""

    projects: list[Project]


class Link(BaseModel):
    """An environment and a project that belong together."""

    id: str
    provider: str
    projectId: str  # noqa: N815
    projectName: str | None  # noqa: N815
    connectionId: str  # noqa: N815
    keywayEnvironment: str  # noqa: N815
    providerEnvironment: str  # noqa: N815
    lastSyncedAt: str | None  # noqa: N815

    @property
    def project(self) -> str:
        """As people know it, where they can."""
        return self.projectName or self.projectId

    @property
    def place(self) -> str:
        """The environment there; a service stands behind it, after a colon."""
        return self.providerEnvironment.rpartition(":")[0] or self.providerEnvironment

    @property
    def target(self) -> dict[str, str]:
        """What the backend is asked about."""
        service = self.providerEnvironment.rpartition(":")[2] if ":" in self.providerEnvironment else ""
        asked = {"connectionId": self.connectionId, "projectId": self.projectId, "providerEnvironment": self.place}
        return asked | {"keywayEnvironment": self.keywayEnvironment} | ({"serviceId": service} if service else {})


class Links(BaseModel):
    """Those of a vault whose environments the caller may read."""

    syncs: list[Link]


class LinkMade(BaseModel):
    """A link that was made."""

    link: Link


class Plan(BaseModel):
    """What a sync would do to the side that it writes."""

    toCreate: list[str]  # noqa: N815
    toUpdate: list[str]  # noqa: N815
    toDelete: list[str]  # noqa: N815
    toSkip: list[str]  # noqa: N815

    @property
    def is_empty(self) -> bool:
        """Whether both sides agree as far as it goes."""
        return not (self.toCreate or self.toUpdate or self.toDelete)


class Synced(BaseModel):
    """What a sync did."""

    status: str
    created: int
    updated: int
    deleted: int
    error: str | None = None

    @property
    def words(self) -> str:
        """In figures, and what went wrong."""
        done = f"{self.created} created, {self.updated} updated, {self.deleted} deleted."
        return f"{done} {self.error}" if self.error else done


@dataclass(frozen=True)
class Way:
    """Which way a sync goes, and whether it deletes there what is not here."""

    direction: str
    delete: bool

    @property
    def query(self) -> dict[str, str]:
        """As the backend is asked."""
        return {"direction": self.direction, "allowDelete": "true" if self.delete else "false"}

    @property
    def body(self) -> dict[str, Any]:
        """As the backend is told."""
        return {"direction": self.direction, "allowDelete": self.delete}


def way(direction: str, delete: str) -> Way:
    """The way that a form or an address names. Only a push deletes."""
    chosen = direction if direction in _DIRECTIONS else "push"
    return Way(chosen, chosen == "push" and delete == "yes")


def link_body(project: str, environment: str, place: str) -> dict[str, str]:
    """The link that a form describes."""
    connection, id_, service = [*project.split(" "), "", "", ""][:3]
    said = {"connectionId": connection, "projectId": id_, "keywayEnvironment": environment}
    return said | {"providerEnvironment": place} | ({"serviceId": service} if service else {})


def accounts(providers: Sequence[Provider], found: Connections) -> list[tuple[Provider, list[Connection]]]:
    """Every provider with the caller's accounts there."""
    return [(one, [account for account in found.connections if account.provider == one.name]) for one in providers]


class VaultWithLinks(Vault, Links):
    """A vault with its links in full."""

    syncs: list[Link]  # type: ignore[assignment]
