"""The oracle: policy.yaml, walked step by step as its own header says, for one request at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

PATH: Final = Path(__file__).resolve().parents[3] / "shared" / "policy.yaml"
VERBS: Final = {"env:read": "R", "env:write": "W"}
WALKS_ON: Final = None

Statuses = frozenset[int]


class PolicyChangedError(Exception):
    """The policy says something that this oracle does not know how to follow."""


@dataclass(frozen=True)
class Target:
    """The object that a request names, and how the caller stands to it.

    `role` is what GitHub says of the caller on the repository (None: no role, or no such repository), `vault` whether a
    live vault stands there, `holds` whether the environment (or the asked key in it) holds anything.
    """

    role: str | None = None
    vault: bool = True
    installed: bool = True
    creator: bool = False
    environment: str | None = None
    environment_exists: bool = True
    holds: bool = True


@dataclass(frozen=True)
class Ask:
    """One request. `credential` is "good" or anything else; `flaw` names what is wrong with the request itself."""

    method: str
    path: str
    credential: str = "anonymous"
    kind: str = "session"
    target: Target | None = None
    flaw: str | None = None
    unanswered: bool = False


class Policy:
    """policy.yaml, read once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._steps: dict[str, Callable[[Mapping[str, Any], Ask], int | None]] = {
            "route": lambda _route, _ask: WALKS_ON,
            "size, content type, JSON syntax": self._form,
            "rate limit": lambda _route, _ask: WALKS_ON,
            "credential": self._credential,
            "address of an API key": lambda _route, _ask: WALKS_ON,
            "kind, then scope": self._scope,
            "cross-site proof for cookies": lambda _route, _ask: WALKS_ON,
            "/v1/secrets/*: shape of what names the object (repository, environment, key)": self._shape,
            "binding": lambda _route, _ask: WALKS_ON,
            "object and role": self._object,
            "right": self._right,
            "sub-object of the path": lambda _route, _ask: WALKS_ON,
            "rest of body and query": self._rest,
            "feature switched off": lambda _route, _ask: WALKS_ON,
            "state": self._state,
            "work": self._work,
        }
        if unknown := {step["step"] for step in self._statuses["order"]} ^ set(self._steps):
            raise PolicyChangedError(f"statuses.order changed: {sorted(unknown)}")

    @classmethod
    def load(cls) -> Policy:
        """The policy beside the repository."""
        return cls(yaml.safe_load(PATH.read_text(encoding="utf-8")))

    @property
    def document(self) -> Mapping[str, Any]:
        """All of it."""
        return self._document

    @property
    def _statuses(self) -> Mapping[str, Any]:
        statuses: Mapping[str, Any] = self._document["statuses"]
        return statuses

    @cached_property
    def routes(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Every route by (method, path template), the wire's and ours."""
        listed = [*self._document["routes"], *self._document["own_routes"]]
        return {(route["method"], route["path"]): route for route in listed}

    def expected(self, ask: Ask) -> Statuses:
        """The statuses that may answer; more than one only where the policy lists several."""
        route = self.routes.get((ask.method, ask.path))
        if route is None:
            return frozenset({405 if any(path == ask.path for _, path in self.routes) else 404})
        for step in self._statuses["order"]:
            if (refusal := self._steps[step["step"]](route, ask)) is not WALKS_ON:
                return frozenset({refusal})
        good = route["outcomes"]["ok"]
        return frozenset(good if isinstance(good, list) else [good])

    def may(self, role: str | None, environment: str, right: str) -> bool:
        """Whether a role holds env:read or env:write on an environment of this name (no overrides, no stored type)."""
        if role is None:
            return False
        granted = self._document["matrix"][role][self.type_of(environment)]
        return granted != "none" and VERBS[right] in granted

    def type_of(self, environment: str) -> str:
        """development, standard or protected, from the name."""
        rule = self._document["effective_permission"]["environment_type"]["inferred_from_name"]
        stem = environment.partition(rule["cut_at_first"])[0].lower()
        return next((kind for kind in ("protected", "development") if stem in rule[kind]), rule["otherwise"])

    # steps -------------------------------------------------------------------------------------------------------

    def _form(self, _route: Mapping[str, Any], ask: Ask) -> int | None:
        return {"size": 413, "media type": 415, "syntax": 400}.get(ask.flaw or "")

    def _credential(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        if route["auth"] == ["anonymous"] or ask.credential == "good":
            return WALKS_ON
        return int(route["outcomes"]["anonymous"])

    def _scope(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        if route["auth"] == ["anonymous"] or route["scope"] in {"any", "none"}:
            return WALKS_ON
        held = self._document["credentials"][ask.kind]["scopes"]
        if ask.kind in route["auth"] and route["scope"] in held:
            return WALKS_ON
        return int(route["outcomes"]["insufficient_scope"])

    def _shape(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        return 400 if ask.flaw == "object" and route["path"].startswith("/v1/secrets/") else WALKS_ON

    def _object(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        target, hidden = ask.target, route["outcomes"]["no_access"]
        if target is None or hidden is None:
            return WALKS_ON
        if ask.unanswered:
            return 503
        if not target.installed and not self._veiled(route):
            return self._not_installed(route, target)
        if target.role is None or (not target.vault and self._needs_vault(route)):
            return int(hidden)
        return WALKS_ON

    def _not_installed(self, route: Mapping[str, Any], target: Target) -> int:
        table = self._statuses["app_not_installed"]
        family = "/v1/secrets/*" if route["path"].startswith("/v1/secrets/") else "other_vault_routes"
        answer = table.get(f"{route['method']} {route['path']}", table[family])
        creator = target.creator and target.vault
        return int(answer if isinstance(answer, int) else answer["creator" if creator else "others"])

    @staticmethod
    def _veiled(route: Mapping[str, Any]) -> bool:
        return bool(route["outcomes"]["no_access"] == 200)

    def _needs_vault(self, route: Mapping[str, Any]) -> bool:
        return not self._veiled(route) and route["audit"] != "vault_created"

    def _right(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        target, right = ask.target, route["right"]
        if target is None:
            return WALKS_ON
        if right in VERBS:
            allowed = self.may(target.role, target.environment or "", right)
        else:
            allowed = right != "admin" or target.role == "admin"
        return WALKS_ON if allowed else int(route["outcomes"]["insufficient"])

    def _rest(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        if ask.flaw in {"object", "body"}:
            return 400
        if route["audit"] == "secrets_pushed" and ask.target and not ask.target.environment_exists:
            return int(self._statuses["secrets_push_missing_environment"])
        return WALKS_ON

    @staticmethod
    def _state(route: Mapping[str, Any], ask: Ask) -> int | None:
        return 409 if route["audit"] == "vault_created" and ask.target and ask.target.vault else WALKS_ON

    def _work(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        empty = ask.target is not None and not (ask.target.holds and ask.target.environment_exists)
        return 404 if empty and 404 in (route.get("also") or {}) else WALKS_ON
