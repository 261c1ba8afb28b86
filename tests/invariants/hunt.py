"""Searching for secrets where none may be: many needles, many spellings, one pass.

Of each needle the two ends are kept, 16 bytes of every spelling, and every run of text in the haystack is compared
with them window by window. So the cost does not grow with the number of needles, and a value that was cut off in the
middle is found as well. Spellings that blow every character up (UTF-16, percent, JSON escapes) are undone first.

Limit: what lies compressed is not found where it lies. That is why a database is searched as files and as a dump.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

CORE_BYTES: Final = 16
_CHUNK: Final = 1 << 22
_OVERLAP: Final = 1 << 12
_TEXT: Final = rb"[A-Za-z0-9+/_=.~-]"
_RUNS: Final = re.compile(_TEXT + rb"{16,}")
# The first characters of these stand outside of the repetition: the search for them is many times faster so.
_UTF_16: Final = re.compile(_TEXT + rb"\0" + _TEXT + rb"\0(?:" + _TEXT + rb"\0){14,}")
_PERCENT: Final = re.compile(rb"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2}){15,}")
_JSON: Final = re.compile(rb"\\u00[0-9A-Fa-f]{2}(?:\\u00[0-9A-Fa-f]{2}){15,}")

Spell = Callable[[bytes], bytes]


def _base64(offset: int, *, url: bool) -> Spell:
    """Base64 of a value `offset` bytes after a multiple of three, without the ends, which depend on its neighbours."""
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    return lambda value: encode(b"\0" * offset + value)[4 if offset else 0 : -4]


def _amid(offset: int, *, url: bool) -> Spell:
    """The same with neighbours at both ends, as it stands within something larger."""
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    return lambda value: encode(b"\0" * offset + value + b"end")


_SEARCHED: Final[dict[str, Spell]] = {
    "raw": lambda value: value,
    "reversed": lambda value: value[::-1],
    "hex": lambda value: value.hex().encode(),
    "HEX": lambda value: value.hex().upper().encode(),
    **{f"base64+{offset}": _base64(offset, url=False) for offset in range(3)},
    **{f"base64url+{offset}": _base64(offset, url=True) for offset in range(3)},
}
_UNDONE: Final[dict[re.Pattern[bytes], Spell]] = {
    _UTF_16: lambda run: run[::2],
    _PERCENT: lambda run: bytes.fromhex(run.replace(b"%", b"").decode()),
    _JSON: lambda run: bytes.fromhex(run.replace(b"\\u00", b"").decode()),
}
_PLANTED: Final[dict[str, Spell]] = {
    **_SEARCHED,
    **{f"base64+{offset}": _amid(offset, url=False) for offset in range(3)},
    **{f"base64url+{offset}": _amid(offset, url=True) for offset in range(3)},
    "utf-16": lambda value: value.decode().encode("utf-16-le"),
    "percent": lambda value: b"".join(b"%%%02X" % byte for byte in value),
    "json": lambda value: b"".join(b"\\u%04x" % byte for byte in value),
}
SPELLINGS: Final = frozenset(_PLANTED)


def canary() -> str:
    """32 random bytes in base32, and at both ends what makes base64 and its URL form differ."""
    text = base64.b32encode(secrets.token_bytes(32)).decode().rstrip("=")
    return f"{text[:6]}~~~{text[6:46]}~~~{text[46:]}"


def spelt(spelling: str, text: str) -> bytes:
    """A needle as one of `SPELLINGS` writes it, whole: what a control plants."""
    return _PLANTED[spelling](text.encode("ascii"))


@dataclass(frozen=True)
class Find:
    """A needle, and where it was found."""

    needle: str
    place: str


class Hunt:
    """Needles by name. Each is ASCII text of at least 32 characters out of letters, digits and `+/_=.~-`.

    `exact` are bytes that are searched as they are; what `pattern` finds is a needle named by its own text.
    """

    def __init__(self, needles: Mapping[str, str], exact: Mapping[str, bytes], pattern: re.Pattern[bytes]) -> None:
        self._exact = dict(exact)
        self._pattern = pattern
        self._cores: dict[bytes, str] = {}
        for name, text in needles.items():
            self._learn(name, text.encode("ascii"))

    def _learn(self, name: str, value: bytes) -> None:
        if len(value) < 2 * CORE_BYTES or not re.fullmatch(_TEXT + rb"+", value):
            raise ValueError(f"needle {name} is too short, or has characters that are not searched")
        for spell in _SEARCHED.values():
            written = spell(value)
            for core in (written[:CORE_BYTES], written[-CORE_BYTES:]):
                if self._cores.setdefault(core, name) != name:
                    raise ValueError(f"needles {name} and {self._cores[core]} look alike")

    def search(self, place: str, data: bytes) -> set[Find]:
        """All finds in one piece of data."""
        found = {name for name, needle in self._exact.items() if needle in data}
        found |= {match.decode("latin-1") for match in self._pattern.findall(data)}
        found |= {name for run in _RUNS.findall(data) for name in self._windows(run)}
        for pattern, undo in _UNDONE.items():
            found |= {name for run in pattern.findall(data) for name in self._windows(undo(run))}
        return {Find(name, place) for name in found}

    def _windows(self, run: bytes) -> Iterator[str]:
        cores = self._cores
        for start in range(len(run) - CORE_BYTES + 1):
            hit = cores.get(run[start : start + CORE_BYTES])
            if hit is not None:
                yield hit

    def search_file(self, place: str, path: Path) -> set[Find]:
        """All finds in a file of any size, read in overlapping pieces. A file that went away holds nothing."""
        found: set[Find] = set()
        with suppress(FileNotFoundError), path.open("rb") as file:
            tail = b""
            while piece := file.read(_CHUNK):
                found |= self.search(place, tail + piece)
                tail = piece[-_OVERLAP:]
        return found

    def search_files(self, place: str, files: Iterable[Path]) -> set[Find]:
        """All finds in several files."""
        return {find for file in files for find in self.search_file(place, file)}


def key_spellings(key: bytes) -> dict[str, bytes]:
    """A binary key as it could lie in memory or on disk: raw, hex of both cases, base64 without its padding."""
    encoded = base64.b64encode(key).rstrip(b"=")
    url = base64.urlsafe_b64encode(key).rstrip(b"=")
    return {"raw": key, "hex": key.hex().encode(), "HEX": key.hex().upper().encode(), "base64": encoded, "url": url}


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    head = psutil.Process(pid)
    return [head.pid, *(child.pid for child in head.children(recursive=True))]


@dataclass(frozen=True)
class Region:
    """A piece of memory that holds something. `shared_as` tells pieces that several processes see from their own."""

    start: int
    end: int
    shared_as: str | None


def memory(pid: int, region: Region) -> Iterator[bytes]:
    """What a region holds, in overlapping chunks. Needs root."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mem:
        for place in range(region.start, region.end, _CHUNK):
            mem.seek(place)
            with suppress(OSError):  # given back meanwhile
                yield mem.read(min(_CHUNK + _OVERLAP, region.end - place))


