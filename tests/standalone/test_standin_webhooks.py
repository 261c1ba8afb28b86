"""What the GitHub stand-in tells of its changes, to a listener in place of the backend."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from keyway_standalone.processes import Stack
from permission_sets import Granted, with_each
from stack import TLS

from tests.oracle.stage import GitHub


class Heard(HTTPServer):
    """Keeps what it was told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Listener)
        self.told: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Listener(BaseHTTPRequestHandler):
    server: Heard

    def do_POST(self) -> None:
        """Takes a delivery."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def listener() -> Iterator[Heard]:
    """A server of the test's own."""
    with Heard() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def github(stack: Stack) -> GitHub:
    """The stand-in's world."""
    return GitHub(stack)


def told(github: GitHub, action: str, **given: Any) -> list[tuple[str, int]]:
    """Event and status of what a change was told with, to the backend of the suite."""
    deliveries = github.do(action, webhook=True, **given)["deliveries"]
    return [(one["event"], one["status"]) for one in deliveries]


def test_is_signed_as_github_signs(stack: Stack, github: GitHub, listener: Heard) -> None:
    """Over the bytes, with the App's secret; the headers are GitHub's."""
    github.do("webhook", event="ping", payload={"zen": "é"}, url=listener.url)
    ((headers, body),) = listener.told
    secret = stack.backend.command().environment["GITHUB_APP_WEBHOOK_SECRET"].encode()
    assert headers["x-hub-signature-256"] == "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()
    assert headers["x-github-event"] == "ping"
    assert len(headers["x-github-delivery"]) == 36
    assert json.loads(body) == {"zen": "é"}


def test_nobody_is_told_without_the_app(github: GitHub) -> None:
    """An account that the App is not on."""
    owner, other = github.user("untold"), github.user("other")
    github.repo(f"{owner}/r", {})
    assert told(github, "set-role", repo=f"{owner}/r", login=other, role="read") == []


@with_each
def test_events_of_every_change(github: GitHub, granted: Granted) -> None:
    """Those about people need the permission to read members, those about repositories that somebody subscribed; those
    of the App come anyway."""
    owner, other = github.user("owner"), github.user("other")
    org, _ = github.org("told", owner)
    name = f"{org}/r"
    github.repo(name, {})
    created = told(github, "install", login=org, **granted.installing)
    assert created == [("installation", 200)]
    people = [
        told(github, "set-role", repo=name, login=other, role="read"),
        told(github, "set-role", repo=name, login=other, role=None),
        told(github, "set-member", org=org, login=other, role="member"),
        told(github, "set-member", org=org, login=other, role=None),
        told(github, "leave-team", org=org, login=other, repos=[name]),
        told(github, "take-from-team", repo=name, logins=[other]),
    ]
    names = ["member", "member", "organization", "organization", "membership", "team"]
    assert people == ([[(one, 200)] for one in names] if granted.members else [[] for _ in names])
    changes = [
        told(github, "set-visibility", repo=name, visibility="public"),
        told(github, "set-visibility", repo=name, visibility="private"),
        told(github, "rename-repo", repo=name, name="s"),
        told(github, "delete-repo", repo=f"{org}/s"),
    ]
    kinds = [["repository", "public"], ["repository"], ["repository"], ["repository"]]
    assert changes == [[(one, 200) for one in kind if one in granted.events] for kind in kinds]
    assert told(github, "suspend", login=org) == [("installation", 200)]
    assert told(github, "uninstall", login=org) == [("installation", 200)]
    assert told(github, "end-tokens", login=other) == [("github_app_authorization", 200)]


def test_dropped_doubled_and_turned_around(github: GitHub) -> None:
    """By control: never, twice under one id, or last first."""
    owner = github.user("odd")
    github.repo(f"{owner}/r", {})
    github.do("install", login=owner)
    assert github.do("suspend", login=owner, webhook={"times": 0})["deliveries"] == []
    first, second = github.do("suspend", login=owner, suspended=False, webhook={"times": 2})["deliveries"]
    assert first["delivery"] == second["delivery"]
    github.do("rename-repo", repo=f"{owner}/r", name="s", webhook={"hold": True})
    github.do("suspend", login=owner, webhook={"hold": True})
    released = github.do("release-webhooks", backwards=True)["deliveries"]
    assert [one["event"] for one in released] == ["installation", "repository"]


class TestInstallPage:
    """Where a person installs the App."""

    def page(self, stack: Stack) -> str:
        """Its address, as the backend sends people to it."""
        name = stack.github.command().environment["STANDIN_APP_NAME"]
        return f"{stack.github_url}/apps/{name}/installations/new"

    def test_refuses(self, stack: Stack, github: GitHub) -> None:
        """A wrong passphrase, another App, an account of somebody else."""
        login, other = github.user("installer"), github.user("other")
        form = {"login": login, "account": login, "passphrase": stack.passphrase, "decision": "authorize"}
        page = self.page(stack)
        assert httpx.post(page, data=form | {"passphrase": "wrong"}, verify=TLS).status_code == 403
        assert httpx.post(page, data=form | {"account": other}, verify=TLS).status_code == 403
        assert "Nothing was installed" in httpx.post(page, data=form | {"decision": "deny"}, verify=TLS).text
        assert httpx.post(page.replace("/apps/", "/apps/not-"), data=form, verify=TLS).status_code == 404
        assert httpx.get(page, verify=TLS).status_code == 200

    def test_leads_back_with_the_installation(self, stack: Stack, github: GitHub) -> None:
        """With what GitHub adds to the address, and the state that it was given."""
        login = github.user("installer")
        org, _ = github.org("fresh", login)
        form = {"login": login, "account": org, "passphrase": stack.passphrase, "decision": "authorize"}
        state = secrets.token_hex(4)
        answer = httpx.post(f"{self.page(stack)}?state={state}", data=form, verify=TLS)
        assert answer.status_code == 302
        back = httpx.URL(answer.headers["location"])
        assert back.path == "/v1/auth/callback"
        assert (back.params["setup_action"], back.params["state"]) == ("install", state)
        world = stack.control.world()
        assert world["installations"][back.params["installation_id"]]["account_id"]
