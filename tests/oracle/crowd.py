"""Everybody who may call any route, and everything that a route may name: the axes of the matrix of all routes.

What is laid out goes the way that it goes in life: roles on GitHub's side, sign-ins, vaults and values over the public
API. API keys are written as the backend writes them (`keys`), because their variety is what is looked at, and so are
sessions of one person beside the first.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
from keyway_backend.access.actor import Scope
from keyway_standalone.processes import Stack
from stack import sign_in

from . import canaries, keys, stage
from .cast import NEW_VAULT, Deposit
from .wire import Answer, Call, Header, bearer, send

SESSIONS: Final = 4
DESK: Final = "desk"  # an environment for what changes environments
ROLES: Final = {"admin": "admin", "maintain": "maintain", "write": "write", "triage": "triage", "read": "read"}
PEOPLE: Final = (
    *ROLES, "org owner", "partner", "own page", "org member", "stranger", "public stranger", "outsider", "removed",
    "creator",
)  # fmt: skip
LABS: Final = ("own", "sibling", "public", "gone")
FOREIGN_PAGE: Final[Header] = ("Origin", "https://evil.example")


@dataclass(frozen=True)
class Ground:
    """A repository, or the name of none, and what its vault holds: ids by environment, and strings that nobody else
    may see."""

    label: str
    full_name: str
    vault: bool = True
    vault_id: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    plain: Mapping[str, str] = field(default_factory=dict)
    trashed: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    environment_ids: Mapping[str, str] = field(default_factory=dict)
    override: str = field(default_factory=lambda: str(uuid4()))
    rule: str = field(default_factory=lambda: str(uuid4()))
    deposits: Mapping[str, tuple[Deposit, ...]] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """The part before the slash."""
        return self.full_name.partition("/")[0]

    @property
    def repo(self) -> str:
        """The part after it."""
        return self.full_name.partition("/")[2]


@dataclass(frozen=True)
class Caller:
    """A principal: what it sends, and what it is. `bound`: label of a ground, and an environment or None for all."""

    name: str
    tokens: tuple[str, ...] = ()
    kind: str = "session"
    good: bool = False
    login: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    orgs: Mapping[str, str] = field(default_factory=dict)
    created: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    bound: tuple[str, str | None] | None = None
    address: bool = True
    by_cookie: bool = False
    own_page: bool = False
    own_key: str = ""
    own_session: str = ""
    own_connection: str = ""
    sort: str = ""

    @property
    def credential(self) -> str:
        """What sort of credential it is, under one name for all who are asked about in the same way."""
        return self.sort or (self.kind if self.good else "refused")

    def headers(self, number: int) -> tuple[Header, ...]:
        """A credential; those of one principal take turns, so that none is over its share of a limit."""
        if not self.tokens:
            return ()
        token = self.tokens[number % len(self.tokens)]
        return self._cookie(token) if self.by_cookie else (bearer(token),)

    def _cookie(self, token: str) -> tuple[Header, ...]:
        site = ("Sec-Fetch-Site", "same-origin") if self.own_page else FOREIGN_PAGE
        return (("Cookie", f"__Host-keyway_session={token}"), site)


@dataclass
class Crowd:
    """All of them on a running stack."""

    stack: Stack
    grounds: dict[str, Ground]
    callers: dict[str, Caller]
    logins: dict[str, str]
    sessions: dict[str, list[str]]
    connections: Mapping[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def own(self, method: str, tail: str, body: Any = None, *, who: str = "org owner", at: str = "own") -> Any:
        """What an administrator does to make ready; the data of an answer that must be good."""
        path = tail if tail.startswith("/v1/") else f"/v1/vaults/{self.grounds[at].full_name}{tail}"
        return told(self.stack, self.sessions[who][0], method, path, body)

    @cached_property
    def admin_id(self) -> str:
        """The id of an administrator's account."""
        return str(claims(self.sessions["admin"][0])["sub"])

    def number(self) -> int:
        """One that was not used yet."""
        return next(self.numbers)


