"""Where a bound API key may go (policy.yaml `credentials.api_key.binding`). Pure: the route decides, never what exists.

A route that is on no list refuses: one that is added later is closed to bound keys until somebody has thought of it.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from keyway_backend.access.actor import Actor, Binding

_VAULT: Final = "/v1/vaults/{owner}/{repo}"
_SYNC: Final = "/v1/integrations/vaults/{owner}/{repo}/sync"
_BOUND_PREFIXES: Final = (_VAULT, _SYNC)

EVERYWHERE: Final = frozenset({("POST", "/v1/auth/token/validate"), ("GET", "/v1/users/me")})
FILTERED: Final = frozenset({
    ("GET", "/v1/vaults"),
    ("GET", "/v1/activity"),
    ("GET", "/v1/users/me/security/alerts"),
    ("GET", "/v1/users/me/security/overview"),
    ("GET", "/v1/users/me/security/access-log"),
    ("GET", "/v1/users/me/exposure"),
    ("GET", "/v1/users/me/exposure/{username}"),
    ("GET", "/v1/api-keys"),
})  # fmt: skip
# What a key makes or sees of keys lies within its own binding: their service compares.
_KEYS: Final = frozenset({("POST", "/v1/api-keys"), ("GET", "/v1/api-keys/{id}"), ("DELETE", "/v1/api-keys/{id}")})
_NAMES_A_VAULT: Final = frozenset({
    ("POST", "/v1/secrets/push"),
    ("GET", "/v1/secrets/pull"),
    ("GET", "/v1/secrets/view"),
    ("POST", "/v1/github/check-installation"),
    ("GET", "/v1/github/repo-ids"),
})  # fmt: skip
_FILTERED_BY_ENVIRONMENT: Final = frozenset({
    ("GET", _VAULT),
    ("GET", f"{_VAULT}/secrets"),
    ("GET", f"{_VAULT}/trash"),
    ("GET", f"{_VAULT}/environments"),
    ("GET", f"{_VAULT}/permissions"),
    ("GET", f"{_VAULT}/permissions/overrides"),
    ("GET", f"{_VAULT}/permissions/effective"),
    ("GET", f"{_VAULT}/permissions/defaults"),
    ("GET", f"{_VAULT}/security/alerts"),
    ("GET", f"{_VAULT}/activity"),
    ("GET", f"{_VAULT}/exposure"),
    ("GET", f"{_VAULT}/oidc-rules"),
})  # fmt: skip
# The environment stands in the body, in the query, or in a rule.
_NAMES_AN_ENVIRONMENT: Final = frozenset({
    ("POST", f"{_VAULT}/secrets"),
    ("GET", f"{_VAULT}/compare"),
    ("GET", f"{_VAULT}/oidc-rules/{{id}}"),
    ("POST", f"{_SYNC}/link"),
    ("GET", f"{_SYNC}/status"),
    ("GET", f"{_SYNC}/diff"),
    ("GET", f"{_SYNC}/preview"),
    ("POST", _SYNC),
})  # fmt: skip
_OF_AN_ENVIRONMENT: Final = (
    f"{_VAULT}/environments/{{name}}",
    f"{_VAULT}/secrets/{{secretId}}",
    f"{_VAULT}/trash/{{secretId}}",
    f"{_VAULT}/exposure/{{userId}}/ticks/{{secretId}}",
)


def may_enter(binding: Binding, method: str, path: str) -> bool:
    """Whether a bound key may use a route at all; `path` is the route's, with its braces."""
    route = (method, path)
    if route in EVERYWHERE | FILTERED | _KEYS | _NAMES_A_VAULT:
        return True
    if not path.startswith(_BOUND_PREFIXES):
        return False
    if not binding.environment_ids:
        return True
    return route in _FILTERED_BY_ENVIRONMENT | _NAMES_AN_ENVIRONMENT or path.startswith(_OF_AN_ENVIRONMENT)


def holds(actor: Actor, vault_id: UUID, environment_id: UUID | None = None) -> bool:
    """Whether a vault, and an environment of it, lies within the actor's binding. Who has none is bound to nothing."""
    bound = actor.binding
    if bound is None:
        return True
    if vault_id not in bound.vault_ids:
        return False
    return environment_id is None or not bound.environment_ids or environment_id in bound.environment_ids
