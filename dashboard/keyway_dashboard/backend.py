"""The dashboard's one way to the backend: HTTP, one pool, deadlines, and errors that a page can explain.

`Backend` is the pool; `Api` is the backend as one browser's session sees it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

HEALTH_SECONDS: Final = 2.0
DEADLINE_SECONDS: Final = 15.0
MOST: Final = 100
_CONNECTIONS: Final = 50
_AT_ONCE: Final = 4

T = TypeVar("T")


class State(Enum):
    """What the backend said of itself, or that it said nothing."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    SILENT = "silent"


@dataclass(frozen=True)
class Health:
    """One look at the backend. `version` is empty unless it told one."""

    state: State
    milliseconds: int
    version: str = ""


@dataclass(frozen=True)
class FieldProblem:
    """A field that was wrong."""

    field: str
    message: str


class BackendError(Exception):
    """The backend did not do what it was asked. `detail` is for people."""

    def __init__(self, status: int, detail: str, *, slug: str = "", fields: Sequence[FieldProblem] = ()) -> None:
        super().__init__(f"{status} {slug}")
        self.status, self.detail, self.slug, self.fields = status, detail, slug, tuple(fields)
        self.retry_after = 0
        # What else the answer says, such as where an environment stands now.
        self.told: Mapping[str, Any] = {}


class SignedOut(BackendError):
    """401: the session ended, or was ended."""


class Refused(BackendError):
    """403: not this person."""


class Missing(BackendError):
    """404: not there, or not for this person."""


class Conflict(BackendError):
    """409: somebody was faster, or the name is taken."""


class Invalid(BackendError):
    """400 and the like: what was sent is wrong. `fields` says where."""


class Limited(BackendError):
    """429: too many requests; `retry_after` seconds."""


class Unavailable(BackendError):
    """The backend, or what it needs, cannot answer."""


_KINDS: Final[dict[int, type[BackendError]]] = {
    400: Invalid, 401: SignedOut, 403: Refused, 404: Missing, 409: Conflict, 413: Invalid, 415: Invalid,
    422: Invalid, 429: Limited,
}  # fmt: skip


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list."""

    items: list[T]
    total: int
    limit: int
    offset: int


@dataclass(frozen=True)
class Browser:
    """On whose behalf we ask."""

    address: str
    user_agent: str


class Backend:
    """A pool of connections to the backend at `url`. `hop_secret` proves that what we say of browsers is ours."""

    def __init__(self, url: str, hop_secret: str = "") -> None:
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        self._client = httpx.AsyncClient(base_url=url, limits=limits, timeout=DEADLINE_SECONDS, trust_env=False)
        self._hop = hop_secret

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    def api(self, browser: Browser, token: str | None = None) -> Api:
        """The backend as this browser sees it."""
        headers = {"User-Agent": browser.user_agent or "keyway-dashboard"}
        if self._hop:
            headers |= {"X-Keyway-Hop": self._hop, "X-Keyway-Client-Address": browser.address}
            headers["X-Keyway-Client-User-Agent"] = browser.user_agent
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return Api(self._client, headers)

    async def health(self) -> Health:
        """Asks `GET /health`; every kind of failure is an answer, none is raised. Takes at most 2 seconds in all."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                response = await self._client.get("/health")
        except (TimeoutError, httpx.HTTPError):
            return Health(State.SILENT, _since(started))
        return _read(response, _since(started))


