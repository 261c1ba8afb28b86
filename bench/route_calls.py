"""The requests that `bench routes` makes: every reading route that the server describes, and the main writing ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import jwt

from bench.world import ENVIRONMENT, World, names

_VAULT: Final = "/v1/vaults/{owner}/{repo}"
# No JSON of ours: pages and redirects of a browser's sign-in.
_BROWSERS: Final = ("/v1/auth/github/start", "/v1/auth/callback", "/v1/auth/device/verify")
_LIMITED: Final = ("/value", "/compare", "/digests")
_RULE: Final = {"environment": "production", "events": ["push"], "refs": ["refs/heads/main"]}
_QUERIES: Final = {
    "/v1/secrets/pull": "repo={owner}/{repo}&environment={name}",
    "/v1/secrets/view": "repo={owner}/{repo}&environment={name}&key={key}",
    "/v1/github/repo-ids": "repo={owner}/{repo}",
    f"{_VAULT}/compare": "left={name}&right=staging",
}


def good(answer: httpx.Response) -> httpx.Response:
    """The answer, unless it is a refusal: a refused request is a cheap one."""
    if not answer.is_success:
        asked = answer.request
        raise SystemExit(f"{asked.method} {asked.url.path} was answered with {answer.status_code}: {answer.text[:300]}")
    return answer


@dataclass(slots=True)
class Ground:
    """What the requests of one world name. Every request to a writing route may take a number that none took before."""

    world: World
    http: httpx.Client
    size: int
    named: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def path(self, template: str, **more: str) -> str:
        """A path with names of this world."""
        return template.format(**{**self.named, **more})

    def credential(self, template: str, number: int) -> dict[str, str]:
        """Where few requests a minute of one credential are admitted: the session, signed again with another end."""
        if not template.endswith(_LIMITED):
            return {}
        secret = self.world.stack.instance.jwt_secret
        claims = jwt.decode(self.world.token, secret, algorithms=["HS256"], options={"verify_aud": False})
        again = jwt.encode(claims | {"exp": claims["exp"] - 1 - number}, secret, algorithm="HS256")
        return {"Authorization": f"Bearer {again}"}

    def ask(self, method: str, template: str, body: Any = None, **more: str) -> Any:
        """The data of an answer that has to be good."""
        return good(self.http.request(method, self.path(template, **more), json=body)).json()["data"]


@dataclass(frozen=True, slots=True)
class Route:
    """A route, and what to send it: `prepare` makes, outside of what is measured, what a request takes away."""

    method: str
    template: str
    body: Callable[[Ground, int], Any] | None = None
    prepare: Callable[[Ground, int], Mapping[str, str]] | None = None

    @property
    def name(self) -> str:
        """As the API's documents spell it."""
        return f"{self.method} {self.template}"

    def request(self, ground: Ground) -> httpx.Request:
        """The next request."""
        number = next(ground.numbers)
        made = self.prepare(ground, number) if self.prepare is not None else {}
        query = _QUERIES.get(self.template, "")
        target = ground.path(
            f"{self.template}?{query}" if query else self.template, **ids_of(self.template, ground, made)
        )
        body = self.body(ground, number) if self.body is not None else None
        return ground.http.build_request(
            self.method, target, json=body, headers=ground.credential(self.template, number)
        )


def ids_of(template: str, ground: Ground, made: Mapping[str, str]) -> dict[str, str]:
    """Whatever `{id}` stands for in this path, and what was made for the request."""
    kind = next((kind for kind in ("api-keys", "oidc-rules", "overrides") if f"/{kind}/" in template), "")
    return {"id": ground.named.get(kind, "none"), **made}


