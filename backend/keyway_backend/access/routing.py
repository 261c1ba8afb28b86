"""A route without exactly one declared guard does not load, and one that needs nothing special takes the short way."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable
from typing import Any, cast

from fastapi import Depends
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from keyway_backend.platform import limits


class Guard:
    """Base of everything that decides who may use a route. Instances are FastAPI dependencies that return a grant."""

    def needs(self) -> dict[str, str]:
        """For readers of the API: the scope that a credential must hold, the right of whoever holds it, and whether a
        workflow's token may stand there. Read from what a guard was made with."""
        scope, right, verb = (getattr(self, name, None) for name in ("scope", "right", "verb"))
        workflows = "admitted" if getattr(self, "ci", False) else None
        found = {"scope": scope, "right": right or (verb and f"environment:{verb}"), "workflows": workflows}
        return {name: str(text) for name, text in found.items() if text}


class UnguardedRoute(TypeError):
    """A programmer's mistake, found at import."""


class _Public(Guard):
    """No credential is looked at. Routes that use it are a closed list in a test."""

    async def __call__(self, request: Request) -> None:
        """Admits everybody."""


PUBLIC = _Public()


class GuardedRoute(APIRoute):
    """The route class of every router."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        guards = [one.call for one in self.dependant.dependencies if isinstance(one.call, Guard)]
        if len(guards) != 1:
            raise UnguardedRoute(f"{self.methods} {path} declares {len(guards)} guards; it needs exactly one")
        self.guard = cast(Guard, guards[0])
        self._needed = sorted(self.dependant.dependencies, key=lambda one: one.call is not guards[0])
        if _is_plain(self.dependant) and all(_is_plain(one, leaf=True) for one in self._needed):
            self.app = self._short_way
        plan = limits.plan_of(sorted(self.methods or ()), self.path, public=self.guard is PUBLIC)
        if plan is not None:
            self.app = limits.limited(self.app, plan)

    async def _short_way(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard, handler, response, without the machinery that solves parameters: it costs a tenth of a pull."""
        request = Request(scope, receive, send)
        own = self.dependant
        arguments: dict[str, Any] = {own.request_param_name: request} if own.request_param_name else {}
        for needed in self._needed:
            found = needed.call(**{needed.request_param_name or "": request}) if needed.call else None
            found = await found if isawaitable(found) else found
            if needed.name is not None:
                arguments[needed.name] = found
        response: Response = await self.endpoint(**arguments)
        await response(scope, receive, send)


def _is_plain(dependant: Dependant, *, leaf: bool = False) -> bool:
    """Whether it takes the request, dependencies (a leaf has none), and nothing that FastAPI would have to parse."""
    parsed = (
        dependant.path_params,
        dependant.query_params,
        dependant.header_params,
        dependant.cookie_params,
        dependant.body_params,
    )
    if leaf and (dependant.dependencies or dependant.request_param_name is None):
        return False
    return not any(parsed)


def public() -> Any:
    """Marks a route as public: `dependencies=[public()]`."""
    return Depends(PUBLIC)
