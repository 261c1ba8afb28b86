"""Access: the matrix, overrides, one person's rights, collaborators; and what somebody who may not, cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from dashboard_browser import Site
from oracle import stage
from oracle.stage import GitHub, Home
from playwright.sync_api import Page, expect
from stack import sign_in
from visitor import Visitor


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault without an override."""
    return stage.home(site.stack, "access-pages")


@pytest.fixture(scope="module")
def ruled(site: Site) -> Home:
    """A vault with one override, which stays as it is."""
    made = stage.home(site.stack, "access-refusals")
    body = {"environment": "staging", "targetType": "role", "targetRole": "triage", "canRead": True, "canWrite": True}
    assert made.post(f"/v1/vaults/{made.full_name}/permissions/overrides", body).status == 200
    return made


@pytest.fixture(scope="module")
def writer(vault: Home) -> str:
    """The login of somebody with the role write, who has signed in."""
    login = vault.login_with("write")
    sign_in(vault.stack, login)
    return login


@pytest.fixture(scope="module")
def admin(site: Site, vault: Home) -> Iterator[Visitor]:
    """The administrator, without a browser."""
    with site.visitor(vault.admin) as made:
        yield made


def overrides(vault: Home) -> list[dict[str, Any]]:
    """What the backend holds."""
    answer = vault.get(f"/v1/vaults/{vault.full_name}/permissions/overrides").json()["data"]
    found: list[dict[str, Any]] = answer["overrides"]
    return found


def may(page: Page, role: str, environment: str) -> str:
    """What the matrix says."""
    table = page.get_by_role("table", name="Roles by environment")
    heads = table.get_by_role("columnheader").all_inner_texts()
    row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name=role, exact=True))
    return " ".join(row.get_by_role("cell").nth(heads.index(environment) - 1).inner_text().split())


class TestOverrides:
    """What is said above the matrix."""

    def test_they_are_added_changed_and_removed_and_the_matrix_and_rights_follow(
        self, site: Site, vault: Home, writer: str
    ) -> None:
        """For a role and for a person; the matrix marks what was changed; one person's rights are shown."""
        with site.window(vault.admin) as window:
            page = window.go(f"/vaults/{vault.full_name}/access")
            assert (may(page, "write", "staging"), may(page, "read", "production")) == ("read and write", "nothing")
            add(page, "role write", "staging", "read only")
            said(page, "role write in staging: read only.")
            assert may(page, "write", "staging") == "read only changed for staging"
            add(page, "role write", "staging", "nothing")
            said(page, "There is an override for that already")
            add(page, writer, "every environment", "nothing")
            said(page, f"{writer} in every environment: nothing.")
            page.get_by_role("link", name=f"Rights of {writer}").click()
            shown = page.get_by_role("region", name="Collaborators").get_by_role("status")
            expect(shown).to_contain_text("role write")
            assert shown.get_by_role("listitem").all_inner_texts() == [
                f"{name}\n{'nothing'}" for name in ("development", "staging", "production")
            ]
            page.get_by_role("button", name=f"Change {writer} in every environment").click()
            page.get_by_role("dialog").get_by_label("May").select_option("read and write")
            page.get_by_role("button", name="Save").click()
            said(page, f"{writer} in every environment: read and write.")
            assert {(one["environment"], one["canRead"], one["canWrite"]) for one in overrides(vault)} == {
                ("staging", True, False), ("*", True, True),
            }  # fmt: skip
            page.get_by_role("button", name="Remove role write in staging").click()
            page.get_by_role("button", name="Remove override").click()
            said(page, "The override was removed")
            assert may(page, "write", "staging") == "read and write"
            page.get_by_role("button", name="Remove all").click()
            page.get_by_role("button", name="Remove all overrides").click()
            said(page, "All overrides were removed.")
            assert overrides(vault) == []
            assert window.complaints == []

    def test_what_cannot_be_is_told(self, admin: Visitor, vault: Home) -> None:
        """A person nobody knows, an environment that is not there, a choice of nothing: nothing is allowed by it."""
        at, before = f"/vaults/{vault.full_name}/access", overrides(vault)
        for target, environment in (
            ("user:0198c0de-0000-7000-8000-000000000000", "staging"),
            ("role:write", "nowhere"),
        ):
            assert admin.post(f"{at}/overrides", target=target, environment=environment).status_code == 303
        assert overrides(vault) == before
        assert admin.post(f"{at}/overrides", target="role:read", environment="staging", access="x").status_code == 303
        [made] = [one for one in overrides(vault) if one not in before]
        assert (made["canRead"], made["canWrite"]) == (False, False)
        assert admin.post(f"{at}/overrides/{made['id']}/remove").status_code == 303
        assert overrides(vault) == before
        assert "Nobody of this name" in admin.text(f"{at}?person=nobody-at-all")
        assert "Nobody of this name" in admin.text(f"{at}?person=%3Cscript%3E")


