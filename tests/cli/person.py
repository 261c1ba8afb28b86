"""A person with a home folder, a clone of a repository, and the real `keyway` command."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import warm
from warm import KEYWAY  # noqa: F401 - others take it from here

NOBODY = "http://127.0.0.1:9"


@functools.cache
def _new_repository() -> Path:
    """What `git init` makes, once for all people of a worker: it is 30 ms for each."""
    folder = Path(tempfile.mkdtemp(prefix="keyway-git-"))
    atexit.register(shutil.rmtree, folder)
    subprocess.run(["git", "init", "-q", "--template=", str(folder)], env={"PATH": os.environ["PATH"]}, check=True)
    return folder / ".git"


class Done(NamedTuple):
    """How a command ended, and both of its streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Person:
    """Runs `keyway` in a clone of one repository, with nothing of this machine's own settings."""

    def __init__(self, folder: Path, repository: str = "acme/app", origin: str | None = None) -> None:
        self.home = folder / "home"
        self.clone = folder / "clone"
        self.home.mkdir(parents=True)
        self.clone.mkdir()
        self.variables = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "KEYWAY_TOKEN_STORE": "file",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LANG": "C.UTF-8",
        }
        shutil.copytree(_new_repository(), self.clone / ".git")
        with (self.clone / ".git" / "config").open("a", encoding="utf-8") as config:
            url = origin or f"https://github.com/{repository}.git"
            config.write(f'[remote "origin"]\n\turl = {url}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n')
        (self.clone / ".gitignore").write_text(".env\n.env.*\n")

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *arguments],
            cwd=folder or self.clone,
            env=self.variables,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def at(self, url: str, token: str | None = "a-token") -> Person:  # noqa: S107
        """The same person, using a server, with a token in the environment."""
        self.variables["KEYWAY_API_URL"] = url
        self.variables.pop("KEYWAY_TOKEN", None)
        if token is not None:
            self.variables["KEYWAY_TOKEN"] = token
        return self

    def keyway(self, *arguments: str, stdin: bytes | None = None, folder: Path | None = None, **variables: str) -> Done:
        """One command without a terminal. Without `stdin` there is nothing to read."""
        done = warm.run(list(arguments), folder or self.clone, self.variables | variables, stdin or b"")
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def at_terminal(self, *arguments: str, **variables: str) -> Dialogue:
        """One command with a terminal, to be talked to."""
        return Dialogue(list(arguments), self.clone, self.variables | {"TERM": "xterm"} | variables)

    def write(self, text: str, name: str = ".env") -> Path:
        path = self.clone / name
        path.write_bytes(text.encode())
        return path

    def read(self, name: str = ".env") -> str:
        return (self.clone / name).read_bytes().decode()


class Team(NamedTuple):
    """A new repository with the App installed, its administrator, and how to get more people at it."""

    repository: str
    owner: Person
    person: Callable[[str, str | None], Person]


class Dialogue:
    """A command at a pseudo terminal. `cold` is started as a person would."""

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        variables: dict[str, str],
        *,
        alone: bool = False,
        cold: bool = False,
    ) -> None:
        self.seen = ""
        self._master, slave = pty.openpty()
        self._process = warm.start(arguments, folder, variables, [slave] * 3, alone=alone, cold=cold)
        os.close(slave)

    def until(self, text: str, seconds: float = 20) -> Dialogue:
        """Waits until a text was shown."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} never came, only {self.seen!r}"
            if not self._read():
                assert text in self.seen, f"{text!r} never came, only {self.seen!r}"
        return self

    def type(self, text: str) -> Dialogue:
        os.write(self._master, text.encode())
        return self

    def interrupt(self) -> Dialogue:
        """What Ctrl-C does. Python may miss the first one, between showing its question and waiting for the answer."""
        for _ in range(20):
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
                break
        return self

    def end(self) -> Done:
        """Waits for the command to end."""
        while self._read():
            pass
        code = self._process.wait(20)
        os.close(self._master)
        return Done(code, self.seen, self.seen)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], 20)[0]:
            self._process.kill()
            self._process.wait()
            raise TimeoutError(f"silent after {self.seen!r}")
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # the other side of a pseudo terminal was closed
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)
