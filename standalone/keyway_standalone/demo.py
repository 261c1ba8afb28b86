"""`demo`: the main job from sign-in to a refused stranger, with the real command line on real processes.

Every line that it prints comes from what the system answered, and every answer is checked. The first one that is not as
it should be ends the demo with exit code 1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psycopg
from keyway_core import dotenv
from keyway_core.sensitive import Sensitive
from psycopg import sql
from rich.console import Console
from rich.text import Text

from .process import ProcessError
from .processes import Stack

_KEYWAY: Final = Path(sys.executable).with_name("keyway")
_COMMAND_SECONDS: Final = 60
_NO_ACCESS: Final = 4  # docs/cli.md, exit codes
_ENVIRONMENT: Final = "development"
# The random parts of the sample values; the rest of them could occur anywhere.
_UNGUESSABLE: Final = re.compile(r"[A-Za-z0-9+/]{16,}")
# The program that `keyway run` starts: it says only digests of what it was given.
_PROGRAM: Final = (
    "import hashlib, os; names = {names!r}.split();"
    "print('started with', *(n + '=' + hashlib.sha256(os.environb[n.encode()]).hexdigest()[:12] for n in names))"
)


class DemoError(Exception):
    """The system did not answer as it should."""


@dataclass
class Person:
    """Somebody with a home folder and a clone of the repository."""

    login: str
    role: str
    home: Path
    work: Path
    environment: dict[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts the command line as this person, in the clone."""
        return subprocess.Popen(
            [_KEYWAY, *arguments],
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """What the command line said. Raises DemoError unless it exits with `code`."""
        process = self.start(*arguments)
        said = process.communicate(timeout=_COMMAND_SECONDS)[0].strip()
        require(
            process.returncode == code, f"keyway {arguments[0]} exited with {process.returncode}, not {code}:\n{said}"
        )
        return said


class Screen:
    """What the newcomer reads: numbered steps, commands, answers, and in the end the summary."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._proven: list[str] = []

    def step(self, title: str) -> None:
        """A new step."""
        self._console.print(Text(f"\n{len(self._proven) + 1}. {title}", style="bold"))

    def command(self, person: Person, line: str) -> None:
        """A command that somebody types."""
        self._console.print(Text(f"   {person.login} $ {line}", style="cyan"))

    def answer(self, said: str) -> None:
        """What the system answered."""
        for line in said.splitlines():
            self._console.print(Text(f"     {line}"))

    def proven(self, sentence: str) -> None:
        """What the step has shown, once its checks have passed."""
        self._proven.append(sentence)
        self._console.print(Text(f"   ✓ {sentence}", style="green"))

    def summary(self, seconds: float) -> None:
        """All that was shown."""
        self._console.rule("What you saw")
        for number, sentence in enumerate(self._proven, 1):
            self._console.print(Text(f" {number}. {sentence}"))
        self._console.print(f"\nAll of it on real processes, in {seconds:.0f} seconds. `make up` leaves them running.")


def demo(seed: int, console: Console) -> int:
    """Runs the demo in temporary folders. 0 when everything was as it should be, else 1."""
    started = time.monotonic()
    screen = Screen(console)
    try:
        with _folder() as folder:
            stack = Stack(folder / "state", seed=seed, test_controls=False)
            _play(stack, folder, screen)
        screen.proven(_stopped(stack))
    except (DemoError, ProcessError, subprocess.TimeoutExpired, httpx.HTTPError, psycopg.Error) as error:
        console.print(Text(f"\nThe demo failed: {error}", style="bold red"))
        return 1
    screen.summary(time.monotonic() - started)
    return 0


def require(holds: object, otherwise: str) -> None:
    """Raises DemoError with the sentence unless the condition holds."""
    if not holds:
        raise DemoError(otherwise)


def _play(stack: Stack, folder: Path, screen: Screen) -> None:
    """Everything between start and stop."""
    screen.step(
        f"Start a database, a stand-in for GitHub (world {stack.instance.seed}), the crypto service, the backend"
    )
    stack.start(lambda name, state: screen.answer(f"{name} is {state}"))
    try:
        _tell(stack, folder, screen)
    finally:
        stack.stop()


def _tell(stack: Stack, folder: Path, screen: Screen) -> None:
    _show_processes(stack, screen)
    founder, teammate, stranger = (_person(stack, folder, role) for role in ("founder", "teammate", "stranger"))
    repository = _repository(stack)
    _sign_in(stack, [founder, teammate, stranger], screen)
    values = _sample_values()
    _init_and_push(founder, repository, values, screen)
    _pull(teammate, founder, values, screen)
    _run_program(teammate, values, screen)
    _refuse(stranger, screen)
    _look_at_database(stack, values, screen)
    screen.step("Stop")


def _show_processes(stack: Stack, screen: Screen) -> None:
    lines = [f"{one.name:<9} process {one.pid}{_user_of(one.pid)}" for one in stack.wanted]
    screen.answer("\n".join(lines))
    health = httpx.get(f"{stack.api_url}/v1/health", trust_env=False).json()
    require(health["status"] == "ok", f"/v1/health says {health['status']}")
    screen.proven(f"{len(lines)} separate processes run, and {stack.api_url}/v1/health says “{health['status']}”")


def _user_of(pid: int) -> str:
    return f", user {os.stat(f'/proc/{pid}').st_uid}" if Path("/proc/self").exists() else ""  # noqa: PTH116


def _person(stack: Stack, folder: Path, role: str) -> Person:
    world = stack.world()
    login = world.users[world.cast[role]].login
    home, work = folder / f"home-{login}", folder / f"clone-of-{login}"
    home.mkdir(mode=0o700)
    environment = {
        "HOME": str(home),
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "KEYWAY_API_URL": stack.api_url,
        "KEYWAY_GITHUB_URL": stack.github_url,
        "KEYWAY_TOKEN_STORE": "file",
    }
    for arguments in (
        ["init", "-q", str(work)],
        ["-C", str(work), "remote", "add", "origin", f"{stack.github_url}/{_repository(stack)}.git"],
    ):
        subprocess.run(["git", *arguments], env=environment, check=True, capture_output=True)
    (work / ".gitignore").write_text(".env\n")
    return Person(login, role, home, work, environment)


def _repository(stack: Stack) -> str:
    world = stack.world()
    return world.full_name(world.repos[world.places["private"]])


def _sign_in(stack: Stack, people: list[Person], screen: Screen) -> None:
    """All at once, because each waits for GitHub's polling interval."""
    screen.step("Sign in with GitHub's device flow: three people, each on their own machine")
    waiting = [(person, person.start("login")) for person in people]
    for person, process in waiting:
        screen.command(person, "keyway login")
        line = process.stdout.readline().strip() if process.stdout else ""
        screen.answer(line)
        screen.answer(f"[browser] {_approve(stack, person, line)}")
    for person, process in waiting:
        said = process.communicate(timeout=_COMMAND_SECONDS)[0].strip()
        require(process.returncode == 0, f"keyway login of {person.login} failed:\n{said}")
        require(f"signed in as {person.login}" in said, f"keyway login said:\n{said}")
        who = json.loads(person.run("whoami", "--json"))
        require(who["username"] == person.login, f"the server takes {person.login} for {who['username']}")
        screen.answer(said.splitlines()[-1])
    logins = ", ".join(person.login for person in people)
    screen.proven(f"The server knows {logins}, by GitHub's word and without passwords of its own")


def _approve(stack: Stack, person: Person, line: str) -> str:
    """What a browser does: opens the page, enters the code, and sends the form. The page's heading and text."""
    found = re.fullmatch(r"open (\S+) and enter the code (\S+)", line)
    require(found, f"keyway login said: {line}")
    page, code = found.groups() if found else ("", "")
    form = {"user_code": code, "login": person.login, "passphrase": stack.passphrase, "decision": "authorize"}
    with httpx.Client(trust_env=False) as browser:
        require(browser.get(page).status_code == httpx.codes.OK, f"{page} does not open")
        answer = browser.post(page, data=form)
    text = re.sub(r"<[^>]+>", " ", answer.text.partition("<h1>")[2])
    require(answer.status_code == httpx.codes.OK and person.login in text, f"the page says: {text}")
    return " ".join(text.split())


def _sample_values() -> dict[str, str]:
    """Values of the kinds that break naive tools, new at every run."""
    body = base64.b64encode(secrets.token_bytes(96)).decode()
    pem = "\n".join(["-----BEGIN SAMPLE KEY-----", *re.findall(".{1,64}", body), "-----END SAMPLE KEY-----", ""])
    return {
        "DATABASE_URL": f"postgres://app:{secrets.token_hex(12)}@db.example.test/app?sslmode=verify-full",
        "SIGNING_KEY": pem,
        "FEATURES_JSON": json.dumps({"beta": True, "token": secrets.token_hex(12), "price": "$5 #1"}),
        "MOTTO": f'it\'s "quoted", \\escaped\\ and größer 🔑 {secrets.token_hex(8)}',
        "EMPTY": "",
    }


def _init_and_push(person: Person, repository: str, values: dict[str, str], screen: Screen) -> None:
    screen.step(f"Make a vault for {repository} and push a .env of {len(values)} values")
    screen.command(person, "keyway init")
    said = person.run("init")
    require(repository in said, f"keyway init said:\n{said}")
    screen.answer(said)
    file = person.work / ".env"
    file.write_text(dotenv.render({key: Sensitive(value) for key, value in values.items()}), encoding="utf-8")
    screen.command(person, "keyway push --yes")
    said = person.run("push", "--yes")
    require(f"{len(values)} created" in said, f"keyway push said:\n{said}")
    require(not _leaked(said, values), "keyway push printed a value")
    screen.answer(said)
    screen.proven(f"{person.login} made the vault and pushed {len(values)} values; no value was printed")


def _pull(person: Person, author: Person, values: dict[str, str], screen: Screen) -> None:
    screen.step("Pull them as a teammate")
    screen.command(person, "keyway pull")
    said = person.run("pull")
    require(not _leaked(said, values), "keyway pull printed a value")
    screen.answer(said)
    file = person.work / ".env"
    pulled = {key: value.reveal() for key, value in dotenv.parse(dotenv.decode(file.read_bytes())).items()}
    wrong = [key for key in values if pulled.get(key, "").encode() != values[key].encode()]
    require(
        not wrong and pulled.keys() == values.keys(), f"pulled differently: {wrong or pulled.keys() ^ values.keys()}"
    )
    mode = file.stat().st_mode & 0o777
    require(mode == 0o600, f".env has mode {mode:o}")
    size = sum(len(value.encode()) for value in values.values())
    screen.proven(
        f"{person.login} has what {author.login} pushed, all {size} bytes the same, in a file of mode {mode:o}"
    )


def _run_program(person: Person, values: dict[str, str], screen: Screen) -> None:
    screen.step("Run a program with them, without any file")
    (person.work / ".env").unlink()
    program = _PROGRAM.format(names=" ".join(values))
    screen.command(person, "keyway run -- python -c '…print the digest of every value…'")
    said = person.run("run", "--", sys.executable, "-c", program)
    digests = {key: hashlib.sha256(value.encode()).hexdigest()[:12] for key, value in values.items()}
    require(said == "started with " + " ".join(f"{key}={digest}" for key, digest in digests.items()), said)
    screen.answer(said)
    require(not (person.work / ".env").exists(), "keyway run wrote a file")
    screen.proven("The program got exactly these values in its environment, and nothing was written to disk")


def _refuse(person: Person, screen: Screen) -> None:
    screen.step("Somebody without access to the repository tries")
    for arguments in (["pull"], ["run", "--", "env"]):
        screen.command(person, f"keyway {' '.join(arguments)}")
        screen.answer(person.run(*arguments, code=_NO_ACCESS))
    require(not (person.work / ".env").exists(), "a file was written for a stranger")
    screen.proven(f"{person.login}, signed in like the others, was refused (exit code {_NO_ACCESS}) and got nothing")


def _look_at_database(stack: Stack, values: dict[str, str], screen: Screen) -> None:
    screen.step("Look into the database, as its administrator")
    with psycopg.connect(stack.superuser_database_url) as connection:
        rows = connection.execute("SELECT key, sealed FROM secret_values ORDER BY key").fetchall()
        tables, everything = _everything(connection)
        _require_a_search_that_finds(connection, values)
    require({key for key, _ in rows} == set(values), "the rows are not those that were pushed")
    screen.answer("\n".join(f"{key:<14} {sealed.hex()[:40]}…  ({len(sealed)} bytes)" for key, sealed in rows))
    found = _leaked(everything, values)
    require(not found, f"found in the database: {', '.join(found)}")
    screen.proven(f"{len(rows)} rows of ciphertext; in all {tables} tables no value occurs, plain, in hex or in base64")


def _everything(connection: psycopg.Connection) -> tuple[int, str]:
    """How many tables there are, and every row of them as text."""
    names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return len(names), "\n".join(_text_of(connection, name) for (name,) in names)


def _require_a_search_that_finds(connection: psycopg.Connection, values: dict[str, str]) -> None:
    """The search is worth something only if it finds each value that was put there, in each spelling."""
    for key, value in values.items():
        raw = value.encode()
        for planted in (value, raw, base64.b64encode(raw).decode()):
            connection.execute(sql.SQL("CREATE TABLE public.planted AS SELECT {}").format(sql.Literal(planted)))
            require(_leaked(_everything(connection)[1], {key: value}) or not value, f"a planted {key} is not found")
            connection.rollback()


def _text_of(connection: psycopg.Connection, table: str) -> str:
    statement = sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(table))
    return "\n".join(row[0] for row in connection.execute(statement))


def _leaked(text: str, values: dict[str, str]) -> list[str]:
    """The keys of which an unguessable part occurs in the text: as it is, in hex, or in base64 at any offset."""
    return [key for key, value in values.items() if any(_occurs(part, text) for part in _UNGUESSABLE.findall(value))]


def _occurs(part: str, text: str) -> bool:
    raw = part.encode()
    base64s = (base64.b64encode(raw[shift : shift + (len(raw) - shift) // 3 * 3]).decode() for shift in range(3))
    return any(spelling in text for spelling in (part, raw.hex(), *base64s))


def _stopped(stack: Stack) -> str:
    alive = [process.name for process in stack.wanted if process.running]
    require(not alive, f"still running: {', '.join(alive)}")
    require(not stack.folder.path.parent.exists(), f"{stack.folder.path.parent} is still there")
    return f"All {len(stack.wanted)} processes have ended, and the temporary folders are gone"


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder that the users of our processes can pass through."""
    with tempfile.TemporaryDirectory(prefix="keyway-demo-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder
