"""Public clients where everything is on: trials and plans, and syncs with providers (contract.md 4.9 to 4.12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import pytest
from browser import Browser
from oracle.report import Record

from tests.backend.accounts.test_web_sign_in import AWAY
from tests.contracts.public_clients.go_cli import CommandError, GoCli
from tests.contracts.public_clients.go_sync import GoSync
from tests.contracts.public_clients.next_dashboard import AGENT, Dashboard
from tests.contracts.public_clients.shapes import Some, filled, moment, reads, url, uuid
from tests.contracts.public_clients.test_replay_dashboard import ORG_PAGE, TRIAL
from tests.contracts.scene import Market
from tests.invariants.test_stored_values import WITH_EVERYTHING_ON
from tests.oracle import stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.stored import hunt
from tests.oracle.wire import Call, send
from tests.standins.providers import TOKEN
from tests.standins.stripe import price_id

PRICE: Final = {"id": filled, "price": int, "currency": "eur", "interval": ("month", "year")}
PRICES: Final = {"monthly": PRICE, "yearly": PRICE}


@dataclass
class Company:
    """An organisation that was just connected, and its owner's two clients."""

    market: Market
    login: str
    number: int
    owner: str
    cli: GoCli
    tab: Dashboard
    subscription: str = ""

    def repository(self, name: str) -> str:
        """A private repository of theirs."""
        full_name = f"{self.login}/{name}"
        GitHub(self.market.stack).repo(full_name, {self.owner: "admin"})
        return full_name

    def pays_for(self, plan: str, status: str = "active") -> None:
        """Stripe says so."""
        stripe = self.market.stripe
        known = {"id": self.subscription} if self.subscription else {}
        subscription = stripe.put({"keyway_org_id": str(self.number)}, plan, status, **known)
        self.subscription = subscription["id"]
        payload = stripe.event("customer.subscription.updated", subscription)
        headers = (("Content-Type", "application/json"), ("Stripe-Signature", stripe.sign(payload)))
        call = Call("POST", "/v1/billing/webhook", headers, form=payload)
        answer = send(self.market.stack.api_url, call)
        assert (answer.status, answer.json()) == (200, {"received": True})


@pytest.fixture
def company(market: Market) -> Company:
    """New for each test."""
    stack, github = market.stack, GitHub(market.stack)
    owner = github.user("boss")
    login, number = github.org("company", owner)
    github.do("install", login=login)
    browser = Browser(stack)
    assert browser.sign_in(owner, redirect_uri=f"{stack.dashboard_url}/orgs").status_code == 302
    tab = Dashboard(stack.api_url, stack.dashboard_url, dict(browser.jar))
    assert tab.data("POST", "/v1/orgs/connect", {"orgLogin": login})["organization"]["login"] == login
    return Company(market, login, number, owner, GoCli(stack.api_url, stage.sign_in(stack, owner)), tab)


class TestTrial:
    def test_offered_by_init_and_started(self, company: Company) -> None:
        """A refusal that knows of a trial; the trial starts with an empty object; then the vault is made."""
        company.repository("app")
        with pytest.raises(CommandError) as refused:
            company.cli.init(company.login, "app")
        assert (refused.value.status, refused.value.title) == (403, "Plan Limit Reached")
        assert refused.value.upgrade_url.startswith("http")
        trial = {"eligible": True, "daysAvailable": 15, "orgLogin": company.login}
        reads(dict(refused.value.trial), trial, "trialInfo")
        assert company.cli.start_trial(company.login)
        assert company.cli.init(company.login, "app") == "created"
        with pytest.raises(CommandError) as again:
            company.cli.start_trial(company.login)
        assert again.value.status == 400

    def test_started_on_the_page_without_a_body(self, company: Company) -> None:
        """The banner, then its days."""
        told = company.tab.data("POST", f"/v1/orgs/{company.login}/trial/start")
        reads(told, {"message": filled, "trial": TRIAL})
        shown = reads(company.tab.data("GET", f"/v1/orgs/{company.login}"), ORG_PAGE)
        assert (shown["trial"]["status"], shown["effectivePlan"]) == ("active", "business")
        assert shown["trial"]["daysRemaining"] in (14, 15)
        reads(company.tab.data("GET", f"/v1/orgs/{company.login}/trial"), TRIAL | {"trialDurationDays": 15})


