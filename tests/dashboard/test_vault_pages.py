"""A vault's page: the matrix, one value on demand, add, edit, delete; and what stays of a value afterwards: nothing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from dashboard_browser import Site, Window
from keyway_core import dotenv
from oracle import canaries, stage
from oracle.cast import NEW_VAULT
from oracle.stage import Home
from playwright.sync_api import Page, expect

KEPT = """async () => {
  const kept = [document.documentElement.outerHTML, JSON.stringify({...localStorage}),
    JSON.stringify({...sessionStorage}), JSON.stringify(history.state), location.href, document.cookie];
  for (const field of document.querySelectorAll("input, textarea")) kept.push(field.value);
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const key of await cache.keys()) kept.push(name, key.url, await (await cache.match(key)).text());
  }
  for (const base of await indexedDB.databases()) kept.push(base.name);
  return kept.join("\\n");
}"""


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault with equal, different and missing values."""
    made = stage.home(site.stack, "matrix", keep=False)
    same = canaries.new("S")
    assert made.push({"SHARED": same, "API_URL": canaries.new("D"), "ONLY_HERE": "1"}, "development").status == 200
    assert made.push({"SHARED": same, "API_URL": canaries.new("P")}, "production").status == 200
    return made


@pytest.fixture
def window(site: Site, vault: Home) -> Iterator[Window]:
    """The administrator's browser, which must end without complaints."""
    with site.window(vault.admin) as window:
        yield window
        assert window.complaints == []


def put(vault: Home, values: dict[str, str], environment: str, delete: Sequence[str] = ()) -> None:
    """Values that come there over the API, beside those that are there."""
    body = {"repoFullName": vault.full_name, "environment": environment, "mode": "merge"}
    assert vault.post("/v1/secrets/push", body | {"secrets": values, "delete": list(delete)}).status == 200


def state(page: Page, key: str, environment: str) -> str | None:
    """What the matrix says of a key in an environment."""
    expect(page.get_by_role("columnheader", name=environment)).to_be_visible()
    heads = [text.split()[0] for text in page.get_by_role("columnheader").all_inner_texts()]
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=key, exact=True))
    return row.get_by_role("cell").nth(heads.index(environment) - 1).get_attribute("data-state")


def clipboard(page: Page, wanted: str) -> None:
    """Waits until the clipboard holds this."""
    until = time.monotonic() + 15
    while (held := page.evaluate("navigator.clipboard.readText()")) != wanted:
        assert time.monotonic() < until, f"{len(held)} characters"
        page.evaluate("() => new Promise(requestAnimationFrame)")


def write(page: Page, value: str) -> None:
    """Fills in a value and saves."""
    page.get_by_label("Value").fill(value)
    page.get_by_role("button", name="Save").click()


def said(page: Page, text: str) -> None:
    """Waits for a sentence of the page."""
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


class TestMatrix:
    """What is where."""

    def test_it_says_what_is_present_missing_and_different_without_a_value(self, window: Window, vault: Home) -> None:
        """Presence by itself; sameness after the question; who changed it; no value anywhere in the page."""
        page = window.go(f"/vaults/{vault.full_name}")
        assert state(page, "SHARED", "production") == "present"
        assert state(page, "ONLY_HERE", "production") == "missing"
        expect(page.get_by_role("cell", name=vault.admin).first).to_be_visible()
        page.get_by_label("Compare values with").select_option("development")
        page.wait_for_url("**compare=development*")
        assert state(page, "SHARED", "production") == "same"
        assert state(page, "API_URL", "production") == "different"
        assert state(page, "ONLY_HERE", "production") == "missing"
        kept = page.evaluate(KEPT)
        assert [value for value in vault.values("development").values() if len(value) > 1 and value in kept] == []
        page.go_back()
        expect(page.get_by_label("Compare values with")).to_have_value("")
        assert state(page, "SHARED", "production") == "present"

    def test_it_is_filtered_as_one_types(self, window: Window, vault: Home) -> None:
        """Rows go and come with every letter, the address follows, and opens in the same state."""
        page = window.go(f"/vaults/{vault.full_name}")
        page.get_by_label("Filter keys").press_sequentially("api u")
        expect(page.get_by_role("rowheader", name="API_URL")).to_be_visible()
        expect(page.get_by_role("rowheader", name="SHARED")).to_be_hidden()
        expect(page).to_have_url(re.compile(r"\?q=api\+u"))
        page.reload()
        expect(page.get_by_role("rowheader", name="SHARED")).to_be_hidden()
        page.get_by_label("Filter keys").fill("nothing")
        expect(page.get_by_role("heading", name="No such key")).to_be_visible()
        said(page, "0 of 3 keys")


