"""Puts people, repositories and vaults onto a running stack, each under names that no other test has.

Everything goes the way that it goes in life: accounts and roles on GitHub's side (the stand-in's control endpoints),
device sign-ins, vaults and values over the public API.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from keyway_standalone.processes import Stack
from permission_sets import FULL, Granted
from stack import sign_in

from . import canaries
from .cast import NEW_VAULT, Deposit, Place, Principal, World
from .wire import Answer, Call, Header, bearer, send

ROLES: Final = {
    "founder": "admin",
    "maintainer": "maintain",
    "teammate": "write",
    "triager": "triage",
    "reader": "read",
}
SECRETS_JSON: Final = "application/vnd.keyway.secrets+json"
OTHERS: Final = ("stranger", "removed", "outsider")
# Who may read and write everything in a place, to look at it afterwards.
KEEPERS: Final = {"private": "founder", "public": "founder", "other": "outsider"}


class GitHub:
    """What tests do to GitHub's side of the world."""

    def __init__(self, stack: Stack) -> None:
        self._url = stack.github_url
        self._headers = (("X-Control-Token", stack.control.token),)

    def do(self, action: str, **arguments: Any) -> Any:
        """One action of the stand-in's control endpoints."""
        return self._answer(Call("POST", f"/_control/{action}", self._headers, arguments))

    def calls(self) -> list[str]:
        """Method and path of every call so far, without those of readiness checks."""
        made = self._answer(Call("GET", "/_control/calls", self._headers))
        return [f"{call['method']} {call['path']}" for call in made if call["path"] != "/app"]

    def _answer(self, call: Call) -> Any:
        answer = send(self._url, call)
        if answer.status != 200:
            raise AssertionError(f"{call.path}: {answer.status} {answer.body!r}")
        return answer.json()

    def user(self, stem: str) -> str:
        """A new person's login."""
        login = f"{stem}-{secrets.token_hex(4)}"
        self.do("create-user", login=login)
        return login

    def org(self, stem: str, admin: str) -> tuple[str, int]:
        """A new organisation: its login and number."""
        login = f"{stem}-{secrets.token_hex(4)}"
        return login, int(self.do("create-org", login=login, admin=admin)["id"])

    def repo(self, full_name: str, roles: Mapping[str, str], visibility: str = "private") -> int:
        """A new repository with collaborators by login; its number."""
        number = int(self.do("create-repo", repo=full_name, visibility=visibility)["id"])
        for login, role in roles.items():
            self.do("set-role", repo=full_name, login=login, role=role)
        return number


def create_vault(stack: Stack, token: str, full_name: str) -> str:
    """A new vault's id."""
    answer = send(stack.api_url, Call("POST", "/v1/vaults", (bearer(token),), {"repoFullName": full_name}))
    if answer.status != 201:
        raise AssertionError(f"no vault for {full_name}: {answer.status} {answer.body!r}")
    return str(answer.json()["data"]["vaultId"])


def push(stack: Stack, token: str, full_name: str, environment: str, values: Mapping[str, str]) -> Answer:
    """A push in the manner of the public clients."""
    body = {"repoFullName": full_name, "environment": environment, "secrets": values}
    return send(stack.api_url, Call("POST", "/v1/secrets/push", (bearer(token),), body))


def pull(stack: Stack, token: str, full_name: str, environment: str) -> dict[str, str]:
    """Key and value of everything in an environment."""
    answer = _pull(stack.api_url, token, full_name, environment)
    if answer.status == 404:
        return {}
    if answer.status != 200:
        raise AssertionError(f"pull of {full_name} {environment}: {answer.status} {answer.body!r}")
    return dict(answer.json()["data"]["secrets"])


def _pull(base: str, token: str, full_name: str, environment: str) -> Answer:
    path = f"/v1/secrets/pull?repo={full_name}&environment={environment}"
    return send(base, Call("GET", path, (bearer(token), ("Accept", SECRETS_JSON))))


