"""Billing on: plans sold, trials, limits (contract.md 2.8, 4.9, 4.11)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import pytest
from keyway_backend.features.billing.deliveries import TRIALS_JOB
from stack import sign_in

from tests.backend.billing.conftest import Shop, until
from tests.backend.permissions.desk import MOMENT, sql
from tests.oracle import stage
from tests.oracle.wire import Answer
from tests.standins.stripe import price_id

_RUN_NOW: LiteralString = """
    SELECT procrastinate_defer_jobs_v1(ARRAY[
        ROW(%s, %s, 0, NULL, NULL, '{"timestamp": 0}'::jsonb, NULL)::procrastinate_job_to_defer_v1])"""
_LEFT: LiteralString = "SELECT id FROM procrastinate_jobs WHERE task_name = %s AND status IN ('todo', 'doing')"
BUY = "/v1/billing/create-checkout-session"
_TURNS = 5


def order(shop: Shop, plan: str = "pro", **changes: Any) -> dict[str, Any]:
    """A body of a checkout."""
    return {"priceId": price_id(plan), "successUrl": shop.back, "cancelUrl": shop.back} | changes


def subscribe(shop: Shop, owner: dict[str, str], plan: str, status: str = "active", **more: Any) -> dict[str, Any]:
    """Stripe has this subscription now, and says so."""
    made = shop.stripe.put(owner, plan, status, **more)
    assert shop.deliver(shop.stripe.event("customer.subscription.updated", made)).status == 200
    return made


def plan_of(shop: Shop, token: str) -> tuple[str, str]:
    """A person's plan and billing status."""
    data = shop.ask("GET", "/v1/billing/subscription", token).json()["data"]
    return data["plan"], data["billingStatus"]


def new_vault(shop: Shop, token: str, full_name: str, visibility: str = "private") -> Answer:
    """A repository, and a request for its vault."""
    shop.github.repo(full_name, {}, visibility)
    return shop.ask("POST", "/v1/vaults", token, {"repoFullName": full_name})


def actions(shop: Shop, number: int) -> list[str]:
    """What the audit says of an owner's plan, in order."""
    rows = sql(
        shop.stack,
        """SELECT action FROM audit_events WHERE details->>'githubOwnerId' = %s OR details->>'githubOrgId' = %s
           ORDER BY at, id""",
        str(number),
        str(number),
    )
    return [action for (action,) in rows if action.startswith(("plan_", "org_trial"))]


class TestRefuses:
    @pytest.mark.parametrize(
        "url",
        ["", "https://evil.test/x", "//evil.test", "javascript:alert(1)", "{dashboard}.evil.test/x",
         "{dashboard}@evil.test/", "http://user@{host}/x", "{dashboard}\\@evil.test", "/settings",
         "{dashboard} .evil.test", "ftp://{host}/"],
    )  # fmt: skip
    def test_a_return_to_elsewhere(self, shop: Shop, url: str) -> None:
        """A browser comes back to the dashboard and nowhere else; on all four routes."""
        dashboard = shop.stack.dashboard_url
        url = url.format(dashboard=dashboard, host=dashboard.partition("//")[2])
        _, token, _ = shop.person("buyer") if url == "" else _known(shop)
        org, owner, _ = _known_team(shop)
        before = len(shop.stripe.calls)
        answers = [
            shop.ask("POST", BUY, token, order(shop, successUrl=url)),
            shop.ask("POST", BUY, token, order(shop, cancelUrl=url)),
            shop.ask("POST", "/v1/billing/manage", token, {"returnUrl": url}),
            shop.ask("POST", f"/v1/orgs/{org}/billing/checkout", owner, order(shop, "team", successUrl=url)),
            shop.ask("POST", f"/v1/orgs/{org}/billing/portal", owner, {"returnUrl": url}),
        ]
        assert {answer.status for answer in answers} == {400}
        assert len(shop.stripe.calls) == before

    @pytest.mark.parametrize("price", ["price_none", "", 7, None, "price_x; DROP"])
    def test_a_price_that_is_none(self, shop: Shop, price: Any) -> None:
        """400; a price of pro is none of an organisation's."""
        _, token, _ = _known(shop)
        org, owner, _ = _known_team(shop)
        assert shop.ask("POST", BUY, token, order(shop, priceId=price)).status == 400
        wrong = shop.ask("POST", f"/v1/orgs/{org}/billing/checkout", owner, order(shop, "pro"))
        assert wrong.status == 400

    def test_somebody_who_bought_nothing_has_no_portal(self, shop: Shop) -> None:
        """400."""
        _, token, _ = shop.person("poor")
        assert shop.ask("POST", "/v1/billing/manage", token, {"returnUrl": shop.back}).status == 400

    def test_a_second_subscription(self, shop: Shop) -> None:
        """400 for who has one."""
        _, token, number = shop.person("twice")
        subscribe(shop, {"keyway_user_id": str(number)}, "pro")
        assert shop.ask("POST", BUY, token, order(shop)).status == 400


