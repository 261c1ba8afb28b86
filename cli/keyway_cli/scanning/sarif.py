"""Finds as SARIF 2.1.0, for code scanning. Holds no value and no digest of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from keyway_cli import __version__
from keyway_cli.scanning.report import Find

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(finds: Sequence[Find]) -> dict[str, Any]:
    """One run with its results and the kinds that they are of."""
    kinds = {find.kind: find.name for find in finds}
    places = {kind: index for index, kind in enumerate(kinds)}
    driver = {
        "name": "keyway scan",
        "version": __version__,
        "rules": [
            {"id": kind, "name": kind, "shortDescription": {"text": name}, "defaultConfiguration": {"level": "error"}}
            for kind, name in kinds.items()
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "the root of the scan"}}},
        "results": [_result(find, places[find.kind]) for find in finds],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(find: Find, index: int) -> dict[str, Any]:
    region = {"startLine": find.line, "startColumn": find.column, "endLine": find.last_line}
    location = {"uri": quote(find.file), "uriBaseId": "%SRCROOT%"}
    said = f"{find.name} {find.preview}"
    result: dict[str, Any] = {
        "ruleId": find.kind,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": f"{said} in commit {find.commit}" if find.commit else said},
        "locations": [{"physicalLocation": {"artifactLocation": location, "region": region}}],
        "partialFingerprints": {"keywayPlace/v1": find.place},
    }
    return result
