"""Exposure: who saw what at which revision, what was rotated since, ticks, files, paper; and whom it is closed to."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from dashboard_browser import Site
from oracle import stage
from oracle.stage import Home
from playwright.sync_api import Page, expect
from stack import sign_in

NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault with two values in development and one in production."""
    made = stage.home(site.stack, "exposed", keep=False)
    assert made.push({"FIRST": "1", "SECOND": "2"}, "development").status == 200
    assert made.push({"CLOSED_NAME": "1"}, "production").status == 200
    return made


@pytest.fixture(scope="module")
def leaver(site: Site, vault: Home) -> str:
    """Somebody who pulled development, one value of which was rotated since."""
    login = vault.login_with("write")
    stage.pull(site.stack, sign_in(site.stack, login), vault.full_name, "development")
    assert vault.push({"FIRST": "1", "SECOND": "new"}, "development").status == 200
    return login


def reported(vault: Home, login: str) -> dict[str, Any]:
    """What the API says of what somebody saw, by key."""
    data = vault.get(f"/v1/users/me/exposure/{login}").json()["data"]
    return {one["key"]: one | {"user": data["user"]["id"]} for one in data["vaults"][0]["secrets"]}


def fields(home: Home, seen: dict[str, Any], **changed: str) -> dict[str, str]:
    """What the button that ticks off sends."""
    return {"vault": home.full_name, "user": seen["user"], "secret": seen["secretId"], "done": "yes"} | changed


def row(page: Page, key: str) -> Any:
    """The line of a secret."""
    return page.get_by_role("row").filter(has=page.get_by_text(key, exact=True))


def listed(page: str) -> list[str]:
    """The keys of a report, in its order."""
    return re.findall(r"<code>(KEY_\d+)</code>", page)


class TestRefuses:
    """Who sees nothing, and who may not tick."""

    def test_who_manages_nothing_sees_nobody_and_ticks_nothing(self, site: Site, vault: Home, leaver: str) -> None:
        """No list, no report, no file, no button; a form sent all the same is refused and changes nothing."""
        seen = reported(vault, leaver)["FIRST"]
        for login in (vault.login_with("maintain"), leaver, site.person()):
            with site.visitor(login) as client:
                assert "/security/exposure/" not in client.get("/security/exposure").text
                page = client.get(f"/security/exposure/{leaver}")
                assert (page.status_code, "FIRST" in page.text, "Tick off" in page.text) == (404, False, False)
                for more in ("report.csv", "paper"):
                    told = client.get(f"/security/exposure/{leaver}/{more}")
                    assert (told.status_code, "FIRST" in told.text) == (404, False)
                told = client.post(f"/security/exposure/{leaver}/ticks", **fields(vault, seen))
                assert told.status_code in {403, 404}
        assert reported(vault, leaver)["FIRST"]["tickedAt"] is None

    def test_an_organisation_is_for_its_owners(self, site: Site, vault: Home, leaver: str) -> None:
        """Members and strangers are refused whatever they ask for, and are offered no organisation."""
        org = vault.full_name.partition("/")[0]
        with site.visitor(leaver) as client:
            assert f">{org}</option>" not in client.get("/security/exposure").text
            for path in ("", f"/{leaver}", f"/{leaver}/report.csv", f"/{leaver}/paper"):
                page = client.get(f"/security/exposure{path}?org={org}")
                assert page.status_code in {403, 404}
                assert "FIRST" not in page.text

    @pytest.mark.parametrize(
        "changed",
        [{"secret": NOBODY}, {"user": NOBODY}, {"secret": "x"}, {"user": ".."}, {"vault": "a"}, {"vault": "../.."}],
    )
    def test_a_tick_for_what_is_not_there_is_refused(
        self, site: Site, vault: Home, leaver: str, changed: dict[str, str]
    ) -> None:
        """Another vault's secret, nobody, or something that would leave its place in the address."""
        with site.visitor(vault.admin) as client:
            sent = fields(vault, reported(vault, leaver)["FIRST"], **changed)
            assert client.post(f"/security/exposure/{leaver}/ticks", **sent).status_code == 404
        assert reported(vault, leaver)["FIRST"]["tickedAt"] is None


