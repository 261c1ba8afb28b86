"""Which rows of a log somebody may see (policy.yaml `roles.rows`).

`readable` keeps rows of environments on which the caller has env:read, and rows of no environment. An environment that
is deleted has nobody's env:read any more; what happened there stays visible to those who manage the vault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

from keyway_backend.access.actor import Actor
from keyway_backend.access.grants import VaultGrant
from keyway_backend.access.narrow import readable

READABLE: Final[LiteralString] = """
    (environment_id = ANY(%(readable)s) OR (NOT %(narrowed)s AND (
        environment_id IS NULL OR (%(everybody)s AND environment_id <> ALL(%(live)s)))))"""
"""The condition, with the parameters of `Rows.parameters`."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The vaults whose rows are asked for; `everybody` says whether others' rows are shown as well as the caller's."""

    actor: Actor
    vaults: Sequence[UUID]
    readable: Sequence[UUID]
    live: Sequence[UUID]
    everybody: bool

    @property
    def parameters(self) -> dict[str, Any]:
        """For a statement that contains READABLE. `person` is None where everybody's rows are shown.

        Who may see the rows of every environment is spared the list of them, twice, with hundreds of vaults.
        """
        narrowed = bound_environments(self.actor) is not None
        every = self.everybody and not narrowed and set(self.live) <= set(self.readable)
        return {
            "vaults": list(self.vaults),
            "readable": [] if every else list(self.readable),
            "live": [] if every else list(self.live),
            "everybody": self.everybody,
            "narrowed": narrowed,
            "person": None if self.everybody else self.actor.github_user_id,
        }


def rows_of(actor: Actor, grants: Sequence[VaultGrant], *, everybody: bool) -> Rows:
    """The rows of these vaults, as far as the actor's credential reaches."""
    vaults, environments = bound_vaults(actor), bound_environments(actor)
    within = [grant for grant in grants if vaults is None or grant.vault.id in vaults]
    seen = [id_ for grant in within for id_ in readable(grant) if environments is None or id_ in environments]
    live = [id_ for grant in within for id_ in grant.environments]
    return Rows(actor, [grant.vault.id for grant in within], seen, live, everybody)


def all_rows(actor: Actor, vaults: Sequence[UUID]) -> Rows:
    """Every row of these vaults: for numbers without a name, and not for a credential that is bound to environments."""
    return Rows(actor, vaults, [], [], everybody=True)


def bound_vaults(actor: Actor) -> list[UUID] | None:
    """The vaults to which a credential is bound; None when it is not."""
    return list(actor.binding.vault_ids) if actor.binding is not None else None


def bound_environments(actor: Actor) -> list[UUID] | None:
    """The environments to which a credential is bound; None when it is not bound to single ones."""
    binding = actor.binding
    return list(binding.environment_ids) if binding is not None and binding.environment_ids else None
