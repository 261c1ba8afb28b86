"""The cells of the matrix of all routes: how each route of policy.yaml is asked about each object by each principal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from keyway_backend.access import api_keys
from standins.providers import TOKEN

from .cast import NEW_VAULT
from .crowd import DESK, Caller, Crowd, Ground
from .policy import Ask, Bound, Policy, Statuses, Target
from .wire import Call, bearer

Route = tuple[str, str]
VAULT: Final = "/v1/vaults/{owner}/{repo}"
ENVIRONMENT: Final = f"{VAULT}/environments/{{name}}"
SECRET: Final = f"{VAULT}/secrets/{{secretId}}"
CONNECTION: Final = "/v1/integrations/connections/{id}"
SYNC: Final = "/v1/integrations/vaults/{owner}/{repo}/sync"
SYNCS: Final = {
    ("POST", f"{SYNC}/link"), ("GET", f"{SYNC}/status"), ("GET", f"{SYNC}/diff"), ("GET", f"{SYNC}/preview"),
    ("POST", SYNC),
}  # fmt: skip
PROVIDERS: Final = {
    ("POST", "/v1/integrations/{provider}/connect"), ("GET", "/v1/integrations/{provider}/authorize"),
    ("GET", "/v1/integrations/providers/{provider}/all-projects"),
}  # fmt: skip
GROUNDS: Final = ("own", "foreign", "missing here", "missing elsewhere", "gone", "suspended", "public")
NAMED_IN_REQUEST: Final = {
    ("POST", "/v1/secrets/push"), ("GET", "/v1/secrets/pull"), ("GET", "/v1/secrets/view"), ("POST", "/v1/vaults"),
    ("POST", "/v1/github/check-installation"), ("GET", "/v1/github/repo-ids"),
}  # fmt: skip
# The environment that decides, where no part of the path says it, and that of the second right.
BY_ENVIRONMENT: Final = {
    ("POST", f"{VAULT}/secrets"), ("GET", f"{VAULT}/compare"), ("POST", "/v1/secrets/push"),
    ("GET", "/v1/secrets/pull"), ("GET", "/v1/secrets/view"), *SYNCS,
}  # fmt: skip
TWO_ENVIRONMENTS: Final = {
    ("GET", f"{VAULT}/compare"), ("POST", f"{ENVIRONMENT}/copy"), ("POST", f"{SECRET}/copy"),
}  # fmt: skip
OWN_OBJECTS: Final = {
    "/v1/api-keys/{id}": "own_key", "/v1/auth/sessions/{id}": "own_session",
    CONNECTION: "own_connection", f"{CONNECTION}/projects": "own_connection",
}  # fmt: skip
PULLING, UPWARDS = "direction=pull", "target more protected than source"
ORDER: Final = ("development", "standard", "protected")
# What the provider calls an environment that is as protected as ours.
THERE: Final = {"development": "development", "staging": "preview", "production": "production"}
# What proves itself in the body, and what is wrong with the one that is sent here.
FLAWED: Final = {
    ("GET", "/v1/auth/callback"): "body",
    ("GET", "/v1/integrations/{provider}/callback"): "body",
}
NOBODYS_KEY: Final = api_keys.mint("live").reveal()
VALUES: Final = ("/v1/secrets/pull", "/v1/secrets/view", f"{SECRET}/value", f"{SECRET}/versions/{{versionId}}/value")
ENDS_SESSIONS: Final = {("DELETE", "/v1/auth/sessions"), ("POST", "/v1/auth/logout")}
HARMLESS: Final = {
    ("POST", "/v1/auth/token/validate"), ("POST", "/v1/github/check-installation"), ("POST", "/v1/auth/device/start"),
    ("POST", "/v1/auth/device/poll"), ("POST", "/v1/auth/device/verify"), ("POST", "/v1/api-keys/leak-reports"),
    ("POST", f"{ENVIRONMENT}/digests"), ("POST", f"{ENVIRONMENT}/import/preview"),
}  # fmt: skip
# All requests of one person about installations share one small limit.
FEW: Final = ("own", "foreign", "missing here")


@dataclass(frozen=True)
class Variant:
    """What inside of an object is named. `part` tells of one that is not there; the names of `parts` replace those of
    the path."""

    environment: str | None = None
    second: str | None = None
    part: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    when: tuple[str, ...] = ()
    query: str = ""


@dataclass(frozen=True)
class Cell:
    """One request of one principal about one object, and what policy.yaml says must answer."""

    caller: Caller
    ask: Ask
    expected: Statuses
    ground: Ground | None = None
    variant: Variant = Variant()

    @property
    def route(self) -> Route:
        """Method and template."""
        return self.ask.method, self.ask.path

    @property
    def about(self) -> str:
        """The object, whoever asks."""
        said = (
            self.variant.environment,
            self.variant.second,
            self.variant.part,
            *self.variant.parts,
            *self.variant.when,
        )
        return " ".join((self.ground.label if self.ground else "-", *map(str, said)))

    @property
    def changes(self) -> bool:
        """Whether it must succeed, and leaves something changed."""
        reads = self.ask.method in {"GET", "HEAD"} or self.route in HARMLESS
        return not reads and min(self.expected) < 400

    def __str__(self) -> str:
        said = (self.variant.environment, self.variant.second, self.variant.part, *self.variant.when)
        where = " ".join(part for part in (self.ground.label if self.ground else "-", *said) if part)
        return f"{self.ask.method} {self.ask.path} as {self.caller.name} on {where}"


def cells(crowd: Crowd, policy: Policy, routes: set[Route]) -> Iterator[Cell]:
    """Every cell of these routes."""
    syncs = list(_syncs(policy))
    for route in sorted(routes):
        for caller in crowd.callers.values():
            for ground, variant in _objects(crowd, caller, route, syncs):
                ask = _ask(caller, route, ground, variant)
                cell = Cell(caller, ask, policy.expected(ask), ground, variant)
                if not (cell.changes and _spoils(cell)):
                    yield cell


def hidden(cell: Cell) -> tuple[str, ...] | None:
    """Under which name answers must be alike: objects without a role on them, and parts of one's own that are none."""
    if cell.ground is None:
        return ("own object",) if cell.variant.part and "provider" not in cell.variant.parts else None
    if cell.ground.label == "own" and cell.variant.part:
        return ("part", cell.variant.environment or "", *sorted(cell.variant.parts), *cell.variant.when)
    told = cell.ground.label in cell.caller.created or cell.caller.bound
    role = cell.caller.roles.get(cell.ground.label) or cell.caller.orgs.get(cell.ground.label)
    return None if told or role else ("object", cell.variant.environment or "", *cell.variant.when)


