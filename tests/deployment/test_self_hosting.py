"""docs/self-hosting.md says what is true: every command, name and address of it, without an engine."""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from deployment_facts import ROOT, compose, example_names, services
from keyway_backend.platform.settings import Settings
from keyway_core import dotenv
from page import LANGUAGES, TEXT, UnknownCommandError, Way, blocks, commands, way
from running import run

COMMANDS = commands()
COMPOSE = [command.partition("docker compose ")[2] for command in COMMANDS if "docker compose " in command]
# Option → whether a word follows, for each compose command of the page.
COMPOSE_OPTIONS = {
    "up": {"--build": False, "-d": False, "--scale": True},
    "ps": {},
    "logs": {},
    "exec": {"-T": False},
    "run": {"--rm": False},
    "restart": {},
}
CLI_VARIABLES = set(re.findall(r"`(KEYWAY_[A-Z_]+)`", (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")))
# Those of other people's programs that the page names: the public command line and the shell.
FOREIGN_VARIABLES = {"KEYWAY_GITHUB_API_URL", "EDITOR", "HOME", "PATH", "TOKEN", "PWD"}
# What contract.md says of the public clients.
PUBLIC = {
    "brew install keywaysh/tap/keyway": "keywaysh/tap/keyway",
    "KEYWAY_API_URL=https://api.example.com npx @keywaysh/mcp": "@keywaysh/mcp",
}


def compose_problem(arguments: str) -> str | None:
    """What is wrong with the words behind `docker compose`, or None."""
    verb, *words = shlex.split(arguments.split(" > ", maxsplit=1)[0].split(" < ", maxsplit=1)[0])
    if verb not in COMPOSE_OPTIONS:
        return f"no such compose command: {verb}"
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option not in COMPOSE_OPTIONS[verb]:
            return f"{verb} has no option {option}"
        if COMPOSE_OPTIONS[verb][option]:
            words = [words[0].partition("=")[0], *words[1:]]
    named = words[:1] if verb in {"exec", "run"} else words
    unknown = [name for name in named if name not in services()]
    return f"no such service: {', '.join(unknown)}" if unknown else None


class TestRefusals:
    """What is planted into the page is found, so the silence below means something."""

    @pytest.mark.parametrize(
        "line", ["keyway rotate", "docker run keyway", "rm -rf /", "make setup && rm x", "curl https://elsewhere.com/x"]
    )
    def test_an_unknown_command_is_noticed(self, line: str) -> None:
        """A command that nobody can try is no part of the page."""
        planted = commands(f"{TEXT}\n```console\n{line}\n```\n")
        assert planted == [*COMMANDS, line]
        with pytest.raises(UnknownCommandError):
            way(planted[-1])

    @pytest.mark.parametrize(
        "arguments", ["logs bakcend", "up --fast", "exec -T nobody ls", "destroy", "up -d --scale front=2"]
    )
    def test_what_compose_does_not_know_is_noticed(self, arguments: str) -> None:
        """A service, a command or an option that is not there."""
        assert compose_problem(arguments)


class TestCommands:
    """Every line of its command blocks."""

    @pytest.mark.parametrize("command", sorted(set(COMMANDS)))
    def test_it_is_known_and_the_shell_can_read_it(self, command: str) -> None:
        """There is one way to try it, and its syntax is right."""
        assert way(command)
        done = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize("arguments", sorted(set(COMPOSE)))
    def test_compose_knows_it(self, arguments: str) -> None:
        """Its command, options and services exist."""
        assert compose_problem(arguments) is None

    def test_every_target_and_script_exists(self) -> None:
        """What the page says to make or to start, in blocks and in sentences, is there."""
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert set(re.findall(r"(?:`|^)make ([a-z-]+)", TEXT, re.MULTILINE)) <= targets
        assert all(os.access(ROOT / name, os.X_OK) for name in re.findall(r"\bscripts/[a-z-]+", TEXT))

    def test_what_lies_outside_is_what_is_known_of_it(self) -> None:
        """Each command for somebody else's service is one of those that the public clients document."""
        assert {command for command in COMMANDS if way(command) is Way.OUTSIDE} == set(PUBLIC)
        ours, public = (yaml.safe_load(block.text)[0] for block in blocks() if block.language == "yaml")
        assert public["uses"] == "keywaysh/keyway-action@v1"
        assert set(public["with"]) == {"api-url", "token", "environment"}
        assert re.fullmatch(r"acme/keyway@[0-9a-f]{40}", ours["uses"])
        assert ours["with"].keys() <= yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["inputs"].keys()

    def test_the_private_key_line_gives_one_line_that_the_backend_reads(self, tmp_path: Path) -> None:
        """The command of step 2 turns a file of many lines into base64 on one."""
        (tmp_path / "your-app.private-key.pem").write_text("-----BEGIN X-----\n" + "line\n" * 40)
        line = next(command for command in COMMANDS if command.startswith("base64"))
        said = run("bash", "-c", line, cwd=tmp_path)
        assert "\n" not in said
        assert base64.b64decode(said, validate=True).decode().startswith("-----BEGIN X")


class TestNames:
    """Variables, services, files and addresses."""

    def test_every_block_is_of_a_language_that_is_tried(self) -> None:
        """No block escapes by its language."""
        assert {block.language for block in blocks()} == LANGUAGES
        assert TEXT.count("```") == 2 * len(blocks())

    def test_every_variable_exists(self) -> None:
        """What stands in a .env block or as code is a variable of ours, of our command line, or a named foreign one."""
        shown = {name for b in blocks() if b.language == "dotenv" for name in dotenv.parse(b.text)}
        prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
        coded = {name for code in re.findall(r"`([^`\n]+)`", prose) for name in re.findall(r"^([A-Z_]{4,})\b", code)}
        assert shown <= set(example_names())
        assert coded <= set(example_names()) | CLI_VARIABLES | FOREIGN_VARIABLES
        assert len(shown | coded) > 40

    def test_every_default_shown_is_the_real_one(self) -> None:
        """A table that gives a variable's default gives that of the settings."""
        rows = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \| ((?:`\d+`|`\w+`)(?:, `\d+`)*) \|", TEXT, re.MULTILINE)
        pairs = [
            (name, value)
            for names, values in rows
            for name, value in zip(re.findall(r"`(\w+)`", names), re.findall(r"`(\w+)`", values), strict=True)
            if name.lower() in Settings.model_fields and value.lower() not in Settings.model_fields
        ]
        assert len(pairs) >= 6
        for name, value in pairs:
            assert str(Settings.model_fields[name.lower()].default).lower() == value, name

    def test_the_table_of_services_is_that_of_compose(self) -> None:
        """Step 4 names every service, and no other."""
        section = TEXT.partition("\n## 4. ")[2].partition("\n## ")[0]
        first = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        assert {name for cell in first for name in re.findall(r"`([a-z]+)`", cell)} == set(services())
        volumes = set(compose()["volumes"])
        assert {"db", "caddy", "certificates"} <= volumes

    def test_every_link_leads_somewhere(self) -> None:
        """Files exist, and so do the headings that are jumped to."""
        anchors = {
            re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
        }
        for target in re.findall(r"\]\(([^)]+)\)", TEXT):
            assert target[1:] in anchors if target[0] == "#" else (ROOT / "docs" / target).exists(), target