class TestReveal:
    """One value, for a while."""

    def test_a_value_comes_on_demand_and_goes_without_a_trace(self, window: Window, vault: Home) -> None:
        """Not in the page before, gone after hiding, leaving, Escape and time; the answer may not be stored."""
        value = vault.values("development")["API_URL"]
        page = window.page
        page.clock.install()
        window.go(f"/vaults/{vault.full_name}")
        assert value not in page.evaluate(KEPT)
        button = page.get_by_role("button", name="Reveal API_URL in development")
        shown = page.get_by_role("region", name="Value")
        with page.expect_response("**/reveal") as got:
            button.click()
        assert got.value.headers["cache-control"] == "no-store"
        expect(shown).to_have_text(value)
        assert window.violations() == []
        page.get_by_role("button", name="Hide").click()
        expect(shown).to_have_count(0)
        expect(button).to_be_focused()
        assert value not in page.evaluate(KEPT)
        button.click()
        expect(shown).to_have_text(value)
        page.keyboard.press("Escape")
        expect(shown).to_have_count(0)
        button.click()
        expect(shown).to_have_text(value)
        page.clock.run_for(21_000)
        expect(shown).to_have_count(0)
        assert value not in page.evaluate(KEPT)
        page.go_back()
        page.go_forward()
        assert value not in page.evaluate(KEPT)
        past = window.context.new_cdp_session(page).send("Page.getNavigationHistory")
        assert value not in json.dumps(past)
        assert value not in json.dumps(window.context.storage_state())

    def test_a_value_is_shown_and_copied_as_it_is(self, site: Site, vault: Home) -> None:
        """Line breaks at its beginning and end, CR LF, and what looks like HTML."""
        value = "\n <b>&amp;</b>\r\n\ttab  \n\n"
        put(vault, {"EXACT": value}, "development")
        with site.window(vault.admin, permissions=["clipboard-read", "clipboard-write"]) as window:
            page = window.go(f"/vaults/{vault.full_name}")
            page.get_by_role("button", name="Reveal EXACT in development").click()
            assert page.get_by_role("region", name="Value").evaluate("it => it.textContent") == value
            page.get_by_role("button", name="Copy").click()
            said(page, "Copied")
            assert page.evaluate("navigator.clipboard.readText()") == value

    def test_a_clipboard_that_could_not_be_emptied_is_emptied_on_coming_back(self, site: Site, vault: Home) -> None:
        """Who is in another window when the time is over; what was copied from the page meanwhile is left alone."""
        with site.window(vault.admin, permissions=["clipboard-read", "clipboard-write"]) as window:
            page = window.page
            page.clock.install()
            window.go(f"/vaults/{vault.full_name}")
            page.evaluate("""() => {
              const write = navigator.clipboard.writeText.bind(navigator.clipboard);
              navigator.clipboard.writeText = (text) => window.away && !text ? Promise.reject() : write(text);
            }""")
            held = vault.values("production")["SHARED"]
            for copied_meanwhile in (False, True):
                page.evaluate("window.away = true")
                page.get_by_role("button", name="Reveal SHARED in production").click()
                page.get_by_role("button", name="Copy").click()
                clipboard(page, held)
                page.clock.run_for(31_000)
                assert page.evaluate("navigator.clipboard.readText()") == held
                page.evaluate(
                    "(it) => { it && document.dispatchEvent(new Event('copy')); away = false }", copied_meanwhile
                )
                page.evaluate("() => { dispatchEvent(new Event('focus')) }")
                if not copied_meanwhile:
                    clipboard(page, "")
            assert page.evaluate("navigator.clipboard.readText()") == held

    def test_a_copy_is_taken_from_the_clipboard_again(self, site: Site, vault: Home) -> None:
        """Copied as it is, and emptied after half a minute."""
        with site.window(vault.admin, permissions=["clipboard-read", "clipboard-write"]) as window:
            page = window.page
            page.clock.install()
            window.go(f"/vaults/{vault.full_name}")
            page.get_by_role("button", name="Reveal SHARED in production").click()
            page.get_by_role("button", name="Copy").click()
            said(page, "Copied")
            assert page.evaluate("navigator.clipboard.readText()") == vault.values("production")["SHARED"]
            page.clock.run_for(31_000)
            clipboard(page, "")


