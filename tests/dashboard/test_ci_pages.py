"""CI access: rules for workflow runs, who may write them, the workflow to copy; and the badge, which tells nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from dashboard_browser import Site
from oracle import stage
from oracle.stage import Home
from playwright.sync_api import Page, expect
from stack import TLS
from visitor import Visitor


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault without a rule."""
    return stage.home(site.stack, "ci-pages")


@pytest.fixture(scope="module")
def admin(site: Site, vault: Home) -> Iterator[Visitor]:
    """The administrator, without a browser."""
    with site.visitor(vault.admin) as made:
        yield made


def rules(vault: Home) -> list[dict[str, Any]]:
    """What the backend holds."""
    found: list[dict[str, Any]] = vault.get(f"/v1/vaults/{vault.full_name}/oidc-rules").json()["data"]
    return found


def row(page: Page, environment: str) -> str:
    """What the page says of an environment."""
    lines = page.get_by_role("region", name="What runs may read").get_by_role("listitem")
    return lines.filter(has_text=re.compile(rf"^\s*{environment}")).first.inner_text()


class TestRules:
    """Which runs read what."""

    def test_an_environment_is_opened_narrowed_and_shut_again(self, site: Site, vault: Home) -> None:
        """Without a rule each type has its habit; what is wrong is told and nothing typed is lost; a rule is removed
        after a question; axe and the console find nothing."""
        with site.window(vault.admin) as window:
            page = window.go(f"/vaults/{vault.full_name}/ci")
            assert "Runs on the default branch" in row(page, "staging")
            assert "No run can read it" in row(page, "production")
            page.get_by_role("link", name="Open production by a rule").click()
            expect(page.get_by_label("Environment", exact=True)).to_have_value("production")
            page.get_by_role("button", name="Add rule").click()
            expect(page.get_by_role("alert")).to_contain_text("protected")
            page.get_by_label("Branches and tags").fill("main\nrefs/tags/v*\n")
            page.get_by_label("Events").fill("Push!")
            page.get_by_role("button", name="Add rule").click()
            expect(page.get_by_role("alert")).to_contain_text("Events: names of events are small letters")
            expect(page.get_by_label("Branches and tags")).to_have_value("main\nrefs/tags/v*\n")
            assert window.violations() == []
            page.get_by_label("Events").fill("push, release")
            page.get_by_label("GitHub environment").fill("production")
            page.get_by_role("button", name="Add rule").click()
            expect(page.get_by_role("status").filter(has_text="may read production")).to_be_visible()
            [made] = rules(vault)
            assert (made["refs"], made["events"]) == (["refs/heads/main", "refs/tags/v*"], ["push", "release"])
            assert (made["githubEnvironment"], made["runnerEnvironment"]) == ("production", None)
            assert all(word in row(page, "production") for word in ("main", "refs/tags/v*", "push, release"))
            page.get_by_role("button", name="Remove the rule of production for main, refs/tags/v*").click()
            page.get_by_role("button", name="Remove rule").click()
            expect(page.get_by_role("status").filter(has_text="The rule was removed")).to_be_visible()
            assert rules(vault) == []
            assert "No run can read it" in row(page, "production")
            assert window.complaints == []

    def test_on_a_phone_the_tab_of_the_page_is_in_sight(self, site: Site, vault: Home) -> None:
        """The bar is longer than the screen, and stands where the page is; the page itself is not wider."""
        with site.window(vault.admin, viewport={"width": 390, "height": 844}) as window:
            page = window.go(f"/vaults/{vault.full_name}/ci")
            expect(page.get_by_role("link", name="CI", exact=True)).to_be_in_viewport(ratio=0.9)
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")

    def test_the_workflow_names_the_chosen_environment_and_this_server(self, admin: Visitor, vault: Home) -> None:
        """And the id token, without which it cannot prove anything."""
        text = admin.text(f"/vaults/{vault.full_name}/ci?environment=staging")
        for line in ("id-token: write", f"api-url: {vault.stack.api_url}", "environment: staging"):
            assert line in text
        assert "environment: production" in admin.text(f"/vaults/{vault.full_name}/ci?environment=production")
        assert "environment: development" in admin.text(f"/vaults/{vault.full_name}/ci?environment=nothing")

    def test_who_does_not_administer_sees_rules_and_writes_none(self, site: Site, vault: Home) -> None:
        """No button, and a form that is sent all the same is refused by the backend."""
        body = {"environment": "staging", "refs": ["refs/heads/kept"]}
        made = vault.post(f"/v1/vaults/{vault.full_name}/oidc-rules", body).json()["data"]
        at = f"/vaults/{vault.full_name}/ci"
        with site.visitor(vault.login_with("maintain")) as other:
            text = other.text(at)
            assert "kept" in text
            assert not re.search(r"Add rule|Remove|Narrow|Open<", text)
            assert "Admins write rules" in other.text(f"{at}/new")
            for path in (f"{at}/new", f"{at}/{made['id']}/remove"):
                answer = other.post(path, environment="staging", refs="taken")
                assert (answer.status_code, "You may not do this" in answer.text) == (403, True)
        assert [one["refs"] for one in rules(vault)] == [["refs/heads/kept"]]

    def test_who_lost_the_repository_sees_nothing_of_it(self, site: Site, vault: Home) -> None:
        """A vault that GitHub no longer shows is one that does not exist; its rules stay as they are."""
        login = vault.login_with("admin")
        at = f"/vaults/{vault.full_name}/ci"
        with site.visitor(login) as other:
            assert other.get(at).status_code == 200
            stage.GitHub(site.stack).do("set-role", repo=vault.full_name, login=login, role=None, webhook=True)
            other.until_status(at, 404)
            assert other.post(f"{at}/new", environment="staging", refs="taken").status_code == 404


class TestBadge:
    """The same for everybody."""

    def test_it_is_the_same_whatever_is_asked_and_by_whom(self, site: Site, admin: Visitor, vault: Home) -> None:
        """A vault, a repository without one, nothing at all and nonsense: the same bytes and headers."""
        wanted = [
            f"?repo={vault.full_name}",
            "?repo=nobody/nothing",
            "",
            "?repo=<x>",
            "?repo=a/b&repo=c/d",
            "?x=" + "a" * 999,
        ]
        with httpx.Client(base_url=site.url, verify=TLS) as nobody:
            answers = [client.get(f"/badge.svg{one}") for one in wanted for client in (nobody, admin)]
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        kept = [{name: value for name, value in one.headers.items() if name != "date"} for one in answers]
        assert all(one == kept[0] for one in kept)
        assert (kept[0]["content-type"], "set-cookie" in kept[0]) == ("image/svg+xml", False)

    def test_the_page_has_its_line_for_the_readme(self, site: Site, admin: Visitor, vault: Home) -> None:
        """As the command line writes it."""
        link = f"{site.url}/vaults/{vault.full_name}"
        line = f"[![Keyway]({site.url}/badge.svg?repo={vault.full_name})]({link})"
        assert line in admin.text(f"/vaults/{vault.full_name}/ci")
