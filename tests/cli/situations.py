"""Every command in every situation: what is typed there, and how it must end. `test_cli_every_command.py` goes through.

A row may be a sentence instead: why the situation cannot be for that command. `{}` is pipe or term, so that a command
can be tried both ways on one vault.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

SITUATIONS: Final = (
    "works",
    "not signed in",
    "no vault",
    "no permission",
    "conflict",
    "offline",
    "dead server",
    "bad file",
    "unknown key",
    "full disk",
    "interrupted",
)
LOCAL: Final = "asks no server"
ALONE: Final = "changes nothing that others change"
NAMELESS: Final = "is given no name of something in a vault"
QUICK: Final = "asks no server, and is over before anybody could press a key"


class Row(NamedTuple):
    """One command line: its exit code, and what it says on either stream."""

    typed: tuple[str, ...]
    code: int
    says: str = ""
    who: str = ""
    stdin: bytes = b""
    answer: str = ""  # to the question that is asked at a terminal alone
    meanwhile: tuple[str, ...] = ()  # what a colleague does while the command waits for an answer at a terminal


Rows = dict[str, Row | str]


def typed(line: str, code: int, says: str = "", **more: Any) -> Row:
    """A row from a command line without quotes."""
    return Row(tuple(line.split()), code, says, **more)


def of_server(line: str, says: str, conflict: Row | str = ALONE, unknown: Row | str = NAMELESS, **other: Any) -> Rows:
    """The rows of a command that asks the server about a vault; `other` replaces some of them."""
    words = tuple(line.split())
    rows: Rows = {
        "works": Row(words, 0, says),
        "not signed in": Row(words, 3, "keyway login"),
        "no vault": Row(words, 4, "keyway init"),
        "no permission": Row(words, 4),
        "conflict": conflict,
        "offline": Row(words, 75, "cannot reach"),
        "dead server": Row(words, 75, "cannot reach"),
        "bad file": Row(words, 78, "keyway.toml"),
        "unknown key": unknown,
        "full disk": Row(words, 1, "no space left on device"),
        "interrupted": Row(words, 130, "interrupted"),
    }
    return rows | other


def of_account(line: str, says: str, **other: Any) -> Rows:
    """The same for a command about one's own account: it asks for no vault."""
    apart: Rows = {"no vault": "is about an account, not a vault", "no permission": "is about one's own account"}
    return of_server(line, says, **(apart | other))


def of_machine(line: str, says: str, **other: Any) -> Rows:
    """The same for a command that asks no server."""
    words = tuple(line.split())
    apart: Rows = dict.fromkeys(("not signed in", "no vault", "no permission", "offline", "dead server"), LOCAL)
    apart |= {"works": Row(words, 0, says), "conflict": ALONE, "unknown key": NAMELESS, "interrupted": QUICK}
    return apart | {"bad file": "reads no file", "full disk": Row(words, 1, "no space left on device")} | other


ACCOUNT: Final = b"provider-access-token\n"  # what the stand-in for Railway takes
FULL: Final = {"who": "full"}
_CHANGED: Final = ("set", "A={unique}", "--yes")
_IMPORTED: Final = ("set", "IMPORTED={unique}", "--yes")
_THERE: Final = ("set", "ONLY_THERE={unique}", "--yes", "-e", "staging")

