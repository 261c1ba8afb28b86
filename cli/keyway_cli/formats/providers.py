"""Which keys and values an export file of another program holds, by the descriptions in `providers.toml`."""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from keyway_core.sensitive import Sensitive

from keyway_cli.formats.reading import Table, Unreadable, parse, shown

FILE: Final = Path(__file__).with_name("providers.toml")
PLAIN: Final = "plain"
_STRUCTURED: Final = ("json", "yaml")
_ENCRYPTED: Final = "encrypted:"
_DEPTH: Final = 64


class Entry(NamedTuple):
    """One key of a file: its value, where it stands, and why it is refused or left out, if it is."""

    name: str
    value: Sensitive | None
    where: str = ""
    refused: str = ""
    left_out: str = ""


class Found(NamedTuple):
    """What a file holds, and whose export it is."""

    provider: str
    syntax: str
    entries: list[Entry]


Shape = Mapping[str, Any]


def names() -> list[str]:
    """The providers that are known, without the one for plain names and values."""
    return [provider["name"] for provider in _providers() if provider["name"] != PLAIN]


def read(text: str, syntax: str, said: str | None) -> Found:
    """What a text holds. `said` is a provider's name, or none to recognise it. Raises Unreadable."""
    document = parse(text, syntax)
    for provider in _providers():
        if said not in {None, provider["name"]}:
            continue
        for shape in provider["shape"]:
            if _fits(shape, document, syntax, explicit=said is not None):
                return Found(provider["name"], syntax, _entries(provider, shape, document))
    if said is not None and said != PLAIN and syntax in {"dotenv", "docker"}:
        provider = next(one for one in _providers() if one["name"] == said)
        return Found(said, syntax, _entries(provider, {"kind": "map"}, document))
    raise Unreadable(_unknown(document, syntax, said), hint="docs/cli.md tells what import reads")


@cache
def _providers() -> list[dict[str, Any]]:
    return list(tomllib.loads(FILE.read_text(encoding="utf-8"))["provider"])


def _unknown(document: Any, syntax: str, said: str | None) -> str:
    if said is not None and said != PLAIN:
        return f"this is no export of {said} that keyway knows"
    if syntax == "csv":
        return "the header has no columns key (or name) and value"
    what = "an object" if isinstance(document, dict) else "a list" if isinstance(document, list) else "one value"
    return f"{what} is not a mapping of names to values, and no export that keyway knows"


def _fits(shape: Shape, document: Any, syntax: str, *, explicit: bool) -> bool:
    if syntax not in shape.get("syntaxes", _STRUCTURED) or (shape.get("said") and not explicit):
        return False
    if not all(any(True for _ in find(document, path)) for path in shape.get("needs", ())):
        return False
    if not all(any(_text(one) in texts for one in find(document, path)) for path, texts in shape.get("is", {}).items()):
        return False
    return isinstance(document, dict) if shape.get("kind") in {"map", "tree", "named"} else True


def find(node: Any, path: str) -> Iterator[Any]:
    """Everything that a path leads to (see providers.toml)."""
    nodes = [node]
    for part in path.split(".") if path else ():
        nodes = [child for one in nodes for child in _children(one, part)]
    yield from nodes


def _children(node: Any, part: str) -> list[Any]:
    if part == "[]":
        return node if isinstance(node, list) else []
    if not isinstance(node, dict):
        return []
    if "*" in part:
        return [value for name, value in node.items() if fnmatchcase(name, part)]
    return [node[part]] if part in node else []


def _entries(provider: Mapping[str, Any], shape: Shape, document: Any) -> list[Entry]:
    if shape.get("refuse"):
        raise Unreadable(str(shape["refuse"]))
    found = [_judged(provider, entry) for entry in _KINDS[shape["kind"]](shape, document)]
    if not found:
        raise Unreadable("there is no key in it")
    return found


def _judged(provider: Mapping[str, Any], entry: Entry) -> Entry:
    """What the provider adds itself is left out; what is encrypted is nobody's value."""
    if any(fnmatchcase(entry.name, pattern) for pattern in provider.get("left_out", ())):
        return entry._replace(left_out=f"{provider['title']} adds it")
    if entry.value is not None and entry.value.reveal().startswith(_ENCRYPTED) and not entry.refused:
        return entry._replace(refused="is encrypted by dotenvx; decrypt it first: dotenvx decrypt --stdout")
    return entry


def _entry(name: str, value: Any, where: str = "") -> Entry:
    if isinstance(value, str):
        return Entry(name, Sensitive(value), where)
    if isinstance(value, bool):
        return Entry(name, Sensitive("true" if value else "false"), where)
    if value is None:
        return Entry(name, None, where, 'has no value (null); write "" for an empty one')
    what = "an object" if isinstance(value, dict) else "a list"
    return Entry(name, None, where, f"is {what}, and a secret is a text; put it in quotes")


