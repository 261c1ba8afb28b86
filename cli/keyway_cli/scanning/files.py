"""Where text comes from: a tree, what is staged, every blob of a history. Each is opened when its turn comes."""

from __future__ import annotations

import codecs
import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from keyway_cli import git
from keyway_cli.errors import Misconfigured, UsageProblem
from keyway_cli.files import reason

_SAFE: Final = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
_LISTED: Final = 1 << 16
_AHEAD: Final = 64
_LOOKED_AT: Final = 8_000
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NEVER: Final = frozenset({".git", ".hg", ".svn"})
_FILE_MODES: Final = (b"100644", b"100755", b"100664")
_HUNK: Final = re.compile(rb"^@@ [^+]*\+(\d+)(?:,(\d+))? @@", re.MULTILINE)

Read = Callable[[int], bytes]


class Source(NamedTuple):
    """One text: its name from the root of the scan, what is read, and the commit that it first came with."""

    name: str
    read: Read
    commit: str = ""


class Tree:
    """The files below some paths. In a work tree those that git would not ignore; elsewhere all."""

    def __init__(self, root: Path, paths: list[Path], *, ignored_too: bool) -> None:
        self._root: Final = root
        self._paths: Final = paths
        self._ignored_too: Final = ignored_too
        self.unreadable: Final[list[str]] = []

    def sources(self, wanted: Callable[[str], bool]) -> Iterator[Source]:
        """Every file of a wanted name, once."""
        seen: set[str] = set()
        for path in self._paths:
            for file in self._below(path):
                name = _name(file, self._root)
                if name not in seen and wanted(name):
                    seen.add(name)
                    yield from self._opened(file, name)

    def _below(self, path: Path) -> Iterator[Path]:
        if not path.is_dir():
            yield path
        elif self._ignored_too or (listed := _listed(path)) is None:
            yield from _walked(path, self.unreadable)
        else:
            yield from (path / os.fsdecode(name) for name in listed)

    def _opened(self, file: Path, name: str) -> Iterator[Source]:
        try:
            if not stat.S_ISREG(file.lstat().st_mode):
                return
            with file.open("rb", buffering=0) as opened:
                yield Source(name, opened.read)
        except FileNotFoundError:
            return
        except OSError as error:
            self.unreadable.append(f"{name}: {reason(error)}")


