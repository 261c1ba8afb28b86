"""Whether the contract is spelt as its notation has it: a word that nobody knows would be met only when an answer has
something in its place, and a field that is written twice would quietly be the second one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.contracts.shapes import REST, WORDS, Shape

_INSIDE: Final = ("nullable ", "maybe ")


class _Once(yaml.CSafeLoader):
    """Takes no mapping that has a key twice."""


def _mapping(loader: _Once, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
        raise ValueError(f"{node.start_mark.name}, line {node.start_mark.line + 1}: written twice: {twice}")
    return loader.construct_mapping(node, deep=True)


_Once.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(path: Path) -> Any:
    """What a file holds."""
    with path.open() as file:
        return yaml.load(file, _Once)  # noqa: S506 - a loader of safe things that is stricter than the safe one


def misspelt(shape: Shape, named: Mapping[str, Shape], at: str = "body") -> Iterator[str]:
    """What of a shape is no shape, each with its place."""
    match shape:
        case dict():
            yield from _object(shape, named, at)
        case [one]:
            yield from misspelt(one, named, f"{at}[]")
        case None:
            return
        case str():
            yield from _text(shape.strip(), named, at)
        case _:
            yield f"{at}: no shape is {shape!r}"


def _object(shape: Mapping[Any, Shape], named: Mapping[str, Shape], at: str) -> Iterator[str]:
    names = [str(key).removesuffix("?") for key in shape]
    yield from (f"{at}.{name}: both with and without ?" for name in sorted(set(names)) if names.count(name) > 1)
    for key, inner in shape.items():
        if not isinstance(key, str) or key in {"", "?", REST + "?"}:
            yield f"{at}: no key is {key!r}"
        else:
            yield from misspelt(inner, named, f"{at}.{key}")


def _text(shape: str, named: Mapping[str, Shape], at: str) -> Iterator[str]:
    inside = next((shape.removeprefix(word) for word in _INSIDE if shape.startswith(word)), None)
    if inside is None and shape.startswith("["):
        whole = shape.removesuffix("*")
        inside = whole[1:-1] if whole.endswith("]") else ""
    if inside is not None:
        yield from _text(inside.strip(), named, at)
    elif shape.startswith("<"):
        if not shape.endswith(">") or shape[1:-1] not in named:
            yield f"{at}: no shape is named {shape}"
    elif shape.startswith("one of "):
        words = shape.removeprefix("one of ").split("|")
        if len(set(words)) < max(2, len(words)) or not all(words):
            yield f"{at}: no choice is {shape!r}"
    elif not shape.startswith("=") and shape not in WORDS:
        yield f"{at}: no shape is {shape!r}"
    elif shape == "=":
        yield f"{at}: = what?"


def names_in(shape: Shape) -> set[str]:
    """The named shapes that a shape speaks of."""
    match shape:
        case dict():
            return set().union(*(names_in(inner) for inner in shape.values()))
        case list():
            return set().union(*(names_in(inner) for inner in shape))
        case str() if "<" in shape:
            return {shape.partition("<")[2].partition(">")[0]}
    return set()
