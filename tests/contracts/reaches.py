"""How the answers of the contract are reached: a function for each case, which makes the request.

A function that yields its request goes on when the answer is there, to put right what it changed. Refusals that every
route has in the same way are made from the request that succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from inspect import isgenerator
from typing import TYPE_CHECKING, Any, Final

from tests.oracle.wire import Call, bearer

if TYPE_CHECKING:
    from tests.contracts.scene import Scene

Make = Callable[["Scene"], Any]
Key = tuple[str, str]

MADE: Final[dict[Key, Make]] = {}
"""By route and case."""
OFF: Final[set[Key]] = set()
"""Those that are asked where everything optional is off."""


def reaches(route: str, case: str = "", *, off: bool = False) -> Callable[[Make], Make]:
    """Says which answer a function reaches. `off`: on the installation that has nothing switched on."""

    def keep(make: Make) -> Make:
        if (route, case) in MADE:
            raise ValueError(f"{route}, {case or 'ok'}: reached twice")
        MADE[route, case] = make
        if off:
            OFF.add((route, case))
        return make

    return keep


@contextmanager
def request(scene: Scene, route: str, case: str, first: str) -> Iterator[Call]:
    """The request of a case; `first` is the case of the route that succeeds."""
    if (route, case) in MADE:
        with _made(MADE[route, case], scene) as call:
            yield call
        return
    with _made(MADE[route, first], scene) as call:
        yield GENERIC[case](scene, call)


def is_known(route: str, case: str) -> bool:
    """Whether a case can be reached."""
    return (route, case) in MADE or case in GENERIC


@contextmanager
def _made(make: Make, scene: Scene) -> Iterator[Call]:
    made = make(scene)
    if not isgenerator(made):
        yield made
        return
    try:
        yield next(made)
    finally:
        for _ in made:
            raise AssertionError("a reach makes one request")


def _as(call: Call, token: str | None) -> Call:
    """The same request with another credential, or none."""
    kept = tuple(one for one in call.headers if one[0].lower() not in {"authorization", "cookie"})
    return replace(call, headers=(bearer(token), *kept) if token else kept)


def _wrong_key(scene: Scene, call: Call) -> Call:
    """A key of the same person with the one scope that the route does not ask for."""
    about_keys = call.path.startswith("/v1/api-keys")
    return _as(call, scene.key_to_read if about_keys else scene.key_for_keys)


def _bad_body(_: Scene, call: Call) -> Call:
    kept = tuple(one for one in call.headers if one[0].lower() != "content-type")
    return replace(call, headers=(*kept, ("Content-Type", "application/json")), body=None, form=b"[1, 2]")


def _unknown_field(_: Scene, call: Call) -> Call:
    return replace(call, body={**call.body, "surprise": 1})


def _limit_too_high(_: Scene, call: Call) -> Call:
    return replace(call, path=f"{call.path}{'&' if '?' in call.path else '?'}limit=100000")


GENERIC: Final[dict[str, Callable[[Scene, Call], Call]]] = {
    "signed out": lambda _, call: _as(call, None),
    "wrong key": _wrong_key,
    "stranger": lambda scene, call: _as(call, scene.stranger),
    "reader": lambda scene, call: _as(call, scene.reader),
    "member": lambda scene, call: _as(call, scene.member),
    "bad body": _bad_body,
    "unknown field": _unknown_field,
    "limit too high": _limit_too_high,
}
