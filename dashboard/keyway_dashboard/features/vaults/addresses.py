"""Where a vault is, for the pages below it: at the backend, and here."""

from __future__ import annotations

from urllib.parse import quote

from keyway_dashboard.backend import path
from keyway_dashboard.visits import Visit


def asked(visit: Visit, *rest: str) -> str:
    """The backend's path for the vault of this address, or for something in it."""
    return path("vaults", visit.step("owner"), visit.step("name"), *rest)


def page(visit: Visit, step: str = "") -> str:
    """Our own page of this vault, or one below it; `step` begins with a slash."""
    return f"/vaults/{quote(visit.step('owner'), safe='')}/{quote(visit.step('name'), safe='')}{step}"
