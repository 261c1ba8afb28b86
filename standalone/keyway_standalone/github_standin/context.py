"""What every handler of the stand-in works with, and the forms of GitHub's answers."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .faults import Faults
from .grants import Grants
from .keeping import Keeper
from .render import Json, Renderer
from .settings import Settings
from .webhooks import Hooks
from .world import World

DOCS: Final = "https://docs.github.com/rest"
_PER_HOUR: Final = 15_000
_T = TypeVar("_T")


class ApiError(Exception):
    """An error in GitHub's form: {"message", "documentation_url", "status"}."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Run:
    """A job of a workflow that may ask for tokens, and what these say beside the usual."""

    repo: str
    actor_id: int
    claims: Json


@dataclass
class Github:
    """The stand-in's whole state."""

    settings: Settings
    world: World
    grants: Grants
    faults: Faults
    calls: list[Json] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    spent: dict[str, int] = field(default_factory=dict)
    refused_passphrases: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Nothing was sent yet."""
        self.hooks = Hooks(self.settings)
        self.keeper = Keeper(lambda: self.world.save(self.settings.state))
        self.keeper.write()

    def end(self) -> None:
        """Keeps what changed for the next start."""
        self.keeper.end()
        self.grants.keeper.end()


def github_of(request: Request) -> Github:
    """The state behind a request."""
    found: Github = request.app.state.github
    return found


def renderer(request: Request) -> Renderer:
    """Renders with the addresses that this caller uses."""
    settings = github_of(request).settings
    prefix: str = request.scope.get("api_prefix", "")
    return Renderer(
        github_of(request).world,
        settings.web + prefix,
        settings.web,
        settings.app_id,
        settings.app_name,
        settings.client_id,
    )


def answer(request: Request, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer with GitHub's caching and rate headers; 304 when the caller has it already."""
    body = b"" if data is None else json.dumps(data).encode()
    known = _rate_headers(request) | (headers or {})
    if request.method == "GET" and status == 200:
        known |= {
            "etag": f'W/"{hashlib.sha256(body).hexdigest()}"',
            "cache-control": "private, max-age=60, s-maxage=60",
            "vary": "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With",
        }
        if request.headers.get("if-none-match") == known["etag"]:
            return Response(status_code=304, headers=known)
    return Response(body, status, known, "application/json; charset=utf-8")


def refusal(request: Request, error: ApiError) -> Response:
    """The JSON of an ApiError."""
    body = {"message": error.message, "documentation_url": DOCS, "status": str(error.status)}
    return JSONResponse(body, error.status, _rate_headers(request))


def page_of(request: Request, things: Sequence[_T]) -> tuple[list[_T], dict[str, str]]:
    """One page of a list by `per_page` (30, at most 100) and `page`, and its Link header."""
    size = min(max(_number(request, "per_page", 30), 1), 100)
    page = max(_number(request, "page", 1), 1)
    last = max(math.ceil(len(things) / size), 1)
    wanted = {"first": 1 if page > 1 else 0, "prev": page - 1, "next": page + 1, "last": last if page < last else 0}
    links = [f'<{_page_url(request, number)}>; rel="{rel}"' for rel, number in wanted.items() if 1 <= number <= last]
    chunk = list(things[(page - 1) * size : page * size])
    return chunk, {"link": ", ".join(links)} if links else {}


def _page_url(request: Request, page: int) -> str:
    query = {**request.query_params, "page": str(page)}
    prefix = request.scope.get("api_prefix", "")
    return f"{github_of(request).settings.web}{prefix}{request.url.path}?{urlencode(query)}"


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() else default


def _rate_headers(request: Request) -> dict[str, str]:
    github = github_of(request)
    who = hashlib.sha256(request.headers.get("authorization", "").encode()).hexdigest()
    used = github.spent[who] = github.spent.get(who, 0) + 1
    reset = (int(time.time()) // 3600 + 1) * 3600
    return {
        "x-ratelimit-limit": str(_PER_HOUR),
        "x-ratelimit-remaining": str(max(_PER_HOUR - used, 0)),
        "x-ratelimit-used": str(used),
        "x-ratelimit-reset": str(reset),
        "x-ratelimit-resource": "core",
        "x-github-media-type": "github.v3; format=json",
    }
