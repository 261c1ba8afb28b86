"""What a GitHub App may be allowed: everything that Keyway can use, what the public Keyway's App has, and the least.

The stand-in refuses what a missing permission forbids (`tests/standalone/test_standin_permissions.py`), so a test that
depends on one runs with each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest


@dataclass(frozen=True)
class Granted:
    """Permissions of an installation, and the events that the App subscribes to."""

    name: str
    permissions: dict[str, str]
    events: tuple[str, ...]

    @property
    def members(self) -> bool:
        """Whether the App may read who is in an organisation."""
        return "members" in self.permissions

    @property
    def of_accounts(self) -> list[str]:
        """What the App may on the accounts of people."""
        return [name for name in self.permissions if name == "email_addresses"]

    @property
    def installing(self) -> dict[str, Any]:
        """Arguments of the stand-in's `install`."""
        return {"permissions": self.permissions, "events": list(self.events)}


_READ: Final = "read"
_ALL_EVENTS: Final = ("member", "membership", "organization", "public", "repository", "team", "team_add")
FULL: Final = Granted("full", {"metadata": _READ, "members": _READ, "email_addresses": _READ}, _ALL_EVENTS)
PUBLIC: Final = Granted("public App", {"metadata": _READ, "administration": _READ, "email_addresses": _READ}, ())
LEAST: Final = Granted("least", {"metadata": _READ}, _ALL_EVENTS)
SETS: Final = (FULL, PUBLIC, LEAST)
with_each = pytest.mark.parametrize("granted", SETS, ids=lambda granted: granted.name)
