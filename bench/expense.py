"""What a page of the dashboard costs behind it: calls to the backend, statements, and CPU by process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx
import psutil
from keyway_standalone.processes import Stack
from prometheus_client.parser import text_string_to_metric_families

from bench.meter import Meter

_ANSWERS: Final = "keyway_http_requests_total"


@dataclass(frozen=True, slots=True)
class Expense:
    """Of one view, the mean of some. CPU in milliseconds."""

    calls: float
    statements: float
    dashboard: float
    backend: float
    database: float

    @property
    def cpu(self) -> float:
        """Of all that answer."""
        return self.dashboard + self.backend + self.database

    def __str__(self) -> str:
        parts = f"{self.dashboard:.0f} + {self.backend:.0f} + {self.database:.0f}"
        return f"{self.calls:.0f} calls, {self.statements:.0f} statements, {self.cpu:.0f} ms of CPU ({parts})"


def expense(stack: Stack, meter: Meter, view: Callable[[], object], count: int) -> Expense:
    """What `view` costs, by `count` of them in a row. What runs in the background meanwhile counts as well."""
    families = [_family(stack.dashboard.pid), _family(stack.backend.pid), _family(_server(meter))]
    before, asked, said = [_seconds(one) for one in families], _answers(stack), meter.said()
    for _ in range(count):
        view()
    used = [1000 * (_seconds(one) - then) / count for one, then in zip(families, before, strict=True)]
    return Expense((_answers(stack) - asked) / count, (meter.said() - said) / count, *used)


def _server(meter: Meter) -> int:
    """The first process of the database server, which is the parent of ours."""
    parent = psutil.Process(meter.database.info.backend_pid).parent()
    assert parent is not None
    return parent.pid


def _family(pid: int) -> list[psutil.Process]:
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def _seconds(family: Sequence[psutil.Process]) -> float:
    spent = 0.0
    for one in family:
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            spent += times.user + times.system
    return spent


def _answers(stack: Stack) -> float:
    told = httpx.get(f"{stack.ops_url}/metrics", trust_env=False, timeout=30).raise_for_status().text
    samples = (sample for family in text_string_to_metric_families(told) for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name == _ANSWERS)
