"""What the backend says of a secret's versions, as far as pages show it."""

from __future__ import annotations

from pydantic import BaseModel

from keyway_dashboard.features.secrets.models import Person


class Version(BaseModel):
    """A value that a secret had, without it."""

    id: str
    versionNumber: int  # noqa: N815
    createdAt: str  # noqa: N815
    createdBy: Person | None  # noqa: N815


class Versions(BaseModel):
    """All that are kept, newest first."""

    versions: list[Version]


class Restored(BaseModel):
    """A version that is the live value again."""

    versionNumber: int  # noqa: N815
