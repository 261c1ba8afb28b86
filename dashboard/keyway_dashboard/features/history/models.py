"""What the backend says of revisions, as far as pages show it. None of it holds a value."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import BaseModel


class Author(BaseModel):
    """Who made a revision."""

    username: str


class Counts(BaseModel):
    """How many keys a revision made, changed and took away."""

    created: int
    updated: int
    deleted: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.created + self.updated + self.deleted


class Revision(BaseModel):
    """A change of an environment, like a commit."""

    id: str
    number: int
    author: Author | None
    credentialKind: str  # noqa: N815
    source: str
    message: str | None
    counts: Counts
    createdAt: str  # noqa: N815

    @property
    def by(self) -> str:
        """Who made it."""
        return self.author.username if self.author else "somebody who left"

    @property
    def via(self) -> str:
        """By what, where it was not the person alone."""
        if self.source == "mcp":
            return "through an assistant"
        return {"api_key": "with an API key", "ci": "from a workflow"}.get(self.credentialKind, "")

    @property
    def title(self) -> str:
        """Its message, or what it did."""
        if self.message:
            return self.message
        counts = self.counts
        done = ((counts.created, "added"), (counts.updated, "changed"), (counts.deleted, "removed"))
        return (
            ", ".join(f"{count} key{'s' * (count != 1)} {verb}" for count, verb in done if count) or "Nothing changed"
        )


class Number(BaseModel):
    """A revision by its number; 0 is the environment before the first one."""

    number: int


class Difference(BaseModel):
    """What is different in a revision, seen from `against`."""

    against: Number
    added: list[str]
    changed: list[str]
    removed: list[str]
    unchanged: int

    def without(self, keys: Collection[str]) -> Difference:
        """The same, but for keys that cannot come back."""
        added, changed = ([key for key in some if key not in keys] for some in (self.added, self.changed))
        return self.model_copy(update={"added": added, "changed": changed})

    @property
    def total(self) -> int:
        """How many keys are different."""
        return len(self.added) + len(self.changed) + len(self.removed)


class Ref(BaseModel):
    """A revision that was made."""

    id: str
    number: int


class RolledBack(BaseModel):
    """What became of a rollback. `skipped` keys were purged and are as they were."""

    revision: Ref | None = None
    stats: Counts | None = None
    skipped: list[str] | None = None