class TestWrites:
    """Add, edit, delete, and two people at once."""

    def test_a_secret_is_added_changed_and_deleted(self, window: Window, vault: Home) -> None:
        """Lines stay as they were typed, a missing cell leads to its form, the old value is in no form."""
        first, second = canaries.new("A"), f"{canaries.new('B')}\n  spaces \n"
        page = window.go(f"/vaults/{vault.full_name}")
        page.get_by_role("link", name="Add secret").click()
        page.get_by_label("Key", exact=True).fill("NEW_ONE")
        page.get_by_label("Environment").select_option("staging")
        write(page, first)
        said(page, "NEW_ONE was saved in staging.")
        assert vault.values("staging") == {"NEW_ONE": first}
        assert first not in page.evaluate(KEPT)
        page.get_by_role("link", name="Edit NEW_ONE in staging").click()
        expect(page.get_by_label("Value")).to_have_value("")
        write(page, second)
        said(page, "NEW_ONE was saved in staging.")
        assert vault.values("staging") == {"NEW_ONE": second}
        page.get_by_role("link", name="Edit NEW_ONE in staging").click()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Delete secret").click()
        said(page, "in the trash")
        assert vault.values("staging") == {}
        page.get_by_role("link", name="Add ONLY_HERE in staging").click()
        expect(page.get_by_label("Key", exact=True)).to_have_value("ONLY_HERE")
        expect(page.get_by_label("Environment")).to_have_value("staging")

    def test_a_wrong_name_is_told_and_nothing_typed_is_lost(self, window: Window, vault: Home) -> None:
        """The form stays as it is, with a sentence, and can be sent again."""
        page = window.go(f"/vaults/{vault.full_name}/secrets/new")
        page.get_by_label("Key", exact=True).fill("1 WRONG")
        write(page, "typed")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("Value")).to_have_value("typed")
        expect(page.get_by_role("button", name="Save")).to_be_enabled()

    def test_who_saved_first_is_shown_and_not_overwritten_unseen(self, site: Site, vault: Home) -> None:
        """Two browsers on one key: the second learns of the first, and its second try is its decision. Another key is
        no conflict. Adding overwrites no key that exists; one that was deleted is not brought back unseen."""
        before = vault.values("staging")
        put(vault, {"RACE": "before", "OTHER": "before"}, "staging")
        with site.window(vault.admin) as one, site.window(vault.admin) as two:
            for window in (one, two):
                window.go(f"/vaults/{vault.full_name}").get_by_role("link", name="Edit RACE in staging").click()
            put(vault, {"OTHER": "meanwhile"}, "staging")
            write(one.page, "first")
            said(one.page, "RACE was saved")
            write(two.page, "second")
            expect(two.page.get_by_role("alert")).to_contain_text(f"Somebody saved first. {vault.admin} changed RACE")
            assert vault.values("staging")["RACE"] == "first"
            expect(two.page.get_by_label("Value")).to_have_value("second")
            assert two.violations() == []
            two.page.get_by_role("button", name="Save").click()
            said(two.page, "RACE was saved")
            assert vault.values("staging") == before | {"RACE": "second", "OTHER": "meanwhile"}
            two.go(f"/vaults/{vault.full_name}/secrets/new?key=RACE&environment=staging")
            write(two.page, "third")
            expect(two.page.get_by_role("alert")).to_contain_text("Somebody saved first.")
            one.page.get_by_role("link", name="Edit OTHER in staging").click()
            put(vault, {}, "staging", delete=["OTHER"])
            write(one.page, "again")
            expect(one.page.get_by_role("alert")).to_contain_text("Somebody deleted it.")
            assert vault.values("staging") == before | {"RACE": "second"}


