"""What the step says holds names of others; none of them is a command to the runner."""

from __future__ import annotations

import io

from keyway_cli.ci.runner import Runner


def test_no_word_is_an_old_command() -> None:
    """`##[` is obeyed wherever it stands in a line: `##[stop-commands]` would let no later mask through."""
    log = io.BytesIO()
    Runner({}, log).say("environment ##[stop-commands]x\n::stop-commands::y")
    (line,) = log.getvalue().decode().splitlines()
    assert "##[" not in line
    assert line.startswith("keyway: environment")
