"""Looking, comparing, undoing and managing, against the real system: names only, and every refusal by its code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from peer import Answer, Request, listening, problem
from person import NOBODY, Person, Team

CANARY = "canary-7f3a9c21e5"


@pytest.fixture
def filled(vault: Team) -> Team:
    """A vault with three keys in development and two in staging, one of them alike."""
    owner = vault.owner
    owner.write(f"A={CANARY}-a\nB={CANARY}-b\nC=same\n")
    assert owner.keyway("push").code == 0
    owner.write(f"B={CANARY}-other\nC=same\n", ".env.staging")
    assert owner.keyway("push", "-f", ".env.staging").code == 0
    return vault


def silent(*texts: str) -> bool:
    """Whether no value is in any of these."""
    return all(CANARY not in text for text in texts)


# --- one value


def test_get_prints_the_value_and_nothing_else(filled: Team) -> None:
    """Exactly the value and a line end on stdout; --json with its place; the newline of a value stays."""
    owner = filled.owner
    assert owner.keyway("get", "A") == (0, f"{CANARY}-a\n", "")
    shown = owner.keyway("get", "B", "-e", "staging", "--json").json
    assert shown == {
        "key": "B",
        "value": f"{CANARY}-other",
        "repository": filled.repository,
        "environment": "staging",
    }
    assert owner.keyway("set", "PEM", "-", stdin=b"one\ntwo\n\n").code == 0
    assert owner.keyway("get", "PEM").out == "one\ntwo\n\n"


def test_get_of_what_is_not_there_is_exit_4(filled: Team) -> None:
    """An unknown key, and a protected environment for somebody who may not read it: stdout stays empty."""
    reader = filled.person("reader", "read")
    for person, arguments in ((filled.owner, ["NOPE"]), (reader, ["A", "-e", "production"])):
        done = person.keyway("get", *arguments)
        assert (done.code, done.out) == (4, ""), done.err
    assert filled.owner.keyway("get", "no-key").code == 2
    assert reader.keyway("get", "A").out == f"{CANARY}-a\n"


@pytest.mark.parametrize("variable", ["CLAUDECODE", "CURSOR_AGENT", "CODEX_SANDBOX", "OPENCODE", "AGENT"])
def test_no_value_is_printed_for_an_assistant(filled: Team, variable: str) -> None:
    """Without a terminal never, whatever else is said; names are fine."""
    done = filled.owner.keyway("get", "A", "--json", **{variable: "1"})
    assert done.code == 2
    assert silent(done.out, done.err)
    assert variable in done.err
    assert filled.owner.keyway("list", **{variable: "1"}).code == 0
    assert filled.owner.keyway("get", "A", **{variable: "0"}).code == 0


def test_a_person_can_confirm_for_an_assistant(filled: Team) -> None:
    """At a terminal the name of the key has to be typed; anything else is a no."""
    refused = filled.owner.at_terminal("get", "A", CLAUDECODE="1").until("type A").type("y\n").end()
    assert refused.code == 2
    assert silent(refused.out)
    assert f"{CANARY}-a" in filled.owner.at_terminal("get", "A", CLAUDECODE="1").until("type A").type("A\n").end().out


# --- names


def test_list_shows_names_of_what_one_may_read(filled: Team) -> None:
    """All environments, or one; plain columns in a pipe; never a value."""
    done = filled.owner.keyway("list")
    assert [line.split()[:2] for line in done.out.splitlines()] == [
        ["A", "development"],
        ["B", "development"],
        ["B", "staging"],
        ["C", "development"],
        ["C", "staging"],
    ]
    only = filled.owner.keyway("list", "-e", "staging", "--json")
    assert [secret["key"] for secret in only.json["secrets"]] == ["B", "C"]
    assert silent(done.out, done.err, only.out)
    empty = filled.owner.keyway("list", "-e", "production")
    assert (empty.code, empty.out) == (0, "")
    missing = filled.owner.keyway("list", "-e", "nowhere")
    assert missing.code == 4
    assert "development, staging, production" in missing.err
    assert filled.person("stranger", None).keyway("list").code == 4


def test_list_at_a_terminal_is_a_table(filled: Team) -> None:
    """With headings; NO_COLOR leaves them and the colours out."""
    assert "ENVIRONMENT" in filled.owner.at_terminal("list", COLUMNS="100").end().out
    assert "\x1b[" not in filled.owner.at_terminal("list", NO_COLOR="1").end().out


# --- removing and bringing back


def test_unset_moves_to_the_trash_and_restore_brings_back(filled: Team) -> None:
    """All or none: an unknown key beside a known one removes nothing. What was removed comes back as it was."""
    owner = filled.owner
    unknown = owner.keyway("unset", "A", "NOPE", "--yes")
    assert unknown.code == 4
    assert "NOPE" in unknown.err
    assert "A" not in unknown.err.split("not in")[1].split(";", maxsplit=1)[0].split(":")[1]
    assert owner.keyway("unset", "A").code == 2
    removed = owner.keyway("unset", "A", "B", "--yes", "--json")
    assert removed.json["removed"] == ["A", "B"], removed.err
    assert owner.keyway("get", "A").code == 4
    (first, _) = owner.keyway("trash", "list", "--json").json["trash"]
    assert (first["environment"], first["daysRemaining"]) == ("development", 30)
    assert owner.keyway("trash", "restore", "A").code == 0
    assert owner.keyway("get", "A").out == f"{CANARY}-a\n"
    assert owner.keyway("trash", "restore", "A").code == 4
    assert owner.keyway("set", "B", "again").code == 0
    assert owner.keyway("trash", "restore", "B").code == 5


def test_what_is_forgotten_is_gone(filled: Team) -> None:
    """delete and empty ask first; afterwards there is nothing to restore."""
    owner = filled.owner
    assert owner.keyway("unset", "A", "C", "--yes").code == 0
    assert owner.keyway("trash", "delete", "A").code == 2
    assert owner.keyway("trash", "delete", "A", "--yes").code == 0
    assert owner.keyway("trash", "empty").code == 2
    assert owner.keyway("trash", "empty", "--yes", "--json").json["purged"] == 1
    assert owner.keyway("trash", "list").out == ""
    assert filled.person("teammate", "write").keyway("trash", "empty", "--yes").code == 4


def test_a_key_of_two_environments_is_not_guessed(filled: Team) -> None:
    """restore names both environments and wants -e."""
    owner = filled.owner
    for environment in ("development", "staging"):
        assert owner.keyway("unset", "C", "-e", environment, "--yes").code == 0
    ambiguous = owner.keyway("trash", "restore", "C")
    assert ambiguous.code == 2
    assert "development and staging" in ambiguous.err
    assert owner.keyway("trash", "restore", "C", "-e", "staging").code == 0


def test_unset_stops_when_somebody_was_faster(alice: Person) -> None:
    """The server says that the environment moved on: exit 5, with the revision that it is at."""

    def answer(request: Request) -> Answer:
        if request.path.endswith("/revision"):
            return Answer(body={"data": {"revision": {"id": "r-1", "number": 1}}})
        if request.method == "POST":
            assert request.headers["if-match"] == '"r-1"'
            return problem(409, "moved", currentRevision={"id": "r-2", "number": 2})
        return Answer(body={"data": [{"key": "A", "environment": "development"}], "meta": {}})

    with listening(answer) as server:
        done = alice.at(server.url).keyway("unset", "A", "--yes")
    assert done.code == 5
    assert "revision 2" in done.err


# --- comparing


def test_diff_of_two_environments_tells_names(filled: Team) -> None:
    """Exit 1 and the names; the other way round the signs turn; short names are understood; same with itself is 0."""
    owner = filled.owner
    done = owner.keyway("diff", "development", "staging")
    assert (done.code, done.out) == (1, "- A  only in development\n~ B  differs\n")
    turned = owner.keyway("diff", "stg", "dev", "--json")
    assert turned.code == 1
    assert turned.json["onlyInRight"] == ["A"]
    assert turned.json["same"] == ["C"]
    assert owner.keyway("diff", "staging").out == done.out
    assert owner.keyway("diff", "development", "development").code == 0
    assert owner.keyway("diff", "development", "staging", "--keys-only").out == "- A  only in development\n"
    assert silent(done.out, turned.out, done.err)


def test_diff_of_a_file_and_an_environment(filled: Team) -> None:
    """The folder's file, or a named one on either side; exit 0 when alike."""
    owner = filled.owner
    assert owner.keyway("diff").code == 0
    owner.write(f"A={CANARY}-a\nB=changed\nNEW=1\n")
    done = owner.keyway("diff")
    assert (done.code, done.out) == (1, "- NEW  only in .env\n+ C  only in development\n~ B  differs\n")
    assert owner.keyway("diff", "development", ".env").out.startswith("- C  only in development\n")
    assert owner.keyway("diff", ".env.staging").code == 0
    assert silent(done.out, done.err)


