"""A page that is open while something else happens: its reader is removed or signed out, somebody else is as quick, a
step of the sign-in takes too long.
"""

from __future__ import annotations

import re
import time

import psycopg
import pytest
from dashboard_browser import COOKIE, Site, Window
from keyway_dashboard.sessions import STARTED
from oracle import canaries, stage
from oracle.stage import GitHub, Home
from oracle.wire import Call, bearer, send
from playwright.sync_api import Locator, Page, Route, expect
from stack import sign_in
from visitor import came_back, client_of

GONE = "Nothing here for you"


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault with a value that everybody may see who may see anything."""
    made = stage.home(site.stack, "left-open", keep=False)
    for _ in range(2):
        assert made.push({"WATCHED": canaries.new("W")}, "staging").status == 200
    return made


def removed(site: Site, vault: Home, login: str) -> None:
    """GitHub no longer lets somebody in, and says so."""
    GitHub(site.stack).do("set-role", repo=vault.full_name, login=login, role=None, webhook=True)
    with site.visitor(login) as gone:
        gone.until_status(f"/vaults/{vault.full_name}", 404)


def test_who_is_removed_meanwhile_reaches_nothing_of_it_any_more(site: Site, vault: Home) -> None:
    """Four pages stand open: the next press on each is refused in words, no value comes, nothing is written, what was
    typed is still there; neither a link, the way back nor the palette leads anywhere."""
    before, login, at = vault.state(), vault.login_with("write"), f"/vaults/{vault.full_name}"
    listed = vault.get(f"/v1/vaults/{vault.full_name}/secrets").json()["data"]
    secret = next(one["id"] for one in listed if one["environment"] == "staging")
    with site.window(login) as window:
        pages = {step: window.context.new_page() for step in ("", f"/secrets/{secret}", f"/secrets/{secret}/versions")}
        for step, page in pages.items():
            page.goto(f"{site.url}{at}{step}")
        matrix, edit, versions = pages.values()
        rollback = window.go(f"{at}/history/staging/1/rollback")
        edit.get_by_label("Value").fill("typed")
        removed(site, vault, login)
        for page, press in ((matrix, "Reveal WATCHED in staging"), (versions, "Reveal version 1"), (edit, "Save")):
            page.get_by_role("button", name=press).click()
            expect(page.locator("#toasts")).to_contain_text(GONE)
            expect(page.get_by_role("region", name="Value")).to_have_count(0)
        expect(edit.get_by_label("Value")).to_have_value("typed")
        rollback.get_by_role("button", name="Roll back 1 key").click()
        closed(rollback, vault)
        matrix.get_by_role("link", name="History", exact=True).click()
        closed(matrix, vault)
        matrix.go_back()
        closed(matrix, vault)
        matrix.goto(f"{site.url}/")
        matrix.keyboard.press("Control+k")
        expect(matrix.get_by_role("option", name="Activity")).to_be_visible()
        assert vault.full_name.partition("/")[2] not in matrix.content()
    assert vault.state() == before


def closed(page: Page, vault: Home) -> None:
    """The page says that there is nothing, and holds nothing of the vault."""
    expect(page.get_by_role("heading", name=GONE)).to_be_visible()
    text = page.content()
    assert [one for one in ("WATCHED", vault.admin, *vault.values("staging").values()) if one in text] == []


def test_who_is_signed_out_meanwhile_signs_in_and_is_back(site: Site, vault: Home) -> None:
    """The next press shows no value but the way to sign in, which ends on the page where it was pressed."""
    login = vault.login_with("read")
    with site.window(login) as window:
        page = window.go(f"/vaults/{vault.full_name}?q=watched")
        everywhere = Call("DELETE", "/v1/auth/sessions", (bearer(sign_in(site.stack, login)),))
        assert send(site.stack.api_url, everywhere).status == 200
        page.get_by_role("button", name="Reveal WATCHED in staging").click()
        expect(page).to_have_url(re.compile(r"/sign-in\?next="))
        page.get_by_role("link", name="Continue with GitHub").click()
        site.consent(page, login)
        expect(page).to_have_url(f"{site.url}/vaults/{vault.full_name}?q=watched")
        page.get_by_role("button", name="Reveal WATCHED in staging").click()
        expect(page.get_by_role("region", name="Value")).to_have_text(vault.values("staging")["WATCHED"])


def test_a_step_of_the_sign_in_that_expired_is_told_and_begun_again(site: Site) -> None:
    """GitHub's page of consent was left open for too long; another time the one-time code came too late. Nobody is
    signed in by either, and one who begins anew is."""
    login = site.person()
    with site.window() as window, client_of(site.stack) as client:
        page = window.page
        page.goto(f"{site.url}/sign-in?next=/settings/usage")
        page.get_by_role("link", name="Continue with GitHub").click()
        expect(page.get_by_label("Who are you?")).to_be_visible()
        expire(site, "started")
        site.consent(page, login)
        expect(page.get_by_role("heading", name="This sign-in cannot go on")).to_be_visible()
        own, link = came_back(site.stack, client, login)
        window.context.add_cookies([COOKIE | {"name": STARTED, "value": own["Cookie"].partition("=")[2]}])  # type: ignore[list-item]
        expire(site, "code")
        page.goto(link)
        expect(page.get_by_role("heading", name="This sign-in cannot go on")).to_be_visible()
        page.get_by_role("link", name="Start again").click()
        page.get_by_role("link", name="Continue with GitHub").click()
        site.consent(page, login)
        expect(page.get_by_role("heading", name="No vaults yet")).to_be_visible()


def expire(site: Site, status: str) -> None:
    """What is at this step of a sign-in has no time left."""
    with psycopg.connect(site.stack.superuser_database_url) as connection:
        statement = "UPDATE web_sign_ins SET expires_at = now() WHERE status = %s"
        assert connection.execute(statement, (status,)).rowcount >= 1


def waited(page: Page, held: list[Route], count: int) -> None:
    """Until so many requests are held back."""
    until = time.monotonic() + 60
    while len(held) < count:
        assert time.monotonic() < until
        page.wait_for_timeout(20)


def outcome(window: Window) -> tuple[Locator, Locator]:
    """What a page says when its rollback was done, and when somebody was before it."""
    done = window.page.get_by_role("status").filter(has_text="holds again what it held")
    late = window.page.get_by_role("alert").filter(has_text="Somebody saved first.")
    expect(done.or_(late)).to_be_visible()
    return done, late


def test_of_two_rollbacks_at_once_one_is_done_and_the_other_is_told(site: Site, vault: Home) -> None:
    """Two browsers answer the same question at the same moment: one revision is made, of one of the two states as a
    whole; the other browser learns of it, and rolls back on its second press."""
    states = [{key: f"{number}-{key}" for key in ("FIRST", "SECOND", "THIRD")} for number in (1, 2, 3)]
    for state in states:
        assert vault.push(state, "production").status == 200
    with site.window(vault.admin) as one, site.window(vault.admin) as two:
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        for number, window in enumerate((one, two), 1):
            page = window.go(f"/vaults/{vault.full_name}/history/production/{number}/rollback")
            page.route("**/rollback", hold)
            page.get_by_role("button", name="Roll back 3 keys").click(no_wait_after=True)
        waited(one.page, held, 2)
        for route in held:
            route.continue_()
        won = [outcome(window)[0].is_visible() for window in (one, two)]
        assert sorted(won) == [False, True]
        assert vault.values("production") == states[won.index(True)]
        assert numbers(vault) == [4, 3, 2, 1]
        last, window = (one, two)[won.index(False)], (one, two)[won.index(False)].page
        window.unroute("**/rollback")
        window.get_by_role("button", name="Roll back 3 keys").click()
        expect(outcome(last)[0]).to_be_visible()
        assert vault.values("production") == states[won.index(False)]
        assert numbers(vault) == [5, 4, 3, 2, 1]


def numbers(vault: Home) -> list[int]:
    """Revisions of production, newest first, each of which changed all three keys."""
    found = vault.get(f"/v1/vaults/{vault.full_name}/environments/production/revisions").json()["data"]
    return [int(one["number"]) for one in found]
