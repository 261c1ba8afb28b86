"""Which schema this code was written for."""

from typing import Final

WANTED: Final = "0003"
"""The newest file in `migrations/versions`; a test says so."""
