"""A real browser on the real dashboard: Chromium of the system's packages, people signed in through the stand-in."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from keyway_dashboard.sessions import SESSION
from keyway_standalone.processes import Stack
from oracle.stage import GitHub
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect, sync_playwright
from visitor import Visitor, client_of, session_of

AXE: Final = (Path(__file__).parent / "assets" / "axe.js").read_text(encoding="utf-8")
# `looked(options)`: what a page breaks, as `rule: where`, once nothing moves any more: a colour that is on its way to
# another one has no contrast to speak of. Without axe in the page it is null.
LOOKED: Final = """const looked = async (options) => {
  if (typeof axe === "undefined") return null;
  await Promise.all(document.getAnimations().filter((one) => one.effect.getComputedTiming().iterations !== Infinity)
    .map((one) => one.finished.catch(() => null)));
  const told = await axe.run(document, {resultTypes: ["violations"], preload: false, ...options});
  return told.violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(" ")}`));
};"""
# As the dashboard sets it.
COOKIE: Final = {
    "name": SESSION, "domain": "127.0.0.1", "path": "/", "httpOnly": True, "secure": True, "sameSite": "Lax",
}  # fmt: skip
# The one without a window, a toolbar and a profile does the same with half of the work.
_NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
expect.set_options(timeout=45_000)


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


@dataclass(frozen=True)
class Kept:
    """A browser for all files of a worker. The event loop that it keeps is seen in the files that use it alone."""

    browser: Browser
    loop: asyncio.AbstractEventLoop

    @contextmanager
    def awake(self) -> Iterator[Browser]:
        """For as long as nobody else runs a loop in this thread."""
        asyncio._set_running_loop(self.loop)
        try:
            yield self.browser
        finally:
            asyncio._set_running_loop(None)


@contextmanager
def kept_browser() -> Iterator[Kept]:
    """A headless Chromium that sleeps until it is asked for."""
    with running_browser() as browser:
        kept = Kept(browser, asyncio.get_running_loop())
        asyncio._set_running_loop(None)
        try:
            yield kept
        finally:
            asyncio._set_running_loop(kept.loop)


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
        """What axe finds on the page, as `rule: where`; by these rules or by all."""
        options = json.dumps({"runOnly": rules} if rules else {})
        found: list[str] = self.looked(f"return await looked({options});")
        return found

    def looked(self, how: str) -> Any:
        """What the body of a function in the page comes to, which may call `looked`, but not change anything if that
        returns null: then axe is brought there, and the page looked at again."""
        # Our policy lets no page evaluate a text; the debugger may.
        expression = f"(async () => {{ {LOOKED} {how} }})()"
        if (found := told(self.session, expression)) is None:
            told(self.session, AXE)
            found = told(self.session, expression)
        return found

    @cached_property
    def session(self) -> CDPSession:
        """The debugger of the tab."""
        return self.context.new_cdp_session(self.page)


def told(session: CDPSession, expression: str) -> Any:
    """What an expression is, or will be, in the page."""
    asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
    answer = session.send("Runtime.evaluate", asked)
    assert "exceptionDetails" not in answer, answer["exceptionDetails"]
    return answer["result"].get("value")


@dataclass
class Site:
    """The dashboard of a stack, and a browser for it."""

    stack: Stack
    browser: Browser
    _sessions: dict[str, str] = field(default_factory=dict)
    _resting: tuple[str, BrowserContext] | None = None

    @property
    def url(self) -> str:
        """The dashboard's address."""
        return self.stack.dashboard_url

    @contextmanager
    def window(self, login: str | None = None, **options: Any) -> Iterator[Window]:
        """A browser of its own for somebody who is signed in, or for nobody. It must end without complaints."""
        context = self._context(login, options)
        page = context.new_page()
        window = Window(self, context, page)
        page.on("pageerror", lambda error: window.complaints.append(str(error)))
        page.on("console", lambda told: told.type == "error" and window.complaints.append(told.text))
        try:
            if login is not None:
                context.add_cookies([COOKIE | {"value": self.session(login)}])  # type: ignore[list-item]
            yield window
        finally:
            self._left(context, login, options)

    def _context(self, login: str | None, options: dict[str, Any]) -> BrowserContext:
        """The one that the same person had last, with the scripts and fonts that it loaded; or a new one."""
        if self._resting is not None and self._resting[0] == login and not options:
            _, context = self._resting
            self._resting = None
            return context
        context = self.browser.new_context(**options)
        context.set_default_timeout(45_000)
        return context

    def _left(self, context: BrowserContext, login: str | None, options: dict[str, Any]) -> None:
        former: BrowserContext | None = context
        if login is not None and not options:
            for page in context.pages:
                page.close()
            context.clear_cookies()
            former, self._resting = self._resting[1] if self._resting else None, (login, context)
        if former is not None:
            former.close()

    @contextmanager
    def visitor(self, login: str, *, fresh: bool = False) -> Iterator[Visitor]:
        """Somebody without a browser, with the session of their windows or with one that no other test has."""
        with client_of(self.stack) as client:
            value = session_of(self.stack, client, login) if fresh else self.session(login)
            yield Visitor(self.url, client, {SESSION: value})

    def session(self, login: str) -> str:
        """What the cookie of somebody's session holds; it is begun once."""
        if login not in self._sessions:
            with client_of(self.stack) as client:
                self._sessions[login] = session_of(self.stack, client, login)
        return self._sessions[login]

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
