"""What the runner is told to hide: values, their lines, and the forms in which programs print them.

The runner looks for each text within one line of the log. So a value of several lines is hidden line by line; as a
whole it would never be found, and the runner would hide every `{` that stands alone in it.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final
from urllib.parse import quote, quote_plus

from keyway_cli.ci.runner import unescaped
from keyway_cli.masking.forms import SHORTEST, base64_forms, hex_forms, is_masked, text_forms

# Whoever prints much Base64 breaks it: `base64` after 76 characters, `openssl` and PEM after 64.
_WRAPPED: Final = (76, 64)
_COMMAND: Final = re.compile(r"\s*::[^:\r\n]+::(.+)")
# Of longer values every spelling that one could think of would be megabytes for the runner to look for.
_ALL_SPELLINGS: Final = 8_192


def masks(values: Mapping[str, str], *, everything: bool = False) -> list[str]:
    """Every text to hide for these values, each once, none with a line end in it, the values themselves first."""
    parts = {part: None for value in values.values() for part in _parts(value, everything=everything)}
    forms = {
        form: None
        for value in values.values()
        if _is_hidden(value, everything=everything)
        for form in _forms_of_value(value)
    }
    forms |= {form: None for part in parts for form in _forms_of_part(part)}
    # What a shell quotes keeps its line ends: such a form is seen line by line as well.
    lines = (line for form in forms for line in re.split(r"[\r\n]+", form))
    told = chain(parts, (line for line in lines if len(line) >= SHORTEST and _is_hidden(line, everything=everything)))
    return list(dict.fromkeys(text for text in told if not text.isspace()))


def unmasked(values: Mapping[str, str]) -> list[str]:
    """The names of values that are not hidden, being short or common, or in lines that are."""
    return [name for name, value in values.items() if value.strip() and _is_shown(value)]


def _is_shown(value: str) -> bool:
    """Whether most of a value would be seen, in lines that nobody hides."""
    seen = [len(line.strip()) for line in _lines(value) if not _is_hidden(line, everything=False)]
    return 2 * sum(seen) > sum(len(line.strip()) for line in _lines(value))


def _is_hidden(text: str, *, everything: bool) -> bool:
    return bool(text.strip()) and (everything or is_masked(text.strip()))


def _lines(value: str) -> list[str]:
    """The lines of a value: as a log has them, and as programs have them that know more line ends (U+2028, U+0085)."""
    lines = [*re.split(r"[\r\n]+", value), *value.splitlines()]
    return [line for line in dict.fromkeys(lines) if line.strip()]


def _parts(value: str, *, everything: bool) -> Iterator[str]:
    """A value of one line, or the lines of a value; each also without the blanks around it, and what the runner would
    show of one that looks like a command of its own."""
    for line in _lines(value):
        if _is_hidden(line, everything=everything):
            yield from (line, line.strip())
        if command := _COMMAND.match(line):
            yield from _parts(unescaped(command[1]), everything=everything)


def _forms_of_value(value: str) -> set[str]:
    """A whole value as programs print it on one line, and in the lines of wrapped Base64."""
    raw = value.encode()
    found = text_forms(value) if len(raw) <= _ALL_SPELLINGS else set()
    found |= base64_forms(raw) | hex_forms(raw)
    return {form.decode() for form in found} | _escaped(value) | set(_wrapped(raw))


def _wrapped(raw: bytes) -> Iterator[str]:
    """The lines of wrapped Base64; the last one also as it begins when more follows, as the line end of `echo` does."""
    encoded = b64encode(raw).decode()
    decided = encoded[: len(raw) * 8 // 6]
    for width in _WRAPPED:
        if len(encoded) > width:
            for text in (encoded, decided):
                yield from (text[place : place + width] for place in range(0, len(text), width))


def _forms_of_part(part: str) -> set[str]:
    """A line, in the forms that matter: there may be thousands."""
    return {form.decode() for form in base64_forms(part.encode())} | _escaped(part)


def _escaped(text: str) -> set[str]:
    plain, ascii_only = (json.dumps(text, ensure_ascii=only)[1:-1] for only in (False, True))
    return {plain, ascii_only, quote(text, safe=""), quote(text), quote_plus(text)}