def test_diff_in_trouble_is_exit_2(filled: Team, tmp_path: Path) -> None:
    """As with diff(1): an unknown environment, a bad file, two files, three sides, no server, no sign-in, no access."""
    owner = filled.owner
    owner.write("no assignment\n", ".env.bad")
    wrong = (["nowhere", "staging"], [".env.bad"], [".env", ".env.staging"], ["a", "b", "c"], [".env.missing"])
    for arguments in wrong:
        done = owner.keyway("diff", *arguments)
        assert (done.code, done.out) == (2, ""), (arguments, done.err)
    assert owner.keyway("diff", "development", "staging", KEYWAY_API_URL=NOBODY).code == 2
    assert filled.person("stranger", None).keyway("diff", "development", "staging").code == 2
    anybody = Person(tmp_path / "anybody", filled.repository).at(owner.variables["KEYWAY_API_URL"], token=None)
    assert anybody.keyway("diff", "development", "staging", "--json").json["error"]["exitCode"] == 2


def test_a_diff_at_a_terminal_is_coloured(filled: Team) -> None:
    """Red for what only the left has; nothing of it with NO_COLOR."""
    assert "\x1b[31m- A" in filled.owner.at_terminal("diff", "development", "staging").end().out
    assert "\x1b[" not in filled.owner.at_terminal("diff", "development", "staging", NO_COLOR="1").end().out


