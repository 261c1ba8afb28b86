"""Who hears of what was recorded: nobody, unless the composition root says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Listener = Callable[[Sequence[Mapping[str, Any]]], None]
"""Given rows as they were recorded. It must not wait, raise, or change them."""

_listeners: list[Listener] = []


def hear(listener: Listener) -> None:
    """Tells it of every row from now on."""
    _listeners.append(listener)


def forget(listener: Listener) -> None:
    """No longer."""
    _listeners.remove(listener)


def tell(rows: Sequence[Mapping[str, Any]]) -> None:
    """These rows were recorded. A transaction that fails later is not taken back: it is a count, not the record."""
    for listener in _listeners:
        listener(rows)
