"""Syncs: an account connected, a link, a preview in both directions, a run; and what is refused on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from dashboard_browser import Site
from oracle import canaries, stage
from oracle.stage import GitHub, Home
from playwright.sync_api import Page, expect
from standins.providers import TOKEN, Providers
from visitor import Visitor


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault with a value in each of two environments."""
    made = stage.home(site.stack, "sync-pages", keep=False)
    for environment in ("development", "production"):
        assert made.push({"DATABASE_URL": canaries.new("D"), "API_KEY": canaries.new("K")}, environment).status == 200
    return made


@pytest.fixture(autouse=True)
def nothing_there(there: Providers) -> Iterator[None]:
    """The provider, empty and well."""
    there.variables.clear()
    yield
    there.down, there.called = False, ()


@pytest.fixture(scope="module")
def admin(site: Site, vault: Home) -> Iterator[Visitor]:
    """The administrator, without a browser."""
    with site.visitor(vault.admin) as made:
        yield made


@pytest.fixture(scope="module")
def other(site: Site, vault: Home) -> Iterator[Visitor]:
    """Somebody who may write to the repository, with an account of their own."""
    with site.visitor(vault.login_with("write")) as made:
        assert made.post(f"/vaults/{vault.full_name}/syncs/connect", provider="railway", token=TOKEN).status_code == 303
        yield made


def account(visitor: Visitor, vault: Home) -> str:
    """The id of somebody's account, as the form of a new sync has it."""
    found = re.search(r'<option value="(\S+) rp svc"', visitor.text(f"/vaults/{vault.full_name}/syncs/new"))
    assert found
    return found[1]


def linked(visitor: Visitor, vault: Home, environment: str) -> str:
    """The page of a new link with the provider's production."""
    project = f"{account(visitor, vault)} rp svc"
    at = f"/vaults/{vault.full_name}/syncs/new"
    answer = visitor.post(at, project=project, place="production", environment=environment)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def planned(page: Page) -> dict[str, str]:
    """What the preview lists, by what would happen."""
    lines = page.get_by_role("region", name="What would happen").locator(".gate").all_inner_texts()
    return {first.split()[1]: rest.strip() for first, _, rest in (line.partition("\n") for line in lines)}


class TestWalk:
    """From nothing to a sync and back."""

    def test_an_account_is_connected_and_disconnected(self, site: Site) -> None:
        """What is off is said with its variables; a wrong token is told, a right one is shown nowhere again."""
        vault = stage.home(site.stack, "sync-accounts", keep=False)
        with site.window(vault.admin) as window:
            page = window.go(f"/vaults/{vault.full_name}/syncs")
            expect(page.get_by_role("heading", name="Connect an account first")).to_be_visible()
            expect(page.get_by_text("sets NETLIFY_CLIENT_ID and NETLIFY_CLIENT_SECRET.")).to_be_visible()
            expect(page.get_by_text("keyway connect vercel")).to_be_visible()
            connect(page, "a-wrong-token")
            expect(page.get_by_role("alert")).to_be_visible()
            assert "a-wrong-token" not in page.content()
            assert window.violations() == []
            page.get_by_label("Token").fill(TOKEN)
            page.get_by_role("button", name="Connect").click()
            said(page, "is connected")
            assert TOKEN not in page.content()
            page.get_by_role("button", name="Disconnect Railway").click()
            page.get_by_role("button", name="Disconnect account").click()
            said(page, "The account was disconnected")
            expect(page.get_by_role("heading", name="Connect an account first")).to_be_visible()
            assert window.complaints == []

    def test_a_link_a_preview_and_a_run_each_way(
        self, site: Site, admin: Visitor, vault: Home, there: Providers
    ) -> None:
        """Names only on every page; what is chosen happens, and nothing before the last button."""
        values = vault.values("production")
        there.variables.update({"API_KEY": "older", "ONLY_THERE": "from-there"})
        assert (
            admin.post(f"/vaults/{vault.full_name}/syncs/connect", provider="railway", token=TOKEN).status_code == 303
        )
        with site.window(vault.admin) as window:
            page = window.go(f"/vaults/{vault.full_name}/syncs")
            page.get_by_role("link", name="New sync").first.click()
            page.get_by_role("button", name="Show what would be copied").click()
            expect(page.get_by_role("heading", name="What would happen at Railway")).to_be_visible()
            assert planned(page) == {"created": "DATABASE_URL", "updated": "API_KEY"}
            page.get_by_label("What is only at Railway").select_option("is deleted")
            page.wait_for_url("**delete=yes*")
            assert planned(page)["deleted"] == "ONLY_THERE"
            assert window.violations() == []
            page.get_by_label("Direction").select_option("Railway to Keyway")
            page.wait_for_url("**direction=pull*")
            assert planned(page) == {"created": "ONLY_THERE"}
            assert not [one for one in [*values.values(), "from-there"] if one in page.content()]
            assert there.variables == {"API_KEY": "older", "ONLY_THERE": "from-there"}
            run(page)
            said(page, "1 created, 0 updated, 0 deleted.")
            assert vault.values("production") == values | {"ONLY_THERE": "from-there"}
            page.get_by_role("link", name="Preview production and").click()
            run(page)
            said(page, "1 created, 1 updated, 0 deleted.")
            assert there.variables == values | {"ONLY_THERE": "from-there"}
            expect(page.get_by_role("listitem").filter(has_text="synced just now")).to_be_visible()
            assert window.complaints == []