def claims(token: str) -> dict[str, Any]:
    """What a session says."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def told(stack: Stack, token: str, method: str, path: str, body: Any = None) -> Any:
    """The data of an answer that must be good."""
    answer: Answer = send(stack.api_url, Call(method, path, (bearer(token),), body))
    assert answer.status < 300, (method, path, answer.status, answer.body)
    return answer.json()["data"] if answer.body else None


def connected(stack: Stack, token: str) -> str:
    """The id of a new connection to Vercel, made in a browser."""
    path = "/v1/integrations/vercel"
    leaving = send(stack.api_url, Call("GET", f"{path}/authorize", (bearer(token),)))
    assert leaving.status == 302, leaving.body
    state = parse_qs(urlsplit(leaving.header("location")).query)["state"][0]
    cookie = ("Cookie", leaving.header("set-cookie").partition(";")[0])
    back = send(stack.api_url, Call("GET", f"{path}/callback?code=good&state={state}", (cookie,)))
    assert back.status == 200, back.body
    return str(told(stack, token, "GET", "/v1/integrations/connections")["connections"][0]["id"])


def gather(stack: Stack, scope_sets: Mapping[str, frozenset[Scope]] | None = None, *, providers: bool = False) -> Crowd:
    """The whole crowd. `scope_sets` are further keys of the organisation's owner, by name of the principal.
    `providers`: the stack takes GitHub's own tokens and knows providers, and everybody has a connection."""
    github = stage.GitHub(stack)
    logins = {name: github.user(name.replace(" ", "-")) for name in PEOPLE}
    names, ids = _repositories(github, logins)
    with ThreadPoolExecutor(6) as pool:
        signed_in = list(pool.map(lambda name: sign_in(stack, logins[name]), PEOPLE))
    sessions = {
        name: [token, *keys.sessions_like(stack, token, SESSIONS - 1)]
        for name, token in zip(PEOPLE, signed_in, strict=True)
    }
    keepers = {"own": "org owner", "sibling": "org owner", "public": "org owner", "foreign": "outsider"}
    grounds = {
        label: planted(stack, sessions[keepers.get(label, "creator")][0], label, names[label], ids.get(label, ()))
        for label in (*keepers, "suspended")
    }
    grounds |= {label: Ground(label, names[label], vault=False) for label in ("missing here", "missing elsewhere")}
    grounds["gone"] = _gone(stack, sessions["org owner"][0], names["gone"])
    told(stack, sessions["org owner"][0], "POST", "/v1/orgs/connect", {"orgLogin": grounds["own"].owner})
    told(stack, sessions["outsider"][0], "POST", "/v1/orgs/connect", {"orgLogin": grounds["foreign"].owner})
    for environment in NEW_VAULT:
        stage.pull(stack, sessions["admin"][0], names["own"], environment)
        stage.pull(stack, sessions["outsider"][0], names["foreign"], environment)
    via = {name: connected(stack, sessions[name][0]) for name in PEOPLE} if providers else {}
    crowd = Crowd(stack, grounds, {}, logins, sessions, via)
    crowd.own("POST", "/environments", {"name": DESK})
    tokens = _github_tokens(crowd, taken=providers)
    everybody = (*_people(crowd), *_keys(crowd, scope_sets or {}), *_workflows(crowd), *tokens)
    crowd.callers = {one.name: one for one in everybody}
    github.do("set-role", repo=names["own"], login=logins["removed"], role=None, webhook=True)
    github.do("suspend", login=grounds["suspended"].owner, webhook=True)
    return crowd


