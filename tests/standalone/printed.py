"""What a process of ours prints, and its end."""

from __future__ import annotations

import subprocess


def read_until(process: subprocess.Popen[str], sentence: str) -> str:
    """What was printed up to the line that holds the sentence."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if sentence in line:
            return said
    raise AssertionError(said)


def end(process: subprocess.Popen[str]) -> None:
    """Lets a supervisor stop what it started, also after a test that failed."""
    process.terminate()
    process.communicate(timeout=90)
