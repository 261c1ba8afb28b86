"""Strings that must stay where they were put, and the search for them in every form that a leak may take."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path


def new(label: str = "canary") -> str:
    """A string of 40 random letters and digits behind a label: no escaping hides it, and it occurs nowhere else."""
    return f"{label}x{secrets.token_hex(20)}"


@cache
def forms(canary: str) -> dict[str, bytes]:
    """The encodings to search for; base64 at each of its three alignments, without ends that depend on neighbours."""
    raw = canary.encode()
    found = {
        "raw": raw,
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "reversed": raw[::-1],
        "utf-16": canary.encode("utf-16-le"),
        "escaped": "".join(f"\\u{ord(char):04x}" for char in canary).encode(),
    }
    for shift in range(3):
        found[f"base64+{shift}"] = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]
    return found


def hits(haystack: bytes, canaries: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(canary, form) for each form of each canary that the haystack holds."""
    for canary in canaries:
        yield from ((canary, form) for form, needle in forms(canary).items() if needle in haystack)


def in_files(folder: Path, canaries: Iterable[str]) -> set[tuple[str, str, str]]:
    """(file, canary, form) over every file below a folder."""
    wanted = list(canaries)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {(path.name, *hit) for path in files for hit in hits(path.read_bytes(), wanted)}
