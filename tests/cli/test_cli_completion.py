"""What makes a shell complete our commands."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from person import KEYWAY, Person


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_has_a_completion(alice: Person, shell: str) -> None:
    """A script that names us; it needs neither server nor repository."""
    done = alice.keyway("completion", shell)
    assert done.code == 0, done.err
    assert "_KEYWAY_COMPLETE" in done.out


def test_bash_completes_commands(alice: Person) -> None:
    """In a real bash: the script is read, and `keyway un` becomes `keyway unset`."""
    code = (
        'eval "$(keyway completion bash)"\n'
        "COMP_WORDS=(keyway un) COMP_CWORD=1\n"
        "_keyway_completion keyway un keyway\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    path = f"{Path(KEYWAY).parent}{os.pathsep}{alice.variables['PATH']}"
    done = subprocess.run(
        ["bash", "-c", code], env=alice.variables | {"PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "unset", done.stderr


def test_powershell_is_answered(alice: Person) -> None:
    """What its script asks for: a line for each command that begins like the word."""
    words = {"_KEYWAY_COMPLETE": "powershell_complete", "COMP_WORDS": "keyway un", "COMP_LAST": "un"}
    assert re.match(r"unset\t\S", alice.keyway(**words).out)
