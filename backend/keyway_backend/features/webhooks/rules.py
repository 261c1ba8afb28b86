"""Whether a delivery is GitHub's, what it says, and what must end because of it. Pure.

A delivery is a hint: the signature covers its body and not its id or its time, so what it says may be old or said
twice. What takes away is believed at once. What gives is read from GitHub by the job that the delivery leaves.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

REVOKING: Final = frozenset({
    "member.removed", "member.edited", "membership.removed", "organization.member_removed", "organization.deleted",
    "team.deleted", "team.edited", "team.removed_from_repository", "repository.transferred", "repository.deleted",
    "repository.publicized", "public", "installation.deleted", "installation.suspend",
    "installation_repositories.removed", "github_app_authorization.revoked",
})  # fmt: skip
"""policy.yaml `github.webhook_events.revoking`."""

_OF_INSTALLATIONS: Final = frozenset({"installation", "installation_repositories", "installation_target"})
_OF_REPOSITORIES: Final = frozenset({"repository", "public"})
_OF_ORGANIZATIONS: Final = frozenset({"organization", "membership", "team", "team_add", "member"})
_ENDS: Final = {"installation.deleted": "deleted", "installation.suspend": "suspended"}
_PREFIX: Final = b"sha256="
_LABEL_CHARACTERS: Final = 100


def signed(secret: bytes, body: bytes, signature: bytes) -> bool:
    """Whether a signature is that of the very bytes. As slow for a near miss as for a far one, of whatever length."""
    wanted = _PREFIX + hmac.new(secret, body, sha256).hexdigest().encode()
    return hmac.compare_digest(signature, wanted)


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbers and labels of a delivery that we act on, and nothing else of it."""

    event: str
    action: str
    installation: int | None = None
    account: int | None = None
    repository: int | None = None
    removed: tuple[int, ...] = ()
    person: int | None = None
    organization: int | None = None
    sender: int | None = None
    sender_login: str = ""

    @property
    def name(self) -> str:
        """event.action, or the event alone where there is no action."""
        return f"{self.event}.{self.action}" if self.action else self.event


def facts_of(event: str, payload: Mapping[str, Any]) -> Facts:
    """Reads a delivery. What is missing, or of another kind than GitHub documents, is not there."""
    removed = payload.get("repositories_removed")
    person = _number(payload, "member", "id") or _number(payload, "membership", "user", "id")
    return Facts(
        event=event,
        action=_text(payload.get("action")),
        installation=_number(payload, "installation", "id"),
        account=_number(payload, "installation", "account", "id") or _number(payload, "account", "id"),
        repository=_number(payload, "repository", "id"),
        removed=tuple(filter(None, (_number(one, "id") for one in removed))) if isinstance(removed, list) else (),
        person=person or (_number(payload, "sender", "id") if event == "github_app_authorization" else None),
        organization=_number(payload, "organization", "id"),
        sender=_number(payload, "sender", "id"),
        sender_login=_text(_inner(payload, "sender", "login")),
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends at once. `owners` stands for all repositories of an account."""

    repositories: frozenset[int] = field(default_factory=frozenset)
    people: frozenset[int] = field(default_factory=frozenset)
    owners: frozenset[int] = field(default_factory=frozenset)
    installation: int | None = None
    status: str | None = None
    signed_out: int | None = None


def ending(facts: Facts) -> Ending | None:
    """What a revoking delivery ends; None for one that takes nothing from anybody.

    The narrowest that it names: the person, else the repository, else everything of the organisation.
    """
    if facts.name not in REVOKING:
        return None
    named = facts.event in {"installation", "installation_repositories"}
    return Ending(
        repositories=frozenset(facts.removed) if named else _some(facts.repository if facts.person is None else None),
        people=frozenset() if named else _some(facts.person),
        owners=_owners(facts),
        installation=facts.installation if named else None,
        status=_ENDS.get(facts.name),
        signed_out=facts.person if facts.event == "github_app_authorization" else None,
    )


def _owners(facts: Facts) -> frozenset[int]:
    """The account all of whose repositories are concerned: of an ended installation, or of an event that names less."""
    if facts.name in _ENDS:
        return _some(facts.account)
    if facts.event in _OF_INSTALLATIONS or facts.person is not None or facts.repository is not None:
        return frozenset()
    return _some(facts.organization)


def concerns_installation(facts: Facts) -> bool:
    """Whether to look at the installation again: its own events, and an organisation's new name."""
    return facts.installation is not None and (
        facts.event in _OF_INSTALLATIONS or facts.name in {"organization.renamed", "organization.deleted"}
    )


def concerns_repository(facts: Facts) -> bool:
    """Whether the labels of a vault may have changed."""
    return facts.event in _OF_REPOSITORIES and None not in {facts.installation, facts.repository}


def concerns_roster(facts: Facts) -> bool:
    """Whether who is in an organisation, or what it is called, may have changed."""
    return facts.event in _OF_ORGANIZATIONS and facts.organization is not None


def leaves_work(facts: Facts) -> bool:
    """Whether a job has something to do."""
    return concerns_installation(facts) or concerns_repository(facts) or concerns_roster(facts)


def _some(number: int | None) -> frozenset[int]:
    return frozenset() if number is None else frozenset({number})


def _inner(payload: Any, *path: str) -> Any:
    for step in path:
        payload = payload.get(step) if isinstance(payload, dict) else None
    return payload


def _number(payload: Any, *path: str) -> int | None:
    found = _inner(payload, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**63 else None


def _text(value: Any) -> str:
    return value[:_LABEL_CHARACTERS].replace("\0", "") if isinstance(value, str) else ""
