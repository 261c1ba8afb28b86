"""Which mail comes when, and how many providers a plan allows, where mail, plans and providers are on."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import pytest
from oracle import canaries
from oracle.stage import SECRETS_JSON, GitHub
from oracle.wire import Answer
from stack import sign_in

from tests.backend.optional.everything import Everything, eventually
from tests.standins.providers import TOKEN

BASE = "/v1/integrations"


def subjects(all_on: Everything, login: str) -> list[str]:
    """Of the mails to a person."""
    return [mail["subject"] for mail in all_on.mails() if f"Hello {login}," in mail["text"]]


def test_every_mail_comes_once_and_tells_no_secret(all_on: Everything) -> None:
    """Welcome at the first sign-in, a trial, a read from a new device, a key that was found; labels only."""
    github = GitHub(all_on.stack)
    home = all_on.home("mailed")
    key, value = canaries.new("KEY"), canaries.new("value")
    assert home.push({key: value}, "development").status == 200
    sign_in(all_on.stack, home.admin)
    org, _ = github.org("trying", home.admin)
    github.do("install", login=org)
    assert all_on.ask("POST", "/v1/orgs/connect", home.token, {"orgLogin": org}).status == 200
    assert all_on.ask("POST", f"/v1/orgs/{org}/trial/start", home.token).status == 200
    made = all_on.ask(
        "POST", "/v1/api-keys", home.token, {"name": "found", "environment": "live", "scopes": ["read:secrets"]}
    )
    assert made.status == 200, made.body
    token = made.json()["data"]["token"]
    for _ in range(2):
        assert all_on.ask("POST", "/v1/api-keys/leak-reports", None, {"token": token}).status == 202
    for number in range(3):
        path = f"/v1/secrets/pull?repo={home.full_name}&environment=development"
        agent = ("User-Agent", f"keyway-cli/{number}.0")
        assert all_on.ask("GET", path, home.token, None, agent, ("Accept", SECRETS_JSON)).status == 200
    wanted = {"Welcome to Keyway": 1, "trial": 1, "revoked": 1, "unusual": 1}

    def counts() -> dict[str, int]:
        told = subjects(all_on, home.admin)
        return {word: sum(word in subject for subject in told) for word in wanted}

    eventually(lambda: all(counts().values()))
    found = counts()
    assert (found["Welcome to Keyway"], found["trial"], found["revoked"]) == (1, 1, 1)
    everything = json.dumps(all_on.mails())
    assert not [one for one in (key, value, token, home.token) if one in everything]


class TestProviders:
    def leave(self, all_on: Everything, token: str, provider: str) -> Answer:
        """A browser wants to go to a provider."""
        return all_on.ask("GET", f"{BASE}/{provider}/authorize", token)

    def connect(self, all_on: Everything, token: str, provider: str, away: Answer | None = None) -> Answer:
        """It went there and came back."""
        away = away or self.leave(all_on, token, provider)
        assert away.status == 302, away.body
        state = parse_qs(urlsplit(away.header("location")).query)["state"][0]
        morsel = next(iter(SimpleCookie(away.header("set-cookie")).values()))
        cookie = ("Cookie", f"{morsel.key}={morsel.value}")
        return all_on.ask("GET", f"{BASE}/{provider}/callback?code=good&state={state}", None, None, cookie)

    def used(self, all_on: Everything, token: str) -> tuple[int, int]:
        """How many of how many."""
        data = all_on.ask("GET", "/v1/users/me/usage", token).json()["data"]
        return data["usage"]["providers"], data["limits"]["maxProviders"]

    def test_a_plan_has_so_many(self, all_on: Everything) -> None:
        """The third is refused on every way, before its provider is asked; what is connected may be connected again."""
        token = sign_in(all_on.stack, GitHub(all_on.stack).user("thrifty"))
        early = self.leave(all_on, token, "netlify")
        assert self.connect(all_on, token, "vercel").status == 200
        assert all_on.ask("POST", f"{BASE}/railway/connect", token, {"token": TOKEN}).status == 200
        assert self.used(all_on, token) == (2, 2)
        refused = self.leave(all_on, token, "netlify")
        assert (refused.status, refused.json()["type"].rpartition("/")[2]) == (403, "plan-limit-reached")
        assert b"not connected" in self.connect(all_on, token, "netlify", early).body
        assert all_on.ask("POST", f"{BASE}/railway/connect", token, {"token": TOKEN}).status == 200
        assert self.used(all_on, token) == (2, 2)

    @pytest.mark.parametrize("provider", ["railway"])
    def test_nobody_asks_a_provider_for_what_is_refused(self, all_on: Everything, provider: str) -> None:
        """With two others connected a token is not even looked at."""
        token = sign_in(all_on.stack, GitHub(all_on.stack).user("full"))
        for one in ("vercel", "netlify"):
            assert self.connect(all_on, token, one).status == 200
        before = len(all_on.there.web.asked)
        answer = all_on.ask("POST", f"{BASE}/{provider}/connect", token, {"token": TOKEN})
        assert (answer.status, len(all_on.there.web.asked)) == (403, before)