class TestMoves:
    """Another name, another environment."""

    def test_a_secret_is_renamed_here_and_where_it_is_ticked(self, window: Window, vault: Home) -> None:
        """The value stays; a name that is taken is told, and nothing is changed."""
        for environment in NEW_VAULT:
            put(vault, {"OLD": environment, "TAKEN": "t"}, environment)
        page = window.go(f"/vaults/{vault.full_name}?q=old")
        page.get_by_role("link", name="Edit OLD in development").click()
        page.get_by_label("New name").fill("TAKEN")
        page.get_by_role("button", name="Rename").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("New name").fill("FRESH")
        page.get_by_label("staging").check()
        page.get_by_role("button", name="Rename").click()
        said(page, "OLD is FRESH now.")
        assert vault.values("development")["FRESH"] == "development"
        assert vault.values("staging")["FRESH"] == "staging"
        assert "OLD" not in vault.values("development") | vault.values("staging")
        assert vault.values("production")["OLD"] == "production"

    def test_a_secret_is_copied_and_what_it_would_replace_is_shown(self, window: Window, vault: Home) -> None:
        """From where it is missing, and from its own page; a second look decides where there is another value."""
        value = canaries.new("C")
        put(vault, {"WANDERER": value}, "development")
        page = window.go(f"/vaults/{vault.full_name}?q=wanderer")
        page.get_by_role("link", name="Add WANDERER in staging").click()
        page.get_by_role("button", name="Copy from development").click()
        said(page, "WANDERER was copied from development to staging.")
        assert vault.values("staging")["WANDERER"] == value
        put(vault, {"WANDERER": "other"}, "production")
        page.get_by_label("Filter keys").fill("wanderer")
        page.get_by_role("link", name="Edit WANDERER in staging").click()
        page.get_by_label("Copy into").select_option("production")
        page.get_by_role("button", name="Copy", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text(
            f"WANDERER is in production already; {vault.admin} changed it"
        )
        assert vault.values("production")["WANDERER"] == "other"
        assert window.violations() == []
        page.get_by_role("button", name="Copy", exact=True).click()
        said(page, "WANDERER was copied from staging to production.")
        assert vault.values("production")["WANDERER"] == value
        assert value not in page.evaluate(KEPT)


class TestFiles:
    """A .env file, in and out."""

    def test_an_import_is_looked_at_first_and_leaves_nothing_in_the_page(
        self, window: Window, vault: Home, tmp_path: Path
    ) -> None:
        """Pasted or as a file; the look names keys and no value, and is gone when the text is another one."""
        one, two = canaries.new("I"), canaries.new("J")
        before = vault.values("staging")
        page = window.go(f"/vaults/{vault.full_name}")
        page.get_by_role("link", name="Import").click()
        page.get_by_label("Environment").select_option("staging")
        page.get_by_label("Text of a .env file").fill(f"PASTED={one}\nBROKEN LINE\n")
        page.get_by_role("button", name="Preview").click()
        expect(page.get_by_role("alert")).to_contain_text("Line 2: ")
        expect(page.get_by_label("Text of a .env file")).to_have_value(f"PASTED={one}\nBROKEN LINE\n")
        page.get_by_label("Text of a .env file").fill(f"PASTED={one}\n")
        page.get_by_role("button", name="Preview").click()
        look = page.get_by_role("region", name="What changes in staging")
        expect(look).to_contain_text("PASTED")
        assert one not in page.locator("#preview").inner_html()
        page.get_by_label("Text of a .env file").press("Control+Home")
        page.keyboard.press("End")
        page.keyboard.type("x")
        expect(look).to_have_count(0)
        page.get_by_role("button", name="Preview").click()
        page.get_by_role("button", name="Import 1 key into staging").click()
        said(page, "1 key imported into staging.")
        assert vault.values("staging") == before | {"PASTED": f"{one}x"}
        assert one not in page.evaluate(KEPT)
        page.go_back()
        assert page.get_by_label("Text of a .env file").input_value() == ""
        assert one not in page.evaluate(KEPT)
        file = tmp_path / "some.env"
        file.write_text(f"PASTED={one}x\nFROM_FILE='{two}\n'\n")
        page.get_by_label("Environment").select_option("staging")
        page.get_by_label("Or the file itself").set_input_files(file)
        page.get_by_role("button", name="Preview").click()
        expect(look).to_contain_text("1 key unchanged")
        assert two not in page.evaluate(KEPT)
        page.get_by_role("button", name="Import 1 key into staging").click()
        said(page, "imported into staging.")
        assert vault.values("staging")["FROM_FILE"] == f"{two}\n"

    def test_an_environment_is_downloaded(self, window: Window, vault: Home) -> None:
        """As a file that reads back exactly, under a name that says what it is; the page stays as it was."""
        page = window.go(f"/vaults/{vault.full_name}")
        page.get_by_role("button", name="Download").click()
        dialog = page.get_by_role("dialog", name="Download a .env file")
        dialog.get_by_label("Environment").select_option("development")
        with page.expect_download() as got:
            dialog.get_by_role("button", name="Download").click()
        text = Path(got.value.path()).read_bytes().decode()
        assert got.value.suggested_filename == f"{vault.full_name.partition('/')[2]}.development.env"
        assert {key: value.reveal() for key, value in dotenv.parse(text).items()} == vault.values("development")
        expect(dialog).to_be_hidden()
        expect(page).to_have_url(f"{window.site.url}/vaults/{vault.full_name}")
        kept = page.evaluate(KEPT)
        assert [value for value in vault.values("development").values() if len(value) > 20 and value in kept] == []
