"""Plaintext has one type, and that type has one exit."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import pytest
from keyway_core.sensitive import MASK, Sensitive

CANARY = "canary-51c0"

REFUSED: dict[str, Callable[[Sensitive], object]] = {
    "equal": lambda value: value == value,  # noqa: PLR0124
    "unequal": lambda value: value != Sensitive(CANARY),
    "equal to text": lambda value: value == CANARY,
    "membership": lambda value: CANARY in (value, "x"),
    "hash": hash,
    "set": lambda value: {value},
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "json": json.dumps,
    "order": lambda value: sorted([value, Sensitive("x")]),
    "attributes": vars,
    "new attribute": lambda value: setattr(value, "other", 1),
    "iteration": list,
    "concatenation": lambda value: "x" + value,
}


@pytest.mark.parametrize("way", REFUSED)
def test_a_way_around_is_refused(way: str) -> None:
    """Comparing, hashing, copying, serialising and the like raise, and the error holds no plaintext."""
    with pytest.raises((TypeError, AttributeError)) as caught:
        REFUSED[way](Sensitive(CANARY))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "shown",
    [
        repr(Sensitive(CANARY)),
        str(Sensitive(CANARY)),
        f"{Sensitive(CANARY)}",
        f"{Sensitive(CANARY)!r:>40}",
        f"{Sensitive(CANARY):>40}",
        "%s %r" % (Sensitive(CANARY), Sensitive(CANARY)),  # noqa: UP031
        repr({"key": [Sensitive(CANARY)]}),
    ],
)
def test_every_way_to_show_it_is_masked(shown: str) -> None:
    """Text made from it has the mask and not the value."""
    assert MASK in shown
    assert CANARY not in shown


def test_reveal_is_the_exit() -> None:
    """The plaintext comes back exactly, from `reveal` alone."""
    assert Sensitive(CANARY).reveal() == CANARY


def test_it_cannot_be_extended() -> None:
    """The type is marked final, so that no subclass opens a second exit."""
    assert getattr(Sensitive, "__final__", False)