# --- history


def test_history_and_rollback(filled: Team) -> None:
    """Every change with its author; one of them with its names; back to it; and a message that is kept."""
    owner = filled.owner
    assert owner.keyway("set", "A", "changed", "--yes").code == 0
    assert owner.keyway("unset", "B", "--yes").code == 0
    found = owner.keyway("history", "--json").json["revisions"]
    assert [revision["number"] for revision in found] == [3, 2, 1]
    assert owner.keyway("history", "-n", "2").out.splitlines()[0].split()[0] == "3"
    assert len(owner.keyway("history", "-n", "2").out.splitlines()) == 2
    one = owner.keyway("history", "1")
    assert one.out == "+ A\n+ B\n+ C\n"
    assert owner.keyway("rollback", "1").code == 2
    back = owner.keyway("rollback", "1", "--yes", "-m", "oops", "--json")
    assert (back.json["changed"], back.json["added"]) == (["A"], ["B"]), back.err
    assert owner.keyway("get", "A").out == f"{CANARY}-a\n"
    assert owner.keyway("history", "-n", "1", "--json").json["revisions"][0]["message"] == "oops"
    assert owner.keyway("rollback", "1").code == 0
    assert owner.keyway("rollback", "99").code == 4
    assert owner.keyway("rollback", "../1").code == 2
    assert silent(back.out, back.err, one.out)


