"""What the backend says of what happened (contract.md 4.6, and its own list for a vault), and how it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel

from keyway_dashboard.features.activity import words
from keyway_dashboard.features.activity.words import Kind, Source


class Actor(BaseModel):
    """Who did it."""

    username: str


class Item(BaseModel):
    """One action. Where it came from is told in lists of a vault alone."""

    id: str
    action: str
    repoFullName: str | None  # noqa: N815
    actor: Actor
    platform: str
    metadata: dict[str, Any] | None
    timestamp: str
    source: str = ""
    environment: str | None = None
    ip: str | None = None
    deviceId: str | None = None  # noqa: N815

    @property
    def kind(self) -> Kind:
        """What it is called."""
        return words.KINDS.get(self.action, words.UNKNOWN)

    @property
    def way(self) -> Source:
        """How somebody came."""
        return words.source_of(self.source, self.platform)

    @property
    def who(self) -> str:
        """A person, a workflow, or Keyway itself."""
        return self.actor.username or "Keyway"

    @property
    def key(self) -> str:
        """The one secret that it was about."""
        return self._told("key")

    @property
    def place(self) -> str:
        """The environment."""
        place = self.environment or self._told("environment")
        return "every environment" if place == "*" else place

    @property
    def did(self) -> str:
        """The sentence after the name."""
        count = (self.metadata or {}).get("count")
        if self.key or not self.kind.many or not isinstance(count, int):
            return self.kind.did + ("" if self.key or not self.kind.many else " secrets")
        return self.kind.many.format(count=f"{count} secret{'' if count == 1 else 's'}")

    @property
    def note(self) -> str:
        """What else is worth a word: a message, the new name, the program that was let in."""
        told = (self._told(name) for name in ("message", "newName", "provider", "name", "workflow"))
        return next((one for one in told if one), "")

    @property
    def row(self) -> dict[str, Any]:
        """As a line of a file."""
        told = self.metadata or {}
        return {
            "time": self.timestamp, "person": self.actor.username, "action": self.action, "vault": self.repoFullName,
            "environment": self.place, "key": self.key, "count": told.get("count"), "revision": told.get("revision"),
            "source": self.source, "program": self.platform, "ip": self.ip, "device": self.deviceId, "id": self.id,
        }  # fmt: skip

    def _told(self, name: str) -> str:
        found = (self.metadata or {}).get(name)
        return found if isinstance(found, str) else ""


COLUMNS = ("time", "person", "action", "vault", "environment", "key", "count", "revision", "source", "program", "ip",
           "device", "id")  # fmt: skip


@dataclass(frozen=True)
class Day:
    """What happened on a day, in UTC."""

    date: date
    items: list[Item]

    @property
    def label(self) -> str:
        """Today, Yesterday, or its date."""
        back = (datetime.now(UTC).date() - self.date).days
        return {0: "Today", 1: "Yesterday"}.get(back, self.date.strftime("%A, %-d %B %Y"))


def by_day(items: Sequence[Item]) -> list[Day]:
    """In the order that they have."""
    dated = groupby(items, key=lambda item: datetime.fromisoformat(item.timestamp).astimezone(UTC).date())
    return [Day(day, list(found)) for day, found in dated]


@dataclass(frozen=True)
class Filters:
    """What is asked for; empty is everything. Without a vault it is the caller's own list."""

    vault: str = ""
    person: str = ""
    action: str = ""
    source: str = ""
    since: str = ""
    until: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filters:
        """From an address. A day that is none, and names that we do not know, ask for nothing."""
        vault = query.get("vault", "").strip().strip("/")
        source = query.get("source", "")
        return cls(
            vault,
            query.get("person", "").strip().lstrip("@"),
            query.get("action", ""),
            source if source in words.SOURCES else "",
            *(_day(query.get(name, "")) for name in ("from", "to")),
        )

    @property
    def given(self) -> bool:
        """Whether anything is left out."""
        return self != Filters()

    @property
    def query(self) -> str:
        """For an address."""
        told = {"vault": self.vault, "person": self.person, "action": self.action, "source": self.source,
                "from": self.since, "to": self.until}  # fmt: skip
        return urlencode({name: value for name, value in told.items() if value})

    @property
    def asked(self) -> dict[str, str]:
        """For the backend."""
        told = {"action": self.action, **(words.SOURCES[self.source].asked if self.source else {})}
        if self.vault and self.person:
            told["person"] = self.person
        if self.since:
            told["since"] = f"{self.since}T00:00:00Z"
        if self.until:
            told["until"] = f"{date.fromisoformat(self.until) + timedelta(days=1)}T00:00:00Z"
        return told


def _day(text: str) -> str:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return ""
    return str(found) if 2000 <= found.year <= 2999 else ""
