"""What the backend says of API keys, as far as pages show it (contract.md 4.7), and the form of a new one."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel
from starlette.datastructures import FormData

from keyway_dashboard.features.vaults.models import Vault

SCOPES: Final = (
    ("read:secrets", "Read", "List and pull secrets, see who did what."),
    ("write:secrets", "Write", "Add and change secrets, make environments."),
    ("delete:secrets", "Delete", "Move secrets to the trash, delete environments."),
    ("admin:api-keys", "Manage API keys", "Make and revoke keys that may do no more than this one."),
)
DAYS: Final = (7, 30, 90, 180, 365)
_DAYS: Final = 90
_MOST_VAULTS: Final = 50
_LONGEST_NAME: Final = 100
_NO_NETWORK: Final = "Each is an address, or a network such as 203.0.113.0/24."


class Key(BaseModel):
    """A key, never its text."""

    id: str
    name: str
    prefix: str
    environment: str
    scopes: list[str]
    vaultIds: list[str]  # noqa: N815
    environmentIds: list[str]  # noqa: N815
    expiresAt: str  # noqa: N815
    lastUsedAt: str | None  # noqa: N815
    usageCount: int  # noqa: N815
    createdAt: str  # noqa: N815
    revokedAt: str | None  # noqa: N815
    revokedReason: str | None  # noqa: N815
    isActive: bool  # noqa: N815

    @property
    def url(self) -> str:
        """Its page."""
        return f"/api-keys/{self.id}"

    @property
    def reach(self) -> str:
        """How far it reaches, in words."""
        if not self.vaultIds:
            return "every vault of yours"
        return f"{len(self.vaultIds)} vault{'s' * (len(self.vaultIds) > 1)}" + (
            ", some environments" if self.environmentIds else ""
        )


class Keys(BaseModel):
    """A person's keys, newest first."""

    keys: list[Key]


class KeyDetail(Key):
    """A key by itself."""

    allowedIps: list[str]  # noqa: N815


class Minted(Key):
    """A new key. `token` is told this once."""

    token: str


class Bound(BaseModel):
    """An environment, with the id that a key is bound to."""

    id: str
    name: str


class BoundVault(BaseModel):
    """A vault, with the ids that a key is bound to."""

    id: str
    repoOwner: str  # noqa: N815
    repoName: str  # noqa: N815
    environmentDetails: list[Bound]  # noqa: N815

    @property
    def full_name(self) -> str:
        """owner/name"""
        return f"{self.repoOwner}/{self.repoName}"


@dataclass(frozen=True)
class Reached:
    """A vault that a key reaches. No `environments`: all of them. An empty name is a vault that one does not see."""

    full_name: str
    environments: list[str]


@dataclass(frozen=True)
class Wanted:
    """What the form of a new key says."""

    name: str = ""
    kind: str = "live"
    scopes: tuple[str, ...] = ("read:secrets",)
    days: int = _DAYS
    only: bool = False
    vaults: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    addresses: str = ""

    @classmethod
    def of(cls, form: FormData) -> Wanted:
        """What was filled in."""
        texts = {name: str(form.get(name, "")) for name in ("name", "kind", "days", "reach", "addresses")}
        lists = {name: tuple(dict.fromkeys(map(str, form.getlist(name)))) for name in ("scope", "vault", "environment")}
        days = int(texts["days"]) if texts["days"].isdecimal() and len(texts["days"]) < 4 else 0
        only = texts["reach"] == "only"
        return cls(
            texts["name"].strip(),
            texts["kind"],
            lists["scope"],
            days,
            only,
            lists["vault"] if only else (),
            lists["environment"] if only else (),
            texts["addresses"],
        )

    @property
    def networks(self) -> list[str]:
        """The addresses, however they were separated."""
        return self.addresses.replace(",", " ").split()

    def faults(self) -> dict[str, str]:
        """What is missing or of no meaning, by field; the backend decides about the rest."""
        return {
            name: sentence
            for name, wrong, sentence in (
                ("name", not self.name, "Give it a name that says where it is used."),
                ("name", len(self.name) > _LONGEST_NAME, f"At most {_LONGEST_NAME} characters."),
                ("scope", not self.scopes, "Choose at least one."),
                ("days", not self.days, "Choose when it ends."),
                ("vault", self.only and not self.vaults, "Choose at least one vault, or every vault."),
                ("vault", len(self.vaults) > _MOST_VAULTS, f"At most {_MOST_VAULTS} vaults."),
                ("addresses", not all(map(_is_network, self.networks)), _NO_NETWORK),
            )
            if wrong
        }  # fmt: skip

    def body(self, bound: Sequence[BoundVault]) -> dict[str, Any]:
        """As the backend takes it."""
        chosen = [one.id for vault in bound for one in vault.environmentDetails if one.name in self.environments]
        return {
            "name": self.name,
            "environment": self.kind,
            "scopes": list(self.scopes),
            "expiresInDays": self.days,
            "allowedIps": self.networks,
            "vaultIds": [vault.id for vault in bound],
            "environmentIds": chosen,
        }


@dataclass(frozen=True)
class Choice:
    """The vaults that the form offers: the chosen ones, then what was found."""

    vaults: list[str]
    environments: list[str]
    more: int
    q: str = ""
    chosen: tuple[str, ...] = field(default=())


def choice(chosen: Sequence[str], known: Sequence[Vault], found: Sequence[Vault], total: int, q: str) -> Choice:
    """`known` are the chosen vaults as far as they are there."""
    there = [vault.full_name for vault in known]
    names = [*there, *(one.full_name for one in found if one.full_name not in there)]
    every = dict.fromkeys(one.name for vault in [*known, *found] for one in vault.environmentDetails)
    return Choice(names, list(every), max(0, total - len(found)), q, tuple(name for name in chosen if name in there))


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
