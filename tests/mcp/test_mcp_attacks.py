"""Ways round the person and round the search, each of them tried: none may lead to a value."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from assistant import Assistant, assistant
from beside import Beside
from keyway_cli.mcp.asking import open_browser
from person import KEYWAY, Person

Script = Callable[[Assistant], Awaitable[None]]
GUESS = "guessed-by-the-assistant"


def play(person: Person, beside: Beside, script: Script) -> None:
    """One conversation."""

    async def conversation() -> None:
        async with assistant(person, beside) as connected:
            await script(connected)

    asyncio.run(conversation())


def test_a_value_leaves_a_protected_environment_with_a_person_alone(owner: Person, beside: Beside) -> None:
    """Copied to where programs may run, it would be as good as shown."""
    owner.write("KEY=of-production-alone\n")
    assert owner.keyway("push", "-e", "production", "--yes").code == 0

    async def script(connected: Assistant) -> None:
        way = {"from": "production", "to": "development"}
        refused = await connected.call("keyway_copy", name="KEY", **way)
        assert refused.failed
        assert "said no" in refused.json["error"]
        assert (await connected.call("keyway_list_secrets", environment="development")).json["secrets"] == []
        beside.answers("yes")
        assert (await connected.call("keyway_copy", name="KEY", **way)).json["success"]

    play(owner, beside, script)
    assert "copy KEY from production to development" in beside.asked[0]


def test_a_file_that_is_called_like_an_environment_is_no_side(owner: Person, beside: Beside) -> None:
    """Whoever can write files could else try out values, one guess per call."""
    owner.write(f"KEY={GUESS}\n")
    assert owner.keyway("push", "-e", "development", "--yes").code == 0
    owner.write(f"KEY={GUESS}\n", "guess")
    owner.write(f"KEY={GUESS}\n", "staging")

    async def script(connected: Assistant) -> None:
        for one, other in (("guess", "development"), ("development", "guess")):
            answer = await connected.call("keyway_diff", env1=one, env2=other)
            assert answer.failed, answer.text
        compared = (await connected.call("keyway_diff", env1="staging", env2="development")).json
        assert (compared["same"], compared["different"], compared["onlyInEnv2"]) == ([], [], ["KEY"])

    play(owner, beside, script)


def test_no_file_elsewhere_is_read_for_names(owner: Person, beside: Beside, tmp_path: Path) -> None:
    """A key in Base64 reads like a name with an empty value."""
    elsewhere = tmp_path / "private.key"
    elsewhere.write_text("c2VjcmV0bWF0ZXJpYWw=\n", encoding="utf-8")
    (owner.clone / "link").symlink_to(elsewhere)
    (owner.clone / "folder").symlink_to(tmp_path)
    beyond = "../" * len(owner.clone.parts) + str(elsewhere).lstrip("/")

    async def script(connected: Assistant) -> None:
        for path in (str(elsewhere), beyond, "link", "folder/private.key", "a\0b"):
            compared = await connected.call("keyway_compare", path=path)
            validated = await connected.call("keyway_validate", environment="development", path=path)
            assert compared.failed, path
            assert validated.failed, path
        assert "c2VjcmV0bWF0ZXJpYWw" not in "".join(connected.transcript)
        owner.write("NAMED=1\n", "inside.env")
        assert (await connected.call("keyway_compare", path="inside.env")).json["onlyInFile"] == ["NAMED"]

    play(owner, beside, script)


def test_what_is_started_does_not_get_the_token(owner: Person, beside: Beside, tmp_path: Path) -> None:
    """The variables of a browser can be read by every program of the account; ours cannot."""
    seen = tmp_path / "seen"
    program = tmp_path / "browser"
    rest = beside.browser.removesuffix(" %s")
    program.write_text(f'#!/bin/sh\nenv > {shlex.quote(str(seen))}\nexec {rest} "$1"\n', encoding="utf-8")
    program.chmod(0o700)
    owner.variables["BROWSER"] = f"{shlex.quote(str(program))} %s"

    async def conversation() -> None:
        async with assistant(owner, None, cold=True) as connected:
            assert "said no" in (await connected.call("keyway_set_secret", name="KEY")).json["error"]
            assert (await connected.call("keyway_list_secrets")).json["count"] == 0

    asyncio.run(conversation())
    told = seen.read_text(encoding="utf-8")
    assert "BROWSER=" in told
    assert owner.variables["KEYWAY_TOKEN"] not in told


def test_a_program_does_not_get_further_than_what_was_allowed(owner: Person, beside: Beside) -> None:
    """Allowed the values of development, it asks for those of production with the person's own sign-in."""
    token = owner.variables.pop("KEYWAY_TOKEN")
    assert owner.keyway("login", "--token", stdin=f"{token}\n".encode()).code == 0
    owner.write("KEY=of-production-alone\n")
    assert owner.keyway("push", "-e", "production", "--yes").code == 0
    owner.write("KEY=of-development\n")
    assert owner.keyway("push", "-e", "development", "--yes").code == 0
    beside.answers("no", programs="yes")

    async def script(connected: Assistant) -> None:
        for arguments in (
            ("get", "KEY", "-e", "production"),
            ("export", "-e", "production"),
            ("run", "-e", "production", "--", "sh", "-c", "echo $KEY | tr a-z b-za"),
            ("pull", "-e", "production", "-f", "taken.env"),
            ("logout",),
        ):
            tried = await connected.run(KEYWAY, *arguments)
            assert tried.json["exitCode"] != 0, arguments
            assert tried.json["stdout"] == "", arguments
        assert "does not use your sign-in" in tried.json["stderr"]
        assert "of-production" not in "".join(connected.transcript)

    play(owner, beside, script)
    assert not (owner.clone / "taken.env").exists()
    assert owner.keyway("get", "KEY", "-e", "production").out == "of-production-alone\n"


def test_the_person_sees_the_very_command(owner: Person, beside: Beside) -> None:
    """What a shell would need to be told; no line, colour or direction of the assistant's own."""

    async def script(connected: Assistant) -> None:
        await connected.run("echo", "a b", "it's", "x\nin /somewhere/else", "\x1b[2K\u202e'\\", "--flag=\t\U000e0041")

    play(owner, beside, script)
    assert r"echo 'a b' 'it'" in beside.asked[0]
    assert r"$'x\nin /somewhere/else' $'\u001b[2K\u202e\'\\' $'--flag=\t\U000e0041'" in beside.asked[0]
    assert f"\nin {owner.clone}" in beside.asked[0]


def test_a_browser_that_talks_does_not_disturb_the_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor is a module of the folder taken for the one that opens it."""
    program = tmp_path / "browser"
    program.write_text('#!/bin/sh\necho noise\necho noise >&2\ncat\ntouch "$1"\n', encoding="utf-8")
    program.chmod(0o700)
    (tmp_path / "webbrowser.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROWSER", f"{shlex.quote(str(program))} %s")
    assert open_browser("opened")
    assert (tmp_path / "opened").exists()
    assert capfd.readouterr() == ("", "")
    monkeypatch.setenv("BROWSER", "false %s")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not open_browser("again")
