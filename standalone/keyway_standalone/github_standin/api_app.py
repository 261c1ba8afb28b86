"""GitHub's answers to the App itself and to its installations."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import credentials
from .context import ApiError, answer, github_of, page_of, renderer
from .grants import INSTALLATION_TOKEN_SECONDS, Token
from .world import Installation, Repo, covers


async def own_app(request: Request) -> Response:
    """GET /app"""
    credentials.app(request)
    world = github_of(request).world
    return answer(request, renderer(request).app(next(iter(world.orgs.values()))))


async def installation(request: Request) -> Response:
    """GET /app/installations/{id}"""
    credentials.app(request)
    return answer(request, renderer(request).installation(_installation(request)))


async def mint_token(request: Request) -> Response:
    """POST /app/installations/{id}/access_tokens, optionally for fewer repositories and permissions."""
    credentials.app(request)
    found = _installation(request)
    if found.suspended:
        raise ApiError(403, "This installation has been suspended")
    wanted = await _json(request)
    token = Token(
        "ghs",
        time.time() + INSTALLATION_TOKEN_SECONDS,
        installation_id=found.id,
        repo_ids=_narrowed(request, found, wanted),
        permissions=_permissions(found, wanted),
    )
    shown = {
        "token": github_of(request).grants.issue(token),
        "expires_at": _time(token.expires_at),
        "permissions": token.permissions,
        "repository_selection": found.selection,
    }
    return answer(request, shown, 201)


async def repositories(request: Request) -> Response:
    """GET /installation/repositories"""
    found, token = credentials.installation(request)
    held = [
        repo for repo in github_of(request).world.repos.values()
        if covers(found, repo) and (token.repo_ids is None or repo.id in token.repo_ids)
    ]  # fmt: skip
    chunk, headers = page_of(request, held)
    shown = [renderer(request).repo(repo) for repo in chunk]
    data = {"total_count": len(held), "repositories": shown, "repository_selection": found.selection}
    return answer(request, data, headers=headers)


async def check_token(request: Request) -> Response:
    """POST /applications/{client_id}/token: whether a person's token was issued to our App."""
    github = github_of(request)
    ours = request.path_params["client_id"] == github.settings.client_id
    if not ours or not credentials.basic(request):
        raise ApiError(404, "Not Found")
    text = str((await _json(request)).get("access_token", ""))
    token = github.grants.find(text)
    if token is None or not token.user_id or not token.ours or token.kind == "ghr":
        raise ApiError(404, "Not Found")
    user = github.world.users[token.user_id]
    return answer(request, renderer(request).authorization(text, user, _time(token.expires_at)))


def _installation(request: Request) -> Installation:
    found = github_of(request).world.installations.get(request.path_params["id"])
    if found is None:
        raise ApiError(404, "Not Found")
    return found


def _narrowed(request: Request, installation: Installation, wanted: dict[str, Any]) -> list[int] | None:
    """The repositories asked for by number or name, all covered, or None for whatever the installation covers."""
    if "repository_ids" not in wanted and "repositories" not in wanted:
        return None
    held: list[Repo] = [repo for repo in github_of(request).world.repos.values() if covers(installation, repo)]
    asked = {*wanted.get("repository_ids", []), *wanted.get("repositories", [])}
    chosen = [repo.id for repo in held if repo.id in asked or repo.name in asked]
    if len(chosen) != len(asked):
        raise ApiError(422, "There is at least one repository that does not exist or is not accessible.")
    return chosen


def _permissions(installation: Installation, wanted: dict[str, Any]) -> dict[str, str]:
    asked: dict[str, str] = wanted.get("permissions") or dict(installation.permissions)
    if not asked.items() <= installation.permissions.items():
        raise ApiError(422, "The permissions requested are not granted to this installation.")
    return {"metadata": "read", **asked}


async def _json(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        data = json.loads(body or b"{}")
    except ValueError:
        raise ApiError(400, "Problems parsing JSON") from None
    if not isinstance(data, dict):
        raise ApiError(400, "Body should be a JSON object")
    return data


def _time(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


ROUTES = [
    Route("/app", own_app),
    Route("/app/installations/{id:int}", installation),
    Route("/app/installations/{id:int}/access_tokens", mint_token, methods=["POST"]),
    Route("/applications/{client_id}/token", check_token, methods=["POST"]),
    Route("/installation/repositories", repositories),
]
