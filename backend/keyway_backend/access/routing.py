"""A route without exactly one declared guard does not load, and one that needs nothing else takes the short way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Guard:
    """Base of everything that decides who may use a route. Instances are FastAPI dependencies that return a grant."""


class UnguardedRoute(TypeError):
    """A programmer's mistake, found at import."""


class _Public(Guard):
    """No credential is looked at. Routes that use it are a closed list in a test."""

    async def __call__(self) -> None:
        return None


PUBLIC = _Public()


class GuardedRoute(APIRoute):
    """The route class of every router."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        guards = [call for call in self._calls() if isinstance(call, Guard)]
        if len(guards) != 1:
            raise UnguardedRoute(
                f"{sorted(self.methods or ())} {path} declares {len(guards)} guards; it needs exactly one"
            )
        self.guard = guards[0]
        if self._needs_request_and_grant_only():
            self.app = self._short_way

    def _calls(self) -> list[Callable[..., Any] | None]:
        return [dependant.call for dependant in self.dependant.dependencies]

    def _needs_request_and_grant_only(self) -> bool:
        own = self.dependant
        others = (own.path_params, own.query_params, own.header_params, own.cookie_params, own.body_params)
        return len(own.dependencies) == 1 and own.request_param_name is not None and not any(others)

    async def _short_way(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard, handler, response: without the machinery that solves parameters, which costs a tenth of a pull."""
        request = Request(scope, receive, send)
        arguments: dict[str, Any] = {self.dependant.request_param_name or "": request}
        if self.guard is not PUBLIC:
            decide: Callable[[Request], Awaitable[Any]] = self.guard  # type: ignore[assignment]
            grant = await decide(request)
            name = self.dependant.dependencies[0].name
            if name is not None:
                arguments[name] = grant
        response: Response = await self.endpoint(**arguments)
        await response(scope, receive, send)


def public() -> Any:
    """Marks a route as public: `dependencies=[public()]`."""
    return Depends(PUBLIC)