class TestPlans:
    def test_the_page_of_an_organisation(self, company: Company) -> None:
        """Prices, a checkout, a portal; what was bought shows."""
        path = f"/v1/orgs/{company.login}/billing"
        shape = {
            "plan": ("free", "team", "business"), "effectivePlan": ("free", "team", "business"),
            "billingStatus": (filled, None),
            "stripeCustomerId": (str, None), "subscription": (dict, None), "trial": TRIAL | {"trialDurationDays": 15},
            "prices": {"team": PRICES, "business": PRICES},
        }  # fmt: skip
        assert reads(company.tab.data("GET", path), shape)["plan"] == "free"
        back = f"{company.tab.origin}/orgs/{company.login}/billing"
        order = {"priceId": price_id("team"), "successUrl": back, "cancelUrl": back}
        reads(company.tab.data("POST", f"{path}/checkout", order), {"url": url})
        reads(company.tab.data("POST", f"{path}/portal", {"returnUrl": back}), {"url": url})
        company.pays_for("team")
        assert reads(company.tab.data("GET", path), shape)["plan"] == "team"
        assert company.tab.refused("POST", f"{path}/checkout", order)[0] == 400

    def test_the_pages_of_a_person(self, company: Company) -> None:
        """Upgrade and Settings."""
        tab, back = company.tab, f"{company.tab.origin}/upgrade"
        reads(tab.data("GET", "/v1/billing/prices"), {"prices": dict.fromkeys(("pro", "team", "business"), PRICES)})
        told = tab.data("GET", "/v1/billing/subscription")
        reads(told, {"subscription": None, "plan": "free", "billingStatus": filled, "stripeCustomerId": None})
        assert tab.refused("POST", "/v1/billing/manage", {"returnUrl": back})[0] == 400
        order = {"priceId": price_id("pro"), "successUrl": back, "cancelUrl": back}
        reads(tab.data("POST", "/v1/billing/create-checkout-session", order), {"url": url})
        away = order | {"successUrl": "https://evil.example/"}
        assert tab.refused("POST", "/v1/billing/create-checkout-session", away)[0] == 400
        usage = reads(tab.data("GET", "/v1/users/me/usage"), {"plan": "free", "limits": dict, "usage": dict})
        reads(usage["limits"], {"maxPublicRepos": "unlimited", "maxPrivateRepos": 1, "maxProviders": 2,
                                "maxEnvironmentsPerVault": 3, "maxSecretsPerPrivateVault": "unlimited"})  # fmt: skip

    def test_exposure_is_not_for_sale(self, company: Company) -> None:
        """Who saw what is for everybody, so that the page never shows what to buy."""
        for path in ("/v1/users/me/exposure", f"/v1/orgs/{company.login}/exposure"):
            reads(company.tab.data("GET", f"{path}?limit=100"), {"summary": dict, "users": Some(dict)})

    def test_a_vault_that_can_only_be_read(self, company: Company) -> None:
        """When nobody pays any more: banners on the card, and a refusal that the command line explains."""
        full_name = company.repository("late")
        company.pays_for("team")
        assert company.cli.init(*full_name.split("/")) == "created"
        company.cli.push(full_name, "development", {"A": "1"})
        company.pays_for("team", "canceled")
        shown = company.tab.data("GET", f"/v1/vaults/{full_name}")
        assert (shown["isReadOnly"], shown["readonlyReason"]) == (True, "org_free_plan")
        with pytest.raises(CommandError) as refused:
            company.cli.push(full_name, "development", {"A": "2"})
        assert (refused.value.status, refused.value.title) == (403, "Plan Limit Reached")
        assert refused.value.upgrade_url.startswith("http")
        assert company.cli.held(full_name, "development") == {"A": "1"}


@pytest.fixture
def shop(company: Company) -> Iterator[Home]:
    """A vault whose organisation pays, with something in production, and empty providers."""
    company.pays_for("business")
    full_name = company.repository("shop")
    vault_id = stage.create_vault(company.market.stack, company.cli.token, full_name)
    company.cli.push(full_name, "production", {"A": "1", "NEW": "2"})
    there = company.market.there
    there.entries.clear(), there.accounts.clear(), there.variables.clear()
    yield Home(company.market.stack, full_name, 0, company.number, company.owner, company.cli.token, vault_id)
    for one in company.cli.connections():
        company.cli.disconnect(one["provider"])


def connected(company: Company, provider: str) -> list[dict[str, Any]]:
    """`keyway connect`, and what can be synced with then."""
    if provider == "railway":
        told = company.cli.connect_with_token(provider, TOKEN)
        assert told["username"] == "Ada"
        return company.cli.projects(provider)
    tab = Sender(company)
    answer = tab.follow(company.cli.authorize_url(provider))
    assert answer == 200
    return company.cli.projects(provider)


