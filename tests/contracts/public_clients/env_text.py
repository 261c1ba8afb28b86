"""The `.env` text of the public clients, written from contract.md 11.6 alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# What `strings.TrimSpace` of Go takes away, and what `trim` of JavaScript does.
_GO_BLANKS: Final = " \t\n\v\f\r\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_JS_BLANKS: Final = _GO_BLANKS.replace("\u0085", "") + "\ufeff"


def parsed(text: str, *, javascript: bool = False) -> dict[str, str]:
    """Splits at the first `=` and takes one pair of quotes off; nothing is unescaped, no line goes on."""
    blanks = _JS_BLANKS if javascript else _GO_BLANKS
    values = {}
    for raw in text.split("\n"):
        line = raw.strip(blanks)
        name, equals, value = line.partition("=")
        if line and not line.startswith("#") and equals:
            values[name.strip(blanks)] = _unquoted(value, javascript=javascript)
    return values


def _unquoted(value: str, *, javascript: bool) -> str:
    if value in {'"', "'"}:  # Go keeps a lone quote, JavaScript takes the same sign for both of a pair
        return "" if javascript else value
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def merged(vault_text: str, local: Mapping[str, str]) -> str:
    """The file that `keyway pull` writes: the vault's text, then what only the file had."""
    there = parsed(vault_text)
    only = [f"{name}={value}" for name, value in sorted(local.items()) if name not in there]
    return vault_text.rstrip("\r\n") + ("\n\n# Local variables (not in vault)\n" + "\n".join(only) if only else "")