def _spoils(cell: Cell) -> bool:
    """What succeeds is played where it is made anew each time, and nowhere else."""
    if cell.ground is None or cell.ground.label == "own":
        return False
    return cell.route != ("POST", "/v1/vaults")


def _objects(
    crowd: Crowd, caller: Caller, route: Route, syncs: Sequence[Variant]
) -> Iterator[tuple[Ground | None, Variant]]:
    if route[1].startswith("/v1/orgs/{org}") or route == ("POST", "/v1/orgs/connect"):
        yield from ((crowd.grounds[label], Variant()) for label in ("own", "foreign", "missing elsewhere", "suspended"))
    elif "{owner}" in route[1] or route in NAMED_IN_REQUEST:
        yield from _vault_objects(crowd, caller, route, syncs)
    elif route[1] in OWN_OBJECTS:
        yield from ((None, variant) for variant in _own_variants(crowd, caller, OWN_OBJECTS[route[1]]))
    else:
        yield None, Variant()
        if route in PROVIDERS:
            yield None, Variant(part="unknown provider", parts={"provider": "nobody"})


def _own_variants(crowd: Crowd, caller: Caller, what: str) -> Iterator[Variant]:
    theirs = crowd.callers["outsider" if caller.name != "outsider" else "admin"]
    if getattr(caller, what):
        yield Variant(parts={"id": getattr(caller, what)})
    yield Variant(part="somebody else's", parts={"id": getattr(theirs, what)})
    yield Variant(part="missing", parts={"id": str(uuid4())})


def _vault_objects(
    crowd: Crowd, caller: Caller, route: Route, syncs: Sequence[Variant]
) -> Iterator[tuple[Ground, Variant]]:
    narrow = route == ("POST", "/v1/github/check-installation") and caller.kind == "api_key"
    for label in FEW if narrow else GROUNDS:
        ground = crowd.grounds[label]
        if label != "own":
            yield from ((ground, variant) for variant in _elsewhere(route))
            continue
        found = _connections(crowd, caller, syncs) if route in SYNCS else _variants(crowd, caller, route)
        yield from ((ground, _of(route, variant)) for variant in found)
    if caller.bound == ("sibling", None):
        yield crowd.grounds["sibling"], _first(route)


def _elsewhere(route: Route) -> Iterator[Variant]:
    yield _first(route)
    if route == ("POST", SYNC):
        yield Variant("development", parts={"there": "development", "direction": "pull"}, when=(PULLING,))


