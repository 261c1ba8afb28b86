"""How the command starts: at once, loading nothing that it does not need, and saying what it can do."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from keyway_cli import __version__
from keyway_cli.errors import ExitCode
from keyway_cli.registry import VERBS
from peer import listening, pulled
from person import KEYWAY, Person
from situations import TABLE, Row

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def imported(person: Person, *arguments: str) -> set[str]:
    """Every module that a command loads."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "keyway_cli", *arguments],
        cwd=person.clone,
        env=person.variables | {"CI": "true"},  # nobody is waited for
        capture_output=True,
        input=b"a-token\n",
        check=False,
    )
    return set(re.findall(r"\| +([\w.]+)$", done.stderr.decode(), re.MULTILINE))


def test_the_version_is_answered_before_anything_is_loaded(alice: Person) -> None:
    """Not even click."""
    loaded = imported(alice, "--version")
    assert {"click", "json", "http.client", "subprocess"}.isdisjoint(loaded)
    assert "keyway_cli" in loaded


def test_running_a_program_loads_nothing_slow(alice: Person) -> None:
    """Neither rich, keyring, httpx, asyncio nor tempfile on the way to the program."""
    with listening(lambda _: pulled({"A": "1"})) as server:
        loaded = imported(alice.at(server.url), "run", "--", "true")
    assert {"rich", "keyring", "httpx", "asyncio", "tempfile", "webbrowser", "urllib.request"}.isdisjoint(loaded)
    assert {"http.client", "click"} <= loaded


# What takes long to load, and parts of ours that only some commands need: by command those that it may load.
SLOW = {
    *("asyncio", "cryptography", "csv", "httpx", "keyring", "mcp", "pydantic", "rich", "tempfile", "tomllib", "yaml"),
    *("urllib.request", "webbrowser", "http.client", "subprocess", "keyway_cli.cache", "keyway_cli.earlier"),
    *("keyway_cli.formats", "keyway_cli.masking", "keyway_cli.mcp", "keyway_cli.running", "keyway_cli.scanning"),
    *("keyway_core.dotenv",),
}
OF_A_SERVER = {"http.client", "subprocess"}
NEEDED: dict[str, set[str]] = {
    "login": OF_A_SERVER | {"keyway_cli.earlier"},
    "run": OF_A_SERVER | {"keyway_cli.running"},
    "export": OF_A_SERVER | {"csv", "keyway_cli.formats", "keyway_core.dotenv", "keyway_cli.running"},
    "import": OF_A_SERVER | {"csv", "tomllib", "keyway_cli.formats", "keyway_core.dotenv", "keyway_cli.running"},
    "open": {"subprocess"},
    "readme": {"subprocess"},
    **{verb: OF_A_SERVER | {"keyway_core.dotenv"} for verb in ("init", "pull", "push", "set", "diff", "doctor")},
    **{verb: set[str]() for verb in ("completion", "scan", "mcp", "ci")},  # of the last three the help
}


@pytest.mark.parametrize("verb", VERBS)
def test_no_command_loads_what_it_does_not_use(alice: Person, verb: str) -> None:
    """As it does its work, as far as it comes at a server that knows one answer."""
    row = TABLE[verb]["works"]
    row = row if isinstance(row, Row) else TABLE[verb]["not signed in"]
    assert isinstance(row, Row)
    alice.write("A=1\n")
    alice.write('{"A": "1"}', "some.json")
    with listening(lambda _: pulled({"A": "1"})) as server:
        loaded = imported(alice.at(server.url), *(word.format("x") for word in row.typed))
    assert (loaded & SLOW) - NEEDED.get(verb, OF_A_SERVER) == set()


@pytest.mark.parametrize("arguments", [["--version"], ["-V"]])
def test_the_version(alice: Person, arguments: list[str]) -> None:
    """One line, and the same version as the package's."""
    done = alice.keyway(*arguments)
    assert (done.code, done.out, done.err) == (0, f"keyway {__version__}\n", "")