def connect(page: Page, token: str) -> None:
    """From the list to the form of a token, sent."""
    page.get_by_role("link", name="Connect Railway").click()
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Connect").click()


def run(page: Page) -> None:
    """The two buttons of a sync."""
    page.get_by_role("button", name="Run sync").click()
    page.get_by_role("button", name="Run", exact=True).click()


def said(page: Page, text: str) -> None:
    """Waits for a sentence of the page."""
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def test_a_name_that_is_too_long_to_be_told_is_cut(site: Site, vault: Home, there: Providers) -> None:
    """A browser drops a cookie of more than 4,096 bytes, and would then say nothing of what was done."""
    there.called = ("long " * 2_000,)
    with site.visitor(vault.admin) as forms:
        answer = forms.post(f"/vaults/{vault.full_name}/syncs/connect", provider="railway", token=TOKEN)
        assert max(map(len, answer.headers.get_list("set-cookie"))) < 4_096
        assert "The account long long" in forms.said(answer)


class TestRefusals:
    """What nobody gets by asking."""

    def test_what_is_less_protected_goes_to_production_by_an_admin_alone(
        self, other: Visitor, vault: Home, there: Providers
    ) -> None:
        """The preview says so without a button to run it, and a form that is sent all the same copies nothing."""
        at = linked(other, vault, "development")
        text = other.text(at)
        assert "Only repository admins may sync into an environment as protected as production." in text
        assert "Run sync" not in text
        answer = other.post(f"{at}/run", direction="push")
        assert (answer.status_code, "You may not do this" in answer.text) == (403, True)
        assert there.variables == {}
        there.variables["NEW"] = "x"
        answer = other.post(f"{linked(other, vault, 'production')}/run", direction="pull")
        assert answer.status_code == 403
        assert "NEW" not in vault.values("production")

    def test_an_account_serves_nobody_else(self, admin: Visitor, other: Visitor, vault: Home, there: Providers) -> None:
        """Somebody else sees that there is a sync, and can neither look, run, link nor disconnect."""
        at, id_ = linked(other, vault, "development"), account(other, vault)
        base = f"/vaults/{vault.full_name}/syncs"
        text = admin.text(base)
        assert ("over somebody else's account" in text, at in text) == (True, False)
        assert admin.get(at).status_code == 404
        assert admin.post(f"{at}/run", direction="push").status_code == 404
        form = {"project": f"{id_} rp svc", "place": "production", "environment": "staging"}
        assert admin.post(f"{base}/new", **form).status_code == 404
        assert admin.post(f"{base}/accounts/{id_}/disconnect").status_code == 303
        assert account(other, vault) == id_
        assert there.variables == {}

    def test_who_may_not_read_an_environment_links_nothing_to_it(self, site: Site, other: Visitor, vault: Home) -> None:
        """It is not offered, its syncs are not listed, and a form that is sent all the same is refused."""
        listed = linked(other, vault, "production")
        base = f"/vaults/{vault.full_name}/syncs"
        with site.visitor(vault.login_with("read")) as reader:
            assert reader.post(f"{base}/connect", provider="railway", token=TOKEN).status_code == 303
            text = reader.text(f"{base}/new")
            assert ("<option>development" in text, "<option selected>production" in text) == (True, False)
            # The tag of a protected environment, which stands beside each of its syncs.
            assert '<span class="tag" data-tone="warn">' not in reader.text(base)
            project = f"{account(reader, vault)} rp svc"
            answer = reader.post(f"{base}/new", project=project, place="production", environment="production")
            assert answer.status_code == 403
            assert reader.get(listed).status_code == 404

    def test_a_provider_that_does_not_answer_is_told_and_the_page_stands(
        self, other: Visitor, vault: Home, there: Providers
    ) -> None:
        """Nothing to run, and a way to look again."""
        at = linked(other, vault, "production")
        there.down = True
        text = other.text(at)
        assert ("Look again" in text, "Run sync" in text) == (True, False)
        there.down = False
        assert "Run sync" in other.text(at)

    def test_a_removed_collaborator_syncs_no_more(self, site: Site, vault: Home, there: Providers) -> None:
        """The account stays theirs; the vault is gone for it."""
        login = vault.login_with("write")
        with site.visitor(login) as gone:
            base = f"/vaults/{vault.full_name}/syncs"
            assert gone.post(f"{base}/connect", provider="railway", token=TOKEN).status_code == 303
            at = linked(gone, vault, "production")
            GitHub(site.stack).do("set-role", repo=vault.full_name, login=login, role=None, webhook=True)
            gone.until_status(base, 404)
            assert gone.post(f"{at}/run", direction="push").status_code == 404
        assert there.variables == {}
