"""What a newcomer runs first: `make demo` tells the truth, and `make up` prints lines that work."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from keyway_standalone.demo import DemoError, _leaked, _sample_values, require
from keyway_standalone.github_standin.seeding import make_world
from keyway_standalone.ports import free_ports
from printed import end, read_until
from stack import TLS, state_folder


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


@pytest.fixture(scope="module")
def demo() -> Iterator[subprocess.Popen[str]]:
    """The demo with the people of another seed, begun before whatever else waits for GitHub's interval too."""
    process = subprocess.Popen(
        [sys.executable, "-m", "keyway_standalone", "demo", "--seed", "7"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        end(process)


@pytest.mark.usefixtures("demo")
def test_up_prints_lines_that_work_when_typed(tmp_path: Path) -> None:
    """A newcomer copies the lines of `up` into a shell, consents on the page, and sees the value come back."""
    with state_folder() as folder:
        ports = [f"--port={server}={port}" for server, port in free_ports().items()]
        process = subprocess.Popen(
            [sys.executable, "-m", "keyway_standalone", "up", "--state", str(folder), *ports],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            said = read_until(process, "Ctrl-C stops everything")
            running = psutil.Process(process.pid).children()
            assert "STORE THIS" in said
            assert re.search(r"ENCRYPTION_KEY=[0-9a-f]{64}", said)
            assert "hello" in type_in(said, tmp_path).splitlines()
            process.terminate()
            rest = read_until(process, "everything is kept in")
            assert process.wait(20) == 0
            assert len(running) >= 5
            assert not [child for child in running if child.is_running()]
            assert "GREETING" not in rest
        finally:
            end(process)


def type_in(said: str, home: Path) -> str:
    """Types the printed lines into a shell; when `keyway login` shows its code, consents on the page. The output."""
    lines = said.partition("Type next")[2].splitlines()[2:]
    script = "set -e\n" + "\n".join(line for line in lines[: lines.index("")])
    passphrase = re.search(r"passphrase: (\S+)", said)
    founder = re.search(r"(\S+)\s+founder", said)
    assert passphrase
    assert founder
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "KEYWAY_TOKEN_STORE": "file"}
    shell = subprocess.Popen(
        ["bash", "-c", script], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    shown = read_until(shell, "and enter the code")
    page, code = re.findall(r"open (\S+) and enter the code (\S+)", shown)[0]
    form = {"user_code": code, "login": founder[1], "passphrase": passphrase[1], "decision": "authorize"}
    assert httpx.post(page, data=form, verify=TLS).status_code == 200
    rest = shell.communicate(timeout=180)[0]
    assert shell.returncode == 0, shown + rest
    return shown + rest


def test_the_demo_passes_in_another_world(demo: subprocess.Popen[str]) -> None:
    """From sign-in to a refused stranger with the people of another seed, and a summary in the end."""
    said = demo.communicate(timeout=240)[0]
    assert demo.returncode == 0, said
    world = make_world(7)
    for role in ("founder", "teammate", "stranger"):
        assert f"{world.users[world.cast[role]].login} $ keyway" in said
    assert "What you saw" in said
    assert "exit code 4" in said
