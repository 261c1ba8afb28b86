"""What the backend says of organisations, as far as pages show it (contract.md 4.9), and the forms about them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from starlette.datastructures import FormData

ROLES: Final = ("read", "triage", "write", "maintain", "admin")
TYPES: Final = ("development", "standard", "protected")
# What holds where nobody said otherwise: the policy's matrix, for the words "as usual".
USUAL: Final = {
    "read": ("read", "read", "none"),
    "triage": ("read", "read", "none"),
    "write": ("both", "both", "read"),
    "maintain": ("both", "both", "read"),
    "admin": ("both", "both", "both"),
}
WORDS: Final = {"none": "nothing", "read": "read", "both": "read, write", "write": "write alone"}
_RIGHTS: Final = {
    "none": {"read": False, "write": False},
    "read": {"read": True, "write": False},
    "both": {"read": True, "write": True},
    "write": {"read": False, "write": True},
}


class Organization(BaseModel):
    """A connected organisation."""

    login: str
    displayName: str | None  # noqa: N815
    plan: str
    memberCount: int  # noqa: N815
    vaultCount: int  # noqa: N815
    role: str

    @property
    def url(self) -> str:
        """Its page."""
        return f"/organizations/{self.login}"

    @property
    def label(self) -> str:
        """The name that its owners gave it, else GitHub's."""
        return self.displayName or self.login

    @property
    def is_owner(self) -> bool:
        """Whether the person who asks may change it."""
        return self.role == "owner"


class Trial(BaseModel):
    """How the one trial stands."""

    status: str
    endsAt: str | None  # noqa: N815
    daysRemaining: int | None  # noqa: N815


class Details(Organization):
    """An organisation by itself."""

    defaultPermissions: dict[str, Any]  # noqa: N815
    trial: Trial
    trialDurationDays: int  # noqa: N815
    effectivePlan: str  # noqa: N815
    createdAt: str  # noqa: N815

    @property
    def mark(self) -> str:
        """What the form of its settings carries, to say which state it started from."""
        stands = json.dumps([self.displayName, self.defaultPermissions], sort_keys=True)
        return hashlib.sha256(stands.encode()).hexdigest()[:16]

    def chosen(self, role: str, kind: str) -> str:
        """What is said of a role in environments of a type: a key of WORDS, or usual."""
        by_type = self.defaultPermissions.get(role)
        said = by_type.get(kind) if isinstance(by_type, Mapping) else None
        if not isinstance(said, Mapping) or not said:
            return "usual"
        before = _RIGHTS[USUAL[role][TYPES.index(kind)]]
        rights = {verb: bool(said.get(verb, before[verb])) for verb in ("read", "write")}
        return next(name for name, one in _RIGHTS.items() if one == rights)


class Member(BaseModel):
    """A line of the roster, as GitHub has it now."""

    username: str
    role: str
    onKeyway: bool  # noqa: N815


class Available(BaseModel):
    """An organisation that the App is installed on."""

    login: str
    user_role: str
    already_connected: bool


class AvailableList(BaseModel):
    """Those that could be connected."""

    organizations: list[Available]
    install_url: str


class Connected(BaseModel):
    """The organisation that is connected now."""

    message: str


class Synced(BaseModel):
    """What a look at GitHub changed."""

    added: int
    updated: int
    removed: int


def defaults_of(form: FormData) -> dict[str, dict[str, dict[str, bool]]]:
    """What the form says by role and type; what is as usual is left out."""
    said: dict[str, dict[str, dict[str, bool]]] = {}
    for role in ROLES:
        for kind in TYPES:
            chosen = str(form.get(f"{role}.{kind}", "usual"))
            if chosen in _RIGHTS:
                said.setdefault(role, {})[kind] = dict(_RIGHTS[chosen])
    return said
