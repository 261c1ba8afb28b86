"""Deliveries to the App, signed as GitHub signs them: at once, late, twice, never, or in another order."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from .settings import Settings

Json = dict[str, Any]


@dataclass(frozen=True)
class Manner:
    """How a change is told: `times` (0 drops it), `after` so many seconds, or held until `release`."""

    times: int = 1
    after: float = 0.0
    hold: bool = False


@dataclass
class Hooks:
    """What was not sent yet. `manner` is that of changes which name none; None tells of none."""

    settings: Settings
    manner: Manner | None = None
    held: list[tuple[str, Json, str]] = field(default_factory=list)
    late: set[asyncio.Task[Json]] = field(default_factory=set)

    async def tell(self, events: Iterable[tuple[str, Json]], manner: Manner) -> list[Json]:
        """Sends events in their order, each as one delivery however often; what came back at once."""
        sent = []
        for event, payload in events:
            delivery = str(uuid.uuid4())
            if manner.hold:
                self.held += [(event, payload, delivery)] * manner.times
                continue
            for _ in range(manner.times):
                if manner.after:
                    self._later(event, payload, delivery, manner.after)
                else:
                    sent.append(await deliver(self.settings, event, payload, delivery=delivery))
        return sent

    async def release(self, *, backwards: bool) -> list[Json]:
        """Sends what was held, in its order or from the last to the first."""
        held, self.held = self.held, []
        ordered = reversed(held) if backwards else held
        return [await deliver(self.settings, event, payload, delivery=one) for event, payload, one in ordered]

    def _later(self, event: str, payload: Json, delivery: str, seconds: float) -> None:
        async def send() -> Json:
            await asyncio.sleep(seconds)
            return await deliver(self.settings, event, payload, delivery=delivery)

        task = asyncio.create_task(send())
        self.late.add(task)
        task.add_done_callback(self.late.discard)


async def deliver(settings: Settings, event: str, payload: Json, **changes: str) -> Json:
    """POSTs one delivery. `changes` may replace `delivery` (its id), `signature` and `url`.

    Returns {"event", "delivery", "status"}; the status is 0 when nobody answered.
    """
    body = json.dumps(payload).encode()
    digest = hmac.new(settings.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
    delivery = changes.get("delivery") or str(uuid.uuid4())
    headers = {
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/standin",
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": changes.get("signature") or f"sha256={digest}",
    }
    async with httpx.AsyncClient(trust_env=False, timeout=10, verify=_authorities()) as client:
        try:
            response = await client.post(changes.get("url") or settings.webhook_url, content=body, headers=headers)
        except httpx.TransportError:
            return {"event": event, "delivery": delivery, "status": 0}
    return {"event": event, "delivery": delivery, "status": response.status_code}


@cache
def _authorities() -> ssl.SSLContext:
    """Read once: to read them takes longer than a delivery."""
    return ssl.create_default_context()
