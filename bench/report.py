"""What the bench prints: one table per subject, each figure with its target and the command that prints it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `target` says what it must be, `holds` whether it is; None for figures without a target."""

    name: str
    value: str
    target: str = ""
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """The figures of one subject and the command that prints them."""

    title: str
    command: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, value: str, target: str = "", *, holds: bool | None = None) -> None:
        """Adds a figure."""
        self.figures.append(Figure(name, value, target, holds))

    def as_json(self) -> dict[str, Any]:
        """The section as plain data."""
        return asdict(self)


def spread(values: Sequence[float]) -> float:
    """The run's own noise: half the distance between the quartiles, relative to the median."""
    low, middle, high = statistics.quantiles(values, n=4)
    return (high - low) / 2 / middle


def show(console: Console, section: Section) -> None:
    """Prints a section."""
    table = Table(
        "figure", "measured", "target", "", title=section.title, caption=section.command, title_justify="left"
    )
    table.columns[0].overflow = "fold"
    for figure in section.figures:
        mark = {True: "[green]holds", False: "[red]misses", None: ""}[figure.holds]
        table.add_row(figure.name, figure.value, figure.target, mark)
    console.print(table)