def test_a_rollback_is_confirmed_at_a_terminal(filled: Team) -> None:
    """The names are shown; no is no, and yes is done."""
    owner = filled.owner
    assert owner.keyway("set", "A", "changed", "--yes").code == 0
    refused = owner.at_terminal("rollback", "1").until("A  changed").until("[y/N]").type("n\n").end()
    assert (refused.code, owner.keyway("get", "A").out) == (0, "changed\n")
    assert owner.at_terminal("rollback", "1").until("[y/N]").type("y\n").end().code == 0
    assert owner.keyway("get", "A").out == f"{CANARY}-a\n"


# --- environments


def test_environments_are_listed_made_renamed_and_deleted(filled: Team) -> None:
    """By administrators; what they hold comes along with a rename, and goes with a deletion."""
    owner, writer = filled.owner, filled.person("teammate", "write")
    assert [e["name"] for e in writer.keyway("env", "list", "--json").json["environments"]] == [
        "development",
        "staging",
        "production",
    ]
    assert owner.keyway("env", "create", "preview", "--json").json["type"] == "standard"
    assert owner.keyway("env", "create", "preview").code == 5
    assert owner.keyway("env", "create", "Not A Name").code == 2
    assert writer.keyway("env", "create", "mine").code == 4
    assert owner.keyway("env", "rename", "staging", "qa").code == 0
    assert owner.keyway("get", "B", "-e", "qa").out == f"{CANARY}-other\n"
    assert owner.keyway("env", "rename", "gone", "other").code == 4
    asked = owner.keyway("env", "delete", "qa")
    assert asked.code == 2
    assert "its 2 secrets" in asked.err
    assert owner.keyway("env", "delete", "qa", "--yes").code == 0
    assert owner.keyway("get", "B", "-e", "qa").code == 4


# --- keys


def test_an_api_key_is_made_used_and_ended(filled: Team) -> None:
    """Its token alone is on stdout, reads this vault, and stops when it is revoked; the list never shows it."""
    owner = filled.owner
    made = owner.keyway("api-keys", "create", "robot", "--days", "7")
    assert made.code == 0, made.err
    token = made.out.strip()
    assert "\n" not in token
    assert owner.keyway("get", "A", KEYWAY_TOKEN=token).out == f"{CANARY}-a\n"
    assert owner.keyway("set", "A", "x", "--yes", KEYWAY_TOKEN=token).code == 4
    shown = owner.keyway("api-keys", "list")
    assert "robot" in shown.out
    assert token not in shown.out
    assert owner.keyway("api-keys", "revoke", "robot").code == 2
    assert owner.keyway("api-keys", "revoke", "robot", "--yes").code == 0
    assert owner.keyway("get", "A", KEYWAY_TOKEN=token).code == 3
    assert owner.keyway("api-keys", "revoke", "robot", "--yes").code == 4
    assert owner.keyway("api-keys", "create", "other", CLAUDECODE="1").code == 2


# --- dashboard, badge, completion


def test_open_and_the_badge(filled: Team) -> None:
    """The address follows from the server's or from the variable; the badge goes below the title, once."""
    owner = filled.owner
    where = {"KEYWAY_DASHBOARD_URL": "https://app.example.com/"}
    page = f"https://app.example.com/vaults/{filled.repository}"
    assert owner.keyway("open", **where).out == f"{page}\n"
    assert owner.keyway("open").code == 78
    badge = owner.keyway("readme", **where).out.strip()
    assert badge == f"[![Keyway](https://app.example.com/badge.svg?repo={filled.repository})]({page})"
    assert owner.keyway("readme", "--write", **where).code == 1
    owner.write("# Title\n\nText\n", "README.md")
    assert owner.keyway("readme", "--write", **where).code == 0
    assert owner.read("README.md") == f"# Title\n\n{badge}\n\nText\n"
    assert owner.keyway("readme", "--write", "--json", **where).json["written"] is False


