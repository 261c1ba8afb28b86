"""The log of a job as GitHub's runner writes it: commands taken out of it, masks applied from when they were said.

It does as actions/runner does (ActionCommand, AddMaskCommandExtension, SecretMasker), and less: that runner adds Base64
and JSON forms of its own to every mask. Here nothing is hidden but what was said, so that what is proven holds for
runners that add nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_COMMANDS: Final = frozenset(
    {"add-mask", "debug", "notice", "warning", "error", "group", "endgroup", "echo", "stop-commands", "add-matcher"}
)
HIDDEN: Final = "***"
_HEADS: Final = (1, 4, 16)  # masks are found by how they begin


@dataclass
class Annotation:
    """A notice, a warning or an error of the run."""

    level: str
    message: str
    properties: Mapping[str, str]


@dataclass
class JobLog:
    """Lines as anybody may read them who may read the repository."""

    lines: list[str] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    commands: int = 0
    _known: set[str] = field(default_factory=set)
    _stopped_by: str = ""
    _by_head: dict[int, dict[str, list[str]]] = field(default_factory=lambda: {size: {} for size in _HEADS})

    @property
    def text(self) -> str:
        """The whole log, annotations with it."""
        return "\n".join([*self.lines, *(one.message for one in self.annotations)])

    def add_secret(self, value: str) -> None:
        """A mask, and one for every line of it, however short: as the runner does it."""
        if not value.strip():
            self.lines.append("##[warning]Can't add secret mask for empty string in ##[add-mask] command.")
            return
        for text in (value, *re.split(r"[\r\n]+", value)):
            if text and text not in self._known:
                self._known.add(text)
                self.masks.append(text)
                size = max(size for size in _HEADS if size <= len(text))
                self._by_head[size].setdefault(text[:size], []).append(text)

    def masked(self, text: str) -> str:
        """A text with every mask in it replaced; ranges that touch are one."""
        hidden = bytearray(len(text))
        for size, heads in self._by_head.items():
            for place in range(len(text)) if heads else ():
                for mask in heads.get(text[place : place + size], ()):
                    if text.startswith(mask, place):
                        hidden[place : place + len(mask)] = b"\1" * len(mask)
        shown = ("\0" if hide else char for char, hide in zip(text, hidden, strict=True))
        return re.sub("\0+", HIDDEN, "".join(shown))

    def begin_step(self) -> None:
        """What an earlier step switched off is on again."""
        self._stopped_by = ""

    def write(self, text: str) -> None:
        """Words of the runner itself."""
        self.lines += self.masked(text).split("\n")

    def read(self, line: str) -> None:
        """One line of a process: a command, or a line of the log."""
        if not self._is_command(line):
            self.lines.append(self.masked(line))

    def _is_command(self, line: str) -> bool:
        found = re.match(r"\s*::([^:]*?(?: .*?)?)::(.*)", line, re.DOTALL)
        if found is None:
            return False
        name, _, given = found[1].partition(" ")
        if self._stopped_by:
            if name == self._stopped_by:
                self._stopped_by = ""
                return True
            return False
        if name not in _COMMANDS:
            return False
        self.commands += 1
        self._obey(name, given, unescaped(found[2]))
        return True

    def _obey(self, name: str, given: str, data: str) -> None:
        if name == "add-mask":
            self.add_secret(data)
        elif name == "stop-commands":
            self._stopped_by = data
        elif name in {"notice", "warning", "error"}:
            properties = dict(pair.split("=", 1) for pair in given.split(",") if "=" in pair)
            self.annotations.append(Annotation(name, self.masked(data), properties))
            self.lines += self.masked(f"##[{name}]{data}").split("\n")
        elif name == "group":
            self.lines.append(self.masked(f"##[group]{data}"))


def unescaped(data: str) -> str:
    """The data of a command: line ends first, the sign of escapes last."""
    return data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