def test_without_a_command_it_helps(alice: Person) -> None:
    """`keyway` alone prints the help and succeeds."""
    assert alice.keyway() == alice.keyway("--help") == alice.keyway("-h")
    assert alice.keyway().code == 0


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["pull", "--bogus"], ["run"], ["set"], ["push", "-f"], ["pull", "extra"]]
)
def test_a_wrong_command_line_is_exit_2(alice: Person, arguments: list[str]) -> None:
    """Usage errors say what is wrong, on stderr."""
    done = alice.keyway(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Error: " in done.err


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_the_page_shows_the_help_as_it_is_printed(alice: Person, verb: str) -> None:
    """docs/cli.md holds every command's help, word for word."""
    printed = alice.keyway(*[verb] * bool(verb), "--help").out
    assert f"```\n$ keyway {verb + ' ' if verb else ''}--help\n{printed}```\n" in PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_its_script_writes() -> None:
    """The help of subcommands too: `python scripts/cli_page.py` would change nothing."""
    script = PAGE.parent.parent / "scripts" / "cli_page.py"
    assert subprocess.run([sys.executable, str(script), "--check"], check=False).returncode == 0


def test_the_page_lists_every_exit_code() -> None:
    """Each code of errors.py has a row."""
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(ExitCode)


def test_the_page_lists_every_variable() -> None:
    """Each variable that the program reads has a row."""
    page = PAGE.read_text(encoding="utf-8")
    sources = Path(sys.modules["keyway_cli"].__file__ or "").parent.rglob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    names = set(re.findall(r'environ(?:\.get)?[(\[]"([A-Z_]+)"', text)) | {"KEYWAY_TOKEN", "HTTPS_PROXY", "NO_PROXY"}
    missing = [name for name in names if f"`{name}`" not in page and not name.startswith("COMP_")]
    assert missing == []
    assert len(names) >= 10


def test_an_error_is_an_object_too(alice: Person) -> None:
    """With --json, words stay on stderr and stdout holds one object that carries the exit code."""
    done = alice.keyway("whoami", "--json")
    assert done.json == {
        "error": {"exitCode": 78, "message": "no Keyway server is named", "hint": done.json["error"]["hint"]}
    }
    assert done.err.startswith("keyway: no Keyway server is named\nhint: set KEYWAY_API_URL=")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("KEYWAY_TOKEN_STORE", "vault", "auto, keyring, file"),
        ("KEYWAY_REPOSITORY", "secret-word", "owner/name"),
        ("KEYWAY_TOKEN", "secret-word\nX: 1", "characters that no token has"),
        ("KEYWAY_TOKEN", "secret-word-é", "characters that no token has"),
    ],
)
def test_a_bad_variable_is_named_and_its_value_is_not(alice: Person, name: str, value: str, words: str) -> None:
    """Exit 78, with the variable's name."""
    done = alice.at("http://127.0.0.1:9").keyway("pull", **{name: value})
    assert done.code == 78
    assert name in done.err
    assert words in done.err
    assert "secret-word" not in done.err


def test_a_reader_that_leaves_is_no_drama(alice: Person) -> None:
    """`keyway --help | true` leaves no traceback."""
    done = subprocess.run(
        ["sh", "-c", f"(sleep 0.3; {KEYWAY} --help) | true"], env=alice.variables, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr


@pytest.mark.parametrize("name", ["", "x" * 51, "a\nb"])
def test_an_environment_without_a_proper_name_is_refused(alice: Person, name: str) -> None:
    """Exit 2, before the server is asked."""
    done = alice.at("http://127.0.0.1:9").keyway("pull", "-e", name)
    assert done.code == 2
    assert "1 to 50 characters" in done.err


def test_it_can_be_imported_where_unix_modules_are_missing() -> None:
    """No module of the command line loads fcntl, pwd, grp, termios or pty by itself: Windows has none of them."""
    code = (
        "import sys\n"
        "for name in ('fcntl', 'pwd', 'grp', 'termios', 'pty', 'resource'): sys.modules[name] = None\n"
        "import pkgutil, importlib, keyway_cli\n"
        "for module in pkgutil.walk_packages(keyway_cli.__path__, 'keyway_cli.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["completion", "bash"], ["whoami", "--json"]])
def test_output_that_cannot_be_written_is_said(alice: Person, arguments: list[str]) -> None:
    """A full disk behind stdout: exit 1 and the system's reason, not a bug of ours."""
    command = f"{KEYWAY} {' '.join(arguments)} >/dev/full"
    done = subprocess.run(["sh", "-c", command], env=alice.variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the output cannot be written: no space left on device" in done.stderr
    assert "bug" not in done.stderr


def test_a_mistyped_command_is_guessed(alice: Person) -> None:
    """The one that looks like it is named; nothing is guessed from nonsense. With --json it is an object too."""
    assert "did you mean pull" in alice.keyway("pul").err
    assert "did you mean" not in alice.keyway("frobnicate").err
    done = alice.keyway("pull", "--bogus", "--json")
    assert (done.code, done.json["error"]["exitCode"]) == (2, 2)
    assert "--bogus" in done.json["error"]["message"]
