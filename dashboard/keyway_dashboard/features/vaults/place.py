"""The vault that an address names, as its pages need it: what it is, and what the caller may do where."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from keyway_dashboard.backend import Missing, path
from keyway_dashboard.features.secrets.models import NOTHING, Column, Effective, Secret, columns
from keyway_dashboard.features.vaults.models import Vault
from keyway_dashboard.visits import Visit

PAGE: Final = "/vaults/{owner}/{name}"
# 1,000 keys in each of 20 environments; the API gives at most 500 at once.
_MOST: Final = 20_000
_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Place:
    """A vault, and its environments with what the caller may do there."""

    vault: Vault
    columns: list[Column]

    @property
    def administered(self) -> bool:
        """Whether the caller is an admin of the repository."""
        return self.vault.permission == "admin"

    def column(self, environment: str) -> Column:
        """One environment. Raises Missing."""
        for one in self.columns:
            if one.environment.name == environment:
                return one
        raise Missing(404, "", slug="not-found")

    def writes(self, environment: str) -> bool:
        """Whether the caller may write there."""
        found = (one.access for one in self.columns if one.environment.name == environment)
        return next(found, NOTHING).write


def of(visit: Visit, *rest: str) -> str:
    """An address of the backend below the vault."""
    return path("vaults", visit.step("owner"), visit.step("name"), *rest)


def url(visit: Visit, *rest: str) -> str:
    """A page of the vault. `rest` are names that the backend gave, or that a path of ours held."""
    return "/".join(["", "vaults", visit.step("owner"), visit.step("name"), *rest])


async def opened(visit: Visit) -> Place:
    """The vault of the address. Raises Missing."""
    vault, rights = await asyncio.gather(
        visit.api.get(of(visit), Vault), visit.api.get(of(visit, "permissions", "effective"), Effective)
    )
    return Place(vault, columns(vault.environmentDetails, rights))


async def gone(visit: Visit, target: str, said: str) -> Response:
    """Back to a page with a sentence after something of the vault was Missing. Raises Missing when the vault is too."""
    await visit.api.get(of(visit), Vault)
    return visit.go(target, said, "bad")


async def every_secret(visit: Visit) -> list[Secret]:
    """The live secrets whose names the caller may read."""
    return [one for one in await visit.api.all(of(visit, "secrets"), Secret, most=_MOST, step=_AT_ONCE) if one.key]


async def secret(visit: Visit, id_: str) -> Secret:
    """The live secret of this id whose name the caller may read. Raises Missing."""
    return by_id(await every_secret(visit), id_)


def by_id(secrets: Sequence[Secret], id_: str) -> Secret:
    """The secret of this id. Raises Missing."""
    for one in secrets:
        if one.id == id_:
            return one
    raise Missing(404, "", slug="not-found")
