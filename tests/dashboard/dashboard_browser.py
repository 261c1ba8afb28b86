"""A real browser on the real dashboard: Chromium of the system's packages, people signed in through the stand-in."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from browser import consented
from keyway_standalone.processes import Stack
from oracle.stage import GitHub, Home
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from stack import TLS

AXE: Final = (Path(__file__).parent / "assets" / "axe.js").read_text(encoding="utf-8")
# A colour that is on its way to another one has no contrast to speak of.
RESTED: Final = """() => Promise.all(document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().iterations !== Infinity)
  .map((one) => one.finished.catch(() => null)))"""
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
expect.set_options(timeout=15_000)


def chromium() -> str:
    """The system's Chromium. `scripts/browser` installs it."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    assert found, "there is no Chromium; scripts/browser installs it"
    return found


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless Chromium. As root, which containers of CI are, it has no sandbox of its own."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """A tab of somebody, with what went wrong in it: console errors, refused scripts and styles."""

    site: Site
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Opens a page of the dashboard."""
        self.page.goto(self.site.url + path)
        return self.page

    def violations(self, *rules: str) -> list[str]:
        """What axe finds on the page, as `rule: where`, once nothing moves any more; by these rules or by all."""
        self.page.evaluate(RESTED)
        options = json.dumps({"runOnly": rules, "resultTypes": ["violations"]} if rules else {})
        session = self.context.new_cdp_session(self.page)
        session.send("Runtime.evaluate", {"expression": AXE})
        expression = f"axe.run(document, {options})"
        told = session.send("Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True})
        session.detach()
        found = told["result"]["value"]["violations"]
        return [f"{one['id']}: {' '.join(map(str, node['target']))}" for one in found for node in one["nodes"]]


@dataclass
class Site:
    """The dashboard of a stack, and a browser for it."""

    stack: Stack
    browser: Browser
    _kept: dict[str, Any] = field(default_factory=dict)
    _sessions: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The dashboard's address."""
        return self.stack.dashboard_url

    @contextmanager
    def window(self, login: str | None = None, **options: Any) -> Iterator[Window]:
        """A browser of its own for somebody who is signed in, or for nobody. It must end without complaints."""
        state = self._kept.get(login) if login is not None else None
        context = self.browser.new_context(storage_state=state, **options)
        context.set_default_timeout(15_000)
        page = context.new_page()
        window = Window(self, context, page)
        page.on("pageerror", lambda error: window.complaints.append(str(error)))
        page.on("console", lambda told: told.type == "error" and window.complaints.append(told.text))
        try:
            if login is not None and state is None:
                self.sign_in(page, login)
                self._kept[login] = context.storage_state()
            yield window
        finally:
            context.close()

    @contextmanager
    def fresh(self, login: str, **options: Any) -> Iterator[Window]:
        """A browser with a session that no other test has."""
        with self.window(**options) as window:
            self.sign_in(window.page, login)
            yield window

    @contextmanager
    def http(self, login: str) -> Iterator[httpx.Client]:
        """Somebody's session without a browser: pages by GET, forms by `post_form`. Follows nothing."""
        with httpx.Client(base_url=self.url, verify=TLS, timeout=20) as client:
            if login not in self._sessions:
                self._sessions[login] = self._signed_in(client, login)
            client.headers["Cookie"] = self._sessions[login]
            yield client

    def _signed_in(self, client: httpx.Client, login: str) -> str:
        """The whole way without a browser; the cookie of the session."""
        started = client.get("/sign-in/start")
        at_api = httpx.get(started.headers["location"], verify=TLS)
        back = consented(self.stack, at_api.headers["location"], login)
        nonce = {"Cookie": at_api.headers["set-cookie"].partition(";")[0]}
        link = httpx.get(back, headers=nonce, verify=TLS).headers["location"]
        client.cookies.clear()
        own = {"Cookie": started.headers["set-cookie"].partition(";")[0]}
        session = client.get(link, headers=own).headers["set-cookie"].partition(";")[0]
        client.cookies.clear()
        assert session.startswith("__Host-keyway_app="), session
        return str(session)

    def post_form(self, client: httpx.Client, path: str, **fields: str) -> httpx.Response:
        """A form of our own page, filled in and sent, whether or not a page shows it."""
        found = re.search(r'name="_proof" value="([^"]+)"', client.get("/settings").text)
        assert found
        return client.post(path, data={"_proof": found[1], **fields}, headers={"Origin": self.url})

    def sign_in(self, page: Page, login: str, path: str = "/sign-in") -> None:
        """The whole way: our button, GitHub's page of consent, and back."""
        page.goto(self.url + path)
        page.get_by_role("link", name="Continue with GitHub").click()
        self.consent(page, login)
        page.wait_for_url(f"{self.url}/**")

    def consent(self, page: Page, login: str) -> None:
        """What a person does on GitHub's page."""
        page.get_by_label("Who are you?").select_option(login)
        page.get_by_label("Passphrase").fill(self.stack.passphrase)
        page.get_by_role("button", name="Authorize").click()

    def person(self, stem: str = "visitor") -> str:
        """A new login."""
        return GitHub(self.stack).user(stem)

    def owner_of(self, home: Home) -> str:
        """The login of a vault's administrator."""
        return home.admin
