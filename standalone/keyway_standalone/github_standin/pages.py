"""The pages that a person sees: entering a device code, consenting to a web sign-in, installing the App.

Each asks for the passphrase.
"""

from __future__ import annotations

import base64
import hashlib
import time
from html import escape
from string import Template
from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from .context import Github, github_of
from .credentials import same
from .events import Teller
from .grants import CODE_SECONDS, AuthorizationCode
from .webhooks import Manner
from .world import Installation, Missing, Org, User

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 60
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem}"
    "label,input,select,button{display:block;width:100%;box-sizing:border-box;font:inherit}"
    "label{margin-top:1rem}input,select,button{padding:.5rem;margin-top:.25rem}button{margin-top:1rem}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGE: Final = Template(
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>$title</title><style>$style</style></head>'
    "<body><h1>$title</h1>$body</body></html>"
)
_FORM: Final = Template(
    '<p>This is the GitHub stand-in of Keyway on this machine. It is not GitHub.</p><form method="post">$fields'
    '<label>Who are you?<select name="login">$people</select></label>'
    '<label>Passphrase, printed at start<input name="passphrase" type="password" autocomplete="off" required>'
    '</label><button name="decision" value="authorize">Authorize $app</button>'
    '<button name="decision" value="deny" formnovalidate>Cancel</button></form>'
)
_ACCOUNT_FIELD: Final = '<label>Account or organisation<input name="account" autocomplete="off" required></label>'
_CODE_FIELD: Final = '<label>Code shown by your device<input name="user_code" autocomplete="off" required></label>'


