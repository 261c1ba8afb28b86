"""Web sign-in: to GitHub, back from it, and on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from keyway_backend.access.actor import Origin
from keyway_backend.access.routing import GuardedRoute, public
from keyway_backend.features.sign_in import pages, schemas
from keyway_backend.features.sign_in.service import (
    STATE_SECONDS,
    Ask,
    Back,
    Came,
    StateRefused,
    Unproven,
    WebSignIns,
)
from keyway_backend.platform import cookies
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.cookies import SessionCookies
from keyway_backend.platform.errors import BadRequest, Unavailable
from keyway_backend.platform.http import ok

BROWSER_COOKIE: Final = "__Host-keyway_sign_in"
_CALLBACK: Final = "/auth/callback"
_MAX_ID: Final = 2**63 - 1

Text = Annotated[str | None, Query()]

_PROBLEM: Final = {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
_PAGE_OR_PROBLEM: Final = {"text/html": {"schema": {"type": "string"}}, "application/json": _PROBLEM}
_CALLBACK_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A page", "content": {"text/html": {"schema": {"type": "string"}}}},
    302: {"description": "Signed in: on to the target"},
    400: {"description": "No valid, unused state of this browser", "content": _PAGE_OR_PROBLEM},
    503: {"description": "GitHub cannot be asked", "content": _PAGE_OR_PROBLEM},
}
_EXCHANGE: Final[dict[str, Any]] = {
    "responses": {200: {"model": schemas.ExchangedAnswer}, 401: {"description": "Unknown, used, expired, not yours"}},
    "openapi_extra": {
        "requestBody": {"content": {"application/json": {"schema": schemas.ExchangeBody.model_json_schema()}}}
    },
}


def router(sign_ins: WebSignIns, session: SessionCookies, origin_of: Callable[[Request], Origin]) -> APIRouter:
    """The routes. `origin_of` reads where a request without a credential came from."""
    routes = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["sign-in"])

    @routes.get("/auth/github/start", dependencies=[public()], status_code=302, response_class=RedirectResponse)
    async def start_web_sign_in(
        request: Request,
        redirect_uri: Text = None,
        code_challenge: Text = None,
        code_challenge_method: Text = None,
        install: Annotated[bool, Query()] = False,  # noqa: FBT002 - a query parameter
    ) -> Response:
        """To GitHub; with `install` to the App's installation page."""
        _refuse_repeated(request)
        if install:
            begun = await sign_ins.start_install(redirect_uri, _browser(request))
        else:
            pkce = code_challenge, code_challenge_method
            begun = await sign_ins.start(redirect_uri, pkce, _browser(request))
        answer = RedirectResponse(begun.url, 302)
        cookies.keep(answer, BROWSER_COOKIE, begun.browser, seconds=STATE_SECONDS)
        return answer

    @routes.get(_CALLBACK, dependencies=[public()], responses=_CALLBACK_ANSWERS, response_class=Response)
    async def finish_web_sign_in(
        request: Request,
        state: Text = None,
        code: Text = None,
        error: Text = None,
        installation_id: Text = None,
        setup_action: Text = None,  # noqa: ARG001 - GitHub's word decides nothing
        consent: Text = None,
    ) -> Response:
        """Back from GitHub, or from our own page of consent."""
        browser, came_from = _browser(request), origin_of(request)
        try:
            _refuse_repeated(request)
            if browser is not None and consent is not None:
                return _shown(await sign_ins.agree(consent, browser, came_from), session)
            if browser is not None and state is not None:
                came = Came(state, browser, code, error is not None, _number(installation_id))
                return _shown(await sign_ins.come_back(came, came_from), session)
        except (StateRefused, BadRequest):
            pass
        except Unavailable as unavailable:
            return pages.unavailable(int(unavailable.headers["Retry-After"]))
        return pages.refused()

    @routes.post("/auth/session/exchange", dependencies=[public()], **_EXCHANGE)
    async def exchange_code(request: Request) -> Response:
        """A session for a one-time code."""
        return ok(request, await sign_ins.exchange(await json_body(request), origin_of(request)))

    return routes


def _shown(result: Back | Ask | Unproven, session: SessionCookies) -> Response:
    match result:
        case Ask(login, origin, ticket):
            return pages.consent(login, origin, f"/v1{_CALLBACK}?consent={ticket}")
        case Unproven(target, refused):
            return pages.cancelled(target) if refused else pages.installed(target)
        case Back(url, token, end):
            answer = RedirectResponse(url, 302)
            if token is not None and end is not None:
                session.set(answer, token, end)
            return answer


def _browser(request: Request) -> str | None:
    """The nonce of this browser; of two under one name neither is believed."""
    found = cookies.sent(request, BROWSER_COOKIE)
    return found[0] if len(found) == 1 else None


def _refuse_repeated(request: Request) -> None:
    names = [name for name, _ in request.query_params.multi_items()]
    if len(names) != len(set(names)):
        raise BadRequest("A query parameter was given twice.")


def _number(text: str | None) -> int | None:
    """An id of GitHub's, None for what is none: it only chooses among those that GitHub lists."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 19:
        return None
    number = int(text)
    return number if number <= _MAX_ID else None
