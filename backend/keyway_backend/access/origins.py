"""Where a request came from, for the audit row (contract.md 8.1)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from starlette.requests import Request

from keyway_backend.access.actor import Origin
from keyway_backend.platform.address import Network, client_address
from keyway_backend.platform.hop import browser_of
from keyway_backend.platform.http import request_id

_BROWSERS: Final = ("Mozilla", "Chrome", "Safari", "Firefox", "Edge")
_MAX_USER_AGENT: Final = 512
_DEVICE_CHARACTERS: Final = 32


def origin_of(request: Request, trusted: Sequence[Network]) -> Origin:
    """Reads address and User-Agent, of the browser when our dashboard asks. NUL, which no column holds, is dropped."""
    browser = browser_of(request)
    forwarded = browser.user_agent if browser is not None else None
    agent = (forwarded or request.headers.get("user-agent", ""))[:_MAX_USER_AGENT].replace("\0", "")
    address = (browser.address if browser is not None else None) or client_address(request, trusted)
    platform = platform_of(agent)
    return Origin(
        request_id=request_id(request),
        ip=address,
        user_agent=agent,
        platform=platform,
        source="mcp" if platform == "mcp" else "cli",
        device_id=sha256(f"{agent or 'unknown'}|{address}".encode()).hexdigest()[:_DEVICE_CHARACTERS],
    )


def platform_of(agent: str) -> str:
    """cli, mcp, web or api."""
    lowered = agent.lower()
    if "keyway-cli" in lowered:
        return "cli"
    if "keyway-mcp" in lowered:
        return "mcp"
    return "web" if any(browser in agent for browser in _BROWSERS) else "api"