class TestSells:
    def test_prices(self, shop: Shop) -> None:
        """Of all plans, without a credential."""
        _, token, _ = _known(shop)
        assert shop.ask("POST", BUY, token, order(shop)).status == 200
        prices = shop.ask("GET", "/v1/billing/prices").json()["data"]["prices"]
        assert set(prices) == {"pro", "team", "business"}
        assert prices["pro"] == {
            "monthly": {"id": "price_pro_month", "price": 900, "currency": "eur", "interval": "month"},
            "yearly": {"id": "price_pro_year", "price": 9000, "currency": "eur", "interval": "year"},
        }

    def test_a_checkout_names_its_owner(self, shop: Shop) -> None:
        """What Stripe is asked for; many at once make one customer; opening it changes nothing here."""
        _, token, number = shop.person("buyer")
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: shop.ask("POST", BUY, token, order(shop)), range(4)))
        assert {answer.status for answer in answers} == {200}
        assert all(answer.json()["data"]["url"].startswith("https://checkout.test/") for answer in answers)
        sent = [f for m, p, f in shop.stripe.calls if p == "/v1/checkout/sessions"][-4:]
        assert {fields["metadata[keyway_user_id]"] for fields in sent} == {str(number)}
        assert {fields["subscription_data[metadata][keyway_user_id]"] for fields in sent} == {str(number)}
        assert len({fields["customer"] for fields in sent}) == 1
        assert (sent[0]["mode"], sent[0]["line_items[0][price]"]) == ("subscription", "price_pro_month")
        assert plan_of(shop, token) == ("free", "active")
        portal = shop.ask("POST", "/v1/billing/manage", token, {"returnUrl": shop.back}).json()["data"]
        assert portal["url"].startswith("https://portal.test/")

    def test_a_subscription_of_a_person(self, shop: Shop) -> None:
        """Created, past due, canceled: plan and status follow, with the exact shape, each change recorded."""
        _, token, number = shop.person("customer")
        owner = {"keyway_user_id": str(number)}
        made = subscribe(shop, owner, "pro")
        data = shop.ask("GET", "/v1/billing/subscription", token).json()["data"]
        assert set(data) == {"subscription", "plan", "billingStatus", "stripeCustomerId"}
        assert set(data["subscription"]) == {"id", "status", "currentPeriodEnd", "cancelAtPeriodEnd"}
        assert MOMENT.fullmatch(data["subscription"]["currentPeriodEnd"])
        assert plan_of(shop, token) == ("pro", "active")
        assert shop.ask("GET", "/v1/users/me", token).json()["data"]["plan"] == "pro"
        limits = shop.ask("GET", "/v1/users/me/usage", token).json()["data"]["limits"]
        assert (limits["maxPrivateRepos"], limits["maxProviders"]) == (10, "unlimited")
        shop.stripe.put(owner, "pro", "past_due", id=made["id"])
        failed = {"id": "in_1", "object": "invoice", "subscription": made["id"]}
        assert shop.deliver(shop.stripe.event("invoice.payment_failed", failed)).status == 200
        assert plan_of(shop, token) == ("pro", "past_due")
        ended = shop.stripe.put(owner, "pro", "canceled", id=made["id"])
        assert shop.deliver(shop.stripe.event("customer.subscription.deleted", ended)).status == 200
        assert plan_of(shop, token) == ("free", "canceled")
        assert actions(shop, number) == ["plan_upgraded", "plan_downgraded"]

    def test_billing_of_an_organisation(self, shop: Shop) -> None:
        """Bought with the organisation's number; its plan is told on all its routes."""
        org, token, number = shop.team("buyers")
        url = shop.ask("POST", f"/v1/orgs/{org}/billing/checkout", token, order(shop, "team")).json()["data"]["url"]
        assert url.startswith("https://checkout.test/")
        subscribe(shop, {"keyway_org_id": str(number)}, "team")
        data = shop.ask("GET", f"/v1/orgs/{org}/billing", token).json()["data"]
        assert set(data) == {
            "plan", "effectivePlan", "billingStatus", "stripeCustomerId", "subscription", "trial", "prices",
        }  # fmt: skip
        assert (data["plan"], data["effectivePlan"], data["billingStatus"]) == ("team", "team", "active")
        assert set(data["prices"]) == {"team", "business"}
        details = shop.ask("GET", f"/v1/orgs/{org}", token).json()["data"]
        assert (details["plan"], details["effectivePlan"]) == ("team", "team")
        assert details["stripeCustomerId"]
        portal = shop.ask("POST", f"/v1/orgs/{org}/billing/portal", token, {"returnUrl": shop.back})
        assert portal.status == 200
        assert shop.ask("POST", f"/v1/orgs/{org}/trial/start", token).status == 400