def _repositories(github: stage.GitHub, logins: Mapping[str, str]) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Repositories of two tenants and of one whose installation will be suspended; names of none."""
    org, org_id = github.org("labs", logins["org owner"])
    rival, rival_id = github.org("rivals", logins["outsider"])
    held, _ = github.org("held", logins["creator"])
    for name in ("partner", "own page"):
        github.do("set-member", org=org, login=logins[name], role="admin")
    github.do("set-member", org=org, login=logins["org member"], role="member")
    github.do("set-base-role", org=org, role="none")
    names = {
        "own": f"{org}/api", "sibling": f"{org}/web", "public": f"{org}/docs", "gone": f"{org}/gone",
        "foreign": f"{rival}/api", "suspended": f"{held}/api",
        "missing here": f"{org}/nothing", "missing elsewhere": f"nobody-{secrets.token_hex(4)}/nothing",
    }  # fmt: skip
    roles = {logins[name]: role for name, role in ROLES.items()}
    repo_ids = {
        "own": github.repo(names["own"], {**roles, logins["removed"]: "write"}),
        "sibling": github.repo(names["sibling"], roles),
        "public": github.repo(names["public"], {logins["admin"]: "admin"}, "public"),
        "gone": github.repo(names["gone"], roles),
        "foreign": github.repo(names["foreign"], {}),
        "suspended": github.repo(names["suspended"], {}),
    }
    for login in (org, rival, held):
        github.do("install", login=login)
    owners = {"foreign": rival_id, "public": org_id}
    ids = {
        label: (str(repo_ids[label]), *([str(owners[label])] if label == "foreign" else []))
        for label in ("own", "sibling", "public", "foreign")
    }
    return names, ids


def planted(stack: Stack, token: str, label: str, full_name: str, marks: tuple[str, ...]) -> Ground:
    """A vault with a canary, a plain secret and something in the trash in each environment, an override and a rule."""
    vault_id = stage.create_vault(stack, token, full_name)
    path = f"/v1/vaults/{full_name}"
    deposits = {
        name: tuple(Deposit(canaries.new(stem), canaries.new("V")) for stem in ("K", "T", "K")) for name in NEW_VAULT
    }
    for name, (canary, trashed, _) in deposits.items():
        values = {canary.key: canary.value, trashed.key: trashed.value, f"PLAIN_{name.upper()}": "plain"}
        assert stage.push(stack, token, full_name, name, values).status == 200
    by_key = {one["key"]: one["id"] for one in told(stack, token, "GET", f"{path}/secrets")}
    versions = {}
    for name, (canary, trashed, later) in deposits.items():
        told(stack, token, "PATCH", f"{path}/secrets/{by_key[canary.key]}", {"value": later.value})
        told(stack, token, "DELETE", f"{path}/secrets/{by_key[trashed.key]}")
        found = told(stack, token, "GET", f"{path}/secrets/{by_key[canary.key]}/versions")["versions"]
        versions[name] = str(found[0]["id"])
    role = {"environment": "staging", "targetType": "role", "targetRole": "triage", "canRead": True, "canWrite": False}
    return Ground(
        label,
        full_name,
        vault_id=vault_id,
        secrets={name: by_key[canary.key] for name, (canary, _, _) in deposits.items()},
        plain={name: by_key[f"PLAIN_{name.upper()}"] for name in NEW_VAULT},
        trashed={name: by_key[trashed.key] for name, (_, trashed, _) in deposits.items()},
        versions=versions,
        environment_ids=keys.environment_ids(stack, vault_id),
        override=str(told(stack, token, "POST", f"{path}/permissions/overrides", role)["id"]),
        rule=str(told(stack, token, "POST", f"{path}/oidc-rules", {"environment": "development"})["id"]),
        deposits=deposits,
        marks=(*marks, vault_id),
    )


def _gone(stack: Stack, token: str, full_name: str) -> Ground:
    """A vault that was there."""
    vault_id = stage.create_vault(stack, token, full_name)
    told(stack, token, "DELETE", f"/v1/vaults/{full_name}")
    return Ground("gone", full_name, vault=False, marks=(vault_id,))


def _people(crowd: Crowd) -> list[Caller]:
    stack = crowd.stack
    everywhere = dict.fromkeys(LABS, "admin")
    roles: dict[str, dict[str, str]] = {
        name: dict.fromkeys(("own", "sibling", "gone"), role) for name, role in ROLES.items()
    }
    roles["admin"]["public"] = "admin"
    roles |= dict.fromkeys(("org owner", "partner", "own page"), everywhere) | {"outsider": {"foreign": "admin"}}
    roles["creator"] = {"suspended": "admin"}
    orgs: dict[str, dict[str, str]] = {
        "org owner": dict.fromkeys((*LABS, "missing here"), "owner"),
        "partner": dict.fromkeys((*LABS, "missing here"), "owner"),
        "own page": dict.fromkeys((*LABS, "missing here"), "owner"),
        "org member": dict.fromkeys((*LABS, "missing here"), "member"),
        "outsider": {"foreign": "owner"},
    }
    people = [
        Caller(
            name,
            tuple(crowd.sessions[name]),
            good=True,
            login=crowd.logins[name],
            roles=roles.get(name, {}),
            orgs=orgs.get(name, {}),
            created=frozenset({"suspended"} if name == "creator" else ()),
            by_cookie=name in {"partner", "own page"},
            own_page=name == "own page",
            sort="cookie" if name in {"partner", "own page"} else "" if name in roles else "session of a stranger",
            own_connection=crowd.connections.get(name, ""),
            own_key=str(keys.give(stack, crowd.sessions[name][0], days=30).id),
            own_session=str(claims(crowd.sessions[name][1])["sid"]),
        )
        for name in PEOPLE
    ]
    return [*people, Caller("anonymous"), *(Caller(name, tokens) for name, tokens in _refused(crowd).items())]


def _refused(crowd: Crowd) -> dict[str, tuple[str, ...]]:
    """What is no credential, by what is wrong with it. Those have their limits as well."""
    stack, owners, login = crowd.stack, crowd.sessions["org owner"], crowd.logins["org owner"]
    return {
        "malformed": tuple(f"not.a.token{number}" for number in range(SESSIONS)),
        "expired": tuple(stage.expired(stack, token) for token in owners),
        "revoked": tuple(stage.revoked(stack, login) for _ in range(SESSIONS)),
        "tampered": tuple(stage.tampered(token) for token in owners),
        "revoked key": tuple(_revoked_keys(stack, owners[0])),
    }


def _github_tokens(crowd: Crowd, *, taken: bool) -> Iterator[Caller]:
    """Tokens of GitHub of the organisation's owner: of their own making and of our App, where such are `taken`."""
    github, login = stage.GitHub(crowd.stack), crowd.logins["org owner"]
    for name, kinds, ours in (
        ("GitHub token", ("github_pat", "ghp"), True),
        ("GitHub token of the App", ("ghu", "gho"), True),
        ("GitHub token of another App", ("ghu", "gho"), False),
    ):
        made = [github.do("mint-token", login=login, kind=kind, ours=ours) for kind in kinds * (SESSIONS // 2)]
        good = taken and ours
        whose = _of_the_owner(crowd) if good else {}
        yield Caller(name, tuple(str(one["token"]) for one in made), kind="pat", good=good, **whose)


def _of_the_owner(crowd: Crowd) -> dict[str, Any]:
    """What a credential of the organisation's owner stands for."""
    return {
        "login": crowd.logins["org owner"],
        "roles": dict.fromkeys(LABS, "admin"),
        "orgs": dict.fromkeys((*LABS, "missing here"), "owner"),
        "own_session": str(claims(crowd.sessions["org owner"][0])["sid"]),
        "own_connection": crowd.connections.get("org owner", ""),
    }


def _revoked_keys(stack: Stack, owner: str) -> Iterator[str]:
    for given in keys.give_alike(stack, owner, SESSIONS):
        told(stack, owner, "DELETE", f"/v1/api-keys/{given.id}")
        yield given.token


def _keys(crowd: Crowd, scope_sets: Mapping[str, frozenset[Scope]]) -> list[Caller]:
    """Keys of the organisation's owner, who may do everything: what one of them may not, the key forbids."""
    own, sibling = crowd.grounds["own"], crowd.grounds["sibling"]
    staging = {"vaults": [own.vault_id], "environments": [own.environment_ids["staging"]]}
    kinds: list[tuple[str, frozenset[Scope], dict[str, Any], dict[str, Any]]] = [
        *((f"key {one.value}", frozenset({one}), {}, {}) for one in sorted(keys.ALL)),
        ("key of all scopes", keys.ALL, {}, {}),
        ("key of this vault", keys.ALL, {"vaults": [own.vault_id]}, {"bound": ("own", None), "sort": "bound key"}),
        (
            "key of another vault",
            keys.ALL,
            {"vaults": [sibling.vault_id]},
            {"bound": ("sibling", None), "sort": "bound key"},
        ),
        (
            "key of another environment",
            keys.ALL,
            staging,
            {"bound": ("own", "staging"), "sort": "key bound to an environment"},
        ),
        (
            "key from elsewhere",
            keys.ALL,
            {"addresses": ["203.0.113.0/24"]},
            {"address": False, "sort": "refused"},
        ),
        *((name, scopes, {}, {}) for name, scopes in scope_sets.items()),
    ]
    return [_key(crowd, *kind) for kind in kinds]


def _key(crowd: Crowd, name: str, scopes: frozenset[Scope], limits: Mapping[str, Any], known: Any) -> Caller:
    session = crowd.sessions["org owner"][0]
    given = keys.give_alike(crowd.stack, session, SESSIONS, scopes, days=30, **limits)
    return Caller(
        name,
        tuple(one.token for one in given),
        kind="api_key",
        good=True,
        scopes=frozenset(one.value for one in scopes),
        own_key=str(given[1].id),
        **_of_the_owner(crowd),
        **known,
    )


def _workflows(crowd: Crowd) -> list[Caller]:
    """Tokens of workflow runs of this repository and of another tenant's, for development."""
    github, url = stage.GitHub(crowd.stack), crowd.stack.api_url
    callers = []
    for name, label, who in (("workflow", "own", "org owner"), ("workflow elsewhere", "foreign", "outsider")):
        arguments = {"repo": crowd.grounds[label].full_name, "login": crowd.logins[who], "claims": {"aud": url}}
        tokens = []
        for _ in range(SESSIONS):
            body = {"token": github.do("oidc-token", **arguments)["token"], "environment": "development"}
            answer = send(url, Call("POST", "/v1/auth/oidc/github", (), body))
            assert answer.status == 200, answer.body
            tokens.append(str(answer.json()["data"]["token"]))
        roles, orgs = {label: "admin"}, {label: "owner"}
        callers.append(
            Caller(name, tuple(tokens), "ci", good=True, roles=roles, orgs=orgs, bound=(label, "development"))
        )
    return callers
