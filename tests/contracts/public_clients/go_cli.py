"""The public command line in Go (contract.md 11), as far as the wire sees it: what it sends, what it reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus

from tests.contracts.public_clients.env_text import parsed
from tests.contracts.public_clients.sender import Sender
from tests.contracts.public_clients.shapes import Optional, Some, filled, moment, reads, url, uuid
from tests.oracle.wire import Answer, Header

_NO_BODY: Final = object()
_WITH_LENGTH: Final = ("POST", "PUT", "PATCH")
_HTML: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_PROJECT: Final = {
    "id": filled,
    "name": filled,
    "serviceId": Optional((str, None)),
    "serviceName": Optional((str, None)),
    "linkedRepo": Optional((str, None)),
    "environments": Optional(([str], None)),
    "connectionId": uuid,
    "teamId": (str, None),
    "teamName": Optional((str, None)),
}
_CONNECTION: Final = {"id": uuid, "provider": filled, "providerTeamId": (str, None), "createdAt": moment}
_STARTED: Final = {
    "deviceCode": filled,
    "userCode": filled,
    "verificationUri": url,
    "verificationUriComplete": url,
    "expiresIn": int,
    "interval": int,
}


def marshalled(value: Any) -> bytes:
    """JSON as Go writes it: without blanks, names of a map in order, and `<`, `>`, `&` escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return "".join(_HTML.get(character, character) for character in text).encode()


