"""Figures that tests have measured, at the end of the run: each `record_property` of a test that passed is one line.
What failed goes to the file FAILED_TESTS as well, an argument of pytest a line, for scripts/test; "final" before it
says that it gets no second try: what an invariant's test found, unless it is that a server came too late.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

# What tests say when a server is not there, or not in time.
_TOO_LATE: Final = (
    "ConnectError",
    "ConnectionRefused",
    "ReadTimeout",
    "TimeoutError",
    "TimeoutExpired",
    "ProcessError",
    "Failed: Timeout",
)
Record = Callable[[str, object], None]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints what was recorded, also by workers in other processes."""
    lines = sorted(set(_recorded(terminalreporter.stats.get("passed", []))))
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)
    if path := os.environ.get("FAILED_TESTS"):
        wrong = [_named(report) for kind in ("failed", "error") for report in terminalreporter.stats.get(kind, [])]
        Path(path).write_text("".join(f"{name}\n" for name in dict.fromkeys(wrong)), encoding="utf-8")


def _named(report: pytest.TestReport) -> str:
    said = report.longreprtext
    late = any(name in said for name in _TOO_LATE)
    return report.nodeid if late or "tests/invariants/" not in report.nodeid else f"final {report.nodeid}"


def _recorded(reports: list[pytest.TestReport]) -> Iterator[str]:
    for report in reports:
        yield from (f"{name}: {value}" for name, value in report.user_properties)
