"""Billing off, as it is by default: everything is unlimited, and nothing is for sale (policy.yaml `feature_off`)."""

from __future__ import annotations

import pytest
from keyway_standalone.processes import Stack

from tests.backend.organizations.test_organizations import Team, made
from tests.oracle import stage
from tests.oracle.wire import Call, bearer, send

CHECKOUT = {"priceId": "price_1", "successUrl": "", "cancelUrl": ""}


@pytest.fixture(scope="module")
def team(stack: Stack) -> Team:
    """A connected organisation."""
    return made(stack, "unsold")


def test_nothing_is_for_sale(team: Team) -> None:
    """503 to people and 400 to organisations, after access and the body were looked at."""
    stack, back = team.home.stack, f"{team.home.stack.dashboard_url}/settings"
    buy = CHECKOUT | {"successUrl": back, "cancelUrl": back}
    headers = (bearer(team.home.token),)

    def status(method: str, path: str, body: object = None) -> tuple[int, str]:
        answer = send(stack.api_url, Call(method, path, headers, body))
        return answer.status, answer.header("retry-after")

    assert status("GET", "/v1/billing/prices") == (503, "")
    assert status("POST", "/v1/billing/create-checkout-session", buy) == (503, "")
    assert status("POST", "/v1/billing/create-checkout-session", CHECKOUT) == (400, "")
    assert status("POST", "/v1/billing/manage", {"returnUrl": back}) == (503, "")
    assert team.ask("GET", "/billing").status == 400
    assert team.ask("POST", "/billing/checkout", buy).status == 400
    assert team.ask("POST", "/billing/portal", {"returnUrl": back}).status == 400
    assert team.ask("POST", "/trial/start").status == 400
    for path in ("/billing/checkout", "/billing/portal", "/trial/start"):
        assert team.ask("POST", path, buy | {"returnUrl": back}, token=team.member).status == 403
        assert team.ask("POST", path, buy, token=stage.stranger(stack)).status == 404


def test_deliveries_are_refused(team: Team) -> None:
    """Without a header 400, with any 503: there is no secret to check it by."""
    call = Call("POST", "/v1/billing/webhook", (("Content-Type", "application/json"),), form=b"{}")
    assert send(team.home.base, call).status == 400
    signed = Call("POST", "/v1/billing/webhook", (*call.headers, ("Stripe-Signature", "t=1,v1=00")), form=b"{}")
    assert send(team.home.base, signed).status == 503


def test_everybody_has_everything(team: Team) -> None:
    """The largest plan, no subscription, no trial, nothing read-only, as many vaults as anybody wants."""
    own = send(team.home.base, Call("GET", "/v1/billing/subscription", (bearer(team.home.token),))).json()["data"]
    assert own == {"subscription": None, "plan": "business", "billingStatus": "active"}
    trial = team.ask("GET", "/trial").json()["data"]
    assert (trial["status"], trial["trialDurationDays"]) == ("none", 15)
    for name in ("one", "two"):
        team.github.repo(f"{team.login}/{name}", {})
        stage.create_vault(team.home.stack, team.home.token, f"{team.login}/{name}")
    assert team.ask("GET").json()["data"]["effectivePlan"] == "business"
