"""Sign-in by the backend's one-time code (PKCE between us and the backend), and sign-out.

A code is worth something only in the browser that began the sign-in: its sealed cookie holds the state that the code
came back with and the verifier that the backend wants to see. So nobody is signed in by a link that somebody else made.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from keyway_dashboard.backend import BackendError, SignedOut, path
from keyway_dashboard.pages import Frame
from keyway_dashboard.sessions import SESSION, Start, forget
from keyway_dashboard.visits import Services, Visit, open_get, own_target, post, theme_of


class _Exchanged(BaseModel):
    keywayToken: str  # noqa: N815
    githubLogin: str  # noqa: N815
    expiresAt: str  # noqa: N815


async def sign_in(request: Request, services: Services) -> Response:
    """The page with the button; on to the target for who is signed in already."""
    target = own_target(request.query_params.get("next", "/"))
    if services.cookies.session(request) is not None:
        return RedirectResponse(target, 303)
    return _page(request, services, "sign_in/page", next=target)


async def start(request: Request, services: Services) -> Response:
    """To GitHub, by way of the backend."""
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    target = own_target(request.query_params.get("next", "/"))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "redirect_uri": f"{services.settings.dashboard_url}/auth/callback?state={state}",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    answer = RedirectResponse(f"{services.settings.api_url}/v1/auth/github/start?{urlencode(query)}", 303)
    services.cookies.started(answer, services.cookies.starts(request), Start(state, verifier, target, time.time()))
    return answer


async def callback(request: Request, services: Services) -> Response:
    """Back with a code, or without one when the person said no."""
    state, code = (request.query_params.get(name, "") for name in ("state", "code"))
    begun = [one for one in services.cookies.starts(request) if hmac.compare_digest(one.state.encode(), state.encode())]
    if not begun:
        return _page(request, services, "sign_in/refused", 400)
    if not code:
        return RedirectResponse(f"/sign-in?{urlencode({'next': begun[0].target})}", 303)
    try:
        found = await _exchange(request, services, code, begun[0].verifier)
    except SignedOut:
        return _page(request, services, "sign_in/refused", 400)
    await _end_former(request, services)
    answer = RedirectResponse(begun[0].target, 303)
    services.cookies.sign_in(answer, found.keywayToken, found.githubLogin, found.expiresAt)
    return answer


async def sign_out(visit: Visit) -> Response:
    """Ends the session at the backend; only then it is forgotten here."""
    await visit.api.send("POST", path("auth", "logout"))
    answer = visit.go("/")
    forget(answer, SESSION)
    return answer


async def _exchange(request: Request, services: Services, code: str, verifier: str) -> _Exchanged:
    parts = urlsplit(services.settings.dashboard_url)
    body = {"code": code, "codeVerifier": verifier, "redirectOrigin": f"{parts.scheme}://{parts.netloc}"}
    api = services.backend.api(services.browser(request))
    return await api.post(path("auth", "session", "exchange"), _Exchanged, body)


async def _end_former(request: Request, services: Services) -> None:
    """A browser holds one session: the one before ends, as far as it can be ended now."""
    former = services.cookies.session(request)
    if former is None:
        return
    try:
        await services.backend.api(services.browser(request), former.token).send("POST", path("auth", "logout"))
    except BackendError:
        return


def _page(request: Request, services: Services, name: str, status: int = 200, **facts: Any) -> Response:
    return services.pages.page(name, status, frame=Frame(request.url.path, theme_of(request)), **facts)


ROUTES = [
    open_get("/sign-in", sign_in),
    open_get("/sign-in/start", start),
    open_get("/auth/callback", callback),
    post("/sign-out", sign_out),
]
