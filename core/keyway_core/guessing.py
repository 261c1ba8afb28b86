"""Which values are too easily guessed to give anything away about them."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

LEAST_CHARACTERS: Final = 12
LEAST_BITS: Final = 36.0


def guessable(value: bytes) -> bool:
    """Whether a digest that comes with its key would tell the value to who tries the likely ones: shorter than 12
    characters, or less than 36 bits by how often each character comes."""
    text = value.decode("utf-8", "replace")
    bits = sum(count * math.log2(len(text) / count) for count in Counter(text).values())
    return len(text) < LEAST_CHARACTERS or bits < LEAST_BITS