class TestTrial:
    def test_once_and_never_again(self, shop: Shop) -> None:
        """15 days of the largest plan; of many requests one begins it; a second time is 400, also after its end."""
        org, token, number = shop.team("triers")
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: shop.ask("POST", f"/v1/orgs/{org}/trial/start", token), range(4)))
        assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]
        data = next(answer for answer in answers if answer.status == 200).json()["data"]
        assert set(data) == {"message", "trial"}
        assert (data["trial"]["status"], data["trial"]["daysRemaining"]) == ("active", 15)
        details = shop.ask("GET", f"/v1/orgs/{org}", token).json()["data"]
        assert (details["plan"], details["effectivePlan"], details["trial"]["status"]) == ("free", "business", "active")
        shop.ask("POST", f"/v1/orgs/{org}/billing/checkout", token, order(shop, "team"))
        _age(shop, number, days=16)
        over = shop.ask("GET", f"/v1/orgs/{org}/trial", token).json()["data"]
        assert (over["status"], over["daysRemaining"], over["trialDurationDays"]) == ("expired", None, 15)
        details = shop.ask("GET", f"/v1/orgs/{org}", token).json()["data"]
        assert details["effectivePlan"] == "free", "a checkout that was only opened pays for nothing"
        assert shop.ask("POST", f"/v1/orgs/{org}/trial/start", token).status == 400
        assert actions(shop, number) == ["org_trial_started"]

    def test_its_end_is_recorded_once(self, shop: Shop) -> None:
        """By a job that runs on time; here it is told to run now, twice."""
        org, token, number = shop.team("overdue")
        assert shop.ask("POST", f"/v1/orgs/{org}/trial/start", token).status == 200
        _age(shop, number, days=16)
        for _ in range(2):
            sql(shop.stack, _RUN_NOW, TRIALS_JOB, TRIALS_JOB)
        until(lambda: not sql(shop.stack, _LEFT, TRIALS_JOB), "the job ran twice")
        assert actions(shop, number) == ["org_trial_started", "org_trial_expired"]
        details = shop.ask("GET", f"/v1/orgs/{org}", token).json()["data"]
        assert (details["effectivePlan"], details["trial"]["status"]) == ("free", "expired")

    def test_a_purchase_converts_it(self, shop: Shop) -> None:
        """Recorded once, however often Stripe tells."""
        org, token, number = shop.team("converts")
        assert shop.ask("POST", f"/v1/orgs/{org}/trial/start", token).status == 200
        made = subscribe(shop, {"keyway_org_id": str(number)}, "team")
        shop.deliver(shop.stripe.event("customer.subscription.updated", made))
        trial = shop.ask("GET", f"/v1/orgs/{org}/trial", token).json()["data"]
        assert (trial["status"], bool(trial["convertedAt"])) == ("converted", True)
        assert actions(shop, number) == ["org_trial_started", "org_trial_converted", "plan_upgraded"]


