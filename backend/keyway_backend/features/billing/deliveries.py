"""Stripe's deliveries (contract.md 6.2): once each, in whatever order they come, and none lost.

An event only says that something happened to a subscription. What it is now is asked of Stripe, so that late and
swapped events do no harm. The event is marked as done in the transaction of its effect; one that fails is kept with
its content for a job, and answered 503, so that Stripe sends it again as well: whichever comes first does it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from keyway_backend import audit, jobs
from keyway_backend.audit import Action
from keyway_backend.clients.stripe import BadSignature, StripeEvent, StripeUnknown, Subscription
from keyway_backend.db.engine import Connection, Database
from keyway_backend.features.billing import errors, rules, store
from keyway_backend.features.billing.rules import ORDER, ORGANIZATION, Owner
from keyway_backend.features.billing.seller import Seller
from keyway_backend.features.organizations.rules import Plan
from keyway_backend.platform.clock import iso, now
from keyway_backend.platform.errors import BadRequest, Forbidden

EVENT_JOB: Final = "stripe_event"
TRIALS_JOB: Final = "trials_expire"
SWEEP_JOB: Final = "stripe_events_sweep"
_SUBSCRIPTION_EVENTS: Final = frozenset(
    {"customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted"}
)
_PAYMENT_FAILED: Final = "invoice.payment_failed"
_REMEMBERED: Final = timedelta(days=90)
_EXPIRED_AT_ONCE: Final = 200
_GIVEN_UP: Final = timedelta(hours=4)
_SWEPT_AT_ONCE: Final = 100


class Deliveries:
    """What Stripe tells."""

    def __init__(self, database: Database, seller: Seller | None) -> None:
        self._database = database
        self._seller = seller

    async def receive(self, payload: bytes, signature: str | None) -> None:
        """One delivery. Raises BadRequest without a signature, BillingOff, Forbidden for a wrong one, Unavailable."""
        if not signature:
            raise BadRequest("The header Stripe-Signature is missing.")
        if self._seller is None:
            raise errors.off()
        try:
            event = self._seller.verified(payload, signature)
        except BadSignature:
            raise Forbidden("The signature is not Stripe's, or too old.") from None
        try:
            await self._work(event.id, event.type, event.content)
        except StripeUnknown as error:
            await self._keep(event)
            raise errors.unavailable() from error

    async def _keep(self, event: StripeEvent) -> None:
        """For the job: the event with the little of its content that is needed."""
        content = {"id": _subscription_id(event.type, event.content)}
        async with self._database.transaction() as connection:
            if await store.keep_event(connection, event.id, event.type, content, now()):
                await jobs.defer(connection, EVENT_JOB, event_id=event.id)

    async def retry(self, event_id: str) -> None:
        """The job: an event that failed before. Raises StripeUnknown, to be tried again."""
        async with self._database.read() as connection:
            row = await store.waiting_event(connection, event_id)
        if row is not None and self._seller is not None:
            await self._work(row["id"], row["type"], row["payload"], kept=True)

    async def _work(self, event_id: str, kind: str, content: dict[str, Any], *, kept: bool = False) -> None:
        """Asks Stripe, then writes the effect and the event's end in one transaction."""
        async with self._database.read() as connection:
            if await store.is_done(connection, event_id):
                return
            asked_at = await store.database_time(connection)
        number = content.get("id") if kept else _subscription_id(kind, content)
        told = await self._seller.subscription(number) if self._seller is not None and number else None
        async with self._database.transaction() as connection:
            if not await store.begin_event(connection, event_id, kind, now()):
                return
            if told is not None:
                await self._apply(connection, event_id, told, asked_at)
            elif number:
                await self._forgotten(connection, event_id, number, asked_at)
            await store.end_event(connection, event_id, now())

    async def _forgotten(self, connection: Connection, event_id: str, number: str, asked_at: datetime) -> None:
        """Stripe knows the subscription no more: it is over."""
        row = await store.subscription(connection, number)
        if row is None:
            return
        owner = Owner(row.pop("owner_kind"), row.pop("github_owner_id"))
        await self._write(connection, event_id, owner, row | {"status": "canceled", "asked_at": asked_at})

    async def _apply(self, connection: Connection, event_id: str, told: Subscription, asked_at: datetime) -> None:
        owner = rules.owner_of(told.metadata)
        plan = rules.plan_of(told.price.lookup_key) if told.price is not None else None
        if owner is None or plan is None:
            return  # another product of the same account
        row = {
            "id": told.id,
            "customer": told.customer,
            "plan": plan.value,
            "status": told.status,
            "ends": datetime.fromtimestamp(told.ends, UTC) if told.ends else None,
            "cancels": told.cancel_at_period_end,
            "asked_at": asked_at,
        }
        await self._write(connection, event_id, owner, row)

    async def _write(self, connection: Connection, event_id: str, owner: Owner, row: dict[str, Any]) -> None:
        """The subscription as it is now, and what follows from it for its owner."""
        await store.lock_owner(connection, owner)
        before = rules.paid_plan(await store.subscriptions(connection, owner))
        if not await store.put_subscription(connection, owner, row):
            return
        await store.put_customer(connection, owner, row["customer"])
        after = rules.paid_plan(await store.subscriptions(connection, owner))
        await self._record(connection, event_id, owner, before, after)

    async def _record(self, connection: Connection, event_id: str, owner: Owner, before: Plan, after: Plan) -> None:
        person = None
        if owner.kind != ORGANIZATION and (row := await store.person(connection, owner.number)) is not None:
            person = (row["id"], owner.number, row["login"])
        about: dict[str, Any] = {"ownerKind": owner.kind, "githubOwnerId": owner.number}
        if owner.kind == ORGANIZATION and after is not Plan.FREE:
            moment = now()
            if await store.convert_trial(connection, owner.number, moment):
                details = about | {"convertedAt": iso(moment)}
                await audit.record_told(
                    connection, Action.ORG_TRIAL_CONVERTED, source="stripe", request_id=event_id, details=details
                )
        if before is after:
            return
        raised = ORDER.index(after) > ORDER.index(before)
        await audit.record_told(
            connection,
            Action.PLAN_UPGRADED if raised else Action.PLAN_DOWNGRADED,
            source="stripe",
            request_id=event_id,
            person=person,
            details=about | {"from": before.value, "to": after.value},
        )

    # by time -----------------------------------------------------------------------------------------------------

    async def expire_trials(self) -> None:
        """The job: trials that are over are recorded as such, once each; ids of old events are forgotten."""
        while True:
            moment = now()
            async with self._database.transaction() as connection:
                due = await store.expire_trials(connection, moment, most=_EXPIRED_AT_ONCE)
                for row in due:
                    number, ends_at = row["github_org_id"], iso(row["ends_at"])
                    details = {"organization": row["login"], "githubOrgId": number, "endsAt": ends_at}
                    await audit.record_told(
                        connection,
                        Action.ORG_TRIAL_EXPIRED,
                        source="jobs",
                        request_id=f"trial-{number}",
                        details=details,
                    )
                if len(due) < _EXPIRED_AT_ONCE:
                    await store.forget_events(connection, moment - _REMEMBERED)
                    return

    async def sweep(self) -> None:
        """The job: events whose own jobs gave up are tried again."""
        async with self._database.transaction() as connection:
            waiting = await store.waiting_events(connection, now() - _GIVEN_UP, most=_SWEPT_AT_ONCE)
            await jobs.defer_each(connection, EVENT_JOB, [{"event_id": event_id} for event_id in waiting])


def _subscription_id(kind: str, content: dict[str, Any]) -> str | None:
    """The subscription that an event is about; None for one that tells us nothing."""
    found: Any = None
    if kind in _SUBSCRIPTION_EVENTS:
        found = content.get("id")
    elif kind == _PAYMENT_FAILED:
        parent = content.get("parent") or {}
        details = parent.get("subscription_details") if isinstance(parent, dict) else None
        found = content.get("subscription") or (details.get("subscription") if isinstance(details, dict) else None)
    return found if isinstance(found, str) else None
