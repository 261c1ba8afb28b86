"""The pages that are made from code say what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["api", "configuration"])
def test_a_page_is_what_its_script_writes(page: str) -> None:
    """docs/<page>.md is current; if not, the message names the command that makes it so."""
    script = ROOT / "scripts" / f"{page}_page.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", ["api", "configuration"])
def test_every_link_within_a_page_leads_somewhere(page: str) -> None:
    """An anchor that is linked to is that of a heading."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    headings = {_anchor(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")}
    linked = {part.split(")", 1)[0] for part in text.split("](#")[1:]}
    assert linked <= headings, linked - headings


def _anchor(title: str) -> str:
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in "_ -")
    return kept.replace(" ", "-")
