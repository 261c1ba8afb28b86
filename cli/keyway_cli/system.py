"""Which system this is. Asked here alone, so that every difference between systems can be found, and tested."""

from __future__ import annotations

import os

WINDOWS: bool = os.name == "nt"
