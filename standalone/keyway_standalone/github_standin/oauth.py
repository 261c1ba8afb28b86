"""Device codes and tokens: the endpoints under /login that programs call. Errors answer 200, as GitHub's do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import credentials
from .context import Github, github_of
from .grants import DEVICE_CODE_SECONDS, DEVICE_INTERVAL_SECONDS, REFRESH_TOKEN_SECONDS, USER_TOKEN_SECONDS

Fields = dict[str, str]
Tokens = dict[str, str | int]
_SLOWER_SECONDS: Final = 5
_DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"


class OAuthError(Exception):
    """An OAuth error code, with what goes beside it."""

    def __init__(self, code: str, description: str, **more: Any) -> None:
        super().__init__(code)
        self.body = {"error": code, "error_description": description, "error_uri": "https://docs.github.com", **more}


async def device_code(request: Request) -> Response:
    """POST /login/device/code"""
    github = github_of(request)
    fields = await _fields(request)
    if fields.get("client_id") != github.settings.client_id:
        return _shaped(request, {"error": "Not Found"}, 404)
    device = github.grants.start_device()
    shown = {
        "device_code": device.device_code,
        "user_code": device.user_code,
        "verification_uri": f"{github.settings.web}/login/device",
        "expires_in": DEVICE_CODE_SECONDS,
        "interval": DEVICE_INTERVAL_SECONDS,
    }
    return _shaped(request, shown)


async def access_token(request: Request) -> Response:
    """POST /login/oauth/access_token: the three grants."""
    github = github_of(request)
    fields = await _fields(request)
    grants: dict[str, Callable[[Github, Fields], Tokens]] = {
        _DEVICE_GRANT: _by_device,
        "refresh_token": _by_refresh,
        "authorization_code": _by_code,
    }
    try:
        grant = grants.get(fields.get("grant_type", "authorization_code"), _by_nothing)
        return _shaped(request, grant(github, fields))
    except OAuthError as error:
        return _shaped(request, error.body)


def _by_nothing(_github: Github, _fields: Fields) -> Tokens:
    raise OAuthError("unsupported_grant_type", "The grant type is not supported.")


def _by_device(github: Github, fields: Fields) -> Tokens:
    _check_client(github, fields, secret_needed=False)
    device = github.grants.devices.get(fields.get("device_code", ""))
    if device is None:
        raise OAuthError("incorrect_device_code", "The device_code provided is not valid.")
    if time.time() >= device.expires_at:
        raise OAuthError("expired_token", "This 'device_code' has expired.")
    now, before = time.time(), device.last_poll
    device.last_poll = now
    if now - before < device.interval:
        device.interval += _SLOWER_SECONDS
        raise OAuthError(
            "slow_down", "Too many requests have been made in the same timeframe.", interval=device.interval
        )
    if device.denied:
        raise OAuthError("access_denied", "The authorization request was denied.")
    if not device.user_id:
        raise OAuthError("authorization_pending", "The authorization request is still pending.")
    del github.grants.devices[device.device_code]
    return _tokens(github, device.user_id)


def _by_code(github: Github, fields: Fields) -> Tokens:
    """A code is used up by its first exchange, also by a wrong one."""
    _check_client(github, fields, secret_needed=True)
    code = github.grants.codes.pop(fields.get("code", ""), None)
    wrong = OAuthError("bad_verification_code", "The code passed is incorrect or expired.")
    if code is None or time.time() >= code.expires_at:
        raise wrong
    if fields.get("redirect_uri", code.redirect_uri) != code.redirect_uri:
        raise OAuthError("redirect_uri_mismatch", "The redirect_uri does not match the one of the authorization.")
    if not code.opened_by(fields.get("code_verifier", "")):
        raise wrong
    return _tokens(github, code.user_id)


def _by_refresh(github: Github, fields: Fields) -> Tokens:
    """A refresh token is good once; the access token that came with it ends too."""
    _check_client(github, fields, secret_needed=True)
    text = fields.get("refresh_token", "")
    token = github.grants.find(text)
    if token is None or token.kind != "ghr":
        raise OAuthError("bad_refresh_token", "The refresh token passed is incorrect or expired.")
    github.grants.revoke(text)
    return _tokens(github, token.user_id)


def _check_client(github: Github, fields: Fields, *, secret_needed: bool) -> None:
    secret = fields.get("client_secret", "")
    right = credentials.same(secret, github.settings.client_secret)
    if fields.get("client_id") != github.settings.client_id or not (right or (not secret_needed and not secret)):
        raise OAuthError("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")


def _tokens(github: Github, user_id: int) -> Tokens:
    access, refresh = github.grants.issue_pair(user_id)
    return {
        "access_token": access,
        "expires_in": USER_TOKEN_SECONDS,
        "refresh_token": refresh,
        "refresh_token_expires_in": REFRESH_TOKEN_SECONDS,
        "token_type": "bearer",
        "scope": "",
    }


async def _fields(request: Request) -> Fields:
    """Form or JSON, as GitHub takes both."""
    body = (await request.body()).decode("utf-8", "replace")
    if "json" in request.headers.get("content-type", ""):
        try:
            data = json.loads(body or "{}")
        except ValueError:
            return {}
        return {key: str(value) for key, value in data.items()} if isinstance(data, dict) else {}
    return dict(parse_qsl(body))


def _shaped(request: Request, data: dict[str, Any], status: int = 200) -> Response:
    """JSON for who accepts it, else the form encoding that is GitHub's default."""
    if "json" in request.headers.get("accept", ""):
        return JSONResponse(data, status)
    return Response(urlencode(data), status, media_type="application/x-www-form-urlencoded")


ROUTES = [
    Route("/login/device/code", device_code, methods=["POST"]),
    Route("/login/oauth/access_token", access_token, methods=["POST"]),
]
