"""What makes a read suspicious (contract.md 8.2): judged against what was before it, never against itself.

One judge for every source: command line, keys, assistants, browsers.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

RATE_READS: Final = 20
RATE_WINDOW: Final = timedelta(minutes=5)
TRAVEL_KILOMETRES: Final = 2_000
TRAVEL_WINDOW: Final = timedelta(minutes=30)
REPEAT: Final = timedelta(hours=24)
_EARTH_KILOMETRES: Final = 6_371.0
_OWN_AGENTS: Final = ("keyway-cli/", "keyway-mcp/", "keyway-action/")
_BROWSER: Final = "mozilla/"
_PULLED: Final = "secrets_pulled"
_AGENT_CHARACTERS: Final = 80


class AlertType(StrEnum):
    """Kinds of alerts. Names are the wire's."""

    NEW_DEVICE = "new_device"
    NEW_LOCATION = "new_location"
    IMPOSSIBLE_TRAVEL = "impossible_travel"
    WEIRD_USER_AGENT = "weird_user_agent"
    RATE_ANOMALY = "rate_anomaly"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address is, as far as that is known."""

    country: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Where and when a person was seen."""

    ip: str
    latitude: float
    longitude: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Read:
    """A read of values by a person."""

    id: UUID
    at: datetime
    action: str
    user_id: UUID
    credential_kind: str
    ip: str
    user_agent: str
    device_id: str
    vault_id: UUID
    repository: str | None
    environment_id: UUID
    environment: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a read is suspicious."""

    read: Read
    type: AlertType
    message: str
    place: Place


Sighting = tuple[UUID, str, str]
"""A vault, `device` or `country`, and which."""

Traveller = tuple[UUID, str]
"""A person and a kind of credential: a key on a server is nobody's journey."""

Reader = tuple[UUID, UUID]
"""A vault and a person."""


@dataclass
class History:
    """What was before the reads that are judged. It takes each of them in after it was judged."""

    sighted: set[Sighting] = field(default_factory=set)
    stops: dict[Traveller, Stop] = field(default_factory=dict)
    times: dict[Reader, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))
    new_sightings: dict[Sighting, datetime] = field(default_factory=dict)
    new_stops: dict[Traveller, Stop] = field(default_factory=dict)


def judge(reads: Iterable[Read], places: Mapping[str, Place], history: History, *, since: datetime) -> list[Finding]:
    """What is suspicious among reads in the order of time. Those before `since` are learned from and not judged."""
    found: dict[tuple[UUID, str, AlertType], Finding] = {}
    for read in reads:
        place = places.get(read.ip, Place())
        reasons = _reasons(read, place, history)
        _learn(read, place, history)
        if read.at < since:
            continue
        for kind, message in reasons:
            found.setdefault((read.vault_id, read.device_id, kind), Finding(read, kind, message, place))
    return list(found.values())


def _reasons(read: Read, place: Place, history: History) -> list[tuple[AlertType, str]]:
    what, where = f"{read.repository or 'a vault'} ({read.environment or 'an environment'})", _where(read, place)
    found = []
    if (read.vault_id, "device", read.device_id) not in history.sighted:
        found.append((AlertType.NEW_DEVICE, f"A device that was not seen before read {what} from {where}."))
    if place.country and (read.vault_id, "country", place.country) not in history.sighted:
        found.append((AlertType.NEW_LOCATION, f"{what} was read from {where} for the first time."))
    if (journey := _journey(read, place, history)) is not None:
        found.append((AlertType.IMPOSSIBLE_TRAVEL, f"{what} was read from {where}, {journey}."))
    if not _is_known_agent(read):
        agent = "".join(char for char in read.user_agent if char.isprintable())[:_AGENT_CHARACTERS] or "none"
        found.append((AlertType.WEIRD_USER_AGENT, f"{what} was read by an unknown program ({agent}) from {where}."))
    if len(_recent(read, history)) >= RATE_READS:
        found.append((AlertType.RATE_ANOMALY, f"{what} was read more than {RATE_READS} times in 5 minutes."))
    return found


def _learn(read: Read, place: Place, history: History) -> None:
    for kind, what in (("device", read.device_id), ("country", place.country)):
        if what and (sighting := (read.vault_id, kind, what)) not in history.sighted:
            history.sighted.add(sighting)
            history.new_sightings[sighting] = read.at
    history.times[read.vault_id, read.user_id].append(read.at)
    if place.latitude is not None and place.longitude is not None:
        stop = Stop(read.ip, place.latitude, place.longitude, read.at)
        history.stops[read.user_id, read.credential_kind] = stop
        history.new_stops[read.user_id, read.credential_kind] = stop


def _where(read: Read, place: Place) -> str:
    named = ", ".join(part for part in (place.city, place.country) if part)
    return f"{named} ({read.ip})" if named else read.ip


def _journey(read: Read, place: Place, history: History) -> str | None:
    before = history.stops.get((read.user_id, read.credential_kind))
    if before is None or place.latitude is None or place.longitude is None:
        return None
    passed = read.at - before.at
    far = kilometres(before.latitude, before.longitude, place.latitude, place.longitude)
    if far <= TRAVEL_KILOMETRES or not timedelta(0) <= passed < TRAVEL_WINDOW:
        return None
    return f"{round(far)} km from where the same person was {round(passed.total_seconds() / 60)} minutes before"


def _is_known_agent(read: Read) -> bool:
    """Our programs, and browsers where the dashboard shows single values; no browser pulls."""
    agent = read.user_agent.lower()
    return agent.startswith(_OWN_AGENTS) or (agent.startswith(_BROWSER) and read.action != _PULLED)


def _recent(read: Read, history: History) -> Sequence[datetime]:
    times = history.times[read.vault_id, read.user_id]
    while times and times[0] <= read.at - RATE_WINDOW:
        times.popleft()
    return times


def kilometres(latitude: float, longitude: float, to_latitude: float, to_longitude: float) -> float:
    """The way over the surface of the earth."""
    one, two = math.radians(latitude), math.radians(to_latitude)
    across = math.sin((two - one) / 2) ** 2
    along = math.cos(one) * math.cos(two) * math.sin(math.radians(to_longitude - longitude) / 2) ** 2
    return 2 * _EARTH_KILOMETRES * math.asin(min(1.0, math.sqrt(across + along)))
