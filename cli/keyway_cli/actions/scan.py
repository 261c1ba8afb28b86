"""Looking for secrets in files, in what is staged, in a history. Shows kinds and places; a value never leaves here."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from keyway_cli.actions.context import Context
from keyway_cli.errors import ExitCode, KeywayError, UsageProblem
from keyway_cli.files import reason, working_folder
from keyway_cli.scanning import files, hook
from keyway_cli.scanning.engine import Engine, Found
from keyway_cli.scanning.known import Baseline, Ignored, is_allowed
from keyway_cli.scanning.report import Find, shown
from keyway_cli.scanning.rules import load

FOUND: Final = 1
TROUBLE: Final = ExitCode.USAGE
_PROGRESS_SECONDS: Final = 0.2
_ADVICE: Final = "rotate what is real and take it out; mark what is not with keyway:allow"


class Wanted(NamedTuple):
    """What the options of the command say."""

    paths: tuple[str, ...] = ()
    staged: bool = False
    history: bool = False
    values: bool = False
    include_ignored: bool = False
    exclude: tuple[str, ...] = ()
    baseline: str = ""
    write_baseline: str = ""
    sarif: bool = False


class Outcome(NamedTuple):
    """What a scan came to."""

    root: Path
    finds: list[Find]
    files: int
    size: int
    unreadable: list[str]


def scan(context: Context, wanted: Wanted) -> int:
    """0 without a find, 1 with one. What goes wrong is 2."""
    try:
        outcome = look(context, wanted)
    except KeywayError as error:
        error.exit_code = TROUBLE
        raise
    _report(context, outcome, wanted)
    if outcome.finds and not wanted.write_baseline:
        return FOUND
    return TROUBLE if outcome.unreadable else ExitCode.OK


def install_hook(context: Context) -> None:
    """Puts the hook where git looks for it."""
    path, new = hook.install(files.needed_root(working_folder()))
    context.terminal.result({"hook": str(path), "installed": new}, f"{'installed' if new else 'already there'}: {path}")


def look(context: Context, wanted: Wanted) -> Outcome:
    """Scans, and says what was found. Nothing in it is a value."""
    root, place = _place(wanted)
    scan_of = _Scan(context, wanted, root)
    finds = list(scan_of.finds(place))
    context.terminal.progress("")
    unreadable = place.unreadable if isinstance(place, files.Tree) else []
    if wanted.write_baseline:
        _write(Path(wanted.write_baseline), scan_of.baseline.text())
    return Outcome(root, finds, scan_of.files, scan_of.size, unreadable)


Place = files.Tree | files.Staged | files.History


def _place(wanted: Wanted) -> tuple[Path, Place]:
    """What is scanned, and the root that names are told from."""
    here = working_folder()
    if wanted.staged or wanted.history:
        if wanted.paths or (wanted.staged and wanted.history):
            raise UsageProblem("--staged, --history and paths are three different scans", "choose one")
        root = files.needed_root(here)
        return root, files.Staged(root) if wanted.staged else files.History(root)
    paths = [Path(path) for path in wanted.paths] or [Path()]
    for path in paths:
        if not path.exists():
            raise UsageProblem(f"there is no {path}")
    full = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  a link stays what it is called
    alone = full[0] if len(full) == 1 and full[0].is_dir() else here
    root = files.root_of(alone) or alone
    return root, files.Tree(root, full, ignored_too=wanted.include_ignored)


class _Scan:
    """One run: the engine, what is left out, and the counts."""

    def __init__(self, context: Context, wanted: Wanted, root: Path) -> None:
        self._terminal: Final = context.terminal
        self._ignored: Final = Ignored.at(root)
        self._excluded: Final = Ignored(list(wanted.exclude))
        self._old: Final = Baseline.read(Path(wanted.baseline)) if wanted.baseline else None
        self._writes: Final = bool(wanted.write_baseline)
        self.baseline: Final = Baseline.new()
        self._engine: Final = Engine(load(), _values(context) if wanted.values else None)
        self._counts: Final = Counter[tuple[str, str]]()
        self._told: Final = set[tuple[str, str, bytes]]()
        self._next = 0.0
        self.files = 0
        self.size = 0

    def finds(self, place: Place) -> Iterator[Find]:
        """Every find that is not known already."""
        for source in place.sources(lambda name: not (self._ignored.file(name) or self._excluded.file(name))):
            before = self.size
            text = files.text_of(self._counted(source.read))
            if text is None:
                self.size = before
                continue
            self.files += 1
            for found in self._engine.search(text, source.name):
                if self._counts_as_find(found, source, place):
                    self._counts[source.name, found.rule.id] += 1
                    nth = self._counts[source.name, found.rule.id]
                    yield shown(found, source.name, source.commit, nth)

    def _counts_as_find(self, found: Found, source: files.Source, place: Place) -> bool:
        if is_allowed(found) or self._ignored.find(source.name, found.rule.id):
            return False
        if isinstance(place, files.Staged) and not place.is_new(source.name, found.line, found.last_line):
            return False
        if isinstance(place, files.History):
            seen = (source.name, found.rule.id, found.secret)
            if seen in self._told:
                return False
            self._told.add(seen)
        if self._writes:
            self.baseline.add(source.name, found)
        return self._old is None or (source.name, found) not in self._old

    def _counted(self, read: files.Read) -> files.Read:
        def counted(most: int) -> bytes:
            data = read(most)
            self.size += len(data)
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + _PROGRESS_SECONDS
                self._terminal.progress(f"{self.files} files, {self.size / 1e6:.0f} MB")
            return data

        return counted


def _values(context: Context) -> Any:
    """What finds the values of the environment that was named, or of every one that may be read."""
    from keyway_cli import vaults
    from keyway_cli.errors import NoAccess
    from keyway_cli.scanning.values import Values

    api, repository = context.api(), context.repository()
    named = context.chosen.environment
    if named is not None:
        return Values([vaults.digests(api, context.place(named))])
    found = []
    for environment in vaults.environments(api, repository):
        try:
            found.append(vaults.digests(api, context.place(str(environment.get("name")))))
        except NoAccess:
            context.terminal.say(f"values of {environment.get('name')} are not looked for: you may not read them")
    return Values(found)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise KeywayError(f"cannot write {path}: {reason(error)}") from None


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _report(context: Context, outcome: Outcome, wanted: Wanted) -> None:
    terminal = context.terminal
    count, scanned = len(outcome.finds), f"{outcome.files} files, {_size(outcome.size)}"
    for one in outcome.unreadable:
        terminal.warn(f"not scanned: {one}")
    if wanted.sarif:
        from keyway_cli.scanning.sarif import sarif

        print(json.dumps(sarif(outcome.finds)))
    else:
        told = {
            "path": str(outcome.root),
            "filesScanned": outcome.files,
            "bytesScanned": outcome.size,
            "findingsCount": count,
            "findings": [find.as_json() for find in outcome.finds],
        }
        terminal.lines(told, [find.as_line() for find in outcome.finds])
    if wanted.write_baseline:
        terminal.say(f"{wanted.write_baseline} holds {count} finds")
    elif count:
        terminal.say(f"{count} {'find' if count == 1 else 'finds'} in {scanned}: {_ADVICE}")
    else:
        terminal.say(f"no secrets in {scanned}")