@dataclass
class CommandError(Exception):
    """What the command line prints in red."""

    status: int
    title: str
    detail: str
    upgrade_url: str = ""
    trial: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class GoCli:
    """`keyway` on somebody's machine. `token` is what its file holds, or KEYWAY_TOKEN."""

    base: str
    token: str = ""
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self.sender = Sender(self.base)

    # the client of section 11.1 --------------------------------------------------------------------------------

    def headers(self, method: str, body: bytes | None, *, signed: bool) -> Iterator[Header]:
        """In the order in which Go's library writes them, which adds Host, Content-Length and Accept-Encoding."""
        yield "Host", self.sender.host
        yield "User-Agent", "keyway-cli/dev"
        if body or method in _WITH_LENGTH:
            yield "Content-Length", str(len(body or b""))
        if signed and self.token:
            yield "Authorization", f"Bearer {self.token}"
        yield "Content-Type", "application/json"
        yield "Accept-Encoding", "gzip"

    def raw(self, method: str, path: str, body: Any = _NO_BODY, *, signed: bool = True) -> Answer:
        """One request, whatever comes back."""
        content = None if body is _NO_BODY else marshalled(body)
        return self.sender.send(method, path, self.headers(method, content, signed=signed), content)

    def ask(self, method: str, path: str, body: Any = _NO_BODY) -> Any:
        """The body of an answer below 400. Raises CommandError."""
        answer = self.raw(method, path, body)
        if answer.status >= 400:
            raise self.failed(answer)
        return json.loads(answer.body) if answer.body else {}

    def failed(self, answer: Answer) -> CommandError:
        """What it makes of an error; with 401 it forgets its login."""
        if answer.status == 401:
            self.token = ""
        if not answer.body.startswith(b"{"):  # what is no JSON is shown as it is
            return CommandError(answer.status, "", answer.body.decode())
        told = reads(json.loads(answer.body), {"title": filled, "detail": str}, "problem")
        return CommandError(
            answer.status, told["title"], told["detail"], told.get("upgradeUrl", ""), told.get("trialInfo", {})
        )

    def data(self, method: str, path: str, body: Any = _NO_BODY) -> Any:
        """Inside the envelope."""
        return self.ask(method, path, body)["data"]

    # commands of section 11.4 ----------------------------------------------------------------------------------

    def login(self, repository: str, ids: tuple[int, int] | None, wait: Callable[[int], None], most: int = 4) -> str:
        """`keyway login`: asks for ids without a token, begins, polls. Things happen in each `wait`."""
        assert self.raw("GET", f"/v1/github/repo-ids?repo={quote_plus(repository)}", signed=False).status == 401
        known = {"repository": repository} | ({"ownerId": ids[0], "repoId": ids[1]} if ids else {})
        started = reads(
            json.loads(self.raw("POST", "/v1/auth/device/start", known, signed=False).body), _STARTED, "raw"
        )
        self.started = started
        for number in range(most):
            wait(number)
            answer = self.raw("POST", "/v1/auth/device/poll", {"deviceCode": started["deviceCode"]}, signed=False)
            if answer.status >= 400:  # it does not look at these, and goes on
                continue
            told = reads(json.loads(answer.body), {"status": ("pending", "approved", "expired", "denied")}, "poll")
            if told["status"] == "approved":
                reads(told, {"keywayToken": filled, "githubLogin": filled, "expiresAt": moment}, "poll")
                self.token = told["keywayToken"]
                return str(told["githubLogin"])
            if told["status"] != "pending":
                raise CommandError(answer.status, told["error"], told["message"])
        raise CommandError(0, "timeout", "still pending")

    def login_with_token(self, token: str) -> str:
        """`keyway login --token`."""
        assert token.startswith("github_pat_")
        self.token = token
        return str(self._validate()["username"])

    def doctor(self) -> dict[str, Any]:
        """`keyway doctor`: who am I, and is the server there."""
        told = self._validate()
        answer = self.raw("HEAD", "/v1/health")
        assert (answer.status < 500, answer.body) == (True, b"")
        return {"username": told["username"], "status": answer.status}

    def _validate(self) -> dict[str, Any]:
        shape = {"username": filled, "plan": ("free", "pro", "team", "business"), "createdAt": (moment, None)}
        return dict(reads(self.data("POST", "/v1/auth/token/validate", {}), shape))

    def check_installation(self, owner: str, name: str) -> dict[str, Any]:
        """Is the App there, and where is it installed?"""
        body = {"repoOwner": owner, "repoName": name}
        return dict(
            reads(self.data("POST", "/v1/github/check-installation", body), {"installed": bool, "installUrl": url})
        )

    def init(self, owner: str, name: str) -> str:
        """`keyway init` up to its push: "created", "ready" or "initialized". Raises CommandError."""
        assert self.check_installation(owner, name)["installed"]
        try:
            vault = self.vault(owner, name)
            return "initialized" if vault["secretCount"] else "ready"
        except CommandError as missing:
            if missing.status != 404:
                raise
        try:
            self.ask("POST", "/v1/vaults", {"repoFullName": f"{owner}/{name}"})
        except CommandError as refused:
            if refused.status != 409:
                raise
            return "initialized"
        return "created"

    def start_trial(self, org: str) -> str:
        """Offered by `init` when a refusal says that there is one."""
        told = reads(
            self.data("POST", f"/v1/orgs/{org}/trial/start", {}), {"message": filled, "trial": {"status": "active"}}
        )
        return str(told["message"])

    def vault(self, owner: str, name: str) -> dict[str, Any]:
        """What there is already, for `init`."""
        shape = {"id": uuid, "repoFullName": f"{owner}/{name}", "secretCount": int, "environments": [filled]}
        return dict(reads(self.data("GET", f"/v1/vaults/{owner}/{name}"), shape))

    def picked(self, repository: str) -> list[str]:
        """The picker of environments; without an answer it offers production."""
        try:
            return list(self.vault(*repository.split("/"))["environments"]) or ["production"]
        except CommandError:
            return ["production"]

    def pulled(self, repository: str, environment: str) -> str:
        """The text of an environment. Raises CommandError, 404 for an empty one."""
        query = f"repo={quote_plus(repository)}&environment={quote_plus(environment)}"
        return str(reads(self.data("GET", f"/v1/secrets/pull?{query}"), {"content": str})["content"])

    def held(self, repository: str, environment: str) -> dict[str, str]:
        """What `push` and `set` merge with: nothing when the environment is empty."""
        try:
            return parsed(self.pulled(repository, environment))
        except CommandError as failed:
            if failed.status != 404:
                raise
            return {}

    def pushed(self, repository: str, environment: str, secrets: Mapping[str, str]) -> dict[str, int]:
        """The one request that writes, always with everything that should be there."""
        body = {"repoFullName": repository, "environment": environment, "secrets": dict(sorted(secrets.items()))}
        told = self.data("POST", "/v1/secrets/push", body)
        reads(told, {"message": filled, "stats": {"created": int, "updated": int, "deleted": int}})
        return dict(told["stats"])

    def push(
        self, repository: str, environment: str, local: Mapping[str, str], *, prune: bool = False, pick: bool = False
    ) -> dict[str, int]:
        """`keyway push`, with the picker when no environment was named at a terminal."""
        if pick:
            assert environment in self.picked(repository)
        there = self.held(repository, environment)
        return self.pushed(repository, environment, local if prune else there | dict(local))

    def set(self, repository: str, environment: str, name: str, value: str) -> dict[str, int]:
        """`keyway set`: the whole environment, with one key changed."""
        return self.pushed(repository, environment, self.held(repository, environment) | {name: value})

    def diff(self, repository: str, one: str, other: str) -> dict[str, list[str]]:
        """`keyway diff`: two pulls; what fails counts as empty, unless both do."""
        found, failures = [], []
        for environment in (one, other):
            try:
                found.append(parsed(self.pulled(repository, environment)))
            except CommandError as failed:
                failures.append(failed)
                found.append({})
        if len(failures) == 2:
            raise failures[0]
        left, right = found
        return {
            "only_left": sorted(left.keys() - right.keys()),
            "only_right": sorted(right.keys() - left.keys()),
            "different": sorted(name for name in left.keys() & right.keys() if left[name] != right[name]),
        }

    # connect, connections, disconnect, sync --------------------------------------------------------------------

    def providers(self) -> dict[str, bool]:
        """Which providers the server knows, and which are configured."""
        shape = {"providers": [{"name": filled, "displayName": filled, "configured": bool}]}
        return {
            one["name"]: one["configured"] for one in reads(self.data("GET", "/v1/integrations"), shape)["providers"]
        }

    def connections(self) -> list[dict[str, Any]]:
        """`keyway connections`."""
        found = self.data("GET", "/v1/integrations/connections")
        return list(reads(found, {"connections": Some(_CONNECTION)})["connections"])

    def connect_with_token(self, provider: str, token: str) -> dict[str, Any]:
        """`keyway connect railway`: a pasted token."""
        shape = {"success": True, "user": {"username": filled, "teamName": Optional((str, None))}}
        path = f"/v1/integrations/{provider}/connect"
        return dict(reads(self.data("POST", path, {"token": token}), shape)["user"])

    def authorize_url(self, provider: str) -> str:
        """`keyway connect vercel`: what it opens in the browser, with its own token in the query."""
        return f"{self.base}/v1/integrations/{provider}/authorize?token={quote_plus(self.token)}"

    def disconnect(self, provider: str) -> None:
        """`keyway disconnect`: the first connection of that provider, with a JSON content type and no body."""
        first = next(one for one in self.connections() if one["provider"] == provider)
        answer = self.raw("DELETE", f"/v1/integrations/connections/{first['id']}")
        assert (answer.status, answer.body) == (204, b"")

    def projects(self, provider: str) -> list[dict[str, Any]]:
        """All that can be synced with."""
        path = f"/v1/integrations/providers/{provider}/all-projects"
        found = self.data("GET", path)
        return list(reads(found, {"projects": Some(_PROJECT), "connections": Some(_CONNECTION)})["projects"])
