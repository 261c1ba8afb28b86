"""The places of the dashboard: what the sidebar lists, the command palette finds and a shortcut opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Place:
    """`keys` are pressed one after the other. `home` alone is current only at its very address."""

    label: str
    path: str
    icon: str
    keys: str = ""
    home: bool = False

    def holds(self, path: str) -> bool:
        """Whether a page at this path belongs to the place."""
        return path == self.path or path.startswith(f"{self.path}/") or (self.home and path.startswith("/vaults"))


@dataclass(frozen=True)
class Tab:
    """A page of a vault: `step` follows the vault's address. The first has `also`, addresses that belong to it."""

    label: str
    step: str
    also: str = ""

    def holds(self, path: str, vault_url: str) -> bool:
        """Whether a page at this path belongs to the tab. GitHub's names have no case."""
        rest = path.lower().removeprefix(vault_url.lower())
        return rest == self.step or any(rest.startswith(f"{one}/") for one in (self.step, self.also) if one)


PLACES: Final = (
    Place("Vaults", "/", "folder-git-2", "g v", home=True),
    Place("Activity", "/activity", "activity", "g a"),
    Place("Security", "/security", "shield", "g e"),
    Place("API keys", "/api-keys", "key-round", "g k"),
    Place("Organisations", "/organizations", "building-2", "g o"),
    Place("Assistants", "/assistants", "bot", "g i"),
    Place("Settings", "/settings", "settings", "g s"),
)

# What the palette offers besides places.
ACTIONS: Final = (
    Place("New vault", "/vaults/new", "plus", "c"),
    Place("New API key", "/api-keys/new", "plus"),
    Place("Exposure: what somebody saw", "/security/exposure", "eye"),
    Place("Alerts", "/security/alerts", "shield-alert"),
    Place("Access log", "/security/access-log", "table-2"),
    Place("Sessions on other devices", "/settings/sessions", "laptop"),
    Place("Usage and plan", "/settings/usage", "layers"),
)

# The pages of a vault, shown by vaults/tabs.html, each with its line here, in this order: Secrets, History,
# Environments, Access, Syncs, CI, Trash, Settings.
VAULT_TABS: Final = (
    Tab("Secrets", "", also="/secrets"),
    Tab("History", "/history"),
    Tab("Environments", "/environments"),
    Tab("Access", "/access"),
    Tab("Syncs", "/syncs"),
    Tab("CI", "/ci"),
    Tab("Trash", "/trash"),
)  # fmt: skip