def survey(world: World, http: httpx.Client, size: int) -> Ground:
    """Names in a world: its first repository, and one of everything that has an id."""
    owner, repo = world.places[0].full_name.split("/")
    key = names(1)[0]
    ground = Ground(world, http, size)
    ground.named = {"owner": owner, "repo": repo, "org": world.organization, "username": world.login, "key": key}
    ground.named |= {"name": ENVIRONMENT, "env": ENVIRONMENT, "revision": "1", "provider": "vercel"}
    change = {"repoFullName": world.places[0].full_name, "environment": ENVIRONMENT, "mode": "merge"}
    good(http.post("/v1/secrets/push", json={**change, "secrets": {key: "another-value"}}))
    secret = next(one for one in ground.ask("GET", f"{_VAULT}/secrets") if one["key"] == key)
    ground.named["secretId"] = secret["id"]
    versions = ground.ask("GET", f"{_VAULT}/secrets/{{secretId}}/versions")["versions"]
    ground.named["versionId"] = versions[-1]["id"]
    ground.named["userId"] = ground.ask("GET", "/v1/users/me")["id"]
    ground.named["oidc-rules"] = ground.ask("POST", f"{_VAULT}/oidc-rules", _RULE)["id"]
    ground.named["api-keys"] = ground.ask("POST", "/v1/api-keys", _key(0))["id"]
    return ground


def reading(described: Mapping[str, Any]) -> list[Route]:
    """Every GET of the server's own description."""
    return [Route("GET", path) for path, item in described.items() if "get" in item and path not in _BROWSERS]


def writing() -> list[Route]:
    """The main ones; those that carry many values carry as many as the environment has."""
    environment, secret = f"{_VAULT}/environments/{{name}}", f"{_VAULT}/secrets/{{secretId}}"
    return [
        Route("POST", "/v1/secrets/push", lambda g, n: _change(g) | {"mode": "merge", "secrets": _all(g, n)}),
        Route("POST", f"{_VAULT}/secrets", lambda _, n: _entry(n)),
        Route("PATCH", secret, lambda _, n: {"value": f"changed-{n}"}),
        Route("DELETE", secret, prepare=_one_more),
        Route("POST", f"{secret}/versions/{{versionId}}/restore"),
        Route("POST", f"{_VAULT}/trash/{{secretId}}/restore", prepare=_one_less),
        Route("POST", f"{environment}/revisions/{{revision}}/rollback", lambda _g, _n: {}, prepare=_changed),
        Route("POST", f"{environment}/copy", lambda _g, _n: {"target": "staging", "overwrite": True}, prepare=_changed),
        Route("POST", f"{environment}/digests", lambda _g, _n: {}),
        Route("POST", f"{environment}/import/preview", lambda g, n: {"secrets": _all(g, n)}),
        Route("POST", f"{_VAULT}/environments", lambda _, n: {"name": f"preview-{n}"}),
        Route(
            "PUT", f"{_VAULT}/permissions/{{env}}", lambda _g, _n: {"permissions": {"read": "write", "write": "write"}}
        ),
        Route("POST", "/v1/api-keys", lambda _, n: _key(n)),
        Route("POST", "/v1/vaults", lambda g, n: {"repoFullName": f"{g.world.owner}/more-{n}"}, prepare=_repository),
    ]


def _key(number: int) -> dict[str, Any]:
    return {"name": f"bench-{number}", "environment": "test", "scopes": ["read:secrets"]}


def _entry(number: int) -> dict[str, str]:
    return {"key": f"ANOTHER_{number:05}", "value": f"value-{number}", "environment": ENVIRONMENT}


def _change(ground: Ground) -> dict[str, str]:
    return {"repoFullName": ground.world.places[0].full_name, "environment": ENVIRONMENT}


def _all(ground: Ground, number: int) -> dict[str, str]:
    return {name: f"value-{number}-of-{name}" for name in names(ground.size)}


def _one_more(ground: Ground, number: int) -> dict[str, str]:
    return {"secretId": ground.ask("POST", f"{_VAULT}/secrets", _entry(number))["id"]}


def _one_less(ground: Ground, number: int) -> dict[str, str]:
    made = _one_more(ground, number)
    good(ground.http.delete(ground.path(f"{_VAULT}/secrets/{{secretId}}", **made)))
    return made


def _changed(ground: Ground, number: int) -> dict[str, str]:
    body = _change(ground) | {"mode": "merge", "secrets": _all(ground, number)}
    good(ground.http.post("/v1/secrets/push", json=body))
    return {}


def _repository(ground: Ground, number: int) -> dict[str, str]:
    ground.world.stack.control.do("create-repo", repo=f"{ground.world.owner}/more-{number}")
    return {}
