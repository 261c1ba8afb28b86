"""Which values a program gets, and under which names."""

from __future__ import annotations

from collections.abc import Mapping

from keyway_core.sensitive import Sensitive

from keyway_cli.errors import UsageProblem

# What a program needs to find its way, and nothing that says who we are elsewhere.
_ALWAYS = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "LANG", "TZ", "TMPDIR", "PWD")
_WINDOWS = ("SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERPROFILE", "APPDATA", "LOCALAPPDATA")


def chosen(
    values: Mapping[str, Sensitive], *, only: tuple[str, ...], excluded: tuple[str, ...], prefix: str
) -> dict[str, Sensitive]:
    """The values of some names, which may hold * and ?, with a prefix before each name.

    Raises UsageProblem for a name that stands for nothing: a program without a value that it needs is found late.
    """
    keys = _matching(values, only, "--only") if only else list(values)
    left_out = set(_matching(values, excluded, "--except")) if excluded else set()
    return {prefix + key: values[key] for key in keys if key not in left_out}


def _matching(values: Mapping[str, Sensitive], patterns: tuple[str, ...], option: str) -> list[str]:
    from fnmatch import fnmatchcase

    found: dict[str, None] = {}
    for pattern in (part for one in patterns for part in one.split(",") if part):
        keys = [key for key in values if fnmatchcase(key, pattern)]
        if not keys:
            raise UsageProblem(f"{option} {pattern}: there is no such key", "keyway list shows the names")
        found |= dict.fromkeys(keys)
    return list(found)


def inherited(environ: Mapping[str, str], *, everything: bool) -> dict[str, str]:
    """The variables of ours that a program gets: all, or only those without which hardly anything starts."""
    if everything:
        return dict(environ)
    return {
        name: value
        for name, value in environ.items()
        if name in _ALWAYS or name.startswith("LC_") or name.upper() in _WINDOWS
    }
