"""Health, signing in, sessions, and the caller."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import jwt
from browser import NONCE, Browser, Pkce, consented, query

from tests.contracts.reach_insight import alerts as _alerts
from tests.contracts.reach_insight import seen
from tests.contracts.reaches import reaches
from tests.contracts.scene import Scene
from tests.oracle import keys
from tests.oracle.wire import Call, send

reaches("GET /health")(lambda _: Call("GET", "/health"))
reaches("GET /v1/health")(lambda _: Call("GET", "/v1/health"))
reaches("HEAD /v1/health")(lambda _: Call("HEAD", "/v1/health"))

# a browser -----------------------------------------------------------------------------------------------------------

START, CALLBACK = "/v1/auth/github/start", "/v1/auth/callback"
reaches(f"GET {START}", "no target")(lambda _: Call("GET", START))
reaches(f"GET {START}", "a page of the dashboard")(lambda scene: Call("GET", f"{START}?redirect_uri={scene.back}"))
reaches(f"GET {START}", "redirect elsewhere")(lambda _: Call("GET", f"{START}?redirect_uri=https://evil.example/"))


def _back(scene: Scene, decision: str = "authorize") -> Call:
    """A browser that comes back from GitHub."""
    browser = Browser(scene.stack)
    url = urlsplit(consented(scene.stack, browser.start(), scene.home.admin, decision))
    return Call("GET", f"{url.path}?{url.query}", (("Cookie", f"{NONCE}={browser.jar[NONCE]}"),))


reaches(f"GET {CALLBACK}", "signed in")(_back)
reaches(f"GET {CALLBACK}", "denied at GitHub")(lambda scene: _back(scene, "deny"))
reaches(f"GET {CALLBACK}", "no state")(lambda _: Call("GET", f"{CALLBACK}?code=x"))
reaches(f"GET {CALLBACK}", "another browser")(lambda scene: Call("GET", _back(scene).path, _back(scene).headers))

EXCHANGE = "/v1/auth/session/exchange"


def _code(scene: Scene, **changed: str) -> Call:
    pkce = Pkce()
    answer = Browser(scene.stack).sign_in(scene.home.admin, redirect_uri=scene.back, **pkce.params)
    code = query(answer.headers["location"])["code"]
    body = {"code": code, "codeVerifier": pkce.verifier, "redirectOrigin": scene.stack.dashboard_url}
    return Call("POST", EXCHANGE, (), body | changed)


reaches(f"POST {EXCHANGE}")(_code)
reaches(f"POST {EXCHANGE}", "unknown code")(lambda scene: _code(scene, code="x" * 43))
reaches(f"POST {EXCHANGE}", "wrong verifier")(lambda scene: _code(scene, codeVerifier="y" * 64))

# a device ------------------------------------------------------------------------------------------------------------

DEVICE, POLL, VERIFY = "/v1/auth/device/start", "/v1/auth/device/poll", "/v1/auth/device/verify"
_SECONDS = 30.0


def _started(scene: Scene) -> dict[str, Any]:
    answer = send(scene.base, Call("POST", DEVICE, (), {}))
    return dict(answer.json())


def _poll(code: str) -> Call:
    return Call("POST", POLL, (), {"deviceCode": code})


def _polled(scene: Scene, code: str, wanted: str) -> Call:
    """The poll after the one that said it first."""
    deadline = time.monotonic() + _SECONDS
    while send(scene.base, _poll(code)).json()["status"] != wanted:
        assert time.monotonic() < deadline, wanted
        time.sleep(0.2)
    return _poll(code)


@reaches(f"POST {POLL}", "approved")
def approved(scene: Scene) -> Call:
    """Within the minute in which the same session is told again."""
    begun = _started(scene)
    scene.stack.control.approve_device(begun["userCode"], scene.home.admin)
    return _polled(scene, begun["deviceCode"], "approved")


@reaches(f"POST {POLL}", "denied")
def denied(scene: Scene) -> Call:
    """On GitHub's page."""
    begun = _started(scene)
    scene.stack.control.deny_device(begun["userCode"])
    return _polled(scene, begun["deviceCode"], "denied")


