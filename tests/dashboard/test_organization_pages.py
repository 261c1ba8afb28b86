"""Organisations: connected by those who are in them, changed by their owners, paid for elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from dashboard_browser import Site, Window
from keyway_core.roles import EnvironmentType, Role, Verb, matrix_allows
from keyway_dashboard.features.organizations import models
from keyway_standalone.processes import Stack
from oracle import stage
from oracle.stage import GitHub, Home
from oracle.wire import Call, bearer, send
from playwright.sync_api import expect
from stack import running_stack, sign_in
from visitor import Visitor

from tests.standins.stripe import KEY, SECRET, Stripe, running_stripe


@dataclass
class Org:
    """A connected organisation with a vault, its owner, a member and somebody else."""

    home: Home
    login: str
    owner: str
    member: str
    stranger: str

    @property
    def url(self) -> str:
        """Its page."""
        return f"/organizations/{self.login}"

    def told(self) -> dict[str, Any]:
        """What the backend says of it to its owner."""
        found: dict[str, Any] = self.home.get(f"/v1/orgs/{self.login}").json()["data"]
        return found


@pytest.fixture(scope="module")
def org(site: Site) -> Org:
    """An organisation whose owner administers its one vault."""
    home, github = stage.home(site.stack, "guild"), GitHub(site.stack)
    login = home.full_name.partition("/")[0]
    member = github.user("guildsman")
    github.do("set-member", org=login, login=member, role="member")
    github.do("set-member", org=login, login=github.user("apprentice"), role="member")
    assert home.post("/v1/orgs/connect", {"orgLogin": login}).status == 200
    return Org(home, login, home.admin, member, github.user("stranger"))


@pytest.fixture(scope="module")
def member(site: Site, org: Org) -> Iterator[Visitor]:
    """The member's forms."""
    with site.visitor(org.member) as forms:
        yield forms


@pytest.fixture(scope="module")
def owner(site: Site, org: Org) -> Iterator[Visitor]:
    """The owner's forms."""
    with site.visitor(org.owner) as forms:
        yield forms


def seen(forms: Visitor, org: Org) -> str:
    """The mark of the owner's form."""
    found = re.search(r'name="seen" value="([0-9a-f]+)"', forms.get(f"{org.url}/settings").text)
    assert found
    return found[1]


class TestRefusals:
    """Who may not."""

    def test_who_is_no_member_learns_nothing(self, site: Site, org: Org) -> None:
        """An organisation of others, and one that is none: the same answer on every page and for every write."""
        with site.visitor(org.stranger) as forms:
            for step in ("", "/settings", "/billing"):
                pages = [forms.get(f"/organizations/{login}{step}") for login in (org.login, "no-such-one")]
                assert [page.status_code for page in pages] == [404, 404], step
                assert org.login not in pages[0].text.replace(f'href="{org.url}', "")
            for step in ("/refresh", "/settings", "/billing/checkout", "/billing/portal", "/billing/trial"):
                assert forms.post(f"{org.url}{step}").status_code == 404, step
            said = forms.said(forms.post("/organizations/connect", login=org.login))
            assert "could not be connected" in said
            assert org.login not in said
            assert org.login not in forms.get("/organizations").text

    def test_a_member_sees_and_changes_nothing(self, member: Visitor, org: Org) -> None:
        """No form and no button; what is posted all the same is refused, and nothing changed."""
        before = org.told()
        page = member.get(f"{org.url}/settings").text
        assert "Owners of the organisation can change this." in page
        assert not re.search(rf'<form[^>]*action="{org.url}[^>]*>.*?_proof', page, re.DOTALL)
        assert "<select" not in page
        assert "/refresh" not in member.get(org.url).text
        body = {"name": "ours now", "read.protected": "both", "seen": seen_by(before)}
        for step, filled in (("/settings", body), ("/refresh", {})):
            answer = member.post(f"{org.url}{step}", **filled)
            assert (answer.status_code, "You may not do this" in answer.text) == (403, True), step
        after = org.told()
        assert (after["displayName"], after["defaultPermissions"]) == (None, {})

    def test_where_nothing_is_sold_there_is_no_billing(self, owner: Visitor, org: Org) -> None:
        """Neither a tab nor a page, and what is posted ends well."""
        assert "Billing" not in owner.get(org.url).text
        assert owner.get(f"{org.url}/billing").status_code == 404
        for step in ("checkout", "portal", "trial"):
            answer = owner.post(f"{org.url}/billing/{step}", price="price_1")
            assert answer.status_code in {303, 400}, step


