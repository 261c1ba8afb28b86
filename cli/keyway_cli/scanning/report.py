"""What is told of a find: its kind and place, and never its value."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from keyway_cli.scanning.engine import Found


class Find(NamedTuple):
    """A find as it may be shown. `place` tells it from others without a digest of the value."""

    kind: str
    name: str
    file: str
    line: int
    last_line: int
    column: int
    preview: str
    commit: str
    verified: bool
    place: str

    def as_json(self) -> dict[str, Any]:
        """The find as an object of the wire."""
        told = {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "type": self.kind,
            "name": self.name,
            "preview": self.preview,
            "checksum": self.verified,
            "fingerprint": self.place,
        }
        return told | ({"commit": self.commit} if self.commit else {})

    def as_line(self) -> str:
        """The find as a person reads it, and as an editor finds the place."""
        checked = ", checksum right" if self.verified else ""
        commit = f"  in {self.commit[:12]}" if self.commit else ""
        return f"{self.file}:{self.line}:{self.column}  {self.kind}  {self.name}{checked}  {self.preview}{commit}"


def shown(found: Found, file: str, commit: str, nth: int) -> Find:
    """What may be shown of the n-th find of its kind in a file."""
    rule = found.rule
    place = hashlib.sha256(f"{rule.id}\0{file}\0{nth}".encode("utf-8", "replace")).hexdigest()[:32]
    name = f"{rule.name}: {found.told}" if found.told else rule.name
    preview = rule.preview(found.secret)
    return Find(
        rule.id, name, file, found.line, found.last_line, found.column, preview, commit, rule.has_checksum, place
    )