class Api:
    """Calls of one browser. Paths are made with `path`, so that a name from an address cannot leave its place."""

    def __init__(self, client: httpx.AsyncClient, headers: Mapping[str, str]) -> None:
        self._client = client
        self._headers = dict(headers)

    async def get(self, path: str, shape: type[T], *, accept: str = "", **params: Any) -> T:
        """The `data` of an answer, as `shape`. `accept` asks for another form of it."""
        return _data(await self.send("GET", path, params=params, headers={"accept": accept}), shape)

    async def post(self, path: str, shape: type[T], body: Any = None, **headers: str) -> T:
        """The `data` of the answer to a POST. `headers`: if_match="..." is sent as If-Match."""
        return _data(await self.send("POST", path, body=body, headers=headers), shape)

    async def put(self, path: str, shape: type[T], body: Any = None, **headers: str) -> T:
        """The `data` of the answer to a PUT."""
        return _data(await self.send("PUT", path, body=body, headers=headers), shape)

    async def patch(self, path: str, shape: type[T], body: Any = None, **headers: str) -> T:
        """The `data` of the answer to a PATCH."""
        return _data(await self.send("PATCH", path, body=body, headers=headers), shape)

    async def delete(self, path: str) -> None:
        """A DELETE whose answer has nothing to tell."""
        await self.send("DELETE", path)

    async def page(self, path: str, shape: type[T], *, limit: int = MOST, offset: int = 0, **params: Any) -> Page[T]:
        """A page of a list whose items have this shape."""
        answer = await self.send("GET", path, params={**params, "limit": limit, "offset": offset})
        body = _json(answer)
        items = _shaped(body.get("data"), list[shape])  # type: ignore[valid-type]
        told = body.get("meta", {}).get("pagination", {})
        return Page(items, int(told.get("total", len(items))), limit, offset)

    async def all(self, path: str, shape: type[T], *, most: int = 1000, step: int = MOST, **params: Any) -> list[T]:
        """Every item of a list, up to `most`, `step` in a page; those after the first are asked for side by side."""
        first = await self.page(path, shape, limit=step, **params)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(offset: int) -> list[T]:
            async with gate:
                return (await self.page(path, shape, limit=step, offset=offset, **params)).items

        rest = await asyncio.gather(*(one(offset) for offset in range(step, min(first.total, most), step)))
        return [*first.items, *(item for items in rest for item in items)]

    async def send(
        self, method: str, path: str, *, params: Any = None, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Any call. Raises a BackendError for every answer of 400 or more, and when there is none."""
        named = {name.replace("_", "-"): value for name, value in (headers or {}).items() if value}
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                answer = await self._client.request(
                    method, path, params=_given(params), json=body, headers=self._headers | named
                )
        except (TimeoutError, httpx.HTTPError) as error:
            raise Unavailable(503, "", slug="no-answer") from error
        if answer.is_error:
            raise _failure(answer)
        return answer


def path(*parts: str) -> str:
    """`/v1/a/b`, each part one step whatever it holds: a slash, dots or a question mark stay inside of their step."""
    steps = [quote(part, safe="") for part in parts]
    if any(step in {"", ".", ".."} for step in steps):
        raise Missing(404, "There is nothing at this address.", slug="not-found")
    return "/v1/" + "/".join(steps)


def _given(params: Any) -> dict[str, Any] | None:
    kept = {name: value for name, value in (params or {}).items() if value not in (None, "")}
    return kept or None


def _failure(answer: httpx.Response) -> BackendError:
    body = _json(answer)
    kind = _KINDS.get(answer.status_code, Unavailable)
    slug = str(body.get("type", "")).rpartition("/")[2]
    told = body.get("errors") if isinstance(body.get("errors"), list) else []
    fields = [FieldProblem(str(one.get("field", "")), str(one.get("message", ""))) for one in told or []]
    error = kind(answer.status_code, str(body.get("detail") or ""), slug=slug, fields=fields)
    error.told = body
    wait = answer.headers.get("retry-after", "")
    error.retry_after = int(wait) if wait.isdecimal() else 0
    return error


def _data(answer: httpx.Response, shape: type[T]) -> T:
    return _shaped(_json(answer).get("data"), shape)


def _shaped(data: Any, shape: type[T]) -> T:
    asked: Any = shape
    adapter: TypeAdapter[T] = _adapter(asked)
    try:
        return adapter.validate_python(data)
    except ValidationError:
        # The text of the error could quote a value.
        raise Unavailable(502, "", slug="unexpected-answer") from None


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    """Making one takes longer than reading most answers with it; there are as many as models."""
    return TypeAdapter(shape)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _read(response: httpx.Response, milliseconds: int) -> Health:
    said = _json(response)
    healthy = response.status_code == httpx.codes.OK and said.get("status") == "healthy"
    return Health(State.HEALTHY if healthy else State.UNHEALTHY, milliseconds, str(said.get("version") or "")[:40])


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
