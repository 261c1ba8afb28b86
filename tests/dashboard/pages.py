"""Every page of the dashboard, in every state that is worth a look. What must hold for all pages walks along this
list: axe, tab order, zoom, what a dead backend does, pictures, speed. A test fails for a route that has no line here.

    Shown("vault-edit", lambda w: f"/vaults/{w.vault}/secrets/{w.secret}"),
    Shown("revealed", lambda w: f"/vaults/{w.vault}", then=press("Reveal DATABASE_URL in development")),

`path` is made from the world (`worlds.py`), `who` is one of its people (None is signed out), `then` is done on the page
before it is looked at. A route that answers with something else than a page stands in `NO_PAGES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Page, expect
from worlds import World


@dataclass(frozen=True)
class Shown:
    """A page in one state. `name` is unique; pictures are called by it. `status` is what the address answers."""

    name: str
    path: Callable[[World], str]
    who: str | None = "admin"
    then: Callable[[Page], object] | None = None
    status: int = 200


class Places(dict[str, str]):
    """What stands for the names in a route's path; an id that nothing has, for those that are not given."""

    def __missing__(self, _: str) -> str:
        return "00000000-0000-7000-8000-000000000000"


def press(name: str) -> Callable[[Page], object]:
    """Presses the button of this name."""
    return lambda page: page.get_by_role("button", name=name).first.click()


def keys(*pressed: str) -> Callable[[Page], object]:
    """Presses keys, one after the other."""
    return lambda page: [page.keyboard.press(key) for key in pressed]


def opened_palette(page: Page) -> None:
    """Ctrl-K, and the vaults are there."""
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name="new-one").or_(page.get_by_role("option").nth(5)).first).to_be_visible()


def made_key(page: Page) -> None:
    """A new API key, shown."""
    page.get_by_label("Name", exact=True).fill("of a picture")
    page.get_by_role("button", name="Make key").click()
    expect(page.get_by_role("region", name="API key")).to_be_visible()


def looked_at(page: Page) -> None:
    """What an import would change."""
    page.get_by_label("Text of a .env file").fill("DATABASE_URL=another\nNODE_OPTIONS=--inspect\nA_NEW_ONE=1\n")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("region", name="What changes in")).to_be_visible()


