"""Which cells of the matrix of all routes the suite plays; the long run plays all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final
from zlib import crc32

from .every_route import Cell, Route, hidden

Pair = tuple[Route, str]  # and the name of a principal
Place = tuple[Route, str]  # and the name of an object
Meetings = defaultdict[Place, set[str]]  # which sorts of credential met it
MEETINGS: Final = 3
COMPARED: Final = 2


def sample(every: Iterable[Cell]) -> list[Cell]:
    """At every route all that is hidden, by `COMPARED` sorts of credential, so that the answers can be compared; every
    principal, about one's own and about somebody else's (one of the two for an API key, of which there are many alike);
    and every object, by `MEETINGS` sorts of credential. What is chosen for one of these counts for the others. Which
    ones differs from route to route and object to object, not from run to run."""
    pairs: dict[Pair, list[Cell]] = {}
    for cell in every:
        pairs.setdefault((cell.route, cell.caller.name), []).append(cell)
    met: Meetings = defaultdict(set)
    chosen: set[int] = set()

    def choose(*cells: Cell) -> None:
        for cell in cells:
            chosen.add(id(cell))
            met[cell.route, cell.about].add(cell.caller.credential)

    for group in _compared(pairs):
        choose(*group)
    for pair, some in pairs.items():
        for part in _parts(some, _number(*pair)):
            if chosen.isdisjoint(map(id, part)):
                choose(_least_met(part, met, _number(*pair)))
    for place, sorts in _by_object(pairs.values()).items():
        names, first = sorted(sorts.keys() - met[place]), _number(*place)
        for turn in range(min(MEETINGS, len(sorts)) - len(met[place])):
            alike = sorts[names[(first + turn) % len(names)]]
            choose(alike[first % len(alike)])
    return [cell for some in pairs.values() for cell in some if id(cell) in chosen]


def _number(*names: object) -> int:
    return crc32(" ".join(map(str, names)).encode())


def _parts(some: Sequence[Cell], number: int) -> list[list[Cell]]:
    """What of a principal's cells at a route is picked from: one of each."""
    own = [cell for cell in some if cell.ground is None or cell.ground.label == "own"]
    foreign = [cell for cell in some if cell.ground is not None and cell.ground.label == "foreign"]
    match some[0].caller.credential:
        case "refused":
            return [list(some)]
        case "api_key":
            return [[own, foreign, own, list(some)][number % 4] or own]
        case _:
            return [part for part in (own, foreign if some[0].caller.roles else []) if part]


def _least_met(part: Sequence[Cell], met: Meetings, number: int) -> Cell:
    """One whose object this sort of credential, and others, met least."""

    def before(turn: int) -> tuple[bool, int]:
        cell = part[(number + turn) % len(part)]
        sorts = met[cell.route, cell.about]
        return cell.caller.credential in sorts, len(sorts)

    return part[(number + min(range(len(part)), key=before)) % len(part)]


def _by_object(pairs: Iterable[Sequence[Cell]]) -> dict[Place, dict[str, list[Cell]]]:
    """The cells of each object of each route, by sort of credential."""
    objects: dict[Place, dict[str, list[Cell]]] = {}
    for cell in (cell for some in pairs for cell in some):
        objects.setdefault((cell.route, cell.about), {}).setdefault(cell.caller.credential, []).append(cell)
    return objects


def _compared(pairs: Mapping[Pair, Sequence[Cell]]) -> Iterator[list[Cell]]:
    """What must be answered alike: all of it, for a principal of each of some sorts at each route."""
    alike: dict[tuple[object, ...], dict[str, list[list[Cell]]]] = {}
    for (route, _), some in pairs.items():
        groups: dict[tuple[str, ...], list[Cell]] = {}
        for cell in some:
            if (about := hidden(cell)) is not None:
                groups.setdefault(about, []).append(cell)
        for about, group in groups.items():
            if len(group) > 1:
                alike.setdefault((route, about), {}).setdefault(some[0].caller.credential, []).append(group)
    for place, sorts in alike.items():
        names, first = sorted(sorts), _number(*place)
        for turn in range(min(COMPARED, len(names))):
            those = sorts[names[(first + turn) % len(names)]]
            yield those[first % len(those)]
