"""The expressions of workflows, as far as actions and our pages use them: contexts, literals, operators, functions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>&&|\|\||==|!=|[!().,\[\]]))"
)
_INSERT: Final = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_WORDS: Final = {"true": True, "false": False, "null": None}


def inserted(template: str, contexts: Mapping[str, Any]) -> str:
    """A text with its `${{ }}` evaluated. What comes out is not looked at again."""
    return _INSERT.sub(lambda found: spoken(evaluated(found[1], contexts)), template)


def condition(text: str, contexts: Mapping[str, Any]) -> bool:
    """An `if`, with or without `${{ }}` around it."""
    return truth(evaluated(text.strip().removeprefix("${{").removesuffix("}}"), contexts))


def evaluated(text: str, contexts: Mapping[str, Any]) -> Any:
    """What an expression stands for. Raises ValueError for what is none."""
    parser = _Parser(text, contexts)
    value = parser.either()
    if parser.rest:
        raise ValueError(f"expression goes on behind its end: {text}")
    return value


def spoken(value: Any) -> str:
    """A value in a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return "Object" if isinstance(value, Mapping) else str(value)


def truth(value: Any) -> bool:
    """Nothing, false, 0 and '' are false."""
    return value not in (None, False, 0, "")


class _Parser:
    """One expression, read from left to right."""

    def __init__(self, text: str, contexts: Mapping[str, Any]) -> None:
        self._contexts = contexts
        self.rest: list[tuple[str, str]] = []
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                raise ValueError(f"no expression: {text}")
            self.rest.append((str(found.lastgroup), found[0].strip()))
            place = found.end()

    def either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value if truth(value) else other
        return value

    def _both(self) -> Any:
        value = self._equal()
        while self._take("&&"):
            other = self._equal()
            value = other if truth(value) else value
        return value

    def _equal(self) -> Any:
        value = self._not()
        while self.rest and self.rest[0][1] in {"==", "!="}:
            sign, other = self.rest.pop(0)[1], self._not()
            left, right = (one.lower() if isinstance(one, str) else one for one in (value, other))
            value = (left == right) is (sign == "==")
        return value

    def _not(self) -> Any:
        return not truth(self._not()) if self._take("!") else self._path()

    def _path(self) -> Any:
        value = self._atom()
        while self.rest and self.rest[0][1] in {".", "["}:
            if self.rest.pop(0)[1] == ".":
                key: Any = self.rest.pop(0)[1]
            else:
                key = self.either()
                self._need("]")
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def _atom(self) -> Any:
        if self._take("("):
            value = self.either()
            self._need(")")
            return value
        if not self.rest:
            raise ValueError("an expression ends too early")
        kind, text = self.rest.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "sign":
            raise ValueError(f"no expression begins with {text}")
        if self._take("("):
            return self._called(text)
        return _WORDS[text] if text in _WORDS else self._contexts.get(text)

    def _called(self, name: str) -> Any:
        given = []
        while not self._take(")"):
            given.append(self.either())
            self._take(",")
        functions = {
            "fromJSON": json.loads,
            "toJSON": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
            "contains": lambda where, what: spoken(what).lower() in spoken(where).lower(),
            "startsWith": lambda text, start: spoken(text).lower().startswith(spoken(start).lower()),
            "format": lambda text, *values: re.sub(r"\{(\d)\}", lambda found: spoken(values[int(found[1])]), text),
            "always": lambda: True,
            "success": lambda: self._contexts["job"]["status"] == "success",
            "failure": lambda: self._contexts["job"]["status"] == "failure",
        }
        if name not in functions:
            raise ValueError(f"no function {name}")
        return functions[name](*given)

    def _take(self, sign: str) -> bool:
        if self.rest and self.rest[0] == ("sign", sign):
            self.rest.pop(0)
            return True
        return False

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            raise ValueError(f"an expression lacks its {sign}")