class Staged:
    """What `git commit` would add: whole files as they are in the index, and which of their lines are new."""

    def __init__(self, root: Path) -> None:
        self._root: Final = root

    def sources(self, wanted: Callable[[str], bool]) -> Iterator[Source]:
        """Every staged file."""
        with _Blobs(self._root) as blobs:
            listing = ["diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--diff-filter=AMT"]
            staged = [(blob, os.fsdecode(path), "") for blob, path in _raw(_stream(self._root, listing))]
            for place in range(0, len(staged), _AHEAD):
                yield from _sources(blobs, [one for one in staged[place : place + _AHEAD] if wanted(one[1])])

    def is_new(self, name: str, first: int, last: int) -> bool:
        """Whether any of these lines was added or changed."""
        patch = ["diff", "--cached", "-U0", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"]
        told = b"".join(_stream(self._root, [*patch, "--", f":(top,literal){name}"]))
        for start, count in _HUNK.findall(told):
            begin, lines = int(start), int(count or 1)
            if begin <= last and first < begin + lines:
                return True
        return False


class History:
    """Every version of every file that a commit of any branch or tag brought, each blob once, oldest first."""

    def __init__(self, root: Path) -> None:
        self._root: Final = root

    def sources(self, wanted: Callable[[str], bool]) -> Iterator[Source]:
        """Every blob, under the name and in the commit that it first came with."""
        listing = ["log", "--all", "--reverse", "--raw", "-z", "--no-abbrev", "-m", "--root", "--no-renames"]
        commits, seen = _Commits(), set[bytes]()
        with _Blobs(self._root) as blobs:
            told = _stream(self._root, [*listing, "--diff-filter=AMT", "--format=%x01%H"])
            batch: list[tuple[bytes, str, str]] = []
            for blob, path in _raw(told, commits):
                name = os.fsdecode(path)
                if blob not in seen and wanted(name):
                    seen.add(blob)
                    batch.append((blob, name, commits.current))
                if len(batch) == _AHEAD:
                    yield from _sources(blobs, batch)
                    batch = []
            yield from _sources(blobs, batch)


class _Commits:
    current = ""


class _Blobs:
    """`git cat-file --batch`, asked for one blob after another; of a large one no more is held than is asked for."""

    def __init__(self, root: Path) -> None:
        self._process: Final = _started(root, ["cat-file", "--batch"], stdin=subprocess.PIPE)
        self._asked: Final = cast("IO[bytes]", self._process.stdin)
        self._told: Final = cast("IO[bytes]", self._process.stdout)

    def __enter__(self) -> _Blobs:
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.close()
        self._told.close()
        self._process.wait()

    def ask(self, blobs: list[bytes]) -> None:
        """Asks for some blobs, so few that the question fits into a pipe; they are to be opened in this order."""
        self._asked.write(b"".join(blob + b"\n" for blob in blobs))
        self._asked.flush()

    @contextmanager
    def opened(self, blob: bytes) -> Iterator[Read]:
        """What reads the next blob; what was not read of it is passed over afterwards."""
        answer = self._told.readline().split()
        if len(answer) != 3:
            raise Misconfigured(f"git does not have the object {blob.decode()}", "git fsck, or git fetch --refetch")
        left = int(answer[2])

        def read(most: int) -> bytes:
            nonlocal left
            data = self._told.read(min(most, left))
            left -= len(data)
            return data

        try:
            yield read
        finally:
            while left and read(_LISTED):
                pass
            self._told.read(1)


def _sources(blobs: _Blobs, batch: list[tuple[bytes, str, str]]) -> Iterator[Source]:
    blobs.ask([blob for blob, _, _ in batch])
    for blob, name, commit in batch:
        with blobs.opened(blob) as read:
            yield Source(name, read, commit)


def text_of(read: Read) -> Read | None:
    """What reads a text as UTF-8 or something like it; None for binary data."""
    first = read(_LISTED)
    if first.startswith(_UTF_16):
        return _from_utf_16(first, read)
    if b"\0" in first[:_LOOKED_AT]:
        return None
    rest = [first]
    return lambda most: rest.pop() if rest else read(most)


def _from_utf_16(first: bytes, read: Read) -> Read:
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    rest = [first]

    def decoded(most: int) -> bytes:
        while block := rest.pop() if rest else read(most):
            if text := decoder.decode(block):
                return text.encode("utf-8", "replace")
        return b""

    return decoded


def root_of(folder: Path) -> Path | None:
    """The work tree that a folder belongs to; nothing where there is none, or no git."""
    try:
        return git.top_level(folder)
    except Misconfigured:
        return None


def needed_root(folder: Path) -> Path:
    """The same. Raises UsageProblem without one."""
    root = git.top_level(folder)
    if root is None:
        raise UsageProblem("this folder is in no git repository", "cd into one, or scan the tree: keyway scan PATH")
    return root


def _name(file: Path, root: Path) -> str:
    """A file's name from the root; in full where it is elsewhere."""
    full = Path(os.path.abspath(file))  # noqa: PTH100  a link stays what it is called
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else full.as_posix()


def _listed(folder: Path) -> list[bytes] | None:
    """The files that git knows or would add; None where there is no work tree, or git ignores the folder itself."""
    top = root_of(folder)
    if top is None or git.ask("check-ignore", "--quiet", ".", folder=folder).code == 0:
        return None
    wanted = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return b"".join(_stream(folder, wanted)).split(b"\0")[:-1]


def _walked(folder: Path, unreadable: list[str]) -> Iterator[Path]:
    def failed(error: OSError) -> None:
        unreadable.append(f"{error.filename}: {reason(error)}")

    for here, folders, files in os.walk(folder, onerror=failed):
        folders[:] = sorted(name for name in folders if name not in _NEVER)
        yield from (Path(here) / name for name in sorted(files))


def _started(root: Path, arguments: list[str], stdin: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["git", *_SAFE, *arguments], cwd=root, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def _stream(root: Path, arguments: list[str]) -> Iterator[bytes]:
    """What a git command prints, in pieces. Raises Misconfigured when it fails."""
    process = _started(root, arguments, stdin=subprocess.DEVNULL)
    with cast("IO[bytes]", process.stdout) as told:
        while piece := told.read(_LISTED):
            yield piece
    if process.wait() != 0:
        raise Misconfigured(f"git {arguments[0]} failed with {process.returncode}", "git fsck may tell why")


def _raw(pieces: Iterator[bytes], commits: _Commits | None = None) -> Iterator[tuple[bytes, bytes]]:
    """The new blob and the path of each entry of `--raw -z`; commits that stand between them are noted."""
    blob = None
    for field in _fields(pieces):
        token = field if blob is not None else field.lstrip(b"\n")
        if blob is not None:
            if blob:
                yield blob, token
            blob = None
        elif token.startswith(b"\x01") and commits is not None:
            commits.current = token[1:].strip().decode()
        elif token.startswith(b":"):
            _, mode, _, new, _ = token.split()
            blob = new if mode in _FILE_MODES else b""


def _fields(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\0")
        yield from whole
    if rest:
        yield rest