reaches(f"POST {DEVICE}", "nothing known")(lambda _: Call("POST", DEVICE, (), {}))
reaches(f"POST {DEVICE}", "a repository")(
    lambda scene: Call("POST", DEVICE, (), {"repository": scene.home.full_name, "ownerId": 1, "repoId": 2})
)
reaches(f"POST {DEVICE}", "a number that is none")(lambda _: Call("POST", DEVICE, (), {"ownerId": "x"}))
reaches(f"POST {POLL}", "pending")(lambda scene: _poll(_started(scene)["deviceCode"]))
reaches(f"POST {POLL}", "unknown code")(lambda _: _poll("0" * 64))
reaches(f"POST {POLL}", "no code")(lambda _: Call("POST", POLL, (), {}))
reaches(f"GET {VERIFY}")(lambda _: Call("GET", f"{VERIFY}?user_code=ABCDE-FGHJK"))
reaches(f"POST {VERIFY}")(
    lambda _: Call(
        "POST", VERIFY, (("Content-Type", "application/x-www-form-urlencoded"),), form=b"user_code=ABCDE-FGHJK"
    )
)

# sessions ------------------------------------------------------------------------------------------------------------

VALIDATE, LOGOUT, SESSIONS = "/v1/auth/token/validate", "/v1/auth/logout", "/v1/auth/sessions"
reaches(f"POST {VALIDATE}", "a session")(lambda scene: scene.post(VALIDATE, {}))
reaches(f"POST {VALIDATE}", "a workflow")(lambda scene: scene.post(VALIDATE, {}, scene.workflow))
reaches(f"POST {LOGOUT}", "a session")(lambda scene: scene.post(LOGOUT, None, scene.session()))
reaches(f"POST {LOGOUT}", "nobody")(lambda _: Call("POST", LOGOUT))


def _number(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sid"])


@reaches(f"GET {SESSIONS}")
def sessions(scene: Scene) -> Call:
    """One of them older than a minute: its use is noted."""
    token = scene.session()
    older = "UPDATE sessions SET created_at = created_at - interval '5 minutes' WHERE id = %s"
    keys.sql(scene.stack, older, _number(token))
    scene.answer("GET", "/v1/users/me", token=token)
    return scene.get(SESSIONS, token)


reaches(f"DELETE {SESSIONS}")(lambda scene: scene.call("DELETE", SESSIONS, None, scene.reader))
reaches(f"DELETE {SESSIONS}/{{id}}")(lambda scene: scene.call("DELETE", f"{SESSIONS}/{_number(scene.session())}"))
reaches(f"DELETE {SESSIONS}/{{id}}", "no id")(lambda scene: scene.call("DELETE", f"{SESSIONS}/nothing"))

# the caller ----------------------------------------------------------------------------------------------------------

ME = "/v1/users/me"
reaches(f"GET {ME}", "a session")(lambda scene: scene.get(ME))
reaches(f"GET {ME}", "a workflow")(lambda scene: scene.get(ME, scene.workflow))
reaches(f"GET {ME}/usage", "a plan")(lambda scene: scene.get(f"{ME}/usage"))
reaches(f"GET {ME}/usage", "billing off", off=True)(lambda scene: scene.get(f"{ME}/usage", scene.off.token))


@reaches(f"GET {ME}/security/alerts")
def own_alerts(scene: Scene) -> Call:
    """After a read by a program that nobody knows."""
    _alerts(scene)
    return scene.get(f"{ME}/security/alerts?limit=100")


@reaches(f"GET {ME}/security/overview")
def overview(scene: Scene) -> Call:
    """After reads."""
    seen(scene)
    return scene.get(f"{ME}/security/overview")


@reaches(f"GET {ME}/security/access-log")
def access_log(scene: Scene) -> Call:
    """Pulls, and one value alone."""
    seen(scene)
    path = f"/v1/secrets/view?repo={scene.home.full_name}&environment=development&key=SAME"
    scene.answer("GET", path, token=scene.reader)
    return scene.get(f"{ME}/security/access-log?limit=100&vaultId={scene.home.vault_id}")


@reaches(f"GET {ME}/exposure")
def own_exposure(scene: Scene) -> Call:
    """The reader saw something."""
    seen(scene)
    return scene.get(f"{ME}/exposure")


@reaches(f"GET {ME}/exposure/{{username}}", "something seen")
def own_report(scene: Scene) -> Call:
    """What that was."""
    seen(scene)
    return scene.get(f"{ME}/exposure/{scene.reader_login}")


reaches(f"GET {ME}/exposure", "no day")(lambda scene: scene.get(f"{ME}/exposure?startDate=yesterday"))
reaches(f"GET {ME}/exposure/{{username}}", "nothing seen")(lambda scene: scene.get(f"{ME}/exposure/nobody-at-all"))
