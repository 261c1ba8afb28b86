"""Stripe's deliveries: forged, repeated, out of order, and while nothing works (contract.md 6.2)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.backend.billing.conftest import Shop, until
from tests.backend.billing.test_shop import actions, plan_of
from tests.backend.permissions.desk import sql
from tests.standins.stripe import Stripe

UPDATED = "customer.subscription.updated"


FORGED: dict[str, Callable[[bytes], str]] = {
    "nothing": lambda _: " ",
    "no signature": lambda _: f"t={int(time.time())}",
    "another secret": lambda payload: Stripe.sign(payload, secret="whsec_" + "0" * 16),
    "another body": lambda payload: Stripe.sign(payload + b" "),
    "an old one": lambda payload: Stripe.sign(payload, age=301),
    "shortened": lambda payload: Stripe.sign(payload)[:-1],
    "another scheme": lambda payload: Stripe.sign(payload).replace("v1=", "v0="),
    "no time": lambda payload: Stripe.sign(payload).split(",")[1],
    "noise": lambda _: "t=x,v1=zz",
}


class TestRefuses:
    @pytest.mark.parametrize("how", FORGED)
    def test_what_stripe_did_not_sign(self, shop: Shop, how: str) -> None:
        """403, nothing is kept, Stripe is not asked, and no plan moves."""
        _, token, number = shop.person("mark")
        made = shop.stripe.put({"keyway_user_id": str(number)}, "business")
        payload, before = shop.stripe.event(UPDATED, made), len(shop.stripe.calls)
        assert shop.deliver(payload, FORGED[how](payload)).status in {400, 403}
        assert len(shop.stripe.calls) == before
        assert plan_of(shop, token) == ("free", "active")
        assert sql(shop.stack, "SELECT 1 FROM stripe_events WHERE id = %s", json.loads(payload)["id"]) == []

    def test_a_delivery_without_a_signature(self, shop: Shop) -> None:
        """400."""
        assert shop.ask("POST", "/v1/billing/webhook", None, {"id": "evt_1"}).status == 400

    @pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"{", b'{"id": "evt_x", "type": 7}', b"\xff\xfe"])
    def test_what_is_signed_and_no_event(self, shop: Shop, payload: bytes) -> None:
        """403 as well: there is nothing in it that could be worked on."""
        signature = Stripe.sign(payload)
        assert shop.deliver(payload, signature).status == 403


class TestTakes:
    def test_each_event_once(self, shop: Shop) -> None:
        """Sent again and at once: 200 to all, one effect, one audit row."""
        _, token, number = shop.person("repeated")
        made = shop.stripe.put({"keyway_user_id": str(number)}, "team")
        payload = shop.stripe.event(UPDATED, made)
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: shop.deliver(payload), range(6)))
        assert {answer.status for answer in answers} == {200}
        assert answers[0].json() == {"received": True}
        assert plan_of(shop, token) == ("team", "active")
        assert actions(shop, number) == ["plan_upgraded"]

    def test_events_out_of_order(self, shop: Shop) -> None:
        """The end arrives before the beginning: what counts is what Stripe says now, not what an event said then."""
        _, token, number = shop.person("swapped")
        owner = {"keyway_user_id": str(number)}
        made = shop.stripe.put(owner, "business")
        begun = shop.stripe.event("customer.subscription.created", dict(made))
        ended = shop.stripe.put(owner, "business", "canceled", id=made["id"])
        assert shop.deliver(shop.stripe.event("customer.subscription.deleted", ended)).status == 200
        assert shop.deliver(begun).status == 200
        assert plan_of(shop, token) == ("free", "canceled")
        assert actions(shop, number) == []

    def test_a_subscription_that_stripe_forgot(self, shop: Shop) -> None:
        """It is over."""
        _, token, number = shop.person("forgotten")
        made = shop.stripe.put({"keyway_user_id": str(number)}, "pro")
        assert shop.deliver(shop.stripe.event(UPDATED, made)).status == 200
        del shop.stripe.subscriptions[made["id"]]
        assert shop.deliver(shop.stripe.event("customer.subscription.deleted", made)).status == 200
        assert plan_of(shop, token) == ("free", "canceled")

    def test_what_is_not_about_us(self, shop: Shop) -> None:
        """Other products and other kinds of events of the same account: taken, and without effect."""
        _, token, _ = shop.person("bystander")
        other = shop.stripe.put({"somebody": "else"}, "pro")
        assert shop.deliver(shop.stripe.event(UPDATED, other)).status == 200
        odd = shop.stripe.put({"keyway_user_id": "1 OR 1=1"}, "pro")
        assert shop.deliver(shop.stripe.event(UPDATED, odd)).status == 200
        assert shop.deliver(shop.stripe.event("charge.refunded", {"id": "ch_1", "object": "charge"})).status == 200
        assert shop.deliver(shop.stripe.event("invoice.payment_failed", {"id": "in_1"})).status == 200
        assert plan_of(shop, token) == ("free", "active")

    def test_an_owner_cannot_be_exchanged(self, shop: Shop) -> None:
        """A subscription stays with whom it was bought for, whatever its metadata says later."""
        _, _, first = shop.person("first")
        _, token, second = shop.person("second")
        made = shop.stripe.put({"keyway_user_id": str(first)}, "pro")
        shop.deliver(shop.stripe.event(UPDATED, made))
        moved = shop.stripe.put({"keyway_user_id": str(second)}, "pro", id=made["id"])
        assert shop.deliver(shop.stripe.event(UPDATED, moved)).status == 200
        assert plan_of(shop, token) == ("free", "active")


class TestLosesNothing:
    def test_an_event_that_failed_is_done_later(self, shop: Shop) -> None:
        """503 while Stripe cannot be asked, so that it sends the event again; a job does it if Stripe never does."""
        _, token, number = shop.person("later")
        made = shop.stripe.put({"keyway_user_id": str(number)}, "pro")
        payload = shop.stripe.event(UPDATED, made)
        shop.stripe.down = "refuse"
        assert shop.deliver(payload).status == 503
        assert plan_of(shop, token) == ("free", "active")
        shop.stripe.down = ""
        until(lambda: plan_of(shop, token) == ("pro", "active"), "the job did not come")
        assert shop.deliver(payload).status == 200
        assert actions(shop, number) == ["plan_upgraded"]
        [(kept, done)] = sql(
            shop.stack,
            "SELECT payload, processed_at IS NOT NULL FROM stripe_events WHERE id = %s",
            json.loads(payload)["id"],
        )
        assert (kept, done) == (None, True)

    def test_stripe_sends_it_again_first(self, shop: Shop) -> None:
        """Then the job finds it done."""
        _, token, number = shop.person("again")
        made = shop.stripe.put({"keyway_user_id": str(number)}, "pro")
        payload = shop.stripe.event(UPDATED, made)
        shop.stripe.down = "refuse"
        assert shop.deliver(payload).status == 503
        shop.stripe.down = ""
        assert shop.deliver(payload).status == 200
        assert plan_of(shop, token) == ("pro", "active")
        assert actions(shop, number) == ["plan_upgraded"]
