"""The revisions of an environment and the versions of a key: who changed what, two states compared, the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from dashboard_browser import Site, Window
from oracle import canaries, stage
from oracle.stage import Home
from oracle.wire import Call, bearer, send
from playwright.sync_api import Page, expect
from visitor import Visitor


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault whose history the tests make."""
    return stage.home(site.stack, "history", keep=False)


@pytest.fixture
def window(site: Site, vault: Home) -> Iterator[Window]:
    """The administrator's browser, which must end without complaints."""
    with site.window(vault.admin) as window:
        yield window
        assert window.complaints == []


@pytest.fixture(scope="module")
def reader(site: Site, vault: Home) -> Iterator[Visitor]:
    """Somebody who may read what is not protected, and write nowhere."""
    with site.visitor(vault.login_with("read")) as reader:
        yield reader


def push(vault: Home, environment: str, values: Mapping[str, str], **more: Any) -> int:
    """The number of the revision that it makes."""
    body = {"repoFullName": vault.full_name, "environment": environment, "mode": "merge", "secrets": dict(values)}
    answer = vault.post("/v1/secrets/push", body | more)
    assert answer.status == 200, answer.body
    return int(answer.json()["data"]["revision"]["number"])


def id_of(vault: Home, key: str, environment: str) -> str:
    """A live secret's id."""
    found = vault.get(f"/v1/vaults/{vault.full_name}/secrets?limit=100").json()["data"]
    return next(str(one["id"]) for one in found if (one["key"], one["environment"]) == (key, environment))


def versions_of(vault: Home, secret: str) -> list[dict[str, Any]]:
    """What the API lists, newest first."""
    found = vault.get(f"/v1/vaults/{vault.full_name}/secrets/{secret}/versions").json()
    versions: list[dict[str, Any]] = found["data"]["versions"]
    return versions


def said(page: Page, text: str) -> None:
    """Waits for a sentence of the page."""
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def changes(page: Page) -> list[str]:
    """What the page says to be different: sign, key, what happened."""
    found = page.get_by_role("listitem").filter(has=page.locator("code")).all()
    return [" ".join(one.inner_text().split()).replace("\N{MINUS SIGN}", "-") for one in found]


