"""The stand-in answers a call only with the permission that policy.yaml says it needs."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import jwt
import pytest
from keyway_standalone.processes import Stack
from keyway_standalone.state import APP_ID
from oracle.policy import Policy
from permission_sets import FULL, SETS, Granted, with_each
from stack import TLS, running_stack

NOT_ACCESSIBLE: Final = "Resource not accessible by integration"
# How the policy spells what a call needs, and how GitHub's API does.
SPELLED: Final = {"Members": "members", "Metadata": "metadata", "Email addresses": "email_addresses"}
CALLS: Final = [
    (one["call"].split(" (")[0].split("?")[0], one["credential"], SPELLED.get(_found[1] if _found else "", ""))
    for one in Policy.load().document["github"]["calls"]
    if one["call"].startswith("GET /") and one["credential"] != "none"
    for _found in [re.search(r"(Members|Metadata|Email addresses): read", one["permission"])]
]


@pytest.fixture(scope="module")
def standin() -> Iterator[Stack]:
    """The stand-in alone."""
    with running_stack(only={"github"}) as running:
        yield running


@pytest.fixture
def github(standin: Stack) -> Iterator[httpx.Client]:
    """A client of it; afterwards the App may everything again."""
    with httpx.Client(verify=TLS, base_url=standin.github_url) as client:
        yield client
    org = standin.control.repo("private")["full_name"].split("/")[0]
    standin.control.do("install", login=org)
    standin.control.do("let-of-accounts", permissions=FULL.of_accounts)


class App:
    """The App with some permissions, asking."""

    def __init__(self, standin: Stack, github: httpx.Client, permissions: dict[str, str]) -> None:
        self._standin, self._github = standin, github
        self._repo = standin.control.repo("private")
        self._org = self._repo["full_name"].split("/")[0]
        self._person = standin.control.login("founder")
        self._installation = standin.control.do("install", login=self._org, permissions=permissions)["id"]
        accounts = [name for name in permissions if name == "email_addresses"]
        standin.control.do("let-of-accounts", permissions=accounts)

    def ask(self, call: str, credential: str) -> httpx.Response:
        """A call of the policy, about the organisation, its private repository and its owner."""
        method, _, path = call.partition(" ")
        number = next(
            one["id"] for one in self._standin.control.world()["users"].values() if one["login"] == self._person
        )
        owner, repo = self._repo["full_name"].split("/")
        path = path.replace("/installations/{id}", f"/installations/{self._installation}")
        path = path.replace("/repositories/{id}", f"/repositories/{self._repo['id']}")
        named: dict[str, Any] = {"o": owner, "r": repo, "org": self._org, "login": self._person, "account_id": number}
        return self._github.request(method, path.format(**named), headers=self._headers(credential))

    def _headers(self, credential: str) -> dict[str, str]:
        now = int(time.time())
        claims = {"iss": str(APP_ID), "iat": now - 60, "exp": now + 540}
        app = {"authorization": f"Bearer {jwt.encode(claims, self._standin.instance.app_private_key, 'RS256')}"}
        if credential == "App JWT":
            return app
        if credential == "user token":
            return {"authorization": f"token {self._standin.control.mint_user_token(self._person)}"}
        made = self._github.post(f"/app/installations/{self._installation}/access_tokens", headers=app)
        assert made.status_code == 201, made.text
        return {"authorization": f"token {made.json()['token']}"}


def test_every_permission_is_asked_for_by_some_call() -> None:
    """Otherwise the cases below tell nothing."""
    assert {needed for _, _, needed in CALLS} == {"", *SPELLED.values()}
    assert len(CALLS) >= 14
    assert {name for one in SETS for name in one.permissions} == {*SPELLED.values(), "administration"}


@with_each
@pytest.mark.parametrize(("call", "credential", "needed"), CALLS, ids=[call for call, _, _ in CALLS])
def test_a_call_with_what_the_app_may(
    standin: Stack, github: httpx.Client, granted: Granted, call: str, credential: str, needed: str
) -> None:
    """Answered with the permission, refused as GitHub refuses without it."""
    answer = App(standin, github, granted.permissions).ask(call, credential)
    if not needed or needed in granted.permissions:
        assert answer.status_code in {200, 204}, answer.text
    else:
        assert (answer.status_code, answer.json()["message"]) == (403, NOT_ACCESSIBLE)


@pytest.mark.parametrize(("call", "credential", "needed"), CALLS, ids=[call for call, _, _ in CALLS])
def test_administration_alone_opens_nothing(
    standin: Stack, github: httpx.Client, call: str, credential: str, needed: str
) -> None:
    """Nothing that needs something is answered because of a permission that Keyway does not use."""
    if needed and credential == "installation token":
        answer = App(standin, github, {"administration": "read"}).ask(call, credential)
        assert (answer.status_code, answer.json()["message"]) == (403, NOT_ACCESSIBLE)
