"""The issuer of workflow tokens: keys at /_services/token/.well-known/jwks, tokens by the control endpoints."""

from __future__ import annotations

import json
import secrets
import time
from functools import cache
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .context import github_of
from .grants import hash_of
from .world import Repo, World

_ISSUER_PATH: Final = "/_services/token"
_REQUEST_PATH: Final = "/_services/pipelines/idtoken"
_KEY_ID: Final = "standin-1"
_TOKEN_SECONDS: Final = 300


async def configuration(request: Request) -> Response:
    """GET /.well-known/openid-configuration"""
    issuer = issuer_of(github_of(request).settings.web)
    return JSONResponse(
        {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/.well-known/jwks",
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
    )


async def keys(_request: Request) -> Response:
    """GET /.well-known/jwks"""
    public = json.loads(RSAAlgorithm.to_jwk(_key().public_key()))
    return JSONResponse({"keys": [public | {"kid": _KEY_ID, "alg": "RS256", "use": "sig"}]})


async def id_token(request: Request) -> Response:
    """GET ?audience=: what a job with `id-token: write` asks for; for nobody in particular it is for the owner."""
    github = github_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    run = github.runs.get(hash_of(token)) if scheme.lower() == "bearer" else None
    if run is None:
        return JSONResponse({"message": "the request token is missing or wrong"}, 401)
    audience = request.query_params.get("audience")
    claims = ({"aud": audience} if audience else {}) | run.claims
    repo = github.world.repo(run.repo)
    return JSONResponse(
        {"count": 1, "value": mint(issuer_of(github.settings.web), github.world, repo, run.actor_id, claims)}
    )


def mint(issuer: str, world: World, repo: Repo, actor_id: int, claims: dict[str, Any]) -> str:
    """A token as a workflow run on the default branch gets it; `claims` replace or add."""
    now = int(time.time())
    name = world.full_name(repo)
    owner = world.owner(repo)
    usual = {
        "iss": issuer,
        "aud": f"https://github.com/{owner.login}",
        "sub": f"repo:{name}:ref:refs/heads/main",
        "jti": secrets.token_hex(16),
        "iat": now,
        "nbf": now - 10,
        "exp": now + _TOKEN_SECONDS,
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "event_name": "push",
        "repository": name,
        "repository_id": str(repo.id),
        "repository_owner": owner.login,
        "repository_owner_id": str(owner.id),
        "repository_visibility": repo.visibility,
        "actor": world.users[actor_id].login,
        "actor_id": str(actor_id),
        "workflow_ref": f"{name}/.github/workflows/ci.yml@refs/heads/main",
        "job_workflow_ref": f"{name}/.github/workflows/ci.yml@refs/heads/main",
        "runner_environment": "github-hosted",
        "run_id": str(secrets.randbelow(10**10)),
        "run_attempt": "1",
    }
    return jwt.encode(usual | claims, _key(), algorithm="RS256", headers={"kid": _KEY_ID})


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def issuer_of(web: str) -> str:
    """The issuer's name, as an Enterprise Server has it."""
    return f"{web}{_ISSUER_PATH}"


def request_url(web: str) -> str:
    """Where a job asks for its tokens; it has a query already, as GitHub's has."""
    return f"{web}{_REQUEST_PATH}?api-version=2.0"


ROUTES = [
    Route(_REQUEST_PATH, id_token),
    Route(f"{_ISSUER_PATH}/.well-known/openid-configuration", configuration),
    Route(f"{_ISSUER_PATH}/.well-known/jwks", keys),
]
