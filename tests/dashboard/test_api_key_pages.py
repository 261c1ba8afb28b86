"""API keys: made with what they may do, shown once, listed, revoked; and nobody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from dashboard_browser import Site
from oracle import keys, stage
from oracle.stage import Home
from oracle.wire import Call, bearer, send
from playwright.sync_api import Page, expect
from visitor import Visitor

KEY = re.compile(r"kw_(?:live|test)_[A-Za-z0-9]{40}")
BESIDE = """async () => {
  const kept = [JSON.stringify({...localStorage}),
    JSON.stringify({...sessionStorage}), JSON.stringify(history.state), location.href, document.cookie];
  for (const name of await caches.keys()) kept.push(name);
  for (const base of await indexedDB.databases()) kept.push(base.name);
  return kept.join("\\n");
}"""
KEPT = BESIDE.replace("[JSON", "[document.documentElement.outerHTML, JSON", 1)
FORM: dict[str, Any] = {"name": "a key", "kind": "live", "scope": ["read:secrets"], "reach": "all", "days": "7"}


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault whose administrator has no other."""
    return stage.home(site.stack, "keyed")


@pytest.fixture(scope="module")
def forms(site: Site, vault: Home) -> Iterator[Visitor]:
    """The administrator's forms."""
    with site.visitor(vault.admin) as forms:
        yield forms


def made_of(vault: Home) -> list[dict[str, Any]]:
    """The administrator's keys that work, as the backend tells them."""
    found = vault.get("/v1/api-keys").json()["data"]["keys"]
    return [one for one in found if one["isActive"]]


def pull(vault: Home, token: str, environment: str = "development") -> int:
    """The status of a pull with a key."""
    path = f"/v1/secrets/pull?repo={vault.full_name}&environment={environment}"
    return send(vault.base, Call("GET", path, (bearer(token),))).status


class TestRefusals:
    """What no page does."""

    def test_another_persons_key_is_nobodys(self, site: Site, vault: Home) -> None:
        """Neither shown nor revoked by its id, and not in the list; an id that is none is told the same."""
        body = {"name": "theirs", "environment": "live", "scopes": ["read:secrets"]}
        given = vault.post("/v1/api-keys", body).json()["data"]
        with site.visitor(site.person("other")) as others:
            for id_ in (given["id"], "00000000-0000-7000-8000-000000000000", "no-id"):
                answer = others.get(f"/api-keys/{id_}")
                assert (answer.status_code, "Nothing here for you" in answer.text) == (404, True), id_
            assert others.post(f"/api-keys/{given['id']}/revoke").status_code == 404
            assert given["id"] not in others.get("/api-keys").text
        assert pull(vault, given["token"]) == 200

    @pytest.mark.parametrize(
        ("changed", "sentence"),
        [
            ({"name": " "}, "Give it a name"),
            ({"name": "x" * 101}, "At most 100 characters"),
            ({"name": "line\x07"}, "name-error"),
            ({"scope": []}, "Choose at least one."),
            ({"scope": ["session"]}, "scope-error"),
            ({"days": "0"}, "Choose when it ends."),
            ({"days": "366"}, "days-error"),
            ({"days": "-1"}, "Choose when it ends."),
            ({"kind": "root"}, "name-error"),
            ({"reach": "only"}, "Choose at least one vault"),
            ({"reach": "only", "vault": ["somebody/else"]}, "do not reach all of these vaults"),
            ({"reach": "only", "vault": ["../../users/me"]}, "do not reach all of these vaults"),
            ({"addresses": "203.0.113.0/24\nhere"}, "Each is an address"),
        ],
    )
    def test_a_wrong_form_is_told_and_makes_no_key(
        self, forms: Visitor, vault: Home, changed: dict[str, Any], sentence: str
    ) -> None:
        """The form comes back with the reason at its field; nothing was made that could do more than was asked for."""
        before = len(made_of(vault))
        page = forms.post("/api-keys/new", **(FORM | changed)).text
        assert sentence in page
        assert "Make key" in page
        assert not KEY.search(page)
        assert len(made_of(vault)) == before

    def test_chosen_vaults_that_do_not_arrive_bind_the_key_to_nothing_more(self, forms: Visitor, vault: Home) -> None:
        """Who chose some vaults never gets a key for all of them, whatever a form lost on its way."""
        before = made_of(vault)
        for lost in ({"vault": [""]}, {"vault": ["", vault.full_name]}, {"environment": ["development"]}):
            assert "Make key" in forms.post("/api-keys/new", **(FORM | {"reach": "only"} | lost)).text, lost
        assert made_of(vault) == before


def find(page: Page, words: str) -> None:
    """Looks for vaults, and waits for what is found."""
    with page.expect_response("**/api-keys/vaults?**"):
        page.get_by_label("Find vaults").fill(words)


