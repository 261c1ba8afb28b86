"""Two environments, or a file and an environment: which names differ. Never by how much."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from keyway_cli import envfiles, vaults
from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch_or_empty
from keyway_cli.actions.names import existing
from keyway_cli.changes import same
from keyway_cli.errors import ExitCode, KeywayError, NotFound, UsageProblem

DIFFERENT: Final = 1
TROUBLE: Final = ExitCode.USAGE


class Difference(NamedTuple):
    """What two sides have, in names, each in alphabetical order."""

    left: str
    right: str
    only_left: list[str]
    only_right: list[str]
    different: list[str]
    same: list[str]


def diff(context: Context, *, sides: tuple[str, ...], keys_only: bool) -> int:
    """0 when both are the same, 1 when not. What goes wrong is 2, as with diff(1)."""
    try:
        found = _compared(context, sides, keys_only=keys_only)
    except KeywayError as error:
        error.exit_code = TROUBLE
        raise
    return DIFFERENT if _report(context, found) else ExitCode.OK


def diff_environments(context: Context, left: str, right: str) -> None:
    """Two environments, whatever files of these names lie in the folder: who can write a file learns nothing by it."""
    _report(context, _environments(context, left, right, keys_only=False))


def _compared(context: Context, sides: tuple[str, ...], *, keys_only: bool) -> Difference:
    """No side: the folder's .env file and its environment. One: it, and the environment that is meant."""
    if not sides:
        return _file(context, _own_file(context), context.environment, keys_only=keys_only)
    if len(sides) == 1 and not _is_file(sides[0]):
        sides = (context.environment, sides[0])
    elif len(sides) == 1:
        sides = (sides[0], context.chosen.environment or envfiles.checked_environment_of(Path(sides[0])))
    left, right = sides
    if _is_file(left) and _is_file(right):
        raise UsageProblem("these are two files; one side has to be an environment", f"diff {left} {right}")
    if _is_file(left):
        return _file(context, Path(left), right, keys_only=keys_only)
    if _is_file(right):
        return _turned(_file(context, Path(right), left, keys_only=keys_only))
    return _environments(context, left, right, keys_only=keys_only)


def _is_file(side: str) -> bool:
    return side.startswith(".") or "/" in side or "\\" in side or Path(side).is_file()


def _own_file(context: Context) -> Path:
    named = context.settings.environment or context.chosen.environment
    found = envfiles.candidates(Path.cwd())
    of_it = [path for path in found if envfiles.environment_of(path.name) == context.environment]
    plain = [path for path in found if path.name == ".env"]
    if not (chosen := (of_it if named else []) or plain or of_it):
        raise UsageProblem("there is no .env file in this folder to compare", "keyway diff ENVIRONMENT ENVIRONMENT")
    return Path(chosen[0].name)


def _environments(context: Context, left: str, right: str, *, keys_only: bool) -> Difference:
    for name in (left, right):
        context.place(name)
    repository, api = context.repository(), context.api()
    try:
        found = vaults.compare(api, repository, left, right)
    except NotFound:
        full_left, full_right = envfiles.full_name(left), envfiles.full_name(right)
        for name in (full_left, full_right):
            existing(api, repository, name)
        if (full_left, full_right) == (left, right):
            raise
        left, right = full_left, full_right
        found = vaults.compare(api, repository, left, right)
    names = {key: _names(found.get(key)) for key in ("onlyInLeft", "onlyInRight", "different", "same")}
    different, alike = ([], names["different"] + names["same"]) if keys_only else (names["different"], names["same"])
    return Difference(left, right, names["onlyInLeft"], names["onlyInRight"], different, sorted(alike))


def _file(context: Context, path: Path, environment: str, *, keys_only: bool) -> Difference:
    """The file is read first: when it is wrong, nobody is recorded as having read the environment."""
    envfiles.real_source(path)
    ours = envfiles.read(path)
    place = context.place(environment)
    theirs = fetch_or_empty(context, context.api(), place).values
    both = sorted(ours.keys() & theirs.keys())
    changed = [] if keys_only else [key for key in both if not same(ours[key], theirs[key])]
    return Difference(
        str(path),
        environment,
        sorted(ours.keys() - theirs.keys()),
        sorted(theirs.keys() - ours.keys()),
        changed,
        [key for key in both if key not in changed],
    )


def _turned(found: Difference) -> Difference:
    return found._replace(left=found.right, right=found.left, only_left=found.only_right, only_right=found.only_left)


def _names(found: object) -> list[str]:
    return sorted(str(name) for name in found) if isinstance(found, list) else []


def _report(context: Context, found: Difference) -> bool:
    """Whether they differ. Names are printed under those of both sides, as diff(1) does."""
    equal = not (found.only_left or found.only_right or found.different)
    lines = [f"- {key}  only in {found.left}" for key in found.only_left]
    lines += [f"+ {key}  only in {found.right}" for key in found.only_right]
    lines += [f"~ {key}  differs" for key in found.different]
    count = len(found.same)
    if equal:
        context.terminal.say(f"{found.left} and {found.right} hold the same {count} key{'' if count == 1 else 's'}")
    elif not context.terminal.as_json:
        context.terminal.say(f"--- {found.left}\n+++ {found.right}")
    context.terminal.lines(
        {
            "left": found.left,
            "right": found.right,
            "equal": equal,
            "onlyInLeft": found.only_left,
            "onlyInRight": found.only_right,
            "different": found.different,
            "same": found.same,
        },
        lines,
    )
    return not equal