def regions(pid: int) -> Iterator[Region]:
    """All that is readable and in use, but for programs and libraries as they lie on disk, and the kernel's pages."""
    head = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) (\S+ \S+ \d+)\s*(.*)$")
    held: Region | None = None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if match := head.match(line):
            start, end, rights, origin, name = match.groups()
            from_disk = name.startswith("/") and "w" not in rights and "s" not in rights
            unread = "r" not in rights or from_disk or name.startswith(("[vvar", "[vsyscall", "[vdso"))
            held = None if unread else Region(int(start, 16), int(end, 16), origin if "s" in rights else None)
        elif held and line.startswith("Rss:") and int(line.split()[1]):
            yield held


def find_in_memory(pids: Iterable[int], needles: Mapping[str, bytes]) -> set[str]:
    """The needles that lie in the memory of one of the processes; memory that they share is read once."""
    found: set[str] = set()
    seen: set[str] = set()
    for pid in pids:
        for region in regions(pid):
            if region.shared_as in seen:
                continue
            seen |= {region.shared_as} if region.shared_as else set()
            for chunk in memory(pid, region):
                found |= {name for name, needle in needles.items() if needle in chunk}
    return found


def environment_of(pid: int) -> bytes:
    """/proc/<pid>/environ."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def arguments_of(pid: int) -> bytes:
    """/proc/<pid>/cmdline."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()
