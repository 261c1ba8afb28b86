"""Deliveries to the App, signed as GitHub signs them."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import Any

import httpx

from .settings import Settings


async def deliver(settings: Settings, event: str, payload: dict[str, Any], **changes: str) -> dict[str, Any]:
    """POSTs one delivery. `changes` may replace `delivery` (its id), `signature` and `url`.

    Returns {"delivery", "status"}; the status is 0 when nobody answered.
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
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        try:
            response = await client.post(changes.get("url") or settings.webhook_url, content=body, headers=headers)
        except httpx.TransportError:
            return {"delivery": delivery, "status": 0}
    return {"delivery": delivery, "status": response.status_code}