class PageError(Exception):
    """The form was not accepted. `status` and the sentence are shown."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


async def device_form(request: Request) -> Response:
    """GET /login/device"""
    return _page("Device activation", _form(github_of(request), _CODE_FIELD))


async def device_consent(request: Request) -> Response:
    """POST /login/device: user_code, login, passphrase, decision."""
    github = github_of(request)
    form = await request.form()
    _check_same_origin(request)
    _check_passphrase(github, form)
    user = _chosen(github, form)
    device = github.grants.device_by_user_code(_text(form, "user_code"))
    if device is None or device.user_id or device.denied:
        raise PageError(404, "This code is unknown, used or expired.")
    if _text(form, "decision") != "authorize":
        device.denied = True
        return _page("Authorization cancelled", "<p>The device was not signed in.</p>")
    device.user_id = user.id
    return _page("Device connected", f"<p>The device is signed in as <b>{escape(user.login)}</b>.</p>")


async def web_form(request: Request) -> Response:
    """GET /login/oauth/authorize"""
    _check_web_request(request)
    return _page("Authorize", _form(github_of(request), ""))


async def web_consent(request: Request) -> Response:
    """POST /login/oauth/authorize: back to the App with a code, or with access_denied."""
    github = github_of(request)
    target = _check_web_request(request)
    form = await request.form()
    _check_same_origin(request)
    _check_passphrase(github, form)
    query = request.query_params
    if _text(form, "decision") != "authorize":
        return _back(target, {"error": "access_denied", "state": query.get("state", "")})
    challenge = query.get("code_challenge", "")
    consent = AuthorizationCode(_chosen(github, form).id, target, challenge, time.time() + CODE_SECONDS)
    return _back(target, {"code": github.grants.issue_code(consent), "state": query.get("state", "")})


async def install_form(request: Request) -> Response:
    """GET /apps/{name}/installations/new"""
    _check_app(request)
    return _page("Install", _form(github_of(request), _ACCOUNT_FIELD))


async def install_consent(request: Request) -> Response:
    """POST /apps/{name}/installations/new: account, login, passphrase. Back to the App, as GitHub goes there."""
    github = github_of(request)
    _check_app(request)
    form = await request.form()
    _check_same_origin(request)
    _check_passphrase(github, form)
    user, account = _chosen(github, form), _account(github, form)
    org = github.world.orgs.get(account.id)
    if account.id != user.id and (org is None or org.members.get(user.id) != "admin"):
        raise PageError(403, "Only its owner can install an App on an account.")
    if _text(form, "decision") != "authorize":
        return _page("Installation cancelled", "<p>Nothing was installed.</p>")
    found = github.world.installed_on(account.id)
    if found is None:
        found = Installation(github.world.new_id(), account.id)
        github.world.installations[found.id] = found
        github.keeper.changed()
        await github.hooks.tell(Teller(github).installation("created", found, repositories=[]), Manner())
    target = f"{github.settings.callbacks[0]}/v1/auth/callback"
    consent = AuthorizationCode(user.id, target, "", time.time() + CODE_SECONDS)
    back = {"code": github.grants.issue_code(consent), "installation_id": str(found.id), "setup_action": "install"}
    state = request.query_params.get("state")
    return _back(target, back | ({"state": state} if state else {}))


def _check_app(request: Request) -> None:
    if request.path_params["name"] != github_of(request).settings.app_name:
        raise PageError(404, "There is no App of this name.")


def _account(github: Github, form: FormData) -> User | Org:
    try:
        return github.world.account(_text(form, "account"))
    except Missing:
        raise PageError(404, "There is no such account here.") from None


def page_refusal(error: PageError) -> Response:
    """What a refused form answers."""
    return _page("Not accepted", f"<p>{escape(error.sentence)}</p>", error.status)


def _check_web_request(request: Request) -> str:
    """The redirect address, when the request for consent is a proper one."""
    settings = github_of(request).settings
    query = request.query_params
    if query.get("client_id") != settings.client_id:
        raise PageError(404, "There is no App with this client id.")
    target = query.get("redirect_uri") or settings.callbacks[0]
    if _origin(target) not in map(_origin, settings.callbacks):
        raise PageError(400, "The redirect_uri is not associated with this App.")
    if "code_challenge" in query and query.get("code_challenge_method") != "S256":
        raise PageError(400, "Only the code_challenge_method S256 is supported.")
    return target


def _check_same_origin(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin and origin != f"http://{request.headers['host']}":
        raise PageError(403, "This form was sent from another site.")


def _check_passphrase(github: Github, form: FormData) -> None:
    now = time.time()
    recent = [moment for moment in github.refused_passphrases if now - moment < _PAUSE_SECONDS]
    github.refused_passphrases = recent
    if len(recent) >= _TRIES:
        raise PageError(429, "Too many wrong passphrases. Wait a minute.")
    if not same(_text(form, "passphrase"), github.settings.passphrase):
        recent.append(now)
        raise PageError(403, "The passphrase is wrong. It was printed when Keyway started.")


def _chosen(github: Github, form: FormData) -> User:
    try:
        return github.world.user(_text(form, "login"))
    except Missing:
        raise PageError(404, "There is no such person here.") from None


def _form(github: Github, fields: str) -> str:
    people = "".join(
        f'<option value="{escape(user.login)}">{escape(user.name)} ({escape(user.login)})</option>'
        for user in github.world.users.values()
    )
    return _FORM.substitute(fields=fields, people=people, app=escape(github.settings.app_name))


def _page(title: str, body: str, status: int = 200) -> Response:
    headers = {
        "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'",
        "cache-control": "no-store",
        # Not no-referrer: a browser would then send this very form with the origin null, and it would be refused.
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }
    return HTMLResponse(_PAGE.substitute(title=title, style=_STYLE, body=body), status, headers)


def _back(target: str, query: dict[str, str]) -> Response:
    joint = "&" if urlsplit(target).query else "?"
    return RedirectResponse(f"{target}{joint}{urlencode(query)}", 302)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


ROUTES = [
    Route("/login/device", device_form, methods=["GET"]),
    Route("/login/device", device_consent, methods=["POST"]),
    Route("/apps/{name}/installations/new", install_form, methods=["GET"]),
    Route("/apps/{name}/installations/new", install_consent, methods=["POST"]),
    Route("/login/oauth/authorize", web_form, methods=["GET"]),
    Route("/login/oauth/authorize", web_consent, methods=["POST"]),
]
