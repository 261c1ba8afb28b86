"""The hop from our dashboard: it asks on behalf of a browser, and tells whose (policy.yaml `dashboard_hop`).

What it tells is believed when it brings DASHBOARD_HOP_SECRET along, and goes into records and limits. It grants
nothing: credentials are looked at as ever, and addresses that a key is bound to are those of the connection.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

SECRET_HEADER: Final = "X-Keyway-Hop"  # noqa: S105 - a name
ADDRESS_HEADER: Final = "X-Keyway-Client-Address"
AGENT_HEADER: Final = "X-Keyway-Client-User-Agent"
_NOTED: Final = "keyway.browser"


@dataclass(frozen=True, slots=True)
class Browser:
    """Who stands behind the dashboard. None: it did not say."""

    address: str | None
    user_agent: str | None


class DashboardHop:
    """ASGI: notes the browser of each request that proves to come from the dashboard. Without a secret, none does."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app = app
        self._secret = secret.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._secret and scope["type"] == "http":
            scope[_NOTED] = self._browser(HTTPConnection(scope))
        await self._app(scope, receive, send)

    def _browser(self, connection: HTTPConnection) -> Browser | None:
        given = connection.headers.getlist(SECRET_HEADER)
        if len(given) != 1 or not hmac.compare_digest(given[0].encode(), self._secret):
            return None
        return Browser(_address(connection.headers.get(ADDRESS_HEADER, "")), connection.headers.get(AGENT_HEADER))


def browser_of(connection: HTTPConnection) -> Browser | None:
    """The browser that a request is made for; None when it does not come through our dashboard."""
    noted: Browser | None = connection.scope.get(_NOTED)
    return noted


def _address(text: str) -> str | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
