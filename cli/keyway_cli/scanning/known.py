"""What is known of finds already: names that are left out, lines that say so, and a baseline of older finds.

A baseline stands in the repository, so it holds nothing of a value: of a find it keeps a salted digest of kind and
place, and sixteen bits of a slow, salted digest of the value. These tell one value from another in the same file, and
are far too few to tell a guess from the truth.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from keyway_cli.errors import KeywayError
from keyway_cli.files import reason
from keyway_cli.scanning.engine import Found

IGNORE_FILE: Final = ".keywayignore"
_ALLOW: Final = re.compile(rb"keyway:allow(?:=([a-z0-9,-]+))?")
_KIND: Final = re.compile(r"kind=(\S+)\s+(.+)")
_ROUNDS: Final = 4_000
_PLACE: Final = 8
_VALUE: Final = 2


class _Line(NamedTuple):
    pattern: re.Pattern[str]
    kind: str
    back: bool


class Ignored:
    """The lines of .keywayignore: patterns of names as in .gitignore, some for one kind of find alone."""

    def __init__(self, lines: list[str]) -> None:
        self._lines: Final = [_line(text) for text in map(str.strip, lines) if text and not text.startswith("#")]

    @classmethod
    def at(cls, root: Path) -> Ignored:
        """Those of a root; none where there is no such file."""
        try:
            return cls((root / IGNORE_FILE).read_text(encoding="utf-8").splitlines())
        except FileNotFoundError:
            return cls([])
        except (OSError, UnicodeDecodeError) as error:
            why = reason(error) if isinstance(error, OSError) else "it is not UTF-8"
            raise KeywayError(f"cannot read {IGNORE_FILE}: {why}") from None

    def file(self, name: str) -> bool:
        """Whether a file is not scanned at all."""
        return self._judged(name, "")

    def find(self, name: str, kind: str) -> bool:
        """Whether finds of a kind are left out in a file."""
        return self._judged(name, kind)

    def _judged(self, name: str, kind: str) -> bool:
        """The last line that fits decides."""
        ignored = False
        for line in self._lines:
            if line.kind == kind and line.pattern.match(name):
                ignored = not line.back
        return ignored


def is_allowed(found: Found) -> bool:
    """Whether a line of the find says `keyway:allow`, for every kind or for its own."""
    marks = _ALLOW.findall(found.text)
    return any(not kinds or found.rule.id.encode() in kinds.split(b",") for kinds in marks)


class Baseline:
    """Finds that are known: kept as digests under a salt that the file carries."""

    def __init__(self, salt: bytes, finds: set[str]) -> None:
        self._salt: Final = salt
        self._finds: Final = finds

    @classmethod
    def new(cls) -> Baseline:
        """An empty one."""
        return cls(os.urandom(16), set())

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """One that was written. Raises KeywayError."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            finds = {str(find) for find in told["finds"]}
            return cls(bytes.fromhex(told["salt"]), finds)
        except OSError as error:
            raise KeywayError(f"cannot read {path}: {reason(error)}") from None
        except (ValueError, TypeError, KeyError):
            raise KeywayError(f"{path} is no baseline", "make one: keyway scan --write-baseline FILE") from None

    def __contains__(self, find: tuple[str, Found]) -> bool:
        return self._mark(*find) in self._finds

    def add(self, name: str, found: Found) -> None:
        """Takes a find up."""
        self._finds.add(self._mark(name, found))

    def text(self) -> str:
        """The file."""
        return json.dumps({"version": 1, "salt": self._salt.hex(), "finds": sorted(self._finds)}, indent=1) + "\n"

    def _mark(self, name: str, found: Found) -> str:
        place = hmac.digest(self._salt, f"{found.rule.id}\0{name}".encode("utf-8", "surrogateescape"), "sha256")
        return f"{place[:_PLACE].hex()}-{_slow(self._salt, found.secret).hex()}"


@lru_cache(10_000)
def _slow(salt: bytes, secret: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", secret, salt, _ROUNDS)[:_VALUE]


def _line(text: str) -> _Line:
    kind = ""
    if found := _KIND.fullmatch(text):
        kind, text = found[1], found[2]
    back = text.startswith("!")
    return _Line(_pattern(text.removeprefix("!")), kind, back)


def _pattern(text: str) -> re.Pattern[str]:
    """As git reads it: with a slash inside from the root, else in any folder; a folder means what is in it."""
    anchored = "/" in text.rstrip("/")
    below = "/.*" if text.endswith("/") else "(?:/.*)?"
    written = ""
    for part in re.findall(r"\*\*/|/\*\*|\*|\?|\[[^\]]+\]|.", text.strip("/")):
        written += {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]"}.get(part) or (
            part.replace("[!", "[^") if len(part) > 1 else re.escape(part)
        )
    return re.compile(("" if anchored else "(?:.*/)?") + written + below + r"\Z")
