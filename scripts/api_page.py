"""Writes docs/api.md from the API's own description: `python scripts/api_page.py`.

`--check` only says whether the page is as it should be.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from keyway_backend.app import document
from page import Row, table, write

Schema: TypeAlias = dict[str, Any]
PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
INTRODUCTION: Final = """# The API

Every route, by what it is about. This page is made from the API's own description (`make docs`); the suite compares it,
and asks a running server with generated requests whether it is true. The description itself, for generators of
clients, is printed by `keyway-backend openapi`.

## For all routes

- **Where**: `https://api.<DOMAIN>`. JSON in UTF-8, both ways. Times are ISO 8601 in UTC with milliseconds, ids UUIDs.
- **Who**: `Authorization: Bearer <credential>`: a session (of `keyway login`), an API key (`kw_…`), or the token of a
  workflow (`kwci_…`), which only the routes below say that they admit. A browser's session travels in a cookie, and
  then whatever changes something needs an `Origin` of ours. Routes marked *open to everybody* look at no credential.
- **Scope** is what an API key must hold; a session holds all of them. *session* means that no key will do.
- **Right** is what GitHub and the vault's rules must give to the person: `any_role` on the repository, `admin` of the
  repository, `manage` (admin, or owner of the organisation), `org_member`, `org_admin`, or to read or write the
  `environment`. Whoever has no role on a repository gets the same answer as for a vault that does not exist.
- **Answers** lie in `{"data": …, "meta": {"requestId": …}}`. Pages take `limit` and `offset` or `cursor`.
- **Errors** have one form, [ProblemBody](#problembody), and say what to do. No error repeats a value.

| status | always means |
| --- | --- |
{statuses}
"""
TITLES: Final = {"ci": "CI", "github": "GitHub", "api keys": "API keys", "sign-in": "Sign-in"}
METHODS: Final = ("get", "post", "put", "patch", "delete")
# What all routes may answer, described once at the top.
COMMON: Final = {
    "400": "malformed, or a field of the wrong shape; `errors` names each",
    "401": "the credential is missing, unknown, expired or revoked",
    "403": "a valid credential that may not",
    "404": "no such thing, or not for you",
    "405": "known path, other method",
    "413": "the body is over the limit that the answer names",
    "415": "neither JSON nor a form",
    "429": "too many requests: `Retry-After` says when to come back, `RateLimit-*` how it stands",
    "503": "crypto, the database or GitHub cannot answer; nothing was changed",
}


def page() -> str:
    """The page as it should be."""
    made = document()
    grouped: dict[str, list[str]] = {}
    for path, item in made["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                grouped.setdefault(operation["tags"][0], []).append(_operation(method.upper(), path, operation))
    titles = {tag: TITLES.get(tag, tag.capitalize()) for tag in grouped}
    contents = "".join(f"- [{title}](#{_anchor(title)})\n" for title in [*titles.values(), "Shapes"])
    parts = [f"## {titles[tag]}\n\n" + "\n".join(operations) for tag, operations in grouped.items()]
    statuses = "\n".join(f"| {status} | {meaning} |" for status, meaning in COMMON.items())
    shapes = [_shape(name, schema) for name, schema in sorted(_shown(made).items())]
    introduction = INTRODUCTION.replace("{statuses}", statuses)
    return "\n".join([introduction, contents, *parts, "## Shapes\n", *shapes])


def _operation(method: str, path: str, operation: Schema) -> str:
    title = operation["summary"].replace(" Api ", " API ")
    parts = [f"### {title}\n", f"`{method} {path}`\n", operation.get("description", ""), "", _who(operation), ""]
    fields = list(_parameters(operation)) + list(_body(operation))
    if fields:
        parts.append(table(("input", "where", "type", "meaning"), fields))
    parts.append(table(("answer", "body", "when"), _answers(operation)))
    return "\n".join(parts)


def _who(operation: Schema) -> str:
    needs = operation.get("x-keyway-needs", {})
    if not operation["security"]:
        return "Open to everybody."
    said = [f"Scope: `{needs['scope']}`" if "scope" in needs else "Any credential"]
    said += [f"right: `{needs['right']}`"] if "right" in needs else []
    said += ["workflows' tokens admitted"] if "workflows" in needs else []
    return "; ".join(said) + "."


def _parameters(operation: Schema) -> Iterator[Row]:
    for parameter in operation.get("parameters", []):
        needed = "" if parameter.get("required") else ", optional"
        schema = parameter.get("schema", {})
        said = parameter.get("description") or schema.get("description", "")
        yield f"`{parameter['name']}`", parameter["in"] + needed, _type(schema), said


def _body(operation: Schema) -> Iterator[Row]:
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = content["schema"]
        where = "body" if kind == "application/json" else kind
        if "$ref" in schema:
            yield "", where, _type(schema), ""
        required = schema.get("required", [])
        for name, field in schema.get("properties", {}).items():
            yield f"`{name}`", where + ("" if name in required else ", optional"), _type(field), _said(field)


def _answers(operation: Schema) -> Iterator[Row]:
    for status, answer in sorted(operation["responses"].items()):
        kinds = answer.get("content", {})
        if status in COMMON and answer.get("description", "").lower() in {"", *(text.lower() for text in _DULL)}:
            continue
        shown = [_type(content.get("schema", {})) if "json" in kind else f"`{kind}`" for kind, content in kinds.items()]
        said = answer.get("description", "")
        yield status, " or ".join(dict.fromkeys(shown)), "" if said == "Successful Response" else said


def _shown(made: Schema) -> dict[str, Schema]:
    schemas: dict[str, Schema] = made["components"]["schemas"]
    return {_name(name): schema for name, schema in schemas.items() if name not in _FRAMEWORK}


def _shape(name: str, schema: Schema) -> str:
    said = schema.get("description", "")
    required = schema.get("required", [])
    rows = [
        (f"`{field}`", _type(one) + ("" if field in required else ", optional"), _said(one))
        for field, one in schema.get("properties", {}).items()
    ]
    shown = table(("field", "type", "meaning"), rows) if rows else _type(schema) + "\n"
    return f"### {name}\n\n{'' if said == 'Envelope.' else said}\n\n{shown}"


def _said(schema: Schema) -> str:
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    return "; ".join([text for text in [str(schema.get("description", ""))] if text] + limits)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = _name(schema["$ref"].rsplit("/", 1)[1])
        return f"[{name}](#{_anchor(name)})"
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{_json(one)}`" for one in schema.get("enum", [schema.get("const")]))
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[several]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map to {_type(schema['additionalProperties'])}"
    kind = schema.get("type", "anything")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _json(value: object) -> str:
    return json.dumps(value).strip('"')


def _name(name: str) -> str:
    """A shape's name; where two features use one, the feature's stands before it."""
    told = re.fullmatch(r"keyway_backend__features__(\w+?)__schemas__(\w+)", name)
    return f"{told[1]}.{told[2]}" if told else name


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-")


_DULL: Final = (
    "Malformed, or a field of the wrong shape", "Unknown path", "Known path, other method",
    "Body or environment over the limit; names the figure", "Neither JSON nor a form", "Rate limited",
    "Crypto, database or GitHub cannot answer", "The credential is missing, malformed, unknown, expired or revoked",
    "A valid credential that may not",
)  # fmt: skip
_FRAMEWORK: Final = frozenset({"HTTPValidationError", "ValidationError"})
_LIMITS: Final = {
    "minLength": "at least", "maxLength": "at most", "minimum": "from", "maximum": "to", "maxItems": "entries up to",
    "maxProperties": "entries up to", "format": "as",
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(write(PAGE, page(), check="--check" in sys.argv))