@dataclass
class Sender:
    """The browser that the command line opens: it has no session; the token in the address is all that it brings."""

    company: Company

    def follow(self, address: str) -> int:
        """To the provider, who agrees, and back."""
        base = self.company.market.stack.api_url
        headers = (("User-Agent", AGENT), ("Accept", "text/html"), ("Sec-Fetch-Site", "none"))
        away = send(base, Call("GET", address.removeprefix(base), headers))
        assert away.status == 302, away.body
        state = away.header("location").partition("state=")[2].partition("&")[0]
        cookie = ("Cookie", away.header("set-cookie").split(";")[0])
        provider = address.partition("/v1/integrations/")[2].partition("/")[0]
        back = Call("GET", f"/v1/integrations/{provider}/callback?code=good&state={state}", (*headers, cookie))
        return send(base, back).status


class TestConnect:
    def test_the_list_of_providers(self, company: Company) -> None:
        """In this order, and nobody connected."""
        assert company.cli.providers() == {"vercel": True, "railway": True, "netlify": True}
        assert list(company.cli.providers()) == ["vercel", "railway", "netlify"]
        assert company.cli.connections() == []

    @pytest.mark.parametrize("provider", ["vercel", "netlify", "railway"])
    @pytest.mark.usefixtures("shop")
    def test_connect_and_disconnect(self, company: Company, provider: str) -> None:
        """Its poll takes the first connection younger than its start; the end is a DELETE with an empty body."""
        assert connected(company, provider)
        (one,) = company.cli.connections()
        assert (one["provider"], moment(one["createdAt"])) == (provider, True)
        company.cli.disconnect(provider)
        assert company.cli.connections() == []

    def test_a_browser_does_not_come_back_to_elsewhere(self, company: Company) -> None:
        """The addresses that a sign-in refuses are refused here too: no way on, no cookie (N-01)."""
        own = company.tab.origin
        host = own.removeprefix("http://")
        for template in AWAY:
            away = quote(template.format(own=own, host=host, port=host.partition(":")[2]), safe="")
            answer = company.cli.raw("GET", f"/v1/integrations/vercel/authorize?redirect_uri={away}")
            assert (answer.status, answer.header("location"), answer.header("set-cookie")) == (403, "", ""), template

    def test_a_token_that_the_provider_does_not_know(self, company: Company) -> None:
        """400 in words; only railway takes one."""
        for provider, status in (("railway", 400), ("vercel", 400), ("elsewhere", 404)):
            with pytest.raises(CommandError) as refused:
                company.cli.connect_with_token(provider, "nonsense")
            assert refused.value.status == status

    @pytest.mark.usefixtures("shop")
    def test_the_words_that_lead_to_connect(self, company: Company) -> None:
        """Without a connection there are no projects and no connections, which it looks for."""
        found = company.cli.data("GET", "/v1/integrations/providers/railway/all-projects")
        assert found == {"projects": [], "connections": []}


