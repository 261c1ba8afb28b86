"""Figures that tests have measured, at the end of the run: each `record_property` of a test that passed is one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

Record = Callable[[str, object], None]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints what was recorded, also by workers in other processes."""
    lines = sorted(set(_recorded(terminalreporter.stats.get("passed", []))))
    if lines:
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)


def _recorded(reports: list[pytest.TestReport]) -> Iterator[str]:
    for report in reports:
        yield from (f"{name}: {value}" for name, value in report.user_properties)