def _first(route: Route) -> Variant:
    if _has_environments(route):
        second = "staging" if route in TWO_ENVIRONMENTS else None
        return Variant("development", second)
    return Variant(DESK) if "{name}" in route[1] or "{env}" in route[1] else Variant()


def _has_environments(route: Route) -> bool:
    ranked = "{name}" in route[1] and not _by_admin(route)
    return ranked or "{secretId}" in route[1] or route in BY_ENVIRONMENT


def _by_admin(route: Route) -> bool:
    return route[1] in {ENVIRONMENT, f"{ENVIRONMENT}/type"}


def _variants(crowd: Crowd, caller: Caller, route: Route) -> Iterator[Variant]:
    """What there is to name in one's own vault: each environment, and parts that are missing or somebody else's."""
    if not _has_environments(route):
        yield _first(route)
    for name in NEW_VAULT if _has_environments(route) else ():
        yield Variant(name, ("staging" if name == "development" else "development") if _two(route) else None)
    if _two(route):
        yield Variant("development", "production")
    yield from _missing_parts(crowd, route)
    if route == ("GET", f"{VAULT}/permissions/effective"):
        when = "?user= names another person"
        another = crowd.logins["triage" if caller.name == "read" else "read"]
        yield Variant(when=(when,), query=f"?user={another}")


def _syncs(policy: Policy) -> Iterator[Variant]:
    """Each environment with one that is as protected at the provider, in both directions, and with one that is not."""
    pairs = [*THERE.items(), ("development", "production"), ("production", "development")]
    for ours, there in pairs:
        for direction in ("push", "pull"):
            ranks = [ORDER.index(policy.type_of("staging" if name == "preview" else name)) for name in (ours, there)]
            source, target = ranks if direction == "push" else reversed(ranks)
            when = [PULLING] * (direction == "pull") + [UPWARDS] * (target > source)
            yield Variant(ours, parts={"there": there, "direction": direction}, when=tuple(when))


def _connections(crowd: Crowd, caller: Caller, syncs: Sequence[Variant]) -> Iterator[Variant]:
    """Every sync over one's own connection, over somebody else's, and over none."""
    theirs = crowd.callers["outsider" if caller.name != "outsider" else "admin"].own_connection
    yield from syncs
    for variant in syncs:
        for part, id_ in (("somebody else's connection", theirs), ("missing connection", str(uuid4()))):
            yield replace(variant, part=part, parts={**variant.parts, "connection": id_})


def _of(route: Route, variant: Variant) -> Variant:
    """Without the conditions that a route does not have: names are compared in one direction."""
    return variant if route[1] in {SYNC, f"{SYNC}/preview"} or route not in SYNCS else replace(variant, when=())


def _two(route: Route) -> bool:
    return route in TWO_ENVIRONMENTS


def _missing_parts(crowd: Crowd, route: Route) -> Iterator[Variant]:
    foreign, sibling, own = (crowd.grounds[label] for label in ("foreign", "sibling", "own"))
    if "{secretId}" in route[1]:
        trash = "/trash/" in route[1]
        ids = {
            "missing": str(uuid4()),
            "another tenant's": (foreign.trashed if trash else foreign.secrets)["development"],
            "another vault's": (sibling.trashed if trash else sibling.secrets)["development"],
        }
        if "/ticks/" not in route[1]:
            ids["not there any more"] = (own.secrets if trash else own.trashed)["development"]
        second = "staging" if _two(route) else None
        target = "development" if _two(route) else None
        yield from (Variant(target, second, part, {"secretId": id_}) for part, id_ in ids.items())
    if "{versionId}" in route[1]:
        ids = {"missing version": str(uuid4()), "another tenant's version": foreign.versions["development"]}
        yield from (Variant("development", None, part, {"versionId": id_}) for part, id_ in ids.items())
    if "{id}" in route[1]:
        theirs = foreign.rule if "oidc" in route[1] else foreign.override
        yield Variant(part="another tenant's", parts={"id": theirs})
        yield Variant(part="missing", parts={"id": str(uuid4())})
    if "{revision}" in route[1]:
        yield Variant("development", None, "missing revision", {"revision": "999999"})
    if "{name}" in route[1]:
        for name in ("qa", "prod"):
            first, second = ("development", name) if _two(route) else (name, None)
            yield Variant(first, second, "missing environment", {"name": name})


def _ask(caller: Caller, route: Route, ground: Ground | None, variant: Variant) -> Ask:
    return Ask(
        *route,
        "good" if caller.good else "bad",
        caller.kind,
        target=_target(caller, route, ground, variant),
        scopes=caller.scopes,
        bound=_bound(caller, route, ground, variant),
        when=variant.when,
        address=caller.address,
        same_origin=caller.own_page or not caller.by_cookie,
        flaw=FLAWED.get(route),
    )