class TestHistory:
    """The list, one revision, and the way back."""

    def test_who_changed_what_and_the_way_back(self, window: Window, vault: Home) -> None:
        """From the list to a revision, to the difference of two, to the question, to the earlier state. No value."""
        first, second = canaries.new("H"), canaries.new("H")
        push(vault, "staging", {"API_KEY": first, "GONE": first}, message="For the launch")
        push(vault, "staging", {"API_KEY": second, "NEW": second})
        push(vault, "staging", {}, delete=["GONE"], message="Not used")
        page = window.go(f"/vaults/{vault.full_name}")
        page.get_by_role("link", name="History", exact=True).click()
        page.get_by_role("navigation", name="Environment").get_by_role("link", name="staging").click()
        rows = page.get_by_role("listitem").filter(has=page.get_by_text("#"))
        expect(rows).to_have_count(3)
        expect(rows.nth(0)).to_contain_text("Not used")
        expect(rows.nth(0)).to_contain_text(vault.admin)
        expect(rows.nth(1)).to_contain_text("1 key added, 1 key changed")
        rows.nth(1).locator("summary").click()
        expect(rows.nth(1).get_by_role("listitem")).to_have_text(
            [re.compile("NEW.*added"), re.compile("API_KEY.*changed")]
        )
        page.get_by_role("link", name="1 key added, 1 key changed").click()
        expect(page.get_by_role("heading", name="Revision 2")).to_be_visible()
        assert changes(page) == ["+ NEW added", "~ API_KEY changed"]
        page.get_by_label("Compare with").select_option("3")
        page.wait_for_url("**against=3*")
        assert changes(page) == ["+ GONE added"]
        page.get_by_label("Compare with").select_option("0")
        page.wait_for_url("**against=0*")
        assert changes(page) == ["+ API_KEY added", "+ GONE added", "+ NEW added"]
        page.go_back()
        assert changes(page) == ["+ GONE added"]
        expect(page.get_by_label("Compare with")).to_have_value("3")
        page.goto(f"{window.site.url}/vaults/{vault.full_name}/history/staging/1")
        page.get_by_role("link", name="Roll back to this").click()
        assert changes(page) == ["+ GONE comes back", "~ API_KEY gets its earlier value", "- NEW leaves"]
        page.get_by_label("Message").fill("The second one was wrong")
        assert first not in page.content()
        assert second not in page.content()
        page.get_by_role("button", name="Roll back 3 keys").click()
        said(page, "staging holds again what it held at revision 1.")
        expect(page.get_by_text("The second one was wrong")).to_be_visible()
        assert vault.values("staging") == {"API_KEY": first, "GONE": first}

    def test_who_saved_first_is_shown_and_the_way_back_is_asked_again(self, window: Window, vault: Home) -> None:
        """A revision that came between the question and the answer is not undone unseen; the second try is decided."""
        base = push(vault, "production", {"RACE": "one"})
        push(vault, "production", {"RACE": "two"})
        page = window.go(f"/vaults/{vault.full_name}/history/production/{base}/rollback")
        page.get_by_label("Message").fill("back")
        push(vault, "production", {"MEANWHILE": "theirs"})
        page.get_by_role("button", name="Roll back 1 key").click()
        expect(page.get_by_role("alert")).to_contain_text("Somebody saved first.")
        assert changes(page) == ["~ RACE gets its earlier value", "- MEANWHILE leaves"]
        assert vault.values("production") == {"RACE": "two", "MEANWHILE": "theirs"}
        expect(page.get_by_label("Message")).to_have_value("back")
        window.complaints.clear()  # the browser notes the answer 409
        assert window.violations() == []
        page.get_by_role("button", name="Roll back 2 keys").click()
        said(page, f"production holds again what it held at revision {base}.")
        assert vault.values("production") == {"RACE": "one"}

    def test_what_was_purged_is_named_and_left_alone_when_one_says_so(self, window: Window, vault: Home) -> None:
        """The rest goes back only after a tick."""
        base = push(vault, "development", {"LOST": "one", "KEPT": "one"})
        push(vault, "development", {"LOST": "two", "KEPT": "two"})
        secret = id_of(vault, "LOST", "development")
        version = versions_of(vault, secret)[0]["id"]
        path = f"/v1/vaults/{vault.full_name}/secrets/{secret}/versions/{version}"
        assert send(vault.base, Call("DELETE", path, (bearer(vault.token),))).status == 204
        page = window.go(f"/vaults/{vault.full_name}/history/development/{base}/rollback")
        page.get_by_role("button", name="Roll back 2 keys").click()
        expect(page.get_by_role("alert")).to_contain_text("1 value of that revision cannot come back.")
        window.complaints.clear()  # the browser notes the answer 409
        assert window.violations() == []
        page.get_by_label("Leave LOST as it is").check()
        assert changes(page) == ["~ KEPT gets its earlier value"]
        page.get_by_role("button", name="Roll back 1 key").click()
        said(page, "except 1 purged key")
        assert vault.values("development") == {"LOST": "two", "KEPT": "one"}

    def test_a_form_that_tells_of_no_state_rolls_nothing_back(self, site: Site, vault: Home) -> None:
        """Without the revision that was looked at, or with something else in its place, nothing happens."""
        base = push(vault, "staging", {"UNSEEN": "one"})
        push(vault, "staging", {"UNSEEN": "two"})
        with site.visitor(vault.admin) as admin:
            for seen in ("", "*", str(uuid4()), "x\r\ny"):
                path = f"/vaults/{vault.full_name}/history/staging/{base}/rollback"
                assert admin.post(path, seen=seen).status_code in {400, 409}
        assert vault.values("staging")["UNSEEN"] == "two"