def seen_by(told: dict[str, Any]) -> str:
    """The mark that a form of this state carries."""
    return models.Details.model_validate(told).mark


class TestSettings:
    """What owners say."""

    def test_what_is_as_usual_is_what_the_policy_says(self) -> None:
        """The words beside "as usual" are those of the matrix that decides."""
        for role in Role:
            for kind in EnvironmentType:
                rights = {verb.value: matrix_allows(role, kind, verb) for verb in Verb}
                said = models.USUAL[role.value][models.TYPES.index(kind.value)]
                assert models._RIGHTS[said] == rights, (role, kind)

    def test_only_what_is_not_as_usual_is_kept_and_comes_back(self, owner: Visitor, org: Org) -> None:
        """A choice stands in the form again, unknown ones count for nothing, and who saved first is not overwritten."""
        mark = seen(owner, org)
        body = {"name": " The Guild ", "read.protected": "read", "write.standard": "none", "admin.standard": "root"}
        body |= {"owner.standard": "both", "seen": mark}
        assert "were saved" in owner.said(owner.post(f"{org.url}/settings", **body))
        told = org.told()
        assert told["displayName"] == "The Guild"
        assert told["defaultPermissions"] == {
            "read": {"protected": {"read": True, "write": False}},
            "write": {"standard": {"read": False, "write": False}},
        }
        page = owner.get(f"{org.url}/settings").text
        cell = re.search(r'name="read.protected".*?</select>', page, re.DOTALL)
        assert cell
        assert '<option value="read" selected>' in cell[0]
        again = owner.post(f"{org.url}/settings", name="Mine", seen=mark)
        assert (again.status_code, "Somebody saved first." in again.text) == (200, True)
        assert org.told()["displayName"] == "The Guild"
        long = owner.post(f"{org.url}/settings", name="x" * 101, seen=seen(owner, org))
        assert (long.status_code, 'role="alert"' in long.text) == (200, True)
        assert "were saved" in owner.said(owner.post(f"{org.url}/settings", name="", seen=seen(owner, org)))
        assert (org.told()["displayName"], org.told()["defaultPermissions"]) == (None, {})


def test_an_owner_connects_looks_and_saves(site: Site, org: Org) -> None:
    """From the list to the people and the settings of an organisation, as one walks."""
    fresh, _ = GitHub(site.stack).org("lodge", org.owner)
    GitHub(site.stack).do("install", login=fresh)
    with site.window(org.owner) as window:
        page = window.go("/organizations")
        page.get_by_role("button", name=f"Connect {fresh}").click()
        expect(page.get_by_role("status").filter(has_text=f"{fresh} is connected")).to_be_visible()
        page.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Organisations").click()
        expect(page.get_by_role("link", name=fresh)).to_be_visible()
        expect(page.get_by_role("button", name="Connect")).to_have_count(0)
        page.get_by_role("link", name=org.login).click()
        expect(page.get_by_role("listitem").filter(has_text="apprentice")).to_contain_text("has not signed in here")
        page.get_by_label("Search people").fill("guildsm")
        expect(page.get_by_role("listitem").filter(has_text=org.owner)).to_have_count(0)
        expect(page).to_have_url(re.compile(r"\?q=guildsm$"))
        page.get_by_role("button", name="Read the roster anew").click()
        expect(page.get_by_role("status").filter(has_text="changed")).to_be_visible()
        page.get_by_role("link", name="Settings").last.click()
        page.get_by_label("triage in protected environments").select_option("read")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status").filter(has_text="The settings were saved.")).to_be_visible()
        expect(page.get_by_label("triage in protected environments")).to_have_value("read")
        assert org.told()["defaultPermissions"] == {"triage": {"protected": {"read": True, "write": False}}}
        assert window.complaints == []


