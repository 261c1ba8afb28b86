"""POST /v1/secrets/push, GET /v1/secrets/pull, GET /v1/secrets/view (contract.md 4.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from keyway_core.legacy_env import legacy_line
from keyway_core.limits import PULL_MAX
from keyway_core.names import is_key
from keyway_core.roles import Verb

from keyway_backend.access.grants import EnvironmentGrant
from keyway_backend.access.guards import PushGuard, SecretsGuard
from keyway_backend.access.routing import GuardedRoute
from keyway_backend.features.secrets import errors, rules, schemas
from keyway_backend.features.secrets.service import (
    Preconditions,
    Pulled,
    Pushed,
    SecretsService,
    Slice,
    Unchanged,
)
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.http import ok

_REVISION: Final = re.compile(r'"([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:\.(json|env))?"')
_IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,255}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_OFFSET_MAX: Final = 2_147_483_647


Reader = Annotated[EnvironmentGrant, Depends(SecretsGuard(Verb.READ))]
KeyReader = Annotated[EnvironmentGrant, Depends(SecretsGuard(Verb.READ, needs_key=True))]
Writer = Annotated[EnvironmentGrant, Depends(PushGuard())]


def router(secrets: SecretsService) -> APIRouter:
    """The routes of values."""
    routes = APIRouter(prefix="/v1/secrets", route_class=GuardedRoute, tags=["secrets"])

    @routes.post("/push", responses=schemas.PUSH_ANSWERS, openapi_extra=schemas.PUSH_OPENAPI)
    async def push_secrets(request: Request, grant: Writer) -> Response:
        """Makes one revision of an environment, or none when nothing changes. All or nothing."""
        wanted = _read(await json_body(request))
        conditions = await _preconditions(request)
        return ok(request, _pushed(await secrets.push(grant, wanted, conditions)))

    @routes.get("/pull", responses=schemas.PULL_ANSWERS, openapi_extra=schemas.PULL_OPENAPI)
    async def pull_secrets(request: Request, grant: Reader) -> Response:
        """All values of an environment: as `.env` text, or as JSON for those who ask for it."""
        part = _slice(request.query_params)
        form = "json" if schemas.SECRETS_JSON in request.headers.get("accept", "") else "env"
        known = _known(request, form) if part is None else frozenset()
        result = await secrets.pull(grant, known=known, part=part)
        headers = {"Vary": "Accept"}
        if part is None:
            headers["ETag"] = f'"{result.head.revision_id}.{form}"'
        if isinstance(result, Unchanged):
            return Response(status_code=304, headers=headers)
        if form == "env":
            return ok(request, {"content": _dotenv(result)}, headers=headers)
        answer = ok(request, _json(grant, result), headers=headers)
        answer.headers["Content-Type"] = schemas.SECRETS_JSON
        return answer

    @routes.get("/view", responses=schemas.VIEW_ANSWERS, openapi_extra=schemas.VIEW_OPENAPI)
    async def view_secret(request: Request, grant: KeyReader) -> Response:
        """One value."""
        key = request.query_params["key"]
        if not is_key(key):
            raise errors.invalid([rules.Fault("key", rules.BAD_KEY)])
        value = await secrets.view(grant, key)
        return ok(request, {"key": key, "value": value.reveal(), "environment": grant.asked_name})

    return routes


def _read(body: Mapping[str, Any]) -> rules.Push:
    try:
        return rules.read_push(body)
    except rules.InvalidPushError as error:
        raise errors.invalid(error.faults) from None
    except rules.OverLimitError:
        raise errors.over_limit() from None


def _dotenv(pulled: Pulled) -> str:
    return "\n".join([legacy_line(key, pulled.values[key].reveal()) for key in sorted(pulled.values)])


def _json(grant: EnvironmentGrant, pulled: Pulled) -> dict[str, Any]:
    head = pulled.head
    return {
        "secrets": {key: text.reveal() for key, text in sorted(pulled.values.items(), key=_first)},
        "revision": {"id": head.revision_id, "number": head.number},
        "environment": grant.asked_name,
        "repository": grant.vault.full_name,
    }


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


def _pushed(pushed: Pushed) -> dict[str, Any]:
    stats, revision = pushed.stats, pushed.revision
    counts = {"created": stats.created, "updated": stats.updated, "deleted": stats.deleted}
    answer: dict[str, Any] = {"success": True, "message": "Secrets pushed successfully", "stats": counts}
    if stats.unchanged is not None:
        counts["unchanged"] = stats.unchanged
    if revision is not None:
        answer["revision"] = {"id": revision.revision_id, "number": revision.number}
    return answer


async def _preconditions(request: Request) -> Preconditions:
    """Raises ValidationFailed for headers of the wrong form."""
    sent, key = request.headers.get("if-match"), request.headers.get("idempotency-key")
    revision = _REVISION.fullmatch(sent.strip()) if sent is not None else None
    if sent is not None and revision is None:
        raise errors.invalid_header("If-Match", "The id of a revision in double quotes is required.")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise errors.invalid_header("Idempotency-Key", "1 to 255 visible ASCII characters are required.")
    body = b"" if key is None else await request.body()
    return Preconditions(UUID(revision[1]) if revision else None, key, body)


def _known(request: Request, form: str) -> frozenset[UUID]:
    """The revisions that the caller says to have in this form."""
    tags = _REVISION.finditer(request.headers.get("if-none-match", ""))
    return frozenset(UUID(tag[1]) for tag in tags if tag[2] == form)


def _slice(query: Mapping[str, str]) -> Slice | None:
    """`limit` and `offset` of the legacy wire; `offset` counts only beside a `limit`. Raises ValidationFailed."""
    limit, offset = query.get("limit"), query.get("offset", "0")
    faults = []
    if limit is not None and not (_NUMBER.fullmatch(limit) and 1 <= int(limit) <= PULL_MAX):
        faults.append(rules.Fault("limit", f"A number from 1 to {PULL_MAX}."))
    if not (_NUMBER.fullmatch(offset) and int(offset) <= _OFFSET_MAX):
        faults.append(rules.Fault("offset", "A number, 0 or more."))
    if faults:
        raise errors.invalid(faults)
    return None if limit is None else Slice(int(limit), int(offset))