def _map(shape: Shape, document: Any) -> Iterator[Entry]:
    for table in find(document, shape.get("at", "")):
        if isinstance(table, dict):
            for name, value in table.items():
                yield _entry(name, value, _line(table, name))


def _line(table: Mapping[str, Any], name: str) -> str:
    line = table.lines.get(name) if isinstance(table, Table) else None
    return f"line {line}" if line else ""


def _secrets(shape: Shape, document: Any) -> Iterator[Entry]:
    for manifest in find(document, shape["at"]):
        if next(find(manifest, "kind"), None) != "Secret":
            continue
        for entry in _map({"at": "data"}, manifest):
            yield entry if entry.value is None else _opened(entry, entry.value.reveal())
        yield from _map({"at": "stringData"}, manifest)


def _opened(entry: Entry, text: str) -> Entry:
    try:
        return entry._replace(value=Sensitive(base64.b64decode(text, validate=True).decode()))
    except binascii.Error:
        return entry._replace(value=None, refused="is no base64")
    except UnicodeDecodeError:
        return entry._replace(value=None, refused="is no text in UTF-8; keep it in base64 under another name")


def _json(shape: Shape, document: Any) -> Iterator[Entry]:
    for text in find(document, shape["at"]):
        inner = parse(text, "json") if isinstance(text, str) else None
        if not isinstance(inner, dict):
            raise Unreadable(f"{shape['at']} holds no object of names and values")
        yield from _map({}, inner)


def _records(shape: Shape, document: Any) -> Iterator[Entry]:
    for number, record in enumerate(find(document, shape.get("at", "")), 1):
        where = f"record {number}"
        if not isinstance(record, dict):
            raise Unreadable(f"{where} is no object")
        name = next(find(record, shape["key"]), None)
        if not isinstance(name, str):
            raise Unreadable(f"{where} has no {shape['key']}")
        entry = _entry(name, next(find(record, shape["value"]), None), where)
        kept = not _named_by(record, shape.get("unless", {}))
        yield entry if kept else entry._replace(left_out="somebody's own override, not the shared value")


def _named(shape: Shape, document: Any) -> Iterator[Entry]:
    for name, record in document.items():
        yield _entry(name, next(find(record, shape["value"]), None), _line(document, name))


def _tree(_shape: Shape, document: Any) -> Iterator[Entry]:
    yield from _branches(document, ())


def _branches(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Entry]:
    if len(path) > _DEPTH:
        raise Unreadable(f"nested deeper than {_DEPTH} levels")
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _branches(value, (*path, name))
        else:
            yield _entry(name, value, "/".join(map(shown, path)))


def _items(shape: Shape, document: Any) -> Iterator[Entry]:
    for number, item in enumerate(find(document, shape["at"]), 1):
        title = next(find(item, shape["title"]), None)
        text = title if isinstance(title, str) else ""
        where = f"item {number} ({shown(text)})"
        out = "an item in the archive or the trash" if _named_by(item, shape.get("unless", {})) else ""
        yield from (entry._replace(left_out=out) for entry in _parts(shape, item, text, where))


def _parts(shape: Shape, item: Any, title: str, where: str) -> Iterator[Entry]:
    for part in shape["part"]:
        if not _agrees(item, part.get("item_only", {})):
            continue
        for member in find(item, part["at"]):
            if not _agrees(member, part.get("only", {})) or _named_by(member, part.get("unless", {})):
                continue
            value = next(find(member, part.get("value", "")), None)
            name = next(find(member, part["name"]), None) if "name" in part else title
            if value not in {None, ""} if isinstance(value, str | None) else True:
                yield _entry(as_key(name if isinstance(name, str) else ""), value, where)


def as_key(title: str) -> str:
    """A title as a key: `Stripe key (live)` is STRIPE_KEY_LIVE; what is a key already stays as it is."""
    if re.fullmatch(r"[A-Za-z_]\w*", title, re.ASCII):
        return title
    return re.sub(r"[^A-Z0-9]+", "_", title.upper()).strip("_")


def _agrees(node: Any, wanted: Mapping[str, list[str]]) -> bool:
    """Whether every member that is named has one of the texts that are given."""
    return all(_is_one_of(node, path, texts) for path, texts in wanted.items())


def _named_by(node: Any, unwanted: Mapping[str, list[str]]) -> bool:
    """Whether any of them has."""
    return any(_is_one_of(node, path, texts) for path, texts in unwanted.items())


def _is_one_of(node: Any, path: str, texts: list[str]) -> bool:
    return _text(next(find(node, path), None)) in texts


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None


_KINDS: Final[dict[str, Callable[[Shape, Any], Iterator[Entry]]]] = {
    "map": _map,
    "secrets": _secrets,
    "json": _json,
    "records": _records,
    "named": _named,
    "tree": _tree,
    "items": _items,
}
