"""A route without exactly one declared guard does not load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends
from fastapi.routing import APIRoute


class Guard:
    """Base of everything that decides who may use a route. Instances are FastAPI dependencies."""


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
            raise UnguardedRoute(f"{sorted(self.methods or ())} {path} declares {len(guards)} guards; it needs exactly one")
        self.guard = guards[0]

    def _calls(self) -> list[Callable[..., Any] | None]:
        return [dependant.call for dependant in self.dependant.dependencies]


def public() -> Any:
    """Marks a route as public: `dependencies=[public()]`."""
    return Depends(PUBLIC)
