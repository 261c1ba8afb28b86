"""`keyway mcp` forked instead of started, see `forking`: loading the SDK takes longer than a whole conversation.

Run as a script, this is what a client starts in its place: it hands its three streams to a fork, and ends as that does.
What looks into the variables or the memory of the server starts the real one: a fork does not show its own.
"""

from __future__ import annotations

import functools
import gc
import importlib
import os
import sys
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).parents[1]))
import forking

_LOCALE: Final = {"LANG": "C.UTF-8"}


def command(*options: str) -> tuple[str, list[str]]:
    """What a client starts, and with which arguments, in place of `keyway mcp`."""
    return sys.executable, ["-I", "-S", __file__, "for a client", str(_forker().path), *options]


@functools.cache
def _forker() -> forking.Forker:
    """One for each worker of the suite."""
    return forking.Forker([sys.executable, __file__], {"PATH": os.environ["PATH"], **_LOCALE}, ())


def _hand_over(path: str, options: list[str]) -> int:
    asked = {"options": options, "folder": str(Path.cwd()), "variables": dict(os.environ)}
    return forking.ask(Path(path), [0, 1, 2], **asked).wait()


def _load() -> None:
    """All that the command needs until it answers."""
    for name in ("keyway_cli.__main__", "keyway_cli.commands.mcp", "keyway_cli.mcp.server", "anyio._backends._asyncio"):
        importlib.import_module(name)
    for name in ("mcp.types", "mcp.server.lowlevel", "mcp.server.stdio", "anyio.to_thread"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _become(options: list[str], folder: str, variables: dict[str, str]) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["keyway", "mcp", *options]


if __name__ == "__main__":
    if sys.argv[1] == "for a client":
        sys.exit(_hand_over(sys.argv[2], sys.argv[3:]))
    ours = {Path(__file__).parent, Path(__file__).parents[1]}
    sys.path[:] = [entry for entry in sys.path if Path(entry) not in ours]
    _load()
    _become(**forking.serve(Path(sys.argv[1])))
    forking.end(importlib.import_module("keyway_cli.__main__").main)
