"""The kinds of secrets, read from rules.toml. A pattern is compiled when it is needed for the first time."""

from __future__ import annotations

import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from keyway_cli.scanning.checks import CHECKS, CHECKSUMS, LOOSE, entropy, is_placeholder

FILE: Final = Path(__file__).with_name("rules.toml")
_END: Final = "[A-Za-z0-9_-]"
_BEHIND_START: Final = 2.5
_BEHIND_NAME: Final = 2.8
_SHORT: Final = 10  # in fewer characters the frequency of each says nothing
_SHOWN: Final = 4


class Rule:
    """One kind of secret."""

    def __init__(self, rule_id: str, order: int, told: dict[str, Any]) -> None:
        self.id: Final = rule_id
        self.order: Final = order
        self.name: Final[str] = told["name"]
        self.starts: Final = tuple(start.encode() for start in told.get("starts", ()))
        self.near: Final = tuple(name.replace("_", "") for name in told.get("near", ()))
        self.files: Final = tuple(told.get("files", ()))
        self.assigned: Final[bool] = told.get("assigned", False)
        self.check: Final[str] = told.get("check", "")
        self._pattern: Final[str] = told["then"] if self.starts else told["value"]
        self._end: Final[str] = told.get("end", _END)
        self._entropy: Final[float] = told.get("entropy", _BEHIND_START if self.starts else _BEHIND_NAME)
        # What tells more wins where two kinds fit: how it begins, then what it is called, then what looks random.
        self.rank: Final = (self.check in LOOSE, not (self.starts or told.get("first", False)), order)

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """What stands behind the beginning, or the value behind a name."""
        text = f"(?:{self._pattern})" + (f"(?!{self._end})" if self._end else "")
        return re.compile(text.encode())

    @property
    def has_checksum(self) -> bool:
        """Whether the issuer's own checksum is verified."""
        return self.check in CHECKSUMS

    def concerns(self, name: str) -> bool:
        """Whether this kind is looked for in a file of such a name."""
        return not self.files or name.endswith(self.files) or _is_env(name, self.files)

    def accepts(self, start: bytes, rest: bytes, secret: bytes) -> bool:
        """Whether what has the form is a secret: not a placeholder, random enough, right by its checksum."""
        if len(secret) >= _SHORT and entropy(secret) < self._entropy:
            return False
        if is_placeholder(secret if len(secret) < 400 else secret[:400]):
            return False
        return not self.check or CHECKS[self.check](start + rest, secret)

    def preview(self, secret: bytes) -> str:
        """What may be shown of a find: at most four characters that all secrets of the kind begin with."""
        begins = [start for start in self.starts if secret.startswith(start)]
        return begins[0][:_SHOWN].decode() + "…" if begins else "…"


def _is_env(name: str, files: tuple[str, ...]) -> bool:
    """`.env.production` is a file of the same kind as `.env`."""
    return ".env" in files and name.rpartition("/")[2].startswith(".env.")


def load() -> list[Rule]:
    """Every kind, in the order of the file."""
    with FILE.open("rb") as file:
        told = tomllib.load(file)
    return [Rule(rule_id, order, one) for order, (rule_id, one) in enumerate(told.items())]
