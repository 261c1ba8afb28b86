"""The demo is the first thing that a newcomer runs: it must tell the truth, and say so when something is wrong."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from keyway_standalone.demo import DemoError, _leaked, _sample_values, require
from keyway_standalone.github_standin.seeding import make_world


@pytest.mark.parametrize("nothing", [False, None, "", []])
def test_an_answer_that_is_not_as_it_should_be_ends_the_demo(nothing: object) -> None:
    """A check that does not hold raises with its sentence."""
    with pytest.raises(DemoError, match="the sentence"):
        require(nothing, "the sentence")


def test_the_search_finds_values_in_every_spelling() -> None:
    """Each sample value but the empty one is found as text, in hex, and in base64 at each offset, and not elsewhere."""
    values, others = _sample_values(), _sample_values()
    found_in = {key for key, value in values.items() if value}
    for shift in ("", "a", "bb"):
        hidden = {key: base64.b64encode((shift + value).encode()).decode() for key, value in values.items()}
        assert set(_leaked("\n".join(hidden.values()), values)) == found_in
    assert set(_leaked("\n".join(value.encode().hex() for value in values.values()), values)) == found_in
    assert set(_leaked("\n".join(values.values()), values)) == found_in
    assert _leaked("\n".join(others.values()), values) == []


def test_the_demo_passes_in_another_world() -> None:
    """From sign-in to a refused stranger with the people of another seed, and a summary in the end."""
    done = subprocess.run(
        [sys.executable, "-m", "keyway_standalone", "demo", "--seed", "7"],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    world = make_world(7)
    for role in ("founder", "teammate", "stranger"):
        assert f"{world.users[world.cast[role]].login} $ keyway" in done.stdout
    assert "What you saw" in done.stdout
    assert "exit code 4" in done.stdout