def _target(caller: Caller, route: Route, ground: Ground | None, variant: Variant) -> Target | None:
    if ground is None:
        if route in PROVIDERS:
            return Target(sub=not variant.part)
        return Target(role=None if variant.part else "self") if route[1] in OWN_OBJECTS else None
    org_role = caller.orgs.get(ground.label)
    return Target(
        role=caller.roles.get(ground.label),
        vault=ground.vault,
        installed=ground.label != "suspended",
        creator=ground.label in caller.created,
        environment=variant.environment,
        second=variant.second,
        sub=not variant.part,
        org_role=org_role if ground.label != "suspended" else None,
    )


def _bound(caller: Caller, route: Route, ground: Ground | None, variant: Variant) -> Bound | None:
    if caller.bound is None:
        return None
    label, environment = caller.bound
    names_vault = ground is not None and ("{owner}" in route[1] or route in NAMED_IN_REQUEST)
    vault = ground is not None and ground.label == label if names_vault else None
    if environment is None:
        return Bound(vault)
    named = {name for name in (variant.environment, variant.second) if name}
    if variant.environment is None and route[1].endswith("/oidc-rules/{id}") and not variant.part:
        named = {"development"}
    return Bound(vault, environments=True, environment=named == {environment} if named else None)


# requests ------------------------------------------------------------------------------------------------------------


def call(crowd: Crowd, cell: Cell, fresh: Mapping[str, str]) -> Call:
    """The request of a cell. `fresh` are names of what was made for it alone."""
    number = crowd.number()
    turn = 0 if cell.route in ENDS_SESSIONS else number
    names = _names(crowd, cell) | cell.variant.parts | dict(fresh)
    path = re.sub(r"\{(\w+)\}", lambda one: quote(names[one[1]], safe=""), cell.ask.path)
    body = None if cell.ask.method in {"GET", "HEAD"} else _body(crowd, cell, names, number)
    headers = (bearer(fresh["token"]),) if "token" in fresh else cell.caller.headers(turn)
    return Call(cell.ask.method, path + (cell.variant.query or _query(cell, names)), headers, body)


def _names(crowd: Crowd, cell: Cell) -> dict[str, str]:
    """What each piece of a path stands for."""
    names = {"username": crowd.logins["admin"], "userId": crowd.admin_id, "revision": "1"}
    names |= {"provider": "railway" if cell.ask.path.endswith("/connect") else "vercel"}
    names |= {"connection": cell.caller.own_connection or str(uuid4()), "direction": "push", "there": "production"}
    ground, environment = cell.ground, cell.variant.environment or "development"
    if ground is None:
        return names
    if ground.label == "foreign":
        names["username"] = crowd.logins["outsider"]
    source = cell.variant.second or environment
    path = cell.ask.path
    secrets = ground.trashed if "/trash/" in path else ground.secrets
    if cell.ask.method in {"PATCH", "DELETE"} or path.endswith("{secretId}/copy"):
        secrets = ground.plain if "/trash/" not in path and "{versionId}" not in path else secrets
    known = {
        "owner": ground.owner, "repo": ground.repo, "org": ground.owner, "env": environment,
        "name": source if path.endswith("/copy") else environment, "environment": environment, "full": ground.full_name,
        "secretId": secrets.get(source, ""), "versionId": ground.versions.get(environment, ""),
        "id": ground.rule if "oidc" in path else ground.override, "plain": f"PLAIN_{source.upper()}",
        "key": ground.deposits[environment][0].key if environment in ground.deposits else "NOTHING",
    }  # fmt: skip
    return names | {name: value or str(uuid4()) for name, value in known.items()}


def _query(cell: Cell, names: Mapping[str, str]) -> str:
    if cell.route == ("GET", f"{VAULT}/compare"):
        return f"?left={cell.variant.environment}&right={cell.variant.second}"
    if cell.route in SYNCS:
        return _SYNC_QUERY.format(**names) if cell.ask.method == "GET" else ""
    table = {
        "/v1/secrets/pull": "?repo={full}&environment={environment}",
        "/v1/secrets/view": "?repo={full}&environment={environment}&key={key}",
        "/v1/github/repo-ids": "?repo={full}",
        f"{ENVIRONMENT}/revisions/{{revision}}/diff": "?against=1",
    }
    quoted = {name: quote(value, safe="") for name, value in names.items()}
    return table.get(cell.ask.path, "").format(**quoted)