class TestSync:
    @pytest.mark.parametrize("provider", ["vercel", "netlify", "railway"])
    def test_push(self, company: Company, shop: Home, provider: str) -> None:
        """The whole command: providers, vault, projects, status, link, diff, preview, sync; queries as they are."""
        (project,) = connected(company, provider)
        cli = company.cli
        mark = len(cli.sender.asked)
        sync = GoSync(cli, shop.full_name, project)
        cli.providers()
        cli.vault(*shop.full_name.split("/"))
        cli.projects(provider)
        assert sync.status() == {
            "isFirstSync": True, "vaultIsEmpty": False, "providerHasSecrets": False, "providerSecretCount": 0,
        }  # fmt: skip
        sync.link()
        assert (sync.diff()["onlyInKeyway"], sync.diff()["keywayCount"]) == (["A", "NEW"], 2)
        assert sync.preview("push")["toCreate"] == ["A", "NEW"]
        assert sync.run("push")["created"] == 2
        assert sync.diff()["same"] == ["A", "NEW"]
        assert sync.status()["isFirstSync"] is False
        base = f"GET /v1/integrations/vaults/{shop.full_name}/sync"
        asked = [
            "GET /v1/integrations",
            f"GET /v1/vaults/{shop.full_name}",
            f"GET /v1/integrations/providers/{provider}/all-projects",
            f"{base}/status",
            f"{base.replace('GET', 'POST')}/link",
        ]
        assert cli.sender.since(mark)[:5] == asked
        assert cli.sender.since(mark)[-3:] == [base.replace("GET", "POST"), f"{base}/diff", f"{base}/status"]

    def test_pull_creates_what_is_missing_and_changes_nothing(self, company: Company, shop: Home) -> None:
        """`sync --pull`."""
        (project,) = connected(company, "railway")
        company.market.there.variables.update({"A": "theirs", "ONLY": "there", "NOTHING": ""})
        sync = GoSync(company.cli, shop.full_name, project)
        assert sync.preview("pull")["toCreate"] == ["ONLY"]
        told = sync.run("pull")
        assert (told["created"], told["updated"], told["deleted"]) == (1, 0, 0)
        assert company.cli.held(shop.full_name, "production") == {"A": "1", "NEW": "2", "ONLY": "there"}

    def test_deleting_only_when_asked(self, company: Company, shop: Home) -> None:
        """`--allow-delete`."""
        (project,) = connected(company, "railway")
        company.market.there.variables.update({"THEIRS": "x"})
        sync = GoSync(company.cli, shop.full_name, project)
        assert sync.preview("push")["toDelete"] == []
        assert sync.preview("push", allow_delete=True)["toDelete"] == ["THEIRS"]
        assert sync.run("push")["deleted"] == 0
        assert "THEIRS" in company.market.there.variables
        assert sync.run("push", allow_delete=True)["deleted"] == 1

    def test_a_provider_that_is_down(self, company: Company, shop: Home) -> None:
        """200 with `success` false and words, which it prints."""
        (project,) = connected(company, "railway")
        sync = GoSync(company.cli, shop.full_name, project)
        company.market.there.down = True
        try:
            body = {"connectionId": project["connectionId"], "projectId": project["id"], "direction": "push",
                    "serviceId": project["serviceId"], "keywayEnvironment": "production",
                    "providerEnvironment": "production", "allowDelete": False}  # fmt: skip
            told = company.cli.data("POST", f"/v1/integrations/vaults/{sync.repository}/sync", body)
        finally:
            company.market.there.down = False
        reads(told, {"success": False, "error": filled, "stats": dict})

    @pytest.mark.parametrize(
        "odd", ["a b", "a%20b", "a+b", "a/b", "a:b", "x&allowDelete=true", "é", "a=b", "%", "%zz", "#x"]
    )
    def test_queries_that_were_not_escaped(self, company: Company, shop: Home, odd: str) -> None:
        """Whatever a name of a project holds: an answer in the shape that it reads, never a failure."""
        (project,) = connected(company, "railway")
        sync = GoSync(company.cli, shop.full_name, {"connectionId": project["connectionId"], "id": odd})
        with pytest.raises(CommandError) as refused:
            sync.status()
        assert 400 <= refused.value.status < 500 or refused.value.status == 503
        assert company.cli.token != ""

    def test_on_the_vaults_page(self, company: Company, shop: Home) -> None:
        """A vault with a sync shows it; the page reads its own shape of the outcome."""
        (project,) = connected(company, "railway")
        sync = GoSync(company.cli, shop.full_name, project)
        sync.link()
        shown = company.tab.data("GET", f"/v1/vaults/{shop.full_name}")["syncs"]
        shape = {"id": uuid, "provider": "railway", "projectId": project["id"], "projectName": (str, None),
                 "connectionId": uuid, "keywayEnvironment": "production", "providerEnvironment": filled,
                 "lastSyncedAt": (moment, None)}  # fmt: skip
        reads(shown, [shape])
        query = f"connectionId={shown[0]['connectionId']}&projectId={shown[0]['projectId']}"
        query += f"&keywayEnvironment=production&providerEnvironment={shown[0]['providerEnvironment']}"
        path = f"/v1/integrations/vaults/{shop.full_name}/sync"
        names = dict.fromkeys(("toCreate", "toUpdate", "toDelete", "toSkip"), Some(str))
        reads(company.tab.data("GET", f"{path}/preview?{query}&direction=push&allowDelete=false"), names)
        body = {
            name: shown[0][name] for name in ("connectionId", "projectId", "keywayEnvironment", "providerEnvironment")
        }
        told = company.tab.data("POST", path, body | {"direction": "push", "allowDelete": False})
        reads(told, {"status": "success", "created": 2, "updated": 0, "deleted": 0, "skipped": 0})


def test_what_only_these_leave_in_the_database_opens_nothing(
    company: Company, shop: Home, record_property: Record
) -> None:
    """Connections, browsers on their way to a provider, customers, payments: tried as every proof (N-05)."""
    (project,) = connected(company, "vercel")
    GoSync(company.cli, shop.full_name, project).link()
    base = company.market.stack.api_url
    away = company.cli.authorize_url("netlify").removeprefix(base)
    assert send(base, Call("GET", away, (("User-Agent", AGENT),))).status == 302
    back = f"{company.tab.origin}/upgrade"
    order = {"priceId": price_id("pro"), "successUrl": back, "cancelUrl": back}
    company.tab.data("POST", "/v1/billing/create-checkout-session", order)
    tried = hunt(company.market.stack, WITH_EVERYTHING_ON)
    assert tried.taken == ()
    assert tried.failed == ()
    assert tried.tables == WITH_EVERYTHING_ON
    record_property("stored values of syncs and billing as credentials (N-05)", tried.figures())