@dataclass
class Home:
    """A vault of its own, its administrator, and people with other roles on its repository as they are asked for."""

    stack: Stack
    full_name: str
    repo_id: int
    owner_id: int
    admin: str
    token: str
    vault_id: str
    _others: dict[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The public port."""
        return str(self.stack.api_url)

    def get(self, path: str) -> Answer:
        """A GET as the administrator."""
        return send(self.base, Call("GET", path, (bearer(self.token),)))

    def post(self, path: str, body: Any) -> Answer:
        """A POST as the administrator."""
        return send(self.base, Call("POST", path, (bearer(self.token),), body))

    def push(self, values: Mapping[str, str], environment: str) -> Answer:
        """A push as the administrator."""
        return push(self.stack, self.token, self.full_name, environment, values)

    def push_body(self, values: Mapping[str, str], environment: str) -> bytes:
        """The body of a push."""
        return json.dumps({"repoFullName": self.full_name, "environment": environment, "secrets": values}).encode()

    def push_bytes(self, body: bytes) -> Answer:
        """A push with this very body."""
        headers: tuple[Header, ...] = (bearer(self.token), ("Content-Type", "application/json"))
        return send(self.base, Call("POST", "/v1/secrets/push", headers, form=body))

    def values(self, environment: str) -> dict[str, str]:
        """What an environment holds."""
        return pull(self.stack, self.token, self.full_name, environment)

    def state(self) -> dict[str, tuple[int, str, dict[str, str]]]:
        """Status, ETag and values of every environment: equal before and after, nothing happened between."""
        found = {}
        for environment in NEW_VAULT:
            answer = _pull(self.base, self.token, self.full_name, environment)
            found[environment] = (answer.status, answer.header("etag"), self.values(environment))
        return found

    def login_with(self, role: str) -> str:
        """A new person with this role on the repository."""
        github = GitHub(self.stack)
        login = github.user(role)
        github.do("set-role", repo=self.full_name, login=login, role=role)
        return login

    def with_role(self, role: str) -> str:
        """A session of somebody with this role; the same one for the same role."""
        if role not in self._others:
            self._others[role] = sign_in(self.stack, self.login_with(role))
        return self._others[role]


def home(
    stack: Stack,
    stem: str = "home",
    *,
    keep: bool = True,
    granted: Granted = FULL,
    founder: tuple[str, str] | None = None,
) -> Home:
    """A vault on a private repository of an organisation that has the App, with what is `granted` to it; `keep` puts
    one value into development. It is a new person's, or that of a `founder`, whose login and session are given."""
    github = GitHub(stack)
    admin, token = founder or (github.user("admin"), "")
    org, owner_id = github.org(stem, admin)
    full_name = f"{org}/app-of-{stem}"
    repo_id = github.repo(full_name, {admin: "admin"})
    github.do("install", login=org, **granted.installing)
    token = token or sign_in(stack, admin)
    made = Home(stack, full_name, repo_id, owner_id, admin, token, create_vault(stack, token, full_name))
    if keep:
        assert made.push({"KEPT": canaries.new()}, "development").status == 200
    return made


def stranger(stack: Stack) -> str:
    """A session of somebody who has a role nowhere."""
    return sign_in(stack, GitHub(stack).user("stranger"))


@dataclass
class Stage:
    """Everybody and everything of the access matrix."""

    stack: Stack
    world: World
    logins: dict[str, str]

    def sign_in(self, name: str) -> str:
        """A further session of a principal."""
        return sign_in(self.stack, self.logins[name])


def full(stack: Stack) -> Stage:
    """The whole cast, with something in every environment of every vault."""
    github = GitHub(stack)
    logins = {name: github.user(name) for name in (*ROLES, *OTHERS)}
    places = _places(github, logins)
    tokens = {name: sign_in(stack, login) for name, login in logins.items()}
    filled = tuple(_filled(stack, place, tokens) for place in places)
    github.do("set-role", repo=filled[0].full_name, login=logins["removed"], role=None)
    return Stage(stack, World(_principals(stack, logins, tokens), filled), logins)


def _places(github: GitHub, logins: dict[str, str]) -> list[Place]:
    """Two repositories of one organisation, one of another tenant, one without the App, and two names of nothing."""
    org, org_id = github.org("labs", logins["founder"])
    bare_org, bare_id = github.org("bare", logins["founder"])
    roles = {logins[name]: role for name, role in ROLES.items()}
    names = {
        "private": f"{org}/api",
        "public": f"{org}/docs",
        "other": f"{logins['outsider']}/own",
        "bare": f"{bare_org}/notes",
        "missing here": f"{org}/nothing",
        "missing elsewhere": f"nobody-{secrets.token_hex(4)}/nothing",
    }
    ids = {
        "private": github.repo(names["private"], {**roles, logins["removed"]: "write"}),
        "public": github.repo(names["public"], roles, "public"),
        "other": github.repo(names["other"], {}),
        "bare": github.repo(names["bare"], roles),
    }
    owners = {"private": org_id, "public": org_id, "bare": bare_id}
    github.do("install", login=org)
    github.do("install", login=logins["outsider"])
    return [
        Place(
            label,
            name,
            vault=label in KEEPERS,
            installed=label != "bare",
            marks=tuple(str(found[label]) for found in (ids, owners) if label in found),
        )
        for label, name in names.items()
    ]


def _filled(stack: Stack, place: Place, tokens: dict[str, str]) -> Place:
    """The place with its vault, and a key and a value of its own in each environment."""
    if place.label not in KEEPERS:
        return place
    token = tokens[KEEPERS[place.label]]
    vault_id = create_vault(stack, token, place.full_name)
    deposits = {name: Deposit(canaries.new("K"), canaries.new("V")) for name in NEW_VAULT}
    for name, deposit in deposits.items():
        answer = push(stack, token, place.full_name, name, {deposit.key: deposit.value})
        assert answer.status == 200, answer.body
    return Place(place.label, place.full_name, deposits=deposits, marks=(*place.marks, vault_id))


def _principals(stack: Stack, logins: dict[str, str], tokens: dict[str, str]) -> tuple[Principal, ...]:
    roles: dict[str, dict[str, str]] = {
        name: dict.fromkeys(("private", "public", "bare"), role) for name, role in ROLES.items()
    }
    roles["outsider"] = {"other": "admin"}
    bad = {
        "malformed": "not.a.token",
        "expired session": expired(stack, tokens["founder"]),
        "revoked session": revoked(stack, logins["founder"]),
        "tampered signature": tampered(tokens["founder"]),
    }
    return (
        Principal("anonymous"),
        *(Principal(name, (bearer(token),)) for name, token in bad.items()),
        *(Principal(name, (bearer(token),), good=True, roles=roles.get(name, {})) for name, token in tokens.items()),
    )


def signed(stack: Stack, token: str, **changed: Any) -> str:
    """The claims of a session signed again with the real secret, changed; None takes a claim away."""
    claims = jwt.decode(token, options={"verify_signature": False}) | changed
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, stack.instance.jwt_secret, algorithm="HS256")


def expired(stack: Stack, token: str) -> str:
    """A session that was good until a moment ago."""
    return signed(stack, token, exp=int(time.time()) - 1)


def revoked(stack: Stack, login: str) -> str:
    """A session that was signed out."""
    token = sign_in(stack, login)
    assert send(stack.api_url, Call("POST", "/v1/auth/logout", (bearer(token),))).status == 204
    return token


def tampered(token: str) -> str:
    """A session whose signature is wrong in one bit that counts."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}"
