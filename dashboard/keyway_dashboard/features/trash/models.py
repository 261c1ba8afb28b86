"""What the backend says of the trash, as far as pages show it."""

from __future__ import annotations

from pydantic import BaseModel


class Item(BaseModel):
    """A secret in the trash."""

    id: str
    key: str
    environment: str
    deletedAt: str  # noqa: N815
    daysRemaining: int  # noqa: N815


class Restored(BaseModel):
    """A secret that came back. `key` is empty where the caller may not read its name."""

    key: str | None
    environment: str


class Emptied(BaseModel):
    """How many secrets were forgotten."""

    deleted: int