class TestRights:
    """What somebody else sees and does."""

    def test_who_may_not_read_learns_nothing_and_who_may_not_write_changes_nothing(
        self, vault: Home, reader: Visitor
    ) -> None:
        """No names of a closed environment on any page; no button without the right; forms by hand are refused."""
        name = f"CLOSED_{uuid4().hex[:8]}".upper()
        closed = push(vault, "production", {name: "v"}, message=f"Message about {name}")
        base = push(vault, "staging", {"OPEN": "one"})
        push(vault, "staging", {"OPEN": "two"})
        home = f"/vaults/{vault.full_name}"
        listed = reader.get(f"{home}/history/production")
        assert (listed.status_code, "Not yours to read" in listed.text) == (200, True)
        for path in (f"{closed}", f"{closed}?against=0", f"{closed}/rollback"):
            assert reader.get(f"{home}/history/production/{path}").status_code == 403
        secret = id_of(vault, name, "production")
        version = f"{home}/secrets/{secret}/versions"
        assert reader.get(version).status_code in {403, 404}  # whichever of two answers comes first
        seen = vault.get(f"/v1/vaults/{vault.full_name}/environments/staging/revision").json()["data"]["revision"]["id"]
        pages = [f"{home}/history/staging/{base}", f"{home}/history/staging/{base}/rollback"]
        pages.append(f"{home}/secrets/{id_of(vault, 'OPEN', 'staging')}/versions")
        for path in (*pages, f"{home}/history", f"{home}/trash", home):
            told = reader.get(path)
            assert told.status_code == 200
            assert name not in told.text, path
            assert re.search(r'action="[^"]*/(rollback|restore|purge)"|/rollback"', told.text) is None, path
        assert reader.post(f"{home}/history/staging/{base}/rollback", seen=seen).status_code == 403
        assert vault.values("staging")["OPEN"] == "two"

    def test_versions_answer_only_those_who_may(self, site: Site, vault: Home, reader: Visitor) -> None:
        """Reading is for readers, restoring and purging for writers; a stranger finds no vault at all."""
        push(vault, "staging", {"GUARDED": "first"})
        push(vault, "staging", {"GUARDED": "second"})
        secret = id_of(vault, "GUARDED", "staging")
        version = versions_of(vault, secret)[0]["id"]
        page = f"/vaults/{vault.full_name}/secrets/{secret}/versions"
        seen = next(
            one["updatedAt"]
            for one in vault.get(f"/v1/vaults/{vault.full_name}/secrets?limit=100").json()["data"]
            if one["id"] == secret
        )
        told = reader.post(f"{page}/{version}/reveal")
        assert (told.status_code, "first" in told.text, told.headers["cache-control"]) == (200, True, "no-store")
        assert reader.post(f"{page}/{version}/restore", seen=seen).status_code == 403
        assert reader.post(f"{page}/{version}/purge").status_code == 403
        with site.visitor(site.person("stranger")) as stranger:
            for path in (page, f"/vaults/{vault.full_name}/history/staging/1", f"/vaults/{vault.full_name}/trash"):
                assert stranger.get(path).status_code == 404
            for act in ("reveal", "restore", "purge"):
                assert stranger.post(f"{page}/{version}/{act}", seen=seen).status_code == 404
        assert vault.values("staging")["GUARDED"] == "second"
        assert [one["id"] for one in versions_of(vault, secret)] == [version]


class TestVersions:
    """The values that a key had."""

    def test_a_version_is_shown_restored_and_deleted_for_good(self, window: Window, vault: Home) -> None:
        """From the matrix to the list; one value on demand and gone again; back as the live one; gone for good."""
        values = [canaries.new("V") for _ in range(3)]
        for value in values:
            push(vault, "production", {"ROTATED": value})
        page = window.go(f"/vaults/{vault.full_name}")
        page.get_by_role("link", name="versions of ROTATED in production").click()
        rows = page.get_by_role("list", name="Versions").get_by_role("listitem")
        expect(rows).to_have_count(3)
        assert [value for value in values if value in page.content()] == []
        page.get_by_role("button", name="Reveal version 1").click()
        expect(page.get_by_role("region", name="Value")).to_have_text(values[0])
        assert window.violations() == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("region", name="Value")).to_have_count(0)
        expect(page.get_by_role("button", name="Reveal version 1")).to_be_focused()
        assert values[0] not in page.content()
        page.get_by_role("button", name="Restore version 1").click()
        page.get_by_role("dialog").get_by_role("button", name="Restore version").click()
        said(page, "Version 1 of ROTATED is the live value again.")
        assert vault.values("production")["ROTATED"] == values[0]
        expect(rows).to_have_count(4)
        page.get_by_role("button", name="Delete version 2 for good").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
        said(page, "The version is deleted for good.")
        expect(rows).to_have_count(3)
        expect(page.get_by_role("button", name="Reveal version 2")).to_have_count(0)

    def test_who_saved_first_keeps_it(self, site: Site, vault: Home) -> None:
        """Restoring over a value that one has not seen is refused; a version that is gone is said to be gone."""
        push(vault, "development", {"SEEN": "one"})
        push(vault, "development", {"SEEN": "two"})
        secret = id_of(vault, "SEEN", "development")
        version = versions_of(vault, secret)[0]["id"]
        page = f"/vaults/{vault.full_name}/secrets/{secret}/versions"
        with site.visitor(vault.admin) as admin:
            found = re.search(r'name="seen" value="([^"]+)"', admin.get(page).text)
            assert found
            push(vault, "development", {"SEEN": "three"})
            answer = admin.post(f"{page}/{version}/restore", seen=found[1])
            assert (answer.status_code, answer.headers["location"]) == (303, page)
            assert f"{vault.admin} saved SEEN first. Nothing was restored" in admin.get(page).text
            assert vault.values("development")["SEEN"] == "three"
            assert admin.post(f"{page}/{version}/purge").status_code == 303
            assert "deleted for good" in admin.get(page).text
            assert admin.post(f"{page}/{version}/purge").status_code == 303
            assert "gone already" in admin.get(page).text