# --- doctor


def test_doctor_is_content_with_a_healthy_set_up(filled: Team) -> None:
    """Every check passes and the exit code is 0."""
    done = filled.owner.keyway("doctor", "--json")
    assert done.code == 0, done.out
    assert done.json["ok"] is True
    assert {check["status"] for check in done.json["checks"]} == {"pass"}


def test_doctor_tells_what_is_missing(filled: Team, tmp_path: Path) -> None:
    """A dead server, no sign-in, a file that git tracks: each named, with what to do, and exit 1."""
    owner = filled.owner
    dead = owner.keyway("doctor", KEYWAY_API_URL=NOBODY)
    assert dead.code == 1
    assert re.search(r"^NO  server +cannot reach", dead.out, re.MULTILINE)
    assert re.search(r"^--  vault +needs: repository", dead.out, re.MULTILINE)
    anybody = Person(tmp_path / "anybody", filled.repository).at(owner.variables["KEYWAY_API_URL"], token=None)
    assert "keyway login" in anybody.keyway("doctor").out
    owner.git("add", "-f", ".env")
    tracked = owner.keyway("doctor", "--json")
    assert tracked.code == 1
    (check,) = (check for check in tracked.json["checks"] if check["status"] == "fail")
    assert check["name"] == ".env files"


def test_doctor_can_be_strict(filled: Team) -> None:
    """A warning is no failure, unless --strict."""
    assert filled.owner.keyway("doctor", "-e", "nowhere").code == 0
    assert filled.owner.keyway("doctor", "-e", "nowhere", "--strict").code == 1


# --- alone at a terminal


def test_the_menu_says_where_one_stands_and_runs_what_is_picked(filled: Team) -> None:
    """At a terminal a menu; the third entry lists the names; Ctrl-C is exit 130."""
    menu = filled.owner.at_terminal()
    done = menu.until("5 secrets in its vault").until("what next").type("3\n").end()
    assert done.code == 0
    assert "staging" in done.out
    assert filled.owner.at_terminal().until("what next").interrupt().end().code == 130
    left = filled.owner.at_terminal().until("what next").type("z\n").until("or q to leave").type("q\n").end()
    assert (left.code, "staging" in left.out) == (0, False)
    assert "Usage: keyway" in filled.owner.at_terminal(CI="1").end().out


def test_the_menu_offers_to_sign_in(alice: Person) -> None:
    """Without a login that is what is offered first."""
    menu = alice.at(NOBODY, token=None).at_terminal()
    assert "1) sign in" in menu.until("what next").type("4\n").end().out


# --- the same refusals everywhere

READING = (
    ["get", "A"],
    ["list"],
    ["history"],
    ["env", "list"],
    ["trash", "list"],
    ["api-keys", "list"],
    ["connections"],
)
CHANGING = (
    ["unset", "A", "--yes"],
    ["rollback", "1", "--yes"],
    ["env", "create", "extra"],
    ["trash", "restore", "A"],
    ["api-keys", "create", "k"],
    ["sync", "vercel", "--yes"],
)


@pytest.mark.parametrize("arguments", [*READING, *CHANGING], ids=" ".join)
def test_a_dead_server_is_exit_75_and_no_sign_in_exit_3(alice: Person, arguments: list[str]) -> None:
    """Every command says which, also as an object, and prints no traceback."""
    dead = alice.at(NOBODY).keyway(*arguments, "--json")
    assert (dead.code, dead.json["error"]["exitCode"]) == (75, 75)
    nobody = alice.at(NOBODY, token=None).keyway(*arguments)
    assert (nobody.code, nobody.out) == (3, "")
    assert "hint: keyway login" in nobody.err


OF_A_VAULT = [a for a in [*READING, *CHANGING] if a[0] in {"get", "list", "history", "env", "trash", "unset"}]