_SYNC_QUERY: Final = (
    "?connectionId={connection}&projectId=prj&keywayEnvironment={environment}&providerEnvironment={there}"
    "&direction={direction}"
)


def _body(crowd: Crowd, cell: Cell, names: Mapping[str, str], number: int) -> Any:
    back = f"{crowd.stack.dashboard_url}/settings"
    environment = names.get("environment", "")
    buy = {"priceId": "price_1", "successUrl": back, "cancelUrl": back}
    target = {"targetType": "role", "targetRole": "triage", "canRead": True, "canWrite": False}
    rule = {"environment": "development", "refs": [f"refs/heads/b{number}"]}
    sync = {
        "connectionId": names["connection"], "projectId": "prj", "keywayEnvironment": environment,
        "providerEnvironment": names["there"],
    }  # fmt: skip
    bodies: dict[Route, Any] = {
        ("POST", f"{VAULT}/secrets"): {"key": f"NEW_{number}", "value": "1", "environment": environment},
        ("PATCH", SECRET): {"value": f"plain {number}"},
        ("POST", f"{VAULT}/environments"): {"name": f"e{number}"},
        ("PATCH", ENVIRONMENT): {"newName": f"r{number}"},
        ("PATCH", f"{ENVIRONMENT}/type"): {"type": "standard"},
        ("PUT", f"{VAULT}/permissions/{{env}}"): {"permissions": {"read": "read", "write": "write"}},
        ("POST", f"{VAULT}/permissions/overrides"): {"environment": environment, **target},
        ("PUT", f"{VAULT}/permissions/overrides/{{id}}"): {"canWrite": False},
        ("POST", f"{ENVIRONMENT}/copy"): {
            "target": environment, "keys": [names.get("plain", "")], "overwrite": True,
        },
        ("POST", f"{SECRET}/copy"): {"target": environment, "key": f"COPY_{number}"},
        ("POST", f"{ENVIRONMENT}/import/preview"): {"secrets": {"PLAIN": "1"}},
        ("POST", f"{VAULT}/oidc-rules"): rule,
        ("PUT", f"{VAULT}/oidc-rules/{{id}}"): rule,
        ("POST", "/v1/secrets/push"): {
            "repoFullName": names.get("full"), "environment": environment, "mode": "merge",
            "secrets": {f"PUSHED_{number}": "1"},
        },
        ("POST", "/v1/vaults"): {"repoFullName": names.get("full")},
        ("POST", "/v1/github/check-installation"): {"repoOwner": names.get("owner"), "repoName": names.get("repo")},
        ("POST", "/v1/api-keys"): _key_body(crowd, cell.caller, number),
        ("PUT", "/v1/orgs/{org}"): {"displayName": f"Labs {number}"},
        ("POST", "/v1/orgs/connect"): {"orgLogin": names.get("org")},
        ("POST", "/v1/orgs/{org}/billing/checkout"): buy,
        ("POST", "/v1/orgs/{org}/billing/portal"): {"returnUrl": back},
        ("POST", "/v1/billing/create-checkout-session"): buy,
        ("POST", "/v1/billing/manage"): {"returnUrl": back},
        ("POST", "/v1/auth/device/poll"): {"deviceCode": "0" * 64},
        ("POST", "/v1/auth/session/exchange"): {
            "code": "x" * 43, "codeVerifier": "y" * 64, "redirectOrigin": crowd.stack.dashboard_url,
        },
        ("POST", "/v1/integrations/{provider}/connect"): {"token": TOKEN},
        ("POST", f"{SYNC}/link"): sync,
        ("POST", SYNC): {**sync, "direction": names["direction"]},
        ("POST", "/v1/auth/oidc/github"): {"token": "a.b.c", "environment": "development"},
        ("POST", "/v1/api-keys/leak-reports"): {"token": NOBODYS_KEY},
    }  # fmt: skip
    return bodies.get(cell.route, {} if cell.ask.method != "DELETE" else None)


def _key_body(crowd: Crowd, caller: Caller, number: int) -> dict[str, Any]:
    """A key that is no more than the key that asks for it."""
    scopes = sorted(caller.scopes) if caller.scopes else ["read:secrets"]
    body: dict[str, Any] = {"name": f"made {number}", "environment": "live", "scopes": scopes, "expiresInDays": 1}
    if caller.kind == "api_key" and caller.bound:
        label, environment = caller.bound
        ground = crowd.grounds[label]
        body |= {"vaultIds": [ground.vault_id]}
        body |= {"environmentIds": [ground.environment_ids[environment]]} if environment else {}
    return body
