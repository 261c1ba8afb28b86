"""Grants cannot be forged, and routes cannot forget their guard."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Annotated, Any, Final
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, Request
from keyway_backend.access import grants
from keyway_backend.access.actor import Actor, CredentialKind, Origin, Scope
from keyway_backend.access.grants import ForgedGrant, PersonGrant
from keyway_backend.access.guards import VaultGuard
from keyway_backend.access.routing import GuardedRoute, UnguardedRoute, public
from starlette.responses import Response

KINDS: Final = [grants.PersonGrant, grants.RepositoryGrant, grants.VaultGrant, grants.EnvironmentGrant]
ACTOR: Final = Actor(UUID(int=1), 1, "me", CredentialKind.SESSION, UUID(int=2))
GUARD: Final = VaultGuard(Scope.READ)
Guarded = Annotated[Any, Depends(GUARD)]
ORIGIN: Final = Origin("r", "127.0.0.1", "", "api", "cli", "")


def real() -> PersonGrant:
    """A grant as `access` makes it. Only a test has a reason to reach for the mint."""
    return PersonGrant(ACTOR, ORIGIN, grants._MINT)


class TestForging:
    """Ways to a grant that were not through `access`."""

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("mint", [None, object(), True, "mint"])
    def test_direct_construction_is_refused(self, kind: Callable[..., Any], mint: object) -> None:
        """No class of grant takes another mint than the one that it is compared with."""
        with pytest.raises(ForgedGrant):
            kind(*[None for _ in fields(kind)], mint)  # type: ignore[arg-type]

    def test_replacing_a_field_is_refused(self) -> None:
        """A grant for one person is not turned into one for another."""
        with pytest.raises((ForgedGrant, TypeError, ValueError)):
            replace(real(), actor=replace(ACTOR, github_user_id=2))

    def test_the_mint_is_not_kept(self) -> None:
        """No grant carries what it was made with, so none gives it away."""
        assert {field.name for field in fields(PersonGrant)} == {"actor", "origin"}
        with pytest.raises(AttributeError):
            _ = real().mint

    def test_grants_do_not_change(self) -> None:
        """A field is not written, and a copy is no other grant."""
        with pytest.raises(AttributeError):
            real().actor = ACTOR  # type: ignore[misc]
        assert copy.copy(real()) == real()


class TestGuardedRoute:
    """A route without exactly one guard does not load."""

    def test_none_is_refused(self) -> None:
        """Forgetting the guard is an error at import, not an open door."""
        router = APIRouter(route_class=GuardedRoute)
        with pytest.raises(UnguardedRoute, match="/open declares 0"):

            @router.get("/open")
            async def open_door() -> Response:
                return Response()

    def test_two_are_refused(self) -> None:
        """Two guards would leave it open which of them decides."""
        router = APIRouter(route_class=GuardedRoute)
        with pytest.raises(UnguardedRoute, match="declares 2"):

            @router.get("/both", dependencies=[public()])
            async def both(request: Request, grant: Guarded) -> Response:
                return Response(f"{request}{grant}")

    def test_an_ordinary_dependency_is_no_guard(self) -> None:
        """A function that happens to check something does not count."""

        def checks() -> None:
            """Checks nothing."""

        router = APIRouter(route_class=GuardedRoute)
        with pytest.raises(UnguardedRoute):

            @router.get("/looks-guarded", dependencies=[Depends(checks)])
            async def looks_guarded() -> Response:
                return Response()

    def test_one_is_right(self) -> None:
        """With one guard the route loads and knows it."""
        router = APIRouter(route_class=GuardedRoute)

        @router.get("/{owner}/{repo}")
        async def guarded(request: Request, grant: Guarded) -> Response:
            return Response(f"{request}{grant}")

        [route] = router.routes
        assert isinstance(route, GuardedRoute)
        assert route.guard is GUARD
