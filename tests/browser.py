"""A browser, as far as signing in needs one: cookies of its own, redirects followed one at a time, by hand."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from keyway_standalone.processes import Stack
from stack import TLS, http

NONCE = "__Host-keyway_sign_in"


@dataclass
class Browser:
    """`jar` holds the cookies of the API's host; those of GitHub's pages are not needed."""

    stack: Stack
    jar: dict[str, str] = field(default_factory=dict)

    def get(self, url: str, **params: Any) -> httpx.Response:
        """A GET of the API, with this browser's cookies; what the answer sets is kept."""
        headers = {"User-Agent": "Mozilla/5.0"}
        if self.jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        with http(self.stack) as client:
            answer = client.get(url, params=params or None, headers=headers, follow_redirects=False)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.jar.pop(name, None)
                else:
                    self.jar[name] = morsel.value
        return answer

    def start(self, **params: Any) -> str:
        """Begins a sign-in; the address at GitHub that it leads to."""
        answer = self.get("/v1/auth/github/start", **params)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def sign_in(self, login: str, **params: Any) -> httpx.Response:
        """The whole way to GitHub and back; the answer of the callback."""
        return self.get(consented(self.stack, self.start(**params), login))


def consented(stack: Stack, address: str, login: str, decision: str = "authorize") -> str:
    """Where GitHub's page of consent sends the browser of this person."""
    form = {"login": login, "passphrase": stack.passphrase, "decision": decision}
    answer = httpx.post(address, data=form, follow_redirects=False, verify=TLS)
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


def query(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def cookies_set(answer: httpx.Response) -> list[str]:
    """The names of the cookies that an answer sets or clears."""
    return [line.partition("=")[0] for line in answer.headers.get_list("set-cookie")]


@dataclass(frozen=True)
class Pkce:
    """A verifier of the dashboard and its challenge."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def params(self) -> dict[str, str]:
        """What the start is given."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return {"code_challenge": challenge, "code_challenge_method": "S256"}