TABLE: Final[dict[str, Rows]] = {
    "login": of_account(
        "login --token",
        "signed in as",
    )
    | {
        "works": typed("login --token", 0, "signed in as", who="newcomer", stdin=b"TOKEN\n"),
        "not signed in": typed("login --token", 3, "does not accept", who="newcomer", stdin=b"nonsense\n"),
        "offline": typed("login --token", 75, "cannot reach", stdin=b"TOKEN\n"),
        "dead server": typed("login --token", 75, "cannot reach", stdin=b"TOKEN\n"),
        "bad file": typed("login --token", 78, "damaged", who="damaged"),
        "full disk": typed("login --token", 1, "no space left on device", stdin=b"TOKEN\n", **FULL),
        "interrupted": typed("login --token", 130, "interrupted", stdin=b"TOKEN\n"),
    },
    "logout": of_account("logout", "signed out")
    | {
        "works": typed("logout", 0, "signed out", who="leaver"),
        "offline": typed("logout", 75, "cannot reach", who="absent"),
        "dead server": typed("logout", 75, "cannot reach", who="absent"),
        "not signed in": typed("logout", 0, "nobody is signed in"),
        "bad file": typed("logout", 78, "damaged", who="damaged"),
        "full disk": "needs no room: it only removes",
        "interrupted": typed("logout", 130, "interrupted", who="absent"),
    },
    "whoami": of_account("whoami", "by KEYWAY_TOKEN"),
    "init": of_server(
        "init --yes",
        "exists already",
        **{
            "no vault": "makes the vault",
            "no permission": typed("init --yes", 4, "admin", who="writer of bare"),
            "conflict": "a vault that somebody else has just made is the vault",
        },
    ),
    "run": of_server(
        "run -- echo started",
        "started",
        unknown=typed("run --only NOPE -- echo started", 2, "NOPE"),
        **{"full disk": typed("run --env-file .env.run -- echo started", 1, "no space left on device", **FULL)},
    ),
    "pull": of_server(
        "pull --yes",
        "development",
        **{
            "bad file": typed("pull -f .env.bad --yes", 1, ".env.bad:1", who="bad file"),
            "full disk": typed("pull --yes", 1, "no space left on device", **FULL),
        },
    ),
    "push": of_server(
        "push --yes",
        "development of",
        conflict=typed("push", 5, "somebody else changed A too", who="changer", meanwhile=_CHANGED),
        **{
            "no permission": typed("push --yes", 4, who="reader"),
            "bad file": typed("push -f .env.bad --yes", 1, ".env.bad:1", who="bad file"),
        },
    ),
    "set": of_server(
        "set SET_{}=1 --yes",
        "SET_",
        conflict=typed("set A mine", 5, "", meanwhile=_CHANGED),
        unknown=typed("set 1NOPE=x", 2, "no name for a key"),
        **{
            "no permission": typed("set B=2", 4, who="reader"),
            "bad file": typed("set -l NEW_{}=1 --yes", 1, ".env:1", who="bad file"),
            "full disk": typed("set -l FULL_{}=1 --yes", 1, "no space left on device", **FULL),
        },
    ),
    "get": of_server("get KEPT", "canary-kept", unknown=typed("get NOPE", 4, "NOPE")),
    "list": of_server("list", "KEPT", unknown=typed("list -e nowhere", 4, "nowhere")),
    "unset": of_server(
        "unset UNSET_{} --yes",
        "removed UNSET_",
        conflict=typed("unset A", 5, "moved to revision", meanwhile=_CHANGED),
        unknown=typed("unset NOPE --yes", 4, "NOPE"),
        **{
            "no permission": typed("unset KEPT --yes", 4, who="reader"),
            "full disk": typed("unset GONE --yes", 1, "no space left on device", who="remover"),
        },
    ),
    "export": of_server(
        "export --yes",
        "canary-kept",
        unknown=typed("export --only NOPE", 2, "NOPE"),
        **{"full disk": typed("export -o out.env", 1, "no space left on device", **FULL)},
    ),
    "import": of_server(
        "import some.json",
        "IMPORTED",
        works=typed("import some.json", 0, "IMPORTED", answer="n\n"),
        conflict=typed("import some.json --apply", 5, "", who="importer", meanwhile=_IMPORTED),
        unknown=typed("import some.json --only NOPE", 2, "NOPE"),
        **{
            "no permission": typed("import some.json --apply --yes", 4, who="reader"),
            "bad file": typed("import bad.json", 1, "bad.json", who="bad file"),
        },
    ),
    "diff": of_server(
        "diff development development",
        "hold the same",
        unknown=typed("diff development nowhere", 2, "nowhere"),
        **{
            "not signed in": typed("diff", 2, "keyway login"),
            "no vault": typed("diff", 2),
            "no permission": typed("diff", 2),
            "offline": typed("diff", 2, "cannot reach"),
            "dead server": typed("diff", 2, "cannot reach"),
            "full disk": typed("diff development staging", 1, "no space left on device"),
            "bad file": typed("diff .env.bad", 2, ".env.bad:1", who="bad file"),
        },
    ),
    "history": of_server("history", "1", unknown=typed("history 999999", 4, "999999")),
    "rollback": of_server(
        "rollback 1 --yes -e staging",
        "revision 1",
        conflict=typed("rollback 1", 5, "", meanwhile=_CHANGED),
        unknown=typed("rollback 999999 --yes", 4, "999999"),
        **{"no permission": typed("rollback 1 --yes", 4, who="reader")},
    ),
    "trash": of_server(
        "trash restore LOST_{}",
        "restored LOST_",
        conflict=typed("trash restore TAKEN", 5, "TAKEN"),
        unknown=typed("trash restore NOPE", 4, "NOPE"),
        **{
            "no permission": typed("trash restore LOST_not", 4, who="reader"),
            "full disk": typed("trash list", 1, "no space left on device"),
        },
    ),
    "scan": of_machine("scan --help", "Usage")
    | {"bad file": "its own tests go through files", "full disk": typed("scan --help", 1, "no space left on device")},
    "env": of_server(
        "env create made-{}",
        "made-",
        conflict=typed("env create staging", 5, "staging"),
        unknown=typed("env rename nowhere elsewhere", 4, "nowhere"),
        **{
            "no permission": typed("env create other", 4, who="writer"),
            "full disk": typed("env list", 1, "no space left on device"),
        },
    ),
    "api-keys": of_account("api-keys list --json", "keys", unknown=typed("api-keys revoke NOPE --yes", 4, "NOPE")),
    "connect": of_account("connect railway", "", unknown=typed("connect heroku", 2, "heroku"))
    | {
        "works": typed("connect railway", 0, "connected railway as Ada", stdin=ACCOUNT),
        "not signed in": typed("connect railway", 3, "keyway login"),
        "offline": typed("connect railway", 75, "cannot reach"),
        "dead server": typed("connect railway", 75, "cannot reach"),
        "full disk": typed("connect railway", 1, "no space left on device", stdin=ACCOUNT),
        "interrupted": typed("connect railway", 130, "interrupted"),
    },
    "connections": of_account("connections --json", "connections"),
    "disconnect": of_account("disconnect netlify --yes", "", unknown=typed("disconnect netlify --yes", 4, "netlify"))
    | {
        "works": typed("disconnect railway --yes", 0, "disconnected railway", who="connected"),
        "full disk": typed("disconnect railway --yes", 1, "no space left on device", who="connected"),
    },
    "sync": of_server(
        "sync railway --yes -e staging --provider-env production",
        "",
        conflict=typed(
            "sync railway --pull -e staging --provider-env production",
            0,
            "nothing was left to do",
            who="puller",
            meanwhile=_THERE,
        ),
        unknown=typed("sync heroku", 4, "keyway connections"),
        works=typed("sync railway --yes -e staging --provider-env production", 0, "synced production", who="syncer"),
    ),
    "open": of_machine("open -r acme/app", "https://app.example.com/vaults/acme/app")
    | {"bad file": typed("open -r acme/app", 78, "keyway.toml")},
    "readme": of_machine("readme -r acme/app", "badge.svg")
    | {
        "bad file": typed("readme --write -r acme/app", 1, "README.md", who="bad file"),
        "full disk": typed("readme --write -r acme/app", 1, "no space left on device", **FULL),
    },
    "doctor": of_server(
        "doctor",
        "ok  vault",
        **{
            "not signed in": typed("doctor", 1, "keyway login"),
            "no vault": typed("doctor", 1, "NO  vault"),
            "no permission": typed("doctor", 1, "NO  vault"),
            "offline": typed("doctor", 1, "cannot reach"),
            "dead server": typed("doctor", 1, "cannot reach"),
        },
    ),
    "completion": of_machine("completion zsh", "_KEYWAY_COMPLETE")
    | {"unknown key": typed("completion tcsh", 2, "tcsh")},
    "mcp": of_machine("mcp --help", "Usage"),
    "ci": of_machine("ci --help", "Usage"),
}
