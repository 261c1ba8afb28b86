"""How long each folder of the suite takes, and the API's share: a plugin of pytest's for `scripts/shares`."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import PurePosixPath
from typing import Any, Final

# What proves the API: its contract, what must never happen, and the backend's features.
API: Final = ("tests/contracts", "tests/invariants", "tests/backend")
MOST_MINUTES: Final = 3.0
_SLOWEST: Final = 40


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints seconds of work by folder, the API's share in minutes of the run, and the slowest files."""
    folders: dict[str, float] = defaultdict(float)
    files: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "nodeid", "") and hasattr(report, "duration"):
                path = PurePosixPath(report.nodeid.partition("::")[0])
                folders["/".join(path.parts[:3] if path.parts[1] == "backend" else path.parts[:2])] += report.duration
                files[str(path)] += report.duration
    workers = int(os.environ["TEST_WORKERS"])
    write = terminalreporter.write_line
    write(f"\nseconds of work by folder ({workers} workers)")
    for folder, seconds in sorted(folders.items(), key=lambda item: -item[1]):
        write(f"{seconds:8.1f}  {folder}")
    write("seconds of work by file")
    for file, seconds in sorted(files.items(), key=lambda item: -item[1])[:_SLOWEST]:
        write(f"{seconds:8.1f}  {file}")
    share = sum(seconds for folder, seconds in folders.items() if folder.startswith(API)) / workers / 60
    write(f"the API's share: {share:.1f} minutes (at most {MOST_MINUTES:g})")
