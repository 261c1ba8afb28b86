"""A request of somebody who is signed in, and the only ways to register a route.

`get` and `post` are for people who are signed in, `open_get` for everybody. A `post` is let through only with our
origin and the proof that its form carries; a handler never looks at either.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartParser
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from keyway_dashboard.backend import Api, Backend, Browser
from keyway_dashboard.http import BODY_BYTES
from keyway_dashboard.pages import Frame, Pages
from keyway_dashboard.sessions import FLASH, SESSION, Cookies, Flash, Session, forget
from keyway_dashboard.settings import Settings

PROOF_FIELD: Final = "_proof"
PROOF_HEADER: Final = "X-Keyway-Proof"
_UNKNOWN: Final = IPv4Address(0)
# An address of ours: a path and a query of plain characters. Two slashes at the start would be another host.
_OURS: Final = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")
_UPWARDS: Final = re.compile(r"(^|/)(\.|%2e){1,2}(/|$)|%2f|%5c|%0|%1|//", re.IGNORECASE)
_LONGEST_TARGET: Final = 1_000
_OFFSET_DIGITS: Final = 6

# An upload stays in memory: what is in a file of values does not reach this machine's disk.
MultiPartParser.spool_max_size = 2 * BODY_BYTES

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Services:
    """What every request stands on. `app.state.services`."""

    settings: Settings
    pages: Pages
    cookies: Cookies
    backend: Backend
    trusted: Sequence[Network]

    def browser(self, connection: HTTPConnection) -> Browser:
        """Whose request this is."""
        address = client_address(connection, self.trusted)
        return Browser(address, connection.headers.get("user-agent", "")[:512])


@dataclass(frozen=True)
class Visit:
    """A request of somebody who is signed in. `api` is the backend as this person sees it."""

    request: Request
    session: Session
    services: Services

    @property
    def api(self) -> Api:
        """The backend, asked as this person."""
        return self.services.backend.api(self.services.browser(self.request), self.session.token)

    @property
    def by_htmx(self) -> bool:
        """Whether a part of a page is wanted."""
        return is_htmx(self.request)

    def query(self, name: str) -> str:
        """A parameter of the address, empty without it."""
        return self.request.query_params.get(name, "")

    @property
    def offset(self) -> int:
        """Where in a list a page of it begins; 0 for what is no number."""
        return offset_of(self.query("offset"))

    def step(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    async def form(self) -> FormData:
        """What was filled in."""
        return await self.request.form(max_files=4, max_fields=3000, max_part_size=BODY_BYTES)

    def page(self, template: str, *, status: int = 200, **facts: Any) -> Response:
        """A page in the frame. What the page before wanted to say is said, once."""
        flash = self.services.cookies.flash(self.request)
        answer = self.services.pages.page(template, status, frame=self.frame(flash), **facts)
        if flash is not None:
            forget(answer, FLASH)
        return answer

    def part(self, template: str, *, status: int = 200, **facts: Any) -> Response:
        """A part of a page, for htmx."""
        return self.services.pages.page(template, status, frame=self.frame(None), **facts)

    def go(self, target: str, said: str = "", tone: str = "good") -> Response:
        """To a page of ours after a write, with a sentence for it."""
        answer = to(self.request, target)
        if said:
            self.services.cookies.tell(answer, Flash(said, "bad" if tone == "bad" else "good"))
        return answer

    def frame(self, flash: Flash | None) -> Frame:
        """What the layout shows besides the page."""
        return _frame(self.request, self.services, self.session, flash)


def frame_of(request: Request) -> Frame:
    """What the layout shows where there is no visit: for somebody who is signed in or not."""
    services = services_of(request)
    session = services.cookies.session(request)
    if session is None:
        return Frame(request.url.path, theme_of(request))
    return _frame(request, services, session, None)


def _frame(request: Request, services: Services, session: Session, flash: Flash | None) -> Frame:
    return Frame(request.url.path, theme_of(request), session.login, services.cookies.proof(session), flash)


Handler = Callable[[Visit], Awaitable[Response]]
OpenHandler = Callable[[Request, Services], Awaitable[Response]]


def get(path: str, handler: Handler) -> Route:
    """A page for people who are signed in; others sign in first and come back."""

    async def guarded(request: Request) -> Response:
        services = services_of(request)
        session = services.cookies.session(request)
        if session is None:
            return to_sign_in(request)
        return await handler(Visit(request, session, services))

    return Route(path, guarded, methods=["GET"], name=f"signed-in {path}")


def post(path: str, handler: Handler) -> Route:
    """A write of somebody who is signed in, from a form of ours."""

    async def guarded(request: Request) -> Response:
        services = services_of(request)
        session = services.cookies.session(request)
        if session is None:
            return to_sign_in(request)
        try:
            if not await _from_our_page(request, services, session):
                return services.pages.error(request, "foreign-form", 403)
            return await handler(Visit(request, session, services))
        finally:
            # What was uploaded ends with the request.
            await request.close()

    return Route(path, guarded, methods=["POST"], name=f"proven {path}")


def open_get(path: str, handler: OpenHandler) -> Route:
    """A page for everybody."""

    async def served(request: Request) -> Response:
        return await handler(request, services_of(request))

    return Route(path, served, methods=["GET"], name=f"open {path}")


def offset_of(given: str) -> int:
    """Where in a list a page of it begins; 0 for what is no number."""
    return int(given) if given.isascii() and given.isdecimal() and len(given) <= _OFFSET_DIGITS else 0


def services_of(request: Request) -> Services:
    """What the composition root made."""
    found: Services = request.app.state.services
    return found


async def _from_our_page(request: Request, services: Services, session: Session) -> bool:
    """Both: the origin, which no other site can name, and the proof, which no other site can read."""
    if not _is_our_origin(request, services.settings.origin):
        return False
    given = request.headers.get(PROOF_HEADER)
    if given is None:
        form = await request.form(max_files=4, max_fields=3000, max_part_size=BODY_BYTES)
        field = form.get(PROOF_FIELD)
        given = field if isinstance(field, str) else ""
    return services.cookies.proves(session, given)


def _is_our_origin(request: Request, own: str) -> bool:
    origins = request.headers.getlist("origin")
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    return len(origins) == 1 and origins[0] == own


# where to ----------------------------------------------------------------------------------------------------------


def is_htmx(request: Request) -> bool:
    """Whether htmx asks, so that a part is wanted and a redirect must be told in a header."""
    return request.headers.get("hx-request") == "true"


def to(request: Request, target: str) -> Response:
    """A redirect, as the asking side understands it."""
    if is_htmx(request):
        return Response(status_code=204, headers={"HX-Redirect": target})
    return RedirectResponse(target, 303)


def to_sign_in(request: Request) -> Response:
    """To the sign-in page and back. What is left of a session is forgotten."""
    back = here(request)
    answer = to(request, "/sign-in" + (f"?{urlencode({'next': back})}" if back != "/" else ""))
    if SESSION in request.cookies:
        forget(answer, SESSION)
    return answer


def here(request: Request) -> str:
    """The page that the person looks at, to come back to."""
    if is_htmx(request):
        parts = urlsplit(request.headers.get("hx-current-url", ""))
        same = f"{parts.scheme}://{parts.netloc}".lower() == services_of(request).settings.origin
        return own_target(f"{parts.path}?{parts.query}" if parts.query else parts.path) if same else "/"
    if request.method != "GET":
        return "/"
    query = request.url.query
    return own_target(f"{request.url.path}?{query}" if query else request.url.path)


def own_target(text: str) -> str:
    """The address, if it is one of ours, spelled plainly; else the front page. Nothing leads off this site."""
    if len(text) > _LONGEST_TARGET or not _OURS.fullmatch(text) or _UPWARDS.search(text.partition("?")[0]):
        return "/"
    return "/" if text.startswith(("/sign-", "/auth/")) else text


def theme_of(request: Request) -> str:
    """light or dark when this device chose one, else empty."""
    chosen = request.cookies.get("keyway_theme", "")
    return chosen if chosen in {"light", "dark"} else ""


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Parses TRUSTED_PROXIES."""
    return tuple(ip_network(text, strict=False) for text in texts)


def client_address(connection: HTTPConnection, trusted: Sequence[Network]) -> str:
    """Walks X-Forwarded-For from the right and stops at the first address that is no trusted proxy."""
    peer = _parsed(connection.client.host if connection.client else "") or _UNKNOWN
    hops = [hop.strip() for line in connection.headers.getlist("x-forwarded-for") for hop in line.split(",")]
    while hops and any(peer in network for network in trusted) and (hop := _parsed(hops.pop())) is not None:
        peer = hop
    return str(peer)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
