"""Other shells than bash, where they are installed: `keyway run` as a job of theirs, the completion that they load."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from peer import listening, pulled
from person import KEYWAY, Person
from screen import Screen, terminal

VALUE = "canary-value-of-a-job-0123456789"
PROGRAM = """
import os, sys
print("ready", flush=True)
for line in sys.stdin:
    size = os.get_terminal_size(0)
    print("got", line.strip(), size.columns, size.lines, os.environ["VALUE"], flush=True)
"""
PROMPT = 'function fish_prompt; echo -n "shell> "; end'
SHELLS = {
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i", "-C", PROMPT),
    "dash": ("dash", "-i"),
}


def there(shell: str) -> tuple[str, ...]:
    """How a shell is started that reads keys and no settings of this machine."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    return SHELLS[shell]


def resumed(screen: Screen, word: str, shown: str) -> None:
    """`fg`, and the program reads a line again."""
    screen.type("fg\n")
    screen.until("fg")
    screen.until("keyway run")  # the shell says what goes on
    screen.type(f"{word}\n")
    screen.until(f"got {word} {shown}")


@pytest.mark.parametrize("option", ["--mask", "--watch"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_is_a_job_of_every_shell(alice: Person, shell: str, option: str) -> None:
    """Stopped by the key, brought back, sent to the background and brought back again, ended by Ctrl-C: 130."""
    command, value = there(shell), r"\*\*\*\*\*" if option == "--mask" else VALUE
    (alice.clone / "prog").write_text(PROGRAM)
    line = f"{KEYWAY} run {option} -- {sys.executable} -I -S prog\n"
    status = "$status" if shell == "fish" else "$?"
    with listening(lambda _: pulled({"VALUE": VALUE})) as server, terminal(alice.at(server.url), *command) as screen:
        screen.until("shell> ")
        screen.type(line)
        screen.until(r"ready\s")
        screen.type("one\n")
        screen.until(f"got one 77 33 {value}")
        screen.type("\x1a")
        screen.until(r"(?i)(?:stopped|suspended)[^\n]*\n")
        screen.resize(101, 44)
        resumed(screen, "two", f"101 44 {value}")
        screen.type("\x1a")
        screen.until(r"(?i)(?:stopped|suspended)[^\n]*\n")
        screen.type("bg\n")
        screen.until("bg")
        resumed(screen, "three", f"101 44 {value}")
        screen.type("\x03")
        screen.until("shell> ")
        screen.type(line)  # for fish, what `fg` brought back ends with 0
        screen.until(r"ready\s")
        screen.type("\x03")
        screen.until("shell> ")
        screen.type(f'echo co""de={status}\n')
        assert screen.until(r"code=(\d+)").group(1) == "130"
        screen.type("stty -a\n")
        assert {"echo", "icanon", "isig"} <= set(screen.until(r"(?s)speed.*?shell> ").group().split())


def test_zsh_completes(alice: Person) -> None:
    """At its prompt, by the key: commands, options, and nothing of the secrets."""
    command = there("zsh")
    alice.variables |= {"PATH": f"{Path(KEYWAY).parent}{os.pathsep}{alice.variables['PATH']}"}
    with terminal(alice, *command) as screen:
        screen.until("shell> ")
        screen.type("autoload -U compinit && compinit -u -D; eval \"$(keyway completion zsh)\"; echo lo''aded\n")
        screen.until("loaded")
        screen.until("shell> ")
        screen.type("keyway uns\t--yes\x01echo \x05\n")  # what it made of it is shown, not run
        screen.until(r"\nkeyway unset --yes\s")
        screen.type("keyway run --no-inh\t\x01echo \x05\n")
        screen.until(r"\nkeyway run --no-inherit-env\s")


def test_fish_completes() -> None:
    """What it would offer for a line, with the help beside each."""
    there("fish")
    environment = {"PATH": f"{Path(KEYWAY).parent}{os.pathsep}{os.environ['PATH']}", "HOME": "/nonexistent"}
    script = 'keyway completion fish | source; complete -C "keyway uns"; complete -C "keyway run --no-inh"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    offered = [line.partition("\t")[::2] for line in done.stdout.splitlines()]
    assert [name for name, _ in offered] == ["unset", "--no-inherit-env"], done
    assert all(help_text for _, help_text in offered)