@pytest.mark.parametrize("arguments", OF_A_VAULT, ids=" ".join)
def test_without_a_vault_it_is_exit_4(team: Team, arguments: list[str]) -> None:
    """The repository is there, its vault is not."""
    done = team.owner.keyway(*arguments)
    assert (done.code, done.out) == (4, ""), done.err


# --- providers


def _connected(calls: list[tuple[str, object]]) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        calls.append((f"{request.method} {request.path.split('?')[0]}", request.json if request.body else None))
        match request.path.split("?")[0]:
            case "/v1/integrations":
                names = [("vercel", False), ("railway", True)]
                data = {"providers": [{"name": n, "displayName": n, "configured": c} for n, c in names]}
            case "/v1/integrations/connections":
                data = {"connections": [{"id": "c-1", "provider": "railway", "providerUserId": "u-1"}]}
            case "/v1/integrations/railway/connect":
                data = {"success": True, "provider": "railway", "user": {"id": "u-1", "username": "ann"}}
            case "/v1/integrations/providers/railway/all-projects":
                project = {"id": "p-1", "name": "site", "serviceId": "s-1", "connectionId": "c-1"}
                data = {"projects": [project], "connections": []}
            case "/v1/integrations/vaults/acme/app/sync/preview":
                data = {"toCreate": ["NEW"], "toUpdate": ["OLD"], "toDelete": [], "toSkip": ["SAME"]}
            case "/v1/integrations/vaults/acme/app/sync":
                stats = {"created": 1, "updated": 1, "deleted": 0, "skipped": 1, "total": 3}
                data = {"success": True, "stats": stats}
            case _:
                data = {}
        return Answer(body={"data": data, "meta": {}})

    return answer


def test_a_provider_is_connected_listed_and_forgotten(alice: Person) -> None:
    """The token comes from stdin and is shown nowhere; a provider that the server is not set up for is exit 78."""
    calls: list[tuple[str, object]] = []
    with listening(_connected(calls)) as server:
        alice.at(server.url)
        made = alice.keyway("connect", "railway", stdin=b"rail-token")
        assert (made.code, made.out) == (0, "connected railway as ann\n"), made.err
        assert ("POST /v1/integrations/railway/connect", {"token": "rail-token"}) in calls
        assert alice.keyway("connect", "vercel").code == 78
        assert alice.keyway("connect", "heroku").code == 2
        assert "railway" in alice.keyway("connections").out
        assert alice.keyway("disconnect", "railway").code == 2
        assert alice.keyway("disconnect", "railway", "--yes").code == 0
        assert ("DELETE /v1/integrations/connections/c-1", None) in calls
        assert alice.keyway("disconnect", "netlify", "--yes").code == 4


def test_a_sync_shows_names_asks_links_and_copies(alice: Person) -> None:
    """Without --yes nothing is sent; with it the link and then the copy; a pull never deletes."""
    calls: list[tuple[str, object]] = []
    with listening(_connected(calls)) as server:
        alice.at(server.url)
        asked = alice.keyway("sync", "railway", "-e", "production")
        assert asked.code == 2
        assert "+ NEW  added" in asked.err
        assert not [name for name, _ in calls if name.startswith("POST")]
        done = alice.keyway("sync", "railway", "-e", "production", "--yes", "--json")
        assert done.json["synced"] is True, done.err
        sent = {name: body for name, body in calls if name.startswith("POST")}
        body = sent["POST /v1/integrations/vaults/acme/app/sync"]
        assert isinstance(body, dict)
        assert (body["serviceId"], body["keywayEnvironment"], body["direction"]) == ("s-1", "production", "push")
        assert list(sent) == [
            "POST /v1/integrations/vaults/acme/app/sync/link",
            "POST /v1/integrations/vaults/acme/app/sync",
        ]
        assert alice.keyway("sync", "railway", "--pull", "--allow-delete").code == 2
        assert alice.keyway("sync", "railway", "--project", "other").code == 4
