"""One HTTP call to GitHub: bounded in time, to one host, and sorted into answer, refusal and unknown.

githubkit builds the requests and recognises rate limits. Its automatic retries, caching and redirects are off: a retry
would overrun the request's deadline, and a redirect to another host would carry a token there.
"""

from __future__ import annotations

import asyncio
import functools
import re
import socket
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
import orjson
from githubkit import GitHub as GitHubKit
from githubkit import Response, UnauthAuthStrategy
from githubkit.exception import GitHubException, RateLimitExceeded, RequestFailed
from pydantic import BaseModel, TypeAdapter, ValidationError

from keyway_backend.clients.github.economy import Answers, Purse, digest
from keyway_backend.clients.github.errors import GitHubUnknown, PermissionMissing, TokenRejected
from keyway_backend.clients.tls import trusted
from keyway_backend.platform import metrics

CALL_SECONDS: Final = 3.0
_REDIRECTS: Final = 3
_PAGE: Final = 100
_PAGES_MAX: Final = 200
_PAGES_AT_ONCE: Final = 6
_LAST: Final = re.compile(r'[?&]page=(\d{1,6})[^>]*>; rel="last"')
_WORDS: Final = frozenset({
    "access_token", "access_tokens", "app", "applications", "code", "collaborators", "device", "emails", "installation",
    "installations", "login", "members", "memberships", "oauth", "orgs", "permission", "repos", "repositories",
    "token", "user",
})  # fmt: skip
_NOT_ACCESSIBLE: Final = "resource not accessible"
_SUSPENDED: Final = "installation has been suspended"

Parsed = TypeVar("Parsed", bound=BaseModel)


class Transport:
    """Calls of one GitHub: `api` for its API, `web` for the pages beside it (device and token endpoints)."""

    def __init__(self, *, api: str, web: str) -> None:
        self._api = f"{api}/"
        self._web = f"{web}/"
        self._pool = _SharedPool()
        self._answers = Answers()
        self._purse = Purse()
        self._kit = GitHubKit(
            UnauthAuthStrategy(),
            base_url=self._api,
            user_agent="keyway",
            follow_redirects=False,
            timeout=CALL_SECONDS,
            trust_env=False,
            http_cache=False,
            auto_retry=False,
            async_transport=self._pool,
        )

    async def close(self) -> None:
        """Closes the kept connections."""
        await self._pool.really_close()

    def api(self, path: str) -> str:
        """The address of an API path."""
        return self._api + path

    def web(self, path: str) -> str:
        """The address of a page beside the API."""
        return self._web + path

    async def get(self, path: str, model: type[Parsed], *, auth: str, needs: str = "metadata: read") -> Parsed | None:
        """The parsed answer, or None for 404. `needs` names the App permission, for PermissionMissing."""
        response = await self.send("GET", self._api + path, auth=auth, needs=needs)
        return None if response is None else parse(response, model, path)

    async def get_list(self, path: str, model: type[Parsed], *, auth: str, needs: str) -> list[Parsed] | None:
        """A list of parsed answers, or None for 404."""
        response = await self.send("GET", self._api + path, auth=auth, needs=needs)
        if response is None:
            return None
        try:
            return _list_of(model).validate_json(response.content)
        except ValidationError:
            raise GitHubUnknown(f"GET {_shape(path)}: unexpected body") from None

    async def get_pages(
        self, path: str, model: type[Parsed], *, auth: str, within: str = "", needs: str = ""
    ) -> list[Parsed] | None:
        """Every page of a list, or None for 404; `within` is the field that holds it. Later pages come side by side."""
        joint = "&" if "?" in path else "?"
        address = f"{self._api}{path}{joint}per_page={_PAGE}"
        first = await self.send("GET", address, auth=auth, needs=needs)
        if first is None:
            return None
        gate = asyncio.Semaphore(_PAGES_AT_ONCE)

        async def page(number: int) -> list[Parsed]:
            async with gate:
                response = await self.send("GET", f"{address}&page={number}", auth=auth, needs=needs)
            if response is None:
                raise GitHubUnknown(f"GET {_shape(path)}: a page is missing")
            return _listed(response, model, within, path)

        pages = await asyncio.gather(*(page(number) for number in range(2, _last_page(first) + 1)))
        everything = [*_listed(first, model, within, path), *(one for found in pages for one in found)]
        return list({getattr(one, "id", index): one for index, one in enumerate(everything)}.values())

    async def post(self, path: str, *, auth: str, json: Mapping[str, Any], needs: str = "") -> Response[Any] | None:
        """Posts JSON to the API."""
        return await self.send("POST", self._api + path, auth=auth, json=json, needs=needs)

    async def post_web(self, path: str, *, json: Mapping[str, Any]) -> Response[Any] | None:
        """Posts JSON to a page beside the API, which identifies us by what is in the body."""
        return await self.send("POST", self._web + path, auth="", json=json)

    async def send(
        self, method: str, url: str, *, auth: str, json: Mapping[str, Any] | None = None, needs: str = ""
    ) -> Response[Any] | None:
        """One call, following redirects on the same host. None for 404.

        Raises GitHubUnknown, PermissionMissing, TokenRejected.
        """
        headers = {"Accept": "application/json"} | ({"Authorization": auth} if auth else {})
        for _ in range(_REDIRECTS + 1):
            if seconds := self._purse.wait(auth):
                raise GitHubUnknown(f"{method} {_shape(url)}: nothing left", retry_after_seconds=seconds)
            response = await self._once(method, url, headers, json, needs)
            if response is None or not response.is_redirect:
                return response
            url = _same_host(url, response.headers.get("location", ""))
        raise GitHubUnknown(f"{method} {_shape(url)}: redirects without end")

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], json: Mapping[str, Any] | None, needs: str
    ) -> Response[Any] | None:
        endpoint, status = f"{method} {_shape(url)}", "unanswered"
        auth = headers.get("Authorization", "")
        key = (url, digest(auth))
        asked = {**headers, **(self._answers.condition(key) if method == "GET" else {})}
        try:
            response = await self._kit.arequest(method, url, headers=asked, json=json)
        except RateLimitExceeded as error:
            status = "rate limited"
            self._purse.note(auth, error.response.headers)
            seconds = max(1, int(error.retry_after.total_seconds()))
            raise GitHubUnknown(f"{method} {_shape(url)}: rate limited", retry_after_seconds=seconds) from None
        except RequestFailed as error:
            status = str(error.response.status_code)
            _raise_unless_missing(error.response, f"{method} {_shape(url)}", needs)
            return None
        except GitHubException as error:
            cause = getattr(error, "exc", error)
            what = f"{method} {_shape(url)}: {type(cause).__name__}"
            raise GitHubUnknown(what, outage=_is_outage(cause)) from None
        else:
            status = str(response.status_code)
            self._purse.note(auth, response.headers)
            _note_remaining(response)
            return self._answers.answer(key, response) if method == "GET" else response
        finally:
            metrics.GITHUB_REQUESTS.labels(endpoint, status).inc()