def filled_in(page: Page, vault: Home) -> None:
    """The form of a key that reads development of one vault, from one network, for a week."""
    page.get_by_label("Name", exact=True).fill("deploy of the api")
    page.get_by_role("checkbox", name="Delete").check()
    page.get_by_role("checkbox", name="Read").uncheck()
    page.get_by_role("radio", name="Chosen vaults alone").check()
    find(page, vault.full_name.partition("/")[2])
    page.get_by_role("checkbox", name=vault.full_name).check()
    find(page, "there is no such vault")
    expect(page.get_by_role("checkbox", name=vault.full_name)).to_be_checked()
    page.get_by_role("checkbox", name="development").check()
    page.get_by_label("Ends in").select_option("7 days")
    page.get_by_label("Only from these addresses").fill("127.0.0.0/8\n2001:db8::/32")


class TestWalk:
    """The way of a key."""

    def test_from_the_empty_list_to_its_end(self, site: Site, vault: Home) -> None:
        """Made with exactly what was ticked; its text is in one answer, and in no address, storage, list or page
        after it; it works as it says until it is revoked."""
        with site.window(vault.admin, permissions=["clipboard-read", "clipboard-write"]) as window:
            page = window.go("/api-keys")
            page.get_by_role("link", name="New API key").first.click()
            filled_in(page, vault)
            assert window.violations() == []
            page.get_by_role("button", name="Make key").click()
            expect(page.get_by_role("alert")).to_have_count(0)
            shown = page.get_by_role("region", name="API key")
            token = shown.inner_text()
            assert KEY.fullmatch(token)
            assert page.url == f"{site.url}/api-keys/new"
            assert token not in page.evaluate(BESIDE)
            page.get_by_role("button", name="Copy key", exact=True).click()
            assert page.evaluate("navigator.clipboard.readText()") == token
            # Leaving takes it out of the page that the browser may keep for the way back.
            page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
            assert token not in page.evaluate(KEPT)
            page.get_by_role("link", name="I have kept it").click()
            expect(page.get_by_role("link", name="deploy of the api")).to_be_visible()
            assert token not in page.evaluate(KEPT)
            page.go_back()
            expect(page.get_by_role("button", name="Make key")).to_be_visible()
            assert token not in page.evaluate(KEPT)
            page.go_forward()
            page.get_by_role("link", name="deploy of the api").click()
            self.check(vault, token)
            expect(page.get_by_role("main")).to_contain_text("2001:db8::/32")
            expect(page.get_by_role("link", name=vault.full_name)).to_be_visible()
            assert token not in page.evaluate(KEPT)
            page.get_by_role("button", name="Revoke").click()
            page.get_by_role("button", name="Revoke key").click()
            expect(page.get_by_role("status").filter(has_text="The key was revoked.")).to_be_visible()
            expect(page.get_by_role("region", name="API keys that ended")).to_contain_text("deploy of the api")
            assert pull(vault, token) == 401
            assert window.complaints == []

    @staticmethod
    def check(vault: Home, token: str) -> None:
        """The key is what was asked for."""
        [made] = [one for one in made_of(vault) if one["name"] == "deploy of the api"]
        ids = keys.environment_ids(vault.stack, vault.vault_id)
        assert (made["scopes"], made["vaultIds"]) == (["delete:secrets"], [vault.vault_id])
        assert made["environmentIds"] == [ids["development"]]
        ends = datetime.fromisoformat(made["expiresAt"]) - datetime.now(UTC)
        assert timedelta(days=6, hours=23) < ends <= timedelta(days=7)
        told = vault.get(f"/v1/api-keys/{made['id']}").json()["data"]
        assert told["allowedIps"] == ["127.0.0.0/8", "2001:db8::/32"]
        assert pull(vault, token) == 403

    def test_without_a_script_it_is_shown_once_as_well(self, forms: Visitor, vault: Home) -> None:
        """The answer to the form has it, under no-store and without a cookie; no page after it has."""
        chosen = {"name": "plain", "vault": vault.full_name, "reach": "only"}
        answer = forms.post("/api-keys/new", **(FORM | chosen))
        token = KEY.findall(answer.text)[0]
        assert KEY.findall(answer.text) == [token]
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert "set-cookie" not in answer.headers
        [made] = [one for one in made_of(vault) if one["name"] == "plain"]
        assert (made["vaultIds"], made["environmentIds"]) == ([vault.vault_id], [])
        for path in ("/api-keys", f"/api-keys/{made['id']}", "/api-keys/new"):
            assert token not in forms.get(path).text
        assert "plain" in unescape(forms.get("/api-keys").text)
        assert pull(vault, token) == 200
        assert "was revoked" in forms.said(forms.post(f"/api-keys/{made['id']}/revoke"))
        assert "had ended already" in forms.said(forms.post(f"/api-keys/{made['id']}/revoke"))
        assert pull(vault, token) == 401
