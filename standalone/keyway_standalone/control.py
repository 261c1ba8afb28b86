"""Client of the stand-in's control endpoints: what a test does to GitHub's world."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any, Final

import httpx

Json = dict[str, Any]

# The stand-in speaks plain HTTP on loopback; reading the list of authorities takes longer than a request.
_NO_AUTHORITIES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Control:
    """Speaks to `/_control/*` of the stand-in at `url`, with the token that it was started with.

    Every method raises httpx.HTTPStatusError when the stand-in refuses. Actions without a method of their own here go
    through `do`; what they take stands in `github_standin.controls`.
    """

    url: str
    token: str

    def do(self, action: str, **arguments: Any) -> Any:
        """One control action with its arguments."""
        return self._request("POST", action, arguments)

    def world(self) -> Json:
        """People, organisations, repositories, roles, cast and places as they are now."""
        world: Json = self._request("GET", "world", None)
        return world

    def login(self, role: str) -> str:
        """The present login of one of the cast (`github_standin.seeding`): founder, teammate, … stranger, outsider."""
        return str(self.do("login", role=role)["login"])

    def repo(self, place: str) -> Json:
        """The repository of a place (private, public, other, bare): id, full_name, owner_id, visibility, …"""
        found: Json = self.do("place", place=place)
        return found

    def approve_device(self, user_code: str, login: str) -> None:
        """The person consents on the device page."""
        self.do("decide-device", user_code=user_code, login=login)

    def deny_device(self, user_code: str) -> None:
        """Somebody presses Cancel on the device page."""
        self.do("decide-device", user_code=user_code, deny=True)

    def set_role(self, repo: str, login: str, role: str | None) -> None:
        """Gives a person a role on owner/name ("read" … "admin", or "custom/base"), or takes it away with None."""
        self.do("set-role", repo=repo, login=login, role=role)

    def create_user(self, login: str) -> Json:
        """A new person without any role."""
        made: Json = self.do("create-user", login=login)
        return made

    def create_repo(self, full_name: str, visibility: str = "private") -> Json:
        """A new repository of an existing account. An installation for selected repositories does not cover it."""
        made: Json = self.do("create-repo", repo=full_name, visibility=visibility)
        return made

    def install(self, login: str, repos: list[str] | None = None, permissions: dict[str, str] | None = None) -> Json:
        """The App on an account: for these repositories, or for all; with all permissions, or with these."""
        made: Json = self.do("install", login=login, repos=repos or [], permissions=permissions)
        return made

    def mint_user_token(self, login: str, kind: str = "ghu", **more: Any) -> str:
        """A token of a person: ghu is our App's, gho, ghp and github_pat are not. `seconds` until it ends."""
        return str(self.do("mint-token", login=login, kind=kind, **more)["token"])

    def fault(self, kind: str, pattern: str = "*", *, call: int = 1, times: int = 1, **more: Any) -> None:
        """Disturbs `times` calls (0 is all) from the `call`-th matching one on. Kinds: `github_standin.faults.KINDS`.

        `pattern` is "METHOD /path" with * for anything, without /api/v3. More: status, seconds, location, headers.
        """
        self.do("fault", kind=kind, pattern=pattern, call=call, times=times, **more)

    def clear_faults(self) -> list[int]:
        """Ends all faults; how many calls each of them met."""
        met: list[int] = self.do("clear-faults")["met"]
        return met

    def calls(self) -> list[Json]:
        """Every call since the last reset: method, path, status, fault."""
        calls: list[Json] = self._request("GET", "calls", None)
        return calls

    def reset_calls(self) -> None:
        """Forgets the calls so far."""
        self.do("reset-calls")

    def _request(self, method: str, action: str, arguments: Json | None) -> Any:
        headers = {"X-Control-Token": self.token}
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30, verify=_NO_AUTHORITIES) as client:
            response = client.request(method, f"/_control/{action}", headers=headers, json=arguments)
        if response.is_error:
            raise httpx.HTTPStatusError(response.text, request=response.request, response=response)
        return response.json()
