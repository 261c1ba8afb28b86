"""What somebody is on a vault, and what follows from it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from keyway_core.roles import EnvironmentType, Role, Verb

from keyway_backend.access import binding
from keyway_backend.access.actor import Actor, Person, Workflow
from keyway_backend.access.grants import Environment
from keyway_backend.access.records import Found


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person is on a vault: None when there is none of that name. No `installation_id`: the App is not there."""

    vault: Found | None
    role: Role | None
    installation_id: int | None
    in_grace: bool = False


def allowed(person: Actor | Person, vault: Found, role: Role | None) -> dict[UUID, tuple[Environment, frozenset[Verb]]]:
    """What may be done in each environment, in display order."""
    nothing: frozenset[Verb] = frozenset()
    bound = person if isinstance(person, Actor) and person.binding is not None else None
    return {
        one.id: (one, vault.verbs(role, person.github_user_id, one) if role is not None else nothing)
        for one in vault.environments
        if bound is None or binding.holds(bound, vault.vault.id, one.id)
    }


def environment_in_binding(actor: Actor, vault: Found) -> bool:
    """Whether the environment that a request named, which is all that was looked up, lies within the binding."""
    if actor.binding is None or not actor.binding.environment_ids:
        return True
    return any(binding.holds(actor, vault.vault.id, one.id) for one in vault.environments)


def still_allows(workflow: Workflow, standing: Standing, environment: Environment) -> bool:
    """What policy.yaml `credentials.ci.rechecked_on_every_use` lists."""
    vault = standing.vault
    if vault is None or standing.installation_id is None:
        return False
    if (vault.vault.github_repo_id, vault.vault.github_owner_id) != (workflow.github_repo_id, workflow.github_owner_id):
        return False
    if workflow.person is not None and standing.role is None:
        return False
    return workflow.stands and (workflow.by_rule or environment.type is not EnvironmentType.PROTECTED)


def sees_remains(actor: Actor, standing: Standing) -> bool:
    """Whether this is the creator of a vault that the App no longer reaches (policy.yaml `app_not_installed`)."""
    gone = standing.installation_id is None
    return gone and standing.vault is not None and standing.vault.creator == actor.github_user_id