class TestRefusals:
    """Who may look, and who may write."""

    @pytest.mark.parametrize("role", ["read", "maintain"])
    def test_who_does_not_manage_reads_the_matrix_and_writes_nothing(
        self, site: Site, ruled: Home, writer: str, role: str
    ) -> None:
        """No button, no list of people, nobody else's rights; a form that is sent all the same is refused."""
        at, before = f"/vaults/{ruled.full_name}/access", overrides(ruled)
        with site.visitor(ruled.login_with(role)) as other:
            text = other.text(f"{at}?person={writer}")
            assert f"Your role on {ruled.full_name} is {role}." in text
            assert "role triage" in text
            assert not re.search(rf"{writer}|Collaborators|Add override|Remove|Change<", text)
            for path in ("", f"/{before[0]['id']}", f"/{before[0]['id']}/remove", "/reset"):
                form = {"target": f"role:{role}", "environment": "production", "access": "both"}
                answer = other.post(f"{at}/overrides{path}", **form)
                assert (answer.status_code, "You may not do this" in answer.text) == (403, True), path
        assert (len(before), overrides(ruled)) == (1, before)

    def test_a_removed_collaborator_sees_the_vault_no_more(self, site: Site, vault: Home) -> None:
        """Neither its pages nor its name in the list; and stands in nobody's list of collaborators."""
        login = vault.login_with("write")
        with site.visitor(login) as other, site.window(vault.admin) as window:
            assert vault.full_name.split("/")[1] in other.text("/")
            page = window.go(f"/vaults/{vault.full_name}/access")
            expect(page.get_by_role("link", name=f"Rights of {login}")).to_be_visible()
            GitHub(site.stack).do("set-role", repo=vault.full_name, login=login, role=None, webhook=True)
            for path in ("", "/access", "/ci"):
                other.until_status(f"/vaults/{vault.full_name}{path}", 404)
            assert vault.full_name.split("/")[1] not in other.text("/")
            page.reload()
            expect(page.get_by_role("link", name="Rights of ").first).to_be_visible()
            expect(page.get_by_role("link", name=f"Rights of {login}")).to_have_count(0)

    def test_the_page_stands_when_github_does_not_name_its_people(
        self, admin: Visitor, site: Site, vault: Home
    ) -> None:
        """The matrix and overrides are there, and what is missing is said."""
        github = GitHub(site.stack)
        github.do("fault", kind="status", pattern=f"GET /repos/{vault.full_name}/collaborators", times=1)
        text = admin.text(f"/vaults/{vault.full_name}/access")
        github.do("clear-faults")
        assert "What each role may do" in text
        assert "GitHub cannot say right now who has access." in text


def add(page: Page, who: str, environment: str, allowed: str) -> None:
    """Fills in the form of an override."""
    page.get_by_label("Who").select_option(who)
    page.get_by_label("Environment", exact=True).select_option(environment)
    page.locator("form").filter(has=page.get_by_role("button", name="Add override")).get_by_label("May").select_option(
        allowed
    )
    page.get_by_role("button", name="Add override").click()


def said(page: Page, text: str) -> None:
    """Waits for a sentence of the page."""
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()
