"""From a vault to one of its environments, for those that a body or a query names. Pure: grants in, grants out."""

from __future__ import annotations

from uuid import UUID

from keyway_core.roles import Verb, type_from_name

from keyway_backend.access import refusals
from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import _MINT, EnvironmentGrant, VaultGrant
from keyway_backend.access.matrix import allowed_verbs
from keyway_backend.access.roles import Unknown
from keyway_backend.platform.errors import Problem


def narrow(grant: VaultGrant, environment: str | UUID, verb: Verb, *, missing: Problem) -> EnvironmentGrant:
    """The grant for one environment, by name or by id.

    Raises Forbidden when `verb` is not allowed there, and `missing` when there is none; for a name only to those who
    would have been allowed to touch one of the type that it implies (policy.yaml `missing_environment`).
    """
    if grant.role is None:
        raise missing
    if grant.origin.in_grace and verb is not Verb.READ:
        raise refusals.undecided(Unknown())
    for one, verbs in grant.environments.values():
        if environment in (one.id, one.name):
            if verb not in verbs:
                raise refusals.verb_denied(grant.role, verb, one.name)
            reads = Verb.READ in verbs and Scope.READ in grant.actor.scopes
            return EnvironmentGrant(
                grant.actor, grant.origin, grant.vault, one, one.name, grant.role, verb, reads, _MINT
            )
    if grant.actor.binding is not None and grant.actor.binding.environment_ids:
        raise refusals.outside_binding()
    if isinstance(environment, str):
        implied = type_from_name(environment)
        if verb not in allowed_verbs(grant.role, grant.actor.github_user_id, implied, None, grant.rules):
            raise refusals.verb_denied(grant.role, verb, environment)
    raise missing


def readable(grant: VaultGrant) -> frozenset[UUID]:
    """The environments that the actor may read: names of keys are shown of these alone."""
    return frozenset(id_ for id_, (_, verbs) in grant.environments.items() if Verb.READ in verbs)
