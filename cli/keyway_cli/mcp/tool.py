"""What a tool is, and how its input is checked: sentences that a model can act on, before anything is done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from keyway_cli.errors import UsageProblem
from keyway_cli.mcp.session import Session

Schema = dict[str, Any]
_TYPES: Final = {"string": str, "integer": int, "boolean": bool, "array": list}


class Outcome(NamedTuple):
    """What a tool answers; `failed` marks it as an error for the model."""

    data: dict[str, Any]
    failed: bool = False


class Tool(NamedTuple):
    """One tool. `told` is its page in docs/mcp.md; `refused` are inputs that are refused with a reason of their own."""

    name: str
    title: str
    description: str
    run: Callable[[Session, Mapping[str, Any]], Outcome]
    told: str
    properties: dict[str, Schema]
    required: tuple[str, ...] = ()
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = False
    refused: Mapping[str, str] = {}

    def schema(self) -> Schema:
        """The input as JSON Schema."""
        found: Schema = {"type": "object", "properties": self.properties, "additionalProperties": False}
        return found | ({"required": list(self.required)} if self.required else {})

    def checked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The input. Raises UsageProblem naming what is wrong; what was given is never repeated."""
        for name, why in self.refused.items():
            if name in arguments:
                raise UsageProblem(why)
        if unknown := len(arguments.keys() - self.properties.keys()):
            raise UsageProblem(f"{unknown} unknown inputs", f"{self.name} takes {', '.join(self.properties) or 'none'}")
        given = {name: value for name, value in arguments.items() if value is not None}
        if missing := [name for name in self.required if name not in given]:
            raise UsageProblem(f"missing: {', '.join(missing)}")
        for name, value in given.items():
            _check(name, value, self.properties[name])
        return given


def _check(name: str, value: Any, schema: Schema) -> None:
    wanted: str = schema["type"]
    kind: Any = _TYPES[wanted]
    if not isinstance(value, kind) or (wanted == "integer" and isinstance(value, bool)):
        raise UsageProblem(f"{name} is no {wanted}")
    if wanted == "string":
        _check_text(name, value, schema)
    if wanted == "integer" and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        raise UsageProblem(f"{name} is a number from {schema['minimum']} to {schema['maximum']}")
    if wanted == "array":
        if len(value) > schema["maxItems"]:
            raise UsageProblem(f"{name} has more than {schema['maxItems']} entries")
        for one in value:
            _check(f"an entry of {name}", one, schema["items"])


def _check_text(name: str, value: str, schema: Schema) -> None:
    if len(value) > schema.get("maxLength", len(value)):
        raise UsageProblem(f"{name} has more than {schema['maxLength']} characters")
    if "enum" in schema and value not in schema["enum"]:
        raise UsageProblem(f"{name} is one of {', '.join(schema['enum'])}")
    if "pattern" in schema and re.search(schema["pattern"], value) is None:
        raise UsageProblem(f"{name} does not have the form {schema['pattern']}")
