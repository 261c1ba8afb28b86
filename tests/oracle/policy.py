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
    live vault stands there, `holds` whether the environment (or the asked key in it) holds anything. `second` is the
    environment of the second right, `sub` whether what the path names inside of the object is there. Of an own object
    `role` says that it is the caller's.
    """

    role: str | None = None
    vault: bool = True
    installed: bool = True
    creator: bool = False
    environment: str | None = None
    environment_exists: bool = True
    holds: bool = True
    second: str | None = None
    sub: bool = True
    org_role: str | None = None


@dataclass(frozen=True)
class Bound:
    """How a request stands to the binding of its credential. None: it names no vault, no environment.

    `environments`: the credential is bound to environments, not to whole vaults.
    """

    vault: bool | None
    environments: bool = False
    environment: bool | None = None


@dataclass(frozen=True)
class Ask:
    """One request. `credential` is "good" or anything else; `flaw` names what is wrong with the request itself.

    `scopes` are those of an API key; None: all that its kind can have. `when` names the conditions of the route that
    the request fulfils. `address` and `same_origin` say whether the credential may be used from where it is used.
    """

    method: str
    path: str
    credential: str = "anonymous"
    kind: str = "session"
    target: Target | None = None
    flaw: str | None = None
    unanswered: bool = False
    scopes: frozenset[str] | None = None
    bound: Bound | None = None
    when: tuple[str, ...] = ()
    address: bool = True
    same_origin: bool = True


class Policy:
    """policy.yaml, read once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._steps: dict[str, Callable[[Mapping[str, Any], Ask], int | None]] = {
            "route": lambda _route, _ask: WALKS_ON,
            "size, content type, JSON syntax": self._form,
            "rate limit": lambda _route, _ask: WALKS_ON,
            "credential": self._credential,
            "address of an API key": self._address,
            "kind, then scope": self._scope,
            "cross-site proof for cookies": self._origin,
            "/v1/secrets/*: shape of what names the object (repository, environment, key)": self._shape,
            "binding": self._binding,
            "object and role": self._object,
            "right": self._right,
            "sub-object of the path": self._sub_object,
            "rest of body and query": self._rest,
            "feature switched off": self._feature_off,
            "state": self._state,
            "work": self._work,
        }
        if unknown := {step["step"] for step in self._statuses["order"]} ^ set(self._steps):
            raise PolicyChangedError(f"statuses.order changed: {sorted(unknown)}")

    @classmethod
    def load(cls) -> Policy:
        """The policy beside the repository, read by the safe loader that is in C."""
        return cls(yaml.load(PATH.read_text(encoding="utf-8"), yaml.CSafeLoader))

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
        if not self._looks_at_credentials(route) or (ask.credential == "good" and route["scope"] != "none"):
            return WALKS_ON
        return int(route["outcomes"]["anonymous"])

    def _address(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        return WALKS_ON if ask.address or not self._looks_at_credentials(route) else 403

    def _scope(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        if not self._looks_at_credentials(route) or route["scope"] in {"any", "none"}:
            return WALKS_ON
        held = ask.scopes if ask.scopes is not None else self._scopes_of(ask.kind)
        wanted = {route["scope"], *(more["scope"] for more in self._more(route, ask) if "scope" in more)}
        if ask.kind in route["auth"] and wanted <= held:
            return WALKS_ON
        return int(route["outcomes"]["insufficient_scope"])

    def _scopes_of(self, kind: str) -> frozenset[str]:
        return frozenset(self._document["credentials"].get(kind, {}).get("scopes", self._document["scopes"]["names"]))

    @staticmethod
    def _more(route: Mapping[str, Any], ask: Ask) -> list[Mapping[str, Any]]:
        """What has to hold as well: on the second object, and under the condition that the request fulfils."""
        return [*Policy._met(route, ask), *([route["second"]] if "second" in route else [])]

    @staticmethod
    def _met(route: Mapping[str, Any], ask: Ask) -> list[Mapping[str, Any]]:
        conditions = route.get("when", {})
        if unknown := set(ask.when) - set(conditions):
            raise PolicyChangedError(f"{route['path']} knows no condition {sorted(unknown)}")
        return [conditions[one] for one in ask.when]

    @staticmethod
    def _looks_at_credentials(route: Mapping[str, Any]) -> bool:
        return bool(route["auth"] != ["anonymous"])

    def _origin(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        """Signing out names no kind of credential, and yet ends the one that comes along (its note)."""
        writes = route["method"] not in {"GET", "HEAD"}
        if ask.same_origin or not writes:
            return WALKS_ON
        if not self._looks_at_credentials(route) and route["audit"] != "user_logout":
            return WALKS_ON
        return int(self._document["credentials"]["transport"]["cookie_write_without_same_origin_proof"])

    def _shape(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        return 400 if ask.flaw == "object" and route["path"].startswith("/v1/secrets/") else WALKS_ON

    def _binding(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        """`credentials.api_key.binding`; tokens of workflows are bound to one environment of one vault."""
        bound, rule = ask.bound, self._document["credentials"]["api_key"]["binding"]
        name = f"{route['method']} {route['path']}"
        if bound is None or not self._looks_at_credentials(route) or name in rule["exempt"]:
            return WALKS_ON
        if route["audit"] == "vault_created":
            return int(rule["creates_vaults"])
        if name in rule["filtered_to_binding"] or route["path"].startswith("/v1/api-keys"):
            return WALKS_ON
        if bound.vault is not True:
            return int(rule["other_routes"] if bound.vault is None else rule["outside"])
        return self._environment_binding(name, bound, ask) if bound.environments else WALKS_ON

    def _environment_binding(self, name: str, bound: Bound, ask: Ask) -> int | None:
        rule = self._document["credentials"]["api_key"]["binding"]
        part = rule["bound_to_environments"]
        if bound.environment is not None:
            return WALKS_ON if bound.environment else int(rule["outside"])
        nameless = ask.target is not None and not ask.target.sub
        open_to_all = name in part["filtered_to_binding"] or name in part["tell_of_no_environment"]
        return WALKS_ON if open_to_all or nameless else int(part["whole_vault"])

    def _object(self, route: Mapping[str, Any], ask: Ask) -> int | None:
        target, hidden = ask.target, route["outcomes"]["no_access"]
        if target is None or hidden is None:
            return WALKS_ON
        if ask.unanswered:
            return 503
        if route["path"].startswith("/v1/orgs/"):
            return WALKS_ON if target.org_role else int(hidden)
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
        target = ask.target
        if target is None or (not target.installed and not self._veiled(route)):
            return WALKS_ON
        wanted = [(route["right"], target.environment)]
        wanted += [(route["second"]["right"], target.second)] if "second" in route else []
        wanted += [(more["right"], target.environment) for more in self._met(route, ask)]
        if all(self._holds(target, right, environment) for right, environment in wanted):
            return WALKS_ON
        return int(route["outcomes"]["insufficient"] or 403)

    def _holds(self, target: Target, right: str, environment: str | None) -> bool:
        """One right. An environment that nobody can name, as that of a secret which is not there, decides nothing."""
        if right in VERBS:
            return (environment is None and not target.sub) or self.may(target.role, environment or "", right)
        table = {
            "admin": target.role == "admin",
            "manage": target.role == "admin" or target.org_role == "owner",
            "org_member": target.org_role is not None,
            "org_admin": target.org_role == "owner",
        }
        return table.get(right, True)

    def _sub_object(self, _route: Mapping[str, Any], ask: Ask) -> int | None:
        part = ask.target is not None and not ask.target.sub
        return int(self._statuses["foreign_or_missing"]["sub_objects"]) if part else WALKS_ON

    def _feature_off(self, route: Mapping[str, Any], _ask: Ask) -> int | None:
        """With the default of BILLING_ENABLED, which is off."""
        off: Mapping[str, int] = self._statuses["feature_off"]
        return off.get(f"{route['method']} {route['path']}")

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
