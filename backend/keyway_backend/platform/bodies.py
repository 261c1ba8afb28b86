"""Reading a request's body: once, bounded, refused with a sentence that says what is wrong and not what was sent."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from keyway_backend.platform.errors import BadRequest, UnsupportedMediaType

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_CACHE: Final = "keyway.body"
# A push of 1,000 keys holds some 3,000 strings. Twelve MiB could hold millions of small things, which keep a parser
# busy for seconds in which nobody else is served; counting them first takes milliseconds.
_MAX_STRINGS: Final = 10_000
_MAX_BETWEEN: Final = 65_536


class _Refused(ValueError):
    """Well-formed for the parser, yet nothing that we take. Its text is a sentence of ours."""


async def json_body(request: Request) -> dict[str, Any]:
    """The body as an object; empty when there is none. Read once, however often it is asked for.

    Raises UnsupportedMediaType (415) for what is neither JSON nor a form, BadRequest (400) for what cannot be read,
    TooLarge (413, from `RequestEdge`) for more bytes than policy.yaml `limits.secrets.request_body_bytes`.
    """
    if _CACHE not in request.scope:
        request.scope[_CACHE] = _parse(await request.body(), request.headers.get("content-type", ""))
    parsed: dict[str, Any] = request.scope[_CACHE]
    return parsed


def _parse(raw: bytes, content_type: str) -> dict[str, Any]:
    if not raw.strip():
        return {}
    kind = content_type.partition(";")[0].strip().lower()
    try:
        match kind:
            case "application/json":
                _refuse_crowds(raw)
                return _object(raw.decode("utf-8"))
            case "application/x-www-form-urlencoded":
                return dict(parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=1000))
    except _Refused as error:
        raise BadRequest(str(error)) from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadRequest(f"The body is not valid JSON ({where}).") from None
    except (ValueError, RecursionError):
        raise BadRequest("The body is nested too deeply, or holds a number that is too long.") from None
    raise UnsupportedMediaType("Send application/json.")


def _refuse_crowds(raw: bytes) -> None:
    """Looks at how many strings a text holds, and how much stands between them, without parsing it."""
    if len(raw) <= _MAX_BETWEEN:
        return
    dense = raw.translate(None, b" \t\r\n").replace(rb"\\", b"").replace(rb"\"", b"")
    if (strings := dense.count(b'"') // 2) > _MAX_STRINGS:
        raise _Refused(f"The body holds {strings} names and texts; at most {_MAX_STRINGS} are possible.")
    if sum(map(len, dense.split(b'"')[::2])) > _MAX_BETWEEN:
        raise _Refused("The body holds too many numbers, lists or objects.")


def _object(text: str) -> dict[str, Any]:
    parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(parsed, dict):
        raise _Refused("The body must be a JSON object.")
    if _SURROGATE_ESCAPE.search(text) and (place := _lone_surrogate(parsed, "")) is not None:
        raise _Refused(f"{place or 'A name in the body'} holds a lone surrogate, which is no text.")
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values under one name a parser keeps one and loses the other without a word: neither is taken."""
    found = dict(pairs)
    if len(found) != len(pairs):
        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise _Refused(f"The body names {twice[:256]} twice in one object.")
    return found


def _no_constant(name: str) -> Any:
    raise _Refused(f"{name} is no JSON number.")


def _lone_surrogate(value: Any, place: str) -> str | None:
    """The dotted path of a text that is none, "" when a name is, None when all is well."""
    match value:
        case str():
            return place if any("\ud800" <= char <= "\udfff" for char in value) else None
        case dict():
            if any(_lone_surrogate(name, "name") for name in value):
                return ""
            inner = [(entry, f"{place}.{name}".lstrip(".")) for name, entry in value.items()]
        case list():
            inner = [(entry, f"{place}[{index}]") for index, entry in enumerate(value)]
        case _:
            return None
    return next((found for entry, path in inner if (found := _lone_surrogate(entry, path)) is not None), None)