def _raise_unless_missing(response: Response[Any], call: str, needs: str) -> None:
    """404 is an answer, and so is a suspended installation. Everything else that failed is one of the errors."""
    match response.status_code:
        case 404:
            return
        case 403 if _SUSPENDED in response.text.lower():
            return
        case 401:
            raise TokenRejected(f"{call}: 401")
        case 403 if _NOT_ACCESSIBLE in response.text.lower():
            raise PermissionMissing(needs)
        case status:
            seconds = _retry_after(response)
            raise GitHubUnknown(f"{call}: {status}", retry_after_seconds=seconds, outage=status >= 500)


def _is_outage(cause: BaseException) -> bool:
    """Too slow, or no such name; a connection that is refused, cut or not to be trusted may be somebody's doing."""
    chain: BaseException | None = cause
    while chain is not None:
        if isinstance(chain, httpx.TimeoutException | socket.gaierror):
            return True
        chain = chain.__cause__ or chain.__context__
    return False


def _note_remaining(response: Response[Any]) -> None:
    left = response.headers.get("x-ratelimit-remaining", "")
    if left.isdecimal():
        metrics.GITHUB_REMAINING.set(int(left))


def _retry_after(response: Response[Any]) -> int:
    text = response.headers.get("retry-after", "")
    return min(int(text), 3600) if text.isdecimal() else 5


def _same_host(url: str, location: str) -> str:
    target = urljoin(url, location)
    old, new = urlsplit(url), urlsplit(target)
    if (old.scheme, old.netloc) != (new.scheme, new.netloc) or not location:
        raise GitHubUnknown(f"{_shape(url)}: redirect to another host")
    return target


def parse(response: Response[Any], model: type[Parsed], call: str) -> Parsed:
    """The body as a model. A truncated or unexpected one is unknown; its text goes nowhere."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        raise GitHubUnknown(f"{_shape(call)}: unexpected body") from None


@functools.cache  # each one builds a validator
def _list_of(model: type[Parsed]) -> TypeAdapter[list[Parsed]]:
    return TypeAdapter(list[model])  # type: ignore[valid-type]


def _listed(response: Response[Any], model: type[Parsed], within: str, call: str) -> list[Parsed]:
    try:
        held = orjson.dumps(orjson.loads(response.content)[within]) if within else response.content
        return _list_of(model).validate_json(held)
    except (ValueError, KeyError, TypeError):
        raise GitHubUnknown(f"GET {_shape(call)}: unexpected body") from None


def _last_page(response: Response[Any]) -> int:
    """How many pages there are, by the Link header. More than we would ever read is no answer."""
    found = _LAST.search(response.headers.get("link", ""))
    last = int(found.group(1)) if found else 1
    if last > _PAGES_MAX:
        raise GitHubUnknown("a list without end")
    return last


def _shape(url: str) -> str:
    """The path of a call with its names left out, for logs and metrics. Words of GitHub's own paths stay."""
    steps = urlsplit(url).path.strip("/").split("/")
    return "/".join(step if step in _WORDS else "…" for step in steps)


class _SharedPool(httpx.AsyncBaseTransport):
    """githubkit opens and closes a client per call; the connections below it are kept here."""

    def __init__(self) -> None:
        self._inner = httpx.AsyncHTTPTransport(
            verify=trusted(), limits=httpx.Limits(max_connections=100, max_keepalive_connections=20)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Called by each client at its end; the pool lives on."""

    async def really_close(self) -> None:
        """The end of the process."""
        await self._inner.aclose()
