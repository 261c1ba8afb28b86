"""Decisions about single secrets, without anything running."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from keyway_backend.features.secrets.single.rules import days_left, preview

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "days"),
    [
        (timedelta(0), 30),
        (timedelta(seconds=1), 30),
        (timedelta(days=1), 29),
        (timedelta(days=29, hours=23), 1),
        (timedelta(days=30), 0),
        (timedelta(days=31), 0),
    ],
)
def test_a_day_that_has_begun_counts(age: timedelta, days: int) -> None:
    """As the trash shows it."""
    assert days_left(NOW - age, NOW) == days


@pytest.mark.parametrize("length", range(30))
def test_a_preview_shows_at_most_eight_characters(length: int) -> None:
    """And none of a value that is no longer than that."""
    text = "x" * length
    shown = preview(text).replace("•", "")
    assert len(shown) <= (8 if length > 12 else 4 if length > 8 else 0)
    assert len(shown) < length or not length