@dataclass
class Shop:
    """An installation that sells plans, and the seller."""

    site: Site
    stripe: Stripe

    def sold(self, number: int) -> None:
        """The seller says that an organisation has a subscription."""
        made = self.stripe.put({"keyway_org_id": str(number)}, "team")
        payload = self.stripe.event("customer.subscription.updated", made)
        headers = (("Content-Type", "application/json"), ("Stripe-Signature", self.stripe.sign(payload)))
        told = Call("POST", "/v1/billing/webhook", headers, form=payload)
        assert send(self.site.stack.api_url, told).status == 200


@pytest.fixture(scope="module")
def shop(site: Site) -> Iterator[Shop]:
    """With billing on."""
    with running_stripe() as stripe:
        on = {"BILLING_ENABLED": "true", "STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
        with running_stack(backend_env=on | {"STRIPE_API_BASE": stripe.url}, with_dashboard=True) as stack:
            yield Shop(Site(stack, site.browser), stripe)


@dataclass
class Team:
    """A connected organisation with an owner and a member."""

    login: str
    number: int
    boss: str
    worker: str


def team(stack: Stack) -> Team:
    """A new one."""
    github = GitHub(stack)
    boss, worker = github.user("boss"), github.user("worker")
    login, number = github.org("firm", boss)
    github.do("set-member", org=login, login=worker, role="member")
    github.do("install", login=login)
    headers = (bearer(sign_in(stack, boss)),)
    assert send(stack.api_url, Call("POST", "/v1/orgs/connect", headers, {"orgLogin": login})).status == 200
    return Team(login, number, boss, worker)


def test_plans_are_bought_elsewhere_and_by_owners_alone(shop: Shop) -> None:
    """A member sees what is paid and no button, and is refused; an owner is led on by a link, begins the one trial, and
    finds the way to what was bought."""
    firm = team(shop.site.stack)
    url = f"/organizations/{firm.login}/billing"
    with shop.site.visitor(firm.worker) as forms:
        assert "Owners of the organisation can change this." in forms.get(url).text
        for step in ("checkout", "portal", "trial"):
            assert f"{url}/{step}" not in forms.get(url).text
            assert forms.post(f"{url}/{step}", price="price_team_month").status_code == 403, step
    with shop.site.window(firm.boss) as window:
        bought(window, firm)
        shop.sold(firm.number)
        page = window.go(url)
        expect(page.get_by_role("button", name="Choose")).to_have_count(0)
        page.get_by_role("button", name="Change or end it").click()
        expect(page.get_by_role("link", name="Continue")).to_have_attribute("href", re.compile("^https://portal"))
        assert window.complaints == []


def bought(window: Window, firm: Team) -> None:
    """The owner's way."""
    page = window.go(f"/organizations/{firm.login}")
    page.get_by_role("link", name="Billing").click()
    assert window.violations() == []
    page.get_by_role("button", name="Choose team, paid by the month").click()
    onward = page.get_by_role("link", name="Continue")
    expect(onward).to_have_attribute("href", re.compile("^https?://"))
    assert window.violations() == []
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Try everything for 15 days").click()
    expect(page.get_by_role("status").filter(has_text="The trial has begun.")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("The trial goes on for 15 days.")
    expect(page.get_by_role("button", name="Try everything")).to_have_count(0)
    assert window.complaints == []
