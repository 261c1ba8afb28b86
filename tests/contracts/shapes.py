"""What an answer looks like, in words: the notation of the machine-readable contract, and its judge.

text, string, number, whole, count, flag, null, anything, time, id, email, url   one value; a text is not empty
=word            this value and no other, as YAML reads it
one of a|b       one of these words
nullable X       X or null; seen as X in one case of the route at least
maybe X          X or null, whatever was seen: what these tests cannot make the server know
[X]              a list of X, seen with something in it in one case of the route at least; [X]* may always be empty
<name>           a shape with a name, from shapes.yaml
{key: X}         an object with exactly these keys. "key?" may be missing, and is seen in one case at least;
                 "...": X are all further keys, none needed
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import yaml

Shape = Any
REST: Final = "..."
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def _whole(found: object) -> bool:
    return isinstance(found, int) and not isinstance(found, bool)


def _id(found: object) -> bool:
    try:
        return isinstance(found, str) and str(UUID(found)) == found
    except ValueError:
        return False


def _url(found: object) -> bool:
    return isinstance(found, str) and urlsplit(found).scheme in {"http", "https"} and bool(urlsplit(found).netloc)


WORDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "anything": lambda _: True,
    "string": lambda found: isinstance(found, str),
    "text": lambda found: isinstance(found, str) and found != "",
    "number": lambda found: isinstance(found, int | float) and not isinstance(found, bool),
    "whole": _whole,
    "count": lambda found: _whole(found) and found >= 0,
    "flag": lambda found: isinstance(found, bool),
    "null": lambda found: found is None,
    "time": lambda found: isinstance(found, str) and _TIME.fullmatch(found) is not None,
    "id": _id,
    "email": lambda found: isinstance(found, str) and _EMAIL.fullmatch(found) is not None,
    "url": _url,
}


@dataclass
class Judge:
    """Judges the answers of one route. `wanted` is what some case must show, `seen` is what was shown."""

    named: Mapping[str, Shape]
    wanted: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    @property
    def never_seen(self) -> list[str]:
        """What no case showed, so that nothing would fail if it were gone."""
        return sorted(self.wanted - self.seen)

    def faults(self, found: Any, shape: Shape, at: str = "body") -> Iterator[str]:
        """What is not as the shape says, each with its place."""
        match shape:
            case dict():
                yield from self._object(found, shape, at)
            case [one]:
                yield from self._list(found, one, at, filled=True)
            case None:
                yield from self._word(found, "null", at)
            case str():
                yield from self._text(found, shape.strip(), at)
            case _:
                raise ValueError(f"{at}: no shape is {shape!r}")

    def _text(self, found: Any, shape: str, at: str) -> Iterator[str]:
        if shape.startswith("<") and shape.endswith(">"):
            yield from self.faults(found, self.named[shape[1:-1]], at)
        elif shape.startswith("nullable "):
            self._note(f"{at} as more than null", shown=found is not None)
            yield from self._or_null(found, shape.removeprefix("nullable "), at)
        elif shape.startswith("maybe "):
            yield from self._or_null(found, shape.removeprefix("maybe "), at)
        elif shape.startswith("["):
            inner = shape.removesuffix("*")
            yield from self._list(found, inner[1:-1], at, filled=inner == shape)
        else:
            yield from self._word(found, shape, at)

    def _or_null(self, found: Any, shape: str, at: str) -> Iterator[str]:
        if found is not None:
            yield from self.faults(found, shape, at)

    def _word(self, found: Any, shape: str, at: str) -> Iterator[str]:
        if shape.startswith("="):
            wanted = yaml.safe_load(shape[1:])
            good = type(found) is type(wanted) and found == wanted
        elif shape.startswith("one of "):
            good = found in shape.removeprefix("one of ").split("|")
        elif shape in WORDS:
            good = WORDS[shape](found)
        else:
            raise ValueError(f"{at}: no shape is {shape!r}")
        if not good:
            yield f"{at} is {found!r} and not {shape}"

    def _list(self, found: Any, shape: Shape, at: str, *, filled: bool) -> Iterator[str]:
        if not isinstance(found, list):
            yield f"{at} is no list: {found!r}"
            return
        if filled:
            self._note(f"{at} with something in it", shown=bool(found))
        for one in found:
            yield from self.faults(one, shape, f"{at}[]")

    def _object(self, found: Any, shape: Mapping[str, Shape], at: str) -> Iterator[str]:
        if not isinstance(found, dict):
            yield f"{at} is no object: {found!r}"
            return
        for key, inner in shape.items():
            name = key.removesuffix("?")
            if key == REST:
                continue
            if name != key:
                self._note(f"{at}.{name}", shown=name in found)
            if name in found:
                yield from self.faults(found[name], inner, f"{at}.{name}")
            elif name == key:
                yield f"{at}.{name} is missing"
        for name in sorted(found.keys() - {key.removesuffix("?") for key in shape}):
            if REST not in shape:
                yield f"{at}.{name} is not in the contract"
            else:
                yield from self.faults(found[name], shape[REST], f"{at}.*")

    def _note(self, what: str, *, shown: bool) -> None:
        self.wanted.add(what)
        if shown:
            self.seen.add(what)


Place = tuple[str, ...]
EACH: Final = "[]"


def places(found: Any) -> list[Place]:
    """Where the fields of an answer are, those of all items of a list as one."""
    match found:
        case dict():
            pairs = [((name,), places(inner)) for name, inner in found.items()]
        case list():
            pairs = [((EACH,), places(one)) for one in found]
        case _:
            return []
    own = [place for place, _ in pairs if place != (EACH,)]
    return list(dict.fromkeys([*own, *(place + more for place, inner in pairs for more in inner)]))


def spoilt(found: Any, place: Place, how: str) -> Any:
    """The answer with the field at this place dropped or renamed, or with another one beside it (`joined`)."""
    step, *rest = place
    if step == EACH:
        return [spoilt(one, tuple(rest), how) for one in found]
    if not isinstance(found, dict) or step not in found:
        return found
    if rest:
        return found | {step: spoilt(found[step], tuple(rest), how)}
    kept = {name: inner for name, inner in found.items() if name != step or how == "joined"}
    return kept if how == "dropped" else kept | {f"{step}X": found[step]}