PAGES: Final = (
    # front, sign-in, trouble
    Shown("front", lambda _: "/", who=None),
    Shown("sign-in", lambda _: "/sign-in", who=None),
    Shown("sign-in-refused", lambda _: "/auth/callback?state=none&code=none", who=None, status=400),
    Shown("not-found", lambda _: "/vaults/nobody/nothing", status=404),
    # vaults
    Shown("vaults", lambda _: "/"),
    Shown("vaults-found", lambda w: f"/?q={w.vault.partition('/')[2]}"),
    Shown("vaults-nothing-found", lambda _: "/?q=no-such-vault"),
    Shown("vaults-none", lambda _: "/", who="newcomer"),
    Shown("vault-choose", lambda _: "/vaults/new"),
    Shown("vault-choose-none", lambda _: "/vaults/new", who="newcomer"),
    Shown("palette", lambda _: "/", then=opened_palette),
    Shown("shortcuts", lambda _: "/", then=keys("?")),
    # a vault
    Shown("vault", lambda w: f"/vaults/{w.vault}"),
    Shown("vault-compared", lambda w: f"/vaults/{w.vault}?compare=development"),
    Shown("vault-empty", lambda w: f"/vaults/{w.bare}"),
    Shown("vault-reader", lambda w: f"/vaults/{w.vault}", who="read"),
    Shown("secret-add", lambda w: f"/vaults/{w.vault}/secrets/new"),
    Shown("secret-copy", lambda w: f"/vaults/{w.vault}/secrets/new?key=API_KEY&environment=staging"),
    Shown("vault-download", lambda w: f"/vaults/{w.vault}", then=press("Download")),
    Shown("vault-reader-secret", lambda w: f"/vaults/{w.vault}/secrets/{w.secret}", who="read"),
    Shown("import", lambda w: f"/vaults/{w.vault}/import"),
    Shown("import-preview", lambda w: f"/vaults/{w.vault}/import", then=looked_at),
    Shown("import-reader", lambda w: f"/vaults/{w.vault}/import", who="read"),
    Shown("secret-edit", lambda w: f"/vaults/{w.vault}/secrets/{w.secret}"),
    # a vault: history, versions, trash, environments
    Shown("history", lambda w: f"/vaults/{w.vault}/history"),
    Shown("history-empty", lambda w: f"/vaults/{w.bare}/history"),
    Shown("history-of-one", lambda w: f"/vaults/{w.vault}/history/production"),
    Shown("history-closed", lambda w: f"/vaults/{w.vault}/history/production", who="read"),
    Shown("revision", lambda w: f"/vaults/{w.vault}/history/development/2"),
    Shown("revision-compared", lambda w: f"/vaults/{w.vault}/history/development/3?against=1"),
    Shown("rollback", lambda w: f"/vaults/{w.vault}/history/development/1/rollback"),
    Shown("versions", lambda w: f"/vaults/{w.vault}/secrets/{w.changed}/versions"),
    Shown("trash", lambda w: f"/vaults/{w.vault}/trash"),
    Shown("trash-question", lambda w: f"/vaults/{w.vault}/trash", then=press("Empty the trash")),
    Shown("trash-empty", lambda w: f"/vaults/{w.bare}/trash"),
    Shown("environments", lambda w: f"/vaults/{w.vault}/environments"),
    Shown("environments-reader", lambda w: f"/vaults/{w.vault}/environments", who="read"),
    Shown("environment", lambda w: f"/vaults/{w.vault}/environments/production"),
    # a vault: access, syncs, CI
    Shown("access", lambda w: f"/vaults/{w.vault}/access"),
    Shown("access-person", lambda w: f"/vaults/{w.vault}/access?person={w.people['read']}"),
    Shown("access-reader", lambda w: f"/vaults/{w.vault}/access", who="read"),
    Shown("access-change", lambda w: f"/vaults/{w.vault}/access", then=press("Change role write in production")),
    Shown("syncs", lambda w: f"/vaults/{w.vault}/syncs"),
    Shown("syncs-none", lambda w: f"/vaults/{w.bare}/syncs"),
    Shown("syncs-no-account", lambda w: f"/vaults/{w.vault}/syncs", who="read"),
    Shown("sync-connect", lambda w: f"/vaults/{w.vault}/syncs/connect?provider=railway"),
    Shown("sync-new", lambda w: f"/vaults/{w.vault}/syncs/new"),
    Shown("sync-preview", lambda w: f"/vaults/{w.vault}/syncs/{w.link}"),
    Shown("sync-question", lambda w: f"/vaults/{w.vault}/syncs/{w.link}", then=press("Run sync")),
    Shown("ci", lambda w: f"/vaults/{w.vault}/ci"),
    Shown("ci-reader", lambda w: f"/vaults/{w.vault}/ci?environment=production", who="read"),
    Shown("ci-rule", lambda w: f"/vaults/{w.vault}/ci/new?environment=production"),
    # activity
    Shown("activity", lambda _: "/activity"),
    Shown("activity-vault", lambda w: f"/activity?vault={w.vault}&source=program"),
    Shown("activity-nothing", lambda w: f"/activity?vault={w.vault}&action=secret_rotated", who="read"),
    Shown("activity-wrong", lambda _: "/activity?vault=nobody/nothing"),
    # API keys
    Shown("api-keys", lambda _: "/api-keys"),
    Shown("api-keys-none", lambda _: "/api-keys", who="newcomer"),
    Shown("api-key", lambda w: f"/api-keys/{w.id('/v1/api-keys', name='deploy of the web shop')}"),
    Shown("api-key-new", lambda _: "/api-keys/new"),
    Shown("api-key-made", lambda _: "/api-keys/new", then=made_key),
    # security and exposure
    Shown("security", lambda _: "/security"),
    Shown("security-none", lambda _: "/security", who="newcomer"),
    Shown("alerts", lambda w: f"/security/alerts?vault={w.vault}"),
    Shown("alerts-none", lambda _: "/security/alerts", who="newcomer"),
    Shown("access-log", lambda _: "/security/access-log"),
    Shown("access-log-none", lambda _: "/security/access-log", who="newcomer"),
    Shown("exposure", lambda _: "/security/exposure"),
    Shown("exposure-none", lambda _: "/security/exposure", who="newcomer"),
    Shown("exposure-report", lambda w: f"/security/exposure/{w.people['write']}"),
    Shown("exposure-paper", lambda w: f"/security/exposure/{w.people['write']}/paper"),
    Shown("exposure-unknown", lambda _: "/security/exposure/nobody-at-all", status=404),
    # organisations, assistants
    Shown("organizations", lambda _: "/organizations"),
    Shown("organizations-none", lambda _: "/organizations", who="newcomer"),
    Shown("organization", lambda w: f"/organizations/{w.org}"),
    Shown("organization-settings", lambda w: f"/organizations/{w.org}/settings"),
    Shown("organization-billing-off", lambda w: f"/organizations/{w.org}/billing", status=404),
    Shown("assistants", lambda _: "/assistants"),
    Shown("assistants-for-a-vault", lambda w: f"/assistants?vault={w.vault}"),
    # settings
    Shown("usage", lambda _: "/settings/usage"),
    Shown("profile", lambda _: "/settings"),
    Shown("sessions", lambda _: "/settings/sessions"),
)

# GET routes that answer with something else than a page: what it is.
NO_PAGES: Final = {
    "/sign-in/start": "a redirect to GitHub",
    "/badge.svg": "a picture",
    "/livez": "JSON",
    "/readyz": "JSON",
    "/parts/places": "a part of a page",
    "/activity/export": "a file",
    "/api-keys/vaults": "a part of a page",
    "/security/exposure/{username}/report.csv": "a file",
}
