"""docs/self-hosting.md, typed: its commands run in the order of the page, each section in a shell of its own.

Without a container engine those run that need none. With one all run, against a deployment whose GitHub is the
stand-in. What differs from an operator's machine is said where it is done: the domain, the address that is cloned,
names that resolve through a proxy, `-y` where a person would answer, and another hosts file than this machine's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployment_facts import ROOT
from page import Block, Way, blocks, way
from running import DOMAIN, Deployment, Person, compose_command, run
from test_compose import engine_problem

VALUES = 'API_KEY="typed-7f3a"\nEMPTY=""\n'
PREPARED = "EDITED_BY_HAND=1\n"
FILES = "docker-compose.yml:deploy/docker-compose.test.yml"
PROFILE_SECTION = "6. Connect the command line"
GIVEN = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ} | {"LANG": "C.UTF-8"}


class Operator:
    """Somebody at a shell, with a home folder and what the page takes for granted: git, sudo, an editor, compose."""

    def __init__(self, folder: Path, prepared: str) -> None:
        self.home, self.place = folder / "home", folder / "work"
        for part in (self.home, self.place):
            part.mkdir(parents=True)
        self.clone = self.place / "keyway"
        self._tools, self._prepared = folder / "tools", folder / "prepared.env"
        self._prepared.write_text(prepared)
        self._make_tools()
        self._remote = folder / "remote"
        copy_of_this_tree(self._remote)
        self.environment = GIVEN | {
            "HOME": str(self.home),
            "PATH": f"{self._tools}:{GIVEN['PATH']}",
            "EDITOR": str(self._tools / "editor"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{self._remote}.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://git.example.com/keyway.git",
        }

    def _make_tools(self) -> None:
        self._tools.mkdir()
        legacy = compose_command() == ["docker-compose"]
        engine = shutil.which("docker")
        scripts = {"sudo": 'exec "$@"', "editor": f'cat {self._prepared} >"$1"'}
        if legacy:
            scripts["docker"] = f'[ "$1" = compose ] || exec {engine} "$@"\nshift\nexec docker-compose "$@"'
        for name, text in scripts.items():
            (self._tools / name).write_text(f"#!/bin/sh\n{text}\n")
            (self._tools / name).chmod(0o755)

    def type(self, command: str) -> str:
        """One line that needs no engine, or the engine alone."""
        if command == "cd keyway":
            self.place = self.clone
            return ""
        if command.endswith("--hosts"):
            hosts = self.home / "hosts"
            hosts.touch()
            command += f" --hosts-file {hosts}"
        said = run("bash", "-c", command, cwd=self.place, env=self.environment, seconds=900)
        if command.startswith("git clone"):
            (self.clone / ".venv").symlink_to(ROOT / ".venv")  # dependencies come from outside; here they are already
        return said


def copy_of_this_tree(target: Path) -> None:
    """A repository with what this one has, committed or not."""
    names = run("git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    author = ("-c", "user.name=Keyway", "-c", "user.email=team@keyway.local")
    run("git", "init", "-q", str(target))
    run("git", "-C", str(target), "add", "-A")
    run("git", "-C", str(target), *author, "commit", "-q", "-m", "as it is")


def test_what_needs_no_engine(tmp_path: Path) -> None:
    """Cloning, set-up, showing the key, the hosts file and pulling a newer version work as they are typed."""
    operator = Operator(tmp_path, PREPARED)
    (operator.place / "your-app.private-key.pem").write_text("key\n")
    said = {}
    for block in blocks():
        for command in (command for command in block.commands if way(command) is Way.SHELL):
            if command.startswith("base64"):
                shutil.copy(tmp_path / "work" / "your-app.private-key.pem", operator.place)
            said[command] = operator.type(command)
    assert (operator.clone / ".env").read_text().startswith(PREPARED)
    assert "keyway.local" in (operator.home / "hosts").read_text()
    assert "Already up to date" in said["git pull"]
    assert {"cd keyway", "make setup", "scripts/setup-env --show-key", "sudo scripts/setup-env --hosts"} <= set(said)


class Typist:
    """Types the whole page: the operator's lines into the clone, a person's into a repository of the stand-in."""

    def __init__(self, folder: Path, deployment: Deployment) -> None:
        self.deployment = deployment
        self.operator = Operator(folder, (deployment.folder / ".env").read_text())
        self.operator.environment |= deployment.standin_variables | {
            "COMPOSE_FILE": FILES,
            "COMPOSE_PROJECT_NAME": deployment.project,
        }
        (folder / "work" / "your-app.private-key.pem").write_text("key\n")
        self._person: Person | None = None
        self._profile: list[str] = []
        self._typed: list[str] = []
        self._section = ""

    def block(self, block: Block) -> None:
        """Its commands, one after the other."""
        if block.section != self._section:
            self._section, self._typed = block.section, []
        if block.language == "dotenv" and block.section == "More than one process":
            with (self.operator.clone / ".env").open("a", encoding="utf-8") as file:
                file.write(block.text)
        for command in block.commands:
            self._one(command)

    def _one(self, command: str) -> None:
        kind = way(command)
        if kind in {Way.SHELL, Way.ENGINE}:
            self._prepare(command)
            self.operator.type(command.replace("your-app", "../your-app"))
            self._settle(command)
        elif kind is Way.PERSON:
            self._as_a_person(command)

    def _prepare(self, command: str) -> None:
        """The page restores into an empty database, so volume goes before."""
        if command == "docker compose up -d db":
            self.operator.type("docker compose down")
            run("docker", "volume", "rm", f"{self.deployment.project}_db")

    def _settle(self, command: str) -> None:
        """Waits as the page says, until all is healthy. The stand-in lives in the backend's network, which a restart
        makes anew, and in that of one backend only."""
        if not re.search(r"compose (up|restart)", command):
            return
        self._until_healthy()
        if "--scale" in command:
            self._check_replicas()
            self.operator.type("docker compose up -d --scale backend=1")
        if "up -d db" not in command:
            self.operator.type("docker compose up -d --no-deps --force-recreate github")
            self._until_healthy()
            self._until_github_answers()

    def _until_github_answers(self) -> None:
        """Asked from the backend's container, because that is who needs it."""
        probe = "import socket; socket.create_connection(('127.0.0.1', 8090), 2)"
        deadline = time.monotonic() + 60
        while self.deployment.inside("backend", "python", "-c", probe).returncode:
            assert time.monotonic() < deadline, self.deployment.logs()
            time.sleep(0.5)

    def _check_replicas(self) -> None:
        names = [item["Config"]["Labels"]["com.docker.compose.service"] for item in self._running()]
        assert (names.count("backend"), names.count("worker"), names.count("valkey")) == (2, 1, 1), names

    def _running(self) -> list[dict[str, dict[str, dict[str, str]]]]:
        mine = f"label=com.docker.compose.project={self.deployment.project}"
        found: list[dict[str, dict[str, dict[str, str]]]] = json.loads(
            run("docker", "inspect", *run("docker", "ps", "-q", "--filter", mine).split())
        )
        return found

    def _until_healthy(self) -> None:
        deadline = time.monotonic() + 180
        while True:
            states = [item["State"].get("Health", {"Status": "healthy"}) for item in self._running()]
            if all(dict(state)["Status"] == "healthy" for state in states):
                return
            assert time.monotonic() < deadline, self.deployment.logs()
            time.sleep(0.5)

    def _as_a_person(self, command: str) -> None:
        command = command.replace("example.com", DOMAIN)
        if command.startswith(("export ", "TOKEN=")):
            self._typed.append(command)
            if self._section == PROFILE_SECTION:  # as the page asks
                self._profile.append(command)
            if command.startswith("export "):
                return
            command = "true"
        if re.fullmatch("keyway (push|pull)", command):
            command += " -y"
        script = "set -euo pipefail\n" + "\n".join([*self._profile, *self._typed, command])
        if command == "keyway login":
            self._sign_in(script)
            return
        said = run("bash", "-c", script, cwd=self.person.clone, env=self._environment())
        if command.startswith("curl"):
            assert ("kw_" if "api-keys" in command else "healthy") in said, said

    def _environment(self) -> dict[str, str]:
        authority, proxy = str(self.deployment.authority()), self.deployment.names.url
        return self.operator.environment | {
            "KEYWAY_CA_FILE": authority,
            "CURL_CA_BUNDLE": authority,
            "HTTPS_PROXY": proxy,
            "KEYWAY_TOKEN_STORE": "file",
        }

    @property
    def person(self) -> Person:
        """Whoever has a repository of the stand-in's organisation, and values in it."""
        if self._person is None:
            repository = str(self.deployment.github("repo", "private")["full_name"])
            self._person = Person(self.operator.home, self.deployment, repository)
            (self._person.clone / ".env").write_text(VALUES)
        return self._person

    def _sign_in(self, script: str) -> None:
        with subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.person.clone, env=self._environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            assert process.stdout
            said = process.stdout.readline()
            if code := re.search(r"enter the code (\S+)", said):
                self.deployment.github("approve_device", code[1], self.deployment.github("login", "founder"))
            said += process.stdout.read()
        assert process.returncode == 0, said
        assert "signed in as" in said


@pytest.fixture
def typist(tmp_path: Path) -> Iterator[Typist]:
    """An operator with an engine and nothing running yet; everything that was started is removed in the end."""
    if problem := engine_problem():
        pytest.skip(f"the page was not typed: {problem}")
    deployment = Deployment(tmp_path / "deployment")
    try:
        yield Typist(tmp_path, deployment)
    finally:
        profiles = ("--profile", "worker", "--profile", "valkey")
        deployment.compose(*profiles, "down", "--volumes", "--remove-orphans", "--rmi", "local")


@pytest.mark.prove
@pytest.mark.containers
@pytest.mark.timeout(1_500)
def test_the_page_typed_from_top_to_bottom(typist: Typist) -> None:
    """Every command that this machine can run works where it stands; the restored database gives the values back."""
    for block in blocks():
        typist.block(block)
    (typist.person.clone / ".env").unlink()
    done = typist.person.keyway("pull", "-y")
    assert done.returncode == 0, done.stderr
    assert "typed-7f3a" in (typist.person.clone / ".env").read_text()