class TestLimits:
    def test_a_person_without_a_plan_has_one_private_vault(self, shop: Shop) -> None:
        """The second is 403 with where to upgrade; public ones are free; many at once are counted one by one."""
        login, token, number = shop.person("frugal")
        assert new_vault(shop, token, f"{login}/one").status == 201
        refused = new_vault(shop, token, f"{login}/two")
        body = refused.json()
        assert (refused.status, body["type"].rsplit("/", 1)[1]) == (403, "plan-limit-reached")
        assert body["upgradeUrl"] == f"{shop.stack.dashboard_url}/upgrade"
        assert "trialInfo" not in body
        assert new_vault(shop, token, f"{login}/open", "public").status == 201
        subscribe(shop, {"keyway_user_id": str(number)}, "pro")
        assert shop.ask("POST", "/v1/vaults", token, {"repoFullName": f"{login}/two"}).status == 201

    def test_of_many_at_once_one_is_made(self, shop: Shop) -> None:
        """No race gets past the limit."""
        login, token, _ = shop.person("hasty")
        for number in range(4):
            shop.github.repo(f"{login}/app{number}", {})
        with ThreadPoolExecutor(4) as pool:
            made = pool.map(
                lambda n: shop.ask("POST", "/v1/vaults", token, {"repoFullName": f"{login}/app{n}"}).status, range(4)
            )
        assert sorted(made) == [201, 403, 403, 403]

    def test_an_organisation_without_a_plan_is_offered_its_trial(self, shop: Shop) -> None:
        """As the command line reads it: refused, tried, retried."""
        owner = shop.github.user("boss")
        org, _ = shop.github.org("newcomers", owner)
        shop.github.do("install", login=org)
        token = stage.sign_in(shop.stack, owner)
        refused = new_vault(shop, token, f"{org}/app")
        assert (refused.status, refused.json()["trialInfo"]) == (
            403, {"eligible": True, "daysAvailable": 15, "orgLogin": org},
        )  # fmt: skip
        assert shop.ask("POST", f"/v1/orgs/{org}/trial/start", token, {}).status == 200
        assert shop.ask("POST", "/v1/vaults", token, {"repoFullName": f"{org}/app"}).status == 201

    def test_what_lies_beyond_the_plan_is_read_only(self, shop: Shop) -> None:
        """The oldest stay writable; who asks makes no difference; environments are counted."""
        login, token, number = shop.person("shrinks")
        made = subscribe(shop, {"keyway_user_id": str(number)}, "pro")
        for name in ("old", "new"):
            assert new_vault(shop, token, f"{login}/{name}").status == 201
        over = shop.stripe.put({"keyway_user_id": str(number)}, "pro", "canceled", id=made["id"])
        shop.deliver(shop.stripe.event("customer.subscription.deleted", over))
        listed = {one["repoName"]: one for one in shop.ask("GET", "/v1/vaults", token).json()["data"]}
        assert (listed["old"]["isReadOnly"], listed["old"]["readonlyReason"]) == (False, None)
        assert (listed["new"]["isReadOnly"], listed["new"]["readonlyReason"]) == (True, "plan_limit_exceeded")
        fourth = shop.ask("POST", f"/v1/vaults/{login}/old/environments", token, {"name": "preview"})
        assert (fourth.status, fourth.json()["title"]) == (403, "Plan Limit Reached")

        def push(name: str) -> Answer:
            return stage.push(shop.stack, token, f"{login}/{name}", "development", {"A": "1"})

        assert push("old").status == 200
        assert (push("new").status, push("new").json()["title"]) == (403, "Plan Limit Reached")


class TestADeadStripe:
    @pytest.mark.parametrize("how", ["refuse", "hang"])
    def test_delays_nothing_else(self, shop: Shop, how: str) -> None:
        """Selling answers 503; signing in, vaults, plans and the pages of an organisation go on without it, and while
        somebody waits for it: that is over after four seconds, so a slow machine has several turns.
        """
        org, owner, _ = shop.team("patients")
        waited = _somebody_waited(shop, how, org, owner)
        turns = 1
        while how == "hang" and not waited:
            assert turns < _TURNS, "nobody waited any more when the others were done"
            waited = _somebody_waited(shop, how, org, owner)
            turns += 1
        assert shop.ask("POST", BUY, owner, order(shop)).status == 200


def _somebody_waited(shop: Shop, how: str, org: str, owner: str) -> bool:
    """Somebody buys, and then all the rest is done. Whether the purchase had no answer yet when that was over."""
    login, token, _ = shop.person("patient")
    before = len(shop.stripe.calls)
    shop.stripe.down = how
    with ThreadPoolExecutor(1) as pool:
        buying = pool.submit(shop.ask, "POST", BUY, token, order(shop))
        try:
            until(lambda: buying.done() or (how == "hang" and len(shop.stripe.calls) > before), "Stripe was asked")
            asked = len(shop.stripe.calls)
            sign_in(shop.stack, login)
            assert new_vault(shop, token, f"{login}/app").status == 201
            assert stage.push(shop.stack, token, f"{login}/app", "development", {"A": "1"}).status == 200
            assert plan_of(shop, token) == ("free", "active")
            assert shop.ask("GET", f"/v1/orgs/{org}", owner).status == 200
            waited = not buying.done()
            assert len(shop.stripe.calls) == asked
        finally:
            shop.stripe.be_up()
        assert buying.result().status == 503
    return waited


def _known(shop: Shop) -> tuple[str, str, int]:
    if not hasattr(shop, "_somebody"):
        shop._somebody = shop.person("somebody")  # type: ignore[attr-defined]
    return shop._somebody  # type: ignore[attr-defined,no-any-return]


def _known_team(shop: Shop) -> tuple[str, str, int]:
    if not hasattr(shop, "_team"):
        shop._team = shop.team("some-team")  # type: ignore[attr-defined]
    return shop._team  # type: ignore[attr-defined,no-any-return]


def _age(shop: Shop, number: int, *, days: int) -> None:
    """A trial that began that many days earlier."""
    sql(
        shop.stack,
        """UPDATE organization_trials SET started_at = started_at - make_interval(days => %s),
               ends_at = ends_at - make_interval(days => %s) WHERE github_org_id = %s""",
        days,
        days,
        number,
    )