class TestReport:
    """What somebody saw."""

    def test_choose_a_person_rotate_tick_off_and_take_along(self, site: Site, vault: Home, leaver: str) -> None:
        """The way of somebody whose colleague leaves, with the keyboard where one ticks."""
        with site.window(vault.admin) as window:
            page = window.go("/security/exposure")
            page.get_by_role("link", name=leaver).click()
            expect(page.get_by_role("heading", name="1 to rotate")).to_be_visible()
            expect(row(page, "FIRST")).to_contain_text(
                re.compile("1 time, last .* as write.*#1.*not rotated", re.DOTALL)
            )
            expect(row(page, "SECOND")).to_contain_text("rotated")
            expect(row(page, "SECOND").get_by_role("button")).to_have_count(0)
            assert "CLOSED_NAME" not in page.content()
            button = page.get_by_role("button", name="Tick off FIRST in development")
            button.focus()
            page.keyboard.press("Enter")
            expect(page.get_by_role("heading", name="Nothing left to rotate")).to_be_visible()
            back = page.get_by_role("button", name="Take back FIRST in development")
            expect(back).to_be_focused()
            assert reported(vault, leaver)["FIRST"]["tickedAt"] is not None
            assert window.violations() == []
            with page.expect_download() as got:
                page.get_by_role("link", name="CSV").click()
            lines = list(csv.DictReader(io.StringIO(got.value.path().read_text(encoding="utf-8"), newline="")))
            assert {one["key"]: (one["status"], one["mustRotate"]) for one in lines} == {
                "FIRST": ("current", "no"), "SECOND": ("rotated", "no"),
            }  # fmt: skip
            back.click()
            expect(page.get_by_role("heading", name="1 to rotate")).to_be_visible()
            assert reported(vault, leaver)["FIRST"]["mustRotate"] is True
            assert window.complaints == []

    def test_paper_shows_the_report_and_no_buttons(self, site: Site, vault: Home, leaver: str) -> None:
        """Black on white in the dark theme too, with boxes to tick, who made it, and moments that do not age."""
        with site.window(vault.admin, color_scheme="dark") as window:
            page = window.go(f"/security/exposure/{leaver}")
            page.emulate_media(media="print")
            for hidden in (page.get_by_role("navigation").first, page.get_by_role("button", name="Print")):
                expect(hidden).to_be_hidden()
            expect(page.get_by_text(f"Made by {vault.admin}")).to_be_visible()
            expect(row(page, "FIRST").get_by_text(re.compile("[☐☑]"))).to_be_visible()
            look = "getComputedStyle(document.body)"
            assert page.evaluate(f"[{look}.backgroundColor, {look}.color]") == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
            after = "getComputedStyle(document.querySelector('.report time'), '::after').content"
            assert "UTC" in page.evaluate(after)

    def test_much_comes_in_pages_and_whole_on_paper(self, site: Site) -> None:
        """A page holds a hundred; paper and file hold all; a tick leads back to the page that it stands on."""
        home = stage.home(site.stack, "muchseen", keep=False)
        keys = [f"KEY_{number:03}" for number in range(130)]
        assert home.push(dict.fromkeys(keys, "v"), "development").status == 200
        login = home.login_with("write")
        stage.pull(site.stack, sign_in(site.stack, login), home.full_name, "development")
        path = f"/security/exposure/{login}"
        with site.visitor(home.admin) as client:
            first, second = client.text(path), client.text(path, offset="100")
            assert [listed(one) for one in (first, second)] == [keys[:100], keys[100:]]
            assert "100 of 130 secrets on this page" in first
            assert f'href="{path}?&offset=100"' in first
            assert all(f'href="{path}/paper"' in one and "130 to rotate" in one for one in (first, second))
            assert listed(client.text(f"{path}/paper")) == keys
            lines = csv.DictReader(io.StringIO(client.get(f"{path}/report.csv").text, newline=""))
            assert [one["key"] for one in lines] == keys
            seen = reported(home, login)["KEY_120"]
            told = client.post(f"{path}/ticks", **fields(home, seen, offset="100"))
            assert (told.status_code, told.headers["location"]) == (303, f"{path}?offset=100")
            assert "129 to rotate" in client.text(path, offset="100")
            assert "Nothing is left on this page" in client.text(path, offset="200")

    def test_without_scripts_and_for_an_organisation(self, site: Site, vault: Home, leaver: str) -> None:
        """The form alone ticks as well; an owner of the organisation finds the same there."""
        org = vault.full_name.partition("/")[0]
        with site.visitor(vault.admin) as client:
            assert f">{org}</option>" in client.get("/security/exposure").text
            page = client.get(f"/security/exposure/{leaver}?org={org}").text
            assert "<code>FIRST</code>" in page
            for done in ("yes", ""):
                sent = fields(vault, reported(vault, leaver)["FIRST"], done=done, org=org)
                answer = client.post(f"/security/exposure/{leaver}/ticks", **sent)
                assert (answer.status_code, answer.headers["location"]) == (
                    303,
                    f"/security/exposure/{leaver}?org={org}",
                )
                assert (reported(vault, leaver)["FIRST"]["tickedAt"] is not None) == bool(done)
            assert client.get("/security/exposure?from=2020-01-01&to=2020-01-02").text.count("Nobody in this time") == 1
            assert client.get("/security/exposure/nobody-of-this-name").status_code == 404
