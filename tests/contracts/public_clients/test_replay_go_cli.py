"""The public command line, command by command, against a server with production defaults (contract.md 11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import LiteralString

import pytest
from keyway_backend.access.actor import Scope
from keyway_standalone.processes import Stack

from tests.contracts.public_clients.env_text import merged, parsed
from tests.contracts.public_clients.go_cli import CommandError, GoCli
from tests.contracts.public_clients.sender import Sender
from tests.oracle import keys, stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import bearer

# What a file of somebody's may hold; the text form of each comes back exactly from the client's parser.
AWKWARD = {
    "JSON": '{"a": "b", "c": [1, 2]}',
    "QUOTED": "'kept'",
    "HTML": '<a href="x?a=1&b=2">it\'s</a>',
    "BLANKS": "  two  ",
    "DOLLAR": "$HOME `x` \\n \\",
    "EMPTY": "",
    "UNICODE": "ключ 🔑 \u2028",
    "lower_case": "1",
    "URL": "postgres://u:p%40w@h:5432/db?sslmode=require#x",
}
PEM = "-----BEGIN KEY-----\nMIIB=\n-----END KEY-----\n"


@pytest.fixture
def home(stack: Stack) -> Home:
    """A vault that holds nothing yet, and its administrator."""
    return stage.home(stack, "gocli", keep=False)


@pytest.fixture
def cli(home: Home) -> GoCli:
    """The administrator's command line."""
    return GoCli(home.base, home.token)


def due(stack: Stack, cli: GoCli) -> None:
    """An interval passes, here and on GitHub's side."""
    stack.control.do("rest-device", user_code=cli.started["userCode"])
    age(stack, cli, "next_poll_at")


def age(stack: Stack, cli: GoCli, column: LiteralString) -> None:
    """A moment of this sign-in is over."""
    statement: LiteralString = (
        f"UPDATE device_logins SET {column} = now() - interval '1 s' WHERE code_hash = sha256(%s) RETURNING 1"
    )
    assert keys.sql(stack, statement, cli.started["deviceCode"].encode()) == [(1,)]


class TestSignIn:
    def test_login(self, stack: Stack) -> None:
        """Ids without a token are 401, which it tolerates; it polls while the person types, and keeps its token."""
        login = GitHub(stack).user("person")
        cli = GoCli(stack.api_url)

        def wait(number: int) -> None:
            if number == 2:
                stack.control.approve_device(cli.started["userCode"], login)
                due(stack, cli)

        assert cli.login(f"{login}/app", (11, 22), wait) == login
        assert cli.started["interval"] >= 5
        assert cli.started["expiresIn"] <= 900
        assert (
            cli.sender.since(0)
            == ["GET /v1/github/repo-ids", "POST /v1/auth/device/start"] + ["POST /v1/auth/device/poll"] * 3
        )
        assert cli.doctor() == {"username": login, "status": 200}

    @pytest.mark.parametrize("end", ["denied", "expired"])
    def test_a_login_that_ends_badly_ends_at_once(self, stack: Stack, end: str) -> None:
        """With status 200, because it would go on polling at any other; no session."""
        cli = GoCli(stack.api_url)

        def wait(number: int) -> None:
            if number != 1:
                return
            if end == "denied":
                stack.control.deny_device(cli.started["userCode"])
                due(stack, cli)
            else:
                age(stack, cli, "expires_at")

        with pytest.raises(CommandError) as failed:
            cli.login("a/b", None, wait)
        assert (failed.value.status, failed.value.title) == (
            200,
            {"denied": "authorization_denied", "expired": "device_code_expired"}[end],
        )
        assert cli.token == ""

    def test_login_while_github_is_silent(self, stack: Stack) -> None:
        """It does not look at a 503 and polls again; the approval is not lost."""
        login, cli = GitHub(stack).user("person"), GoCli(stack.api_url)

        def wait(number: int) -> None:
            if number == 0:
                stack.control.approve_device(cli.started["userCode"], login)
                stack.control.fault("status", "*/login/oauth/access_token", status=502)
            else:
                stack.control.clear_faults()
                due(stack, cli)

        assert cli.login("a/b", None, wait) == login

    def test_login_with_a_token_of_github(self, open_stack: Stack) -> None:
        """`login --token`, where the server allows it."""
        login = GitHub(open_stack).user("person")
        token = GitHub(open_stack).do("mint-token", login=login, kind="github_pat")["token"]
        assert GoCli(open_stack.api_url).login_with_token(token) == login

    def test_login_with_a_token_where_that_is_off(self, stack: Stack) -> None:
        """401, and it keeps nothing."""
        token = GitHub(stack).do("mint-token", login=GitHub(stack).user("person"), kind="github_pat")["token"]
        cli = GoCli(stack.api_url)
        with pytest.raises(CommandError) as failed:
            cli.login_with_token(token)
        assert (failed.value.status, cli.token) == (401, "")

    def test_the_page_for_the_code(self, stack: Stack) -> None:
        """Whoever opens the page that older versions named, or sends its form, lands on GitHub's."""
        browser = Sender(stack.api_url)
        host, typed = ("Host", browser.host), ("Content-Type", "application/x-www-form-urlencoded")
        opened = browser.send("GET", "/v1/auth/device/verify?user_code=AAAAA-BBBBB", [host])
        form = b"user_code=AAAAA-BBBBB"
        sent = browser.send("POST", "/v1/auth/device/verify", [host, typed, ("Content-Length", str(len(form)))], form)
        for answer in (opened, sent):
            assert (answer.status, answer.header("location")) == (302, f"{stack.github_url}/login/device")

    def test_health_by_head_and_by_get(self, stack: Stack) -> None:
        """`doctor` sends HEAD; the GET says more."""
        cli = GoCli(stack.api_url)
        assert cli.raw("HEAD", "/v1/health").body == b""
        told = cli.raw("GET", "/v1/health").json()
        assert (told["version"], told["status"]) == ("v1", "ok")


class TestInit:
    def test_a_new_vault(self, stack: Stack) -> None:
        """404 means make one; then the push finds it empty, which is 404 as well."""
        github = GitHub(stack)
        login = github.user("owner")
        github.repo(f"{login}/fresh.app", {})
        github.do("install", login=login)
        cli = GoCli(stack.api_url, stage.sign_in(stack, login))
        assert cli.init(login, "fresh.app") == "created"
        assert cli.picked(f"{login}/fresh.app") == ["development", "staging", "production"]
        mark = len(cli.sender.asked)
        pushed = cli.push(f"{login}/fresh.app", "development", {"A": "1"})
        assert pushed == {"created": 1, "updated": 0, "deleted": 0} | pushed
        assert cli.sender.since(mark) == ["GET /v1/secrets/pull", "POST /v1/secrets/push"]
        assert cli.init(login, "fresh.app") == "initialized"

    def test_a_vault_without_secrets_goes_on_to_the_push(self, home: Home, cli: GoCli) -> None:
        """`secretCount` 0."""
        assert cli.init(*home.full_name.split("/")) == "ready"

    def test_without_the_app(self, stack: Stack) -> None:
        """`installed` is false, the address leads to the App; a vault is refused with words that name it."""
        github = GitHub(stack)
        login = github.user("owner")
        github.repo(f"{login}/bare", {})
        cli = GoCli(stack.api_url, stage.sign_in(stack, login))
        told = cli.check_installation(login, "bare")
        assert (told["installed"], "/apps/" in told["installUrl"]) == (False, True)
        with pytest.raises(CommandError) as refused:
            cli.ask("POST", "/v1/vaults", {"repoFullName": f"{login}/bare"})
        assert refused.value.status == 403
        assert refused.value.detail.startswith(f"GitHub App not installed for {login}/bare")
        assert cli.token != ""

    def test_a_vault_that_is_there_is_a_conflict(self, home: Home, cli: GoCli) -> None:
        """409, which it takes for success."""
        with pytest.raises(CommandError) as refused:
            cli.ask("POST", "/v1/vaults", {"repoFullName": home.full_name})
        assert (refused.value.status, "already exists" in refused.value.detail) == (409, True)

    def test_a_stranger_is_told_nothing(self, home: Home, stack: Stack) -> None:
        """404 at the look-up, so that it tries to create; 403 there, and the login stays."""
        cli = GoCli(home.base, stage.stranger(stack))
        with pytest.raises(CommandError) as missing:
            cli.vault(*home.full_name.split("/"))
        assert missing.value.status == 404
        with pytest.raises(CommandError) as refused:
            cli.ask("POST", "/v1/vaults", {"repoFullName": home.full_name})
        assert (refused.value.status, cli.token != "") == (403, True)


class TestPushAndPull:
    def test_awkward_values_come_back_and_stay_whole(self, home: Home, cli: GoCli) -> None:
        """Pushed, pulled, and pushed as they were pulled: not one value changes, three times over."""
        cli.push(home.full_name, "development", AWKWARD)
        for _ in range(3):
            text = cli.pulled(home.full_name, "development")
            assert parsed(text) == AWKWARD
            told = cli.push(home.full_name, "development", parsed(text))
            assert (told["created"], told["updated"], told["deleted"]) == (0, 0, 0)
        assert home.values("development") == AWKWARD

    def test_a_key_of_several_lines_survives_what_the_client_makes_of_it(self, home: Home, cli: GoCli) -> None:
        """It reads one line; when it sends that line back, the stored key stays as it was, also under `set`."""
        assert home.push({"PEM": PEM, "OTHER": "1"}, "development").status == 200
        assert parsed(cli.pulled(home.full_name, "development")).keys() == {"PEM", "OTHER"}
        cli.push(home.full_name, "development", {"NEW": "2"})
        cli.set(home.full_name, "development", "OTHER", "3")
        assert home.values("development") == {"PEM": PEM, "OTHER": "3", "NEW": "2"}

    def test_push_merges_and_prune_replaces(self, home: Home, cli: GoCli) -> None:
        """Without the flag what only the vault has stays; with it, it goes."""
        cli.push(home.full_name, "development", {"A": "1", "B": "2"})
        assert cli.push(home.full_name, "development", {"C": "3"})["deleted"] == 0
        assert home.values("development") == {"A": "1", "B": "2", "C": "3"}
        told = cli.push(home.full_name, "development", {"C": "4"}, prune=True)
        assert (told["updated"], told["deleted"]) == (1, 2)
        assert home.values("development") == {"C": "4"}

    def test_set_keeps_the_rest(self, home: Home, cli: GoCli) -> None:
        """It sends the whole environment; only the one key changes."""
        cli.push(home.full_name, "development", {"A": "1", "B": "2"})
        told = cli.set(home.full_name, "development", "A", "9")
        assert (told["created"], told["updated"], told["deleted"]) == (0, 1, 0)
        assert home.values("development") == {"A": "9", "B": "2"}

    def test_two_people_set_at_once(self, home: Home, cli: GoCli) -> None:
        """Each sends everything it saw; neither takes the other's change back, and no key of the other's goes."""
        cli.push(home.full_name, "development", {"A": "1", "B": "2"})
        other = GoCli(home.base, home.with_role("write"))
        mine, theirs = (one.held(home.full_name, "development") for one in (cli, other))
        cli.pushed(home.full_name, "development", mine | {"A": "mine", "MINE": "1"})
        other.pushed(home.full_name, "development", theirs | {"B": "theirs"})
        assert home.values("development") == {"A": "mine", "B": "theirs", "MINE": "1"}

    def test_a_thousand_keys(self, home: Home, cli: GoCli) -> None:
        """The limit is really reachable, both ways."""
        many = {f"KEY_{number}": f"value {number} " + "x" * 1_000 for number in range(1_000)}
        assert cli.pushed(home.full_name, "development", many)["created"] == 1_000
        assert parsed(cli.pulled(home.full_name, "development")) == many

    def test_pull_and_run(self, home: Home, cli: GoCli) -> None:
        """The picker, then the text; what only the file had is appended. `run` asks the same."""
        cli.push(home.full_name, "staging", {"A": "1 2"}, pick=True)
        mark = len(cli.sender.asked)
        assert "staging" in cli.picked(home.full_name)
        text = cli.pulled(home.full_name, "staging")
        assert cli.sender.since(mark) == [f"GET /v1/vaults/{home.full_name}", "GET /v1/secrets/pull"]
        assert parsed(merged(text, {"A": "old", "LOCAL": "x"})) == {"A": "1 2", "LOCAL": "x"}

    def test_the_query_as_it_is_and_escaped(self, home: Home, cli: GoCli) -> None:
        """A slash in `repo` may be written either way."""
        cli.push(home.full_name, "development", {"A": "1"})
        for name in (home.full_name, home.full_name.replace("/", "%2F"), home.full_name.replace("/", "%2f")):
            told = cli.data("GET", f"/v1/secrets/pull?repo={name}&environment=development")
            assert told["content"] == "A=1"

    def test_diff(self, home: Home, cli: GoCli) -> None:
        """Two pulls; an empty environment is 404 and counts as empty; with two it is an error."""
        cli.push(home.full_name, "development", {"A": "1", "B": "2"})
        cli.push(home.full_name, "staging", {"B": "3", "C": "4"})
        told = cli.diff(home.full_name, "development", "staging")
        assert told == {"only_left": ["A"], "only_right": ["C"], "different": ["B"]}
        assert cli.diff(home.full_name, "development", "production")["only_left"] == ["A", "B"]
        with pytest.raises(CommandError) as both:
            cli.diff(home.full_name, "production", "production")
        assert both.value.status == 404


class TestRefusals:
    """What the commands tell apart: 401 forgets the login, 403 and 404 do not."""

    def test_an_empty_environment_is_404_and_a_missing_one_too(self, home: Home, cli: GoCli) -> None:
        """In words that name it."""
        for environment in ("development", "nowhere"):
            with pytest.raises(CommandError) as empty:
                cli.pulled(home.full_name, environment)
            assert (empty.value.status, empty.value.detail) == (404, f"No secrets found for environment: {environment}")

    @pytest.mark.parametrize("command", ["pull", "push"])
    def test_a_missing_vault_is_403(self, home: Home, cli: GoCli, command: str) -> None:
        """And nothing else, because 404 would look like an empty environment, which a push fills."""
        gone = f"{home.full_name}-gone"
        with pytest.raises(CommandError) as missing:
            cli.pulled(gone, "development") if command == "pull" else cli.pushed(gone, "development", {"A": "1"})
        assert (missing.value.status, cli.token != "") == (403, True)

    def test_an_environment_that_is_not_there_lists_those_that_are(self, home: Home, cli: GoCli) -> None:
        """400."""
        with pytest.raises(CommandError) as missing:
            cli.pushed(home.full_name, "nowhere", {"A": "1"})
        assert missing.value.status == 400
        assert all(name in missing.value.detail for name in ("development", "staging", "production"))

    def test_without_the_right(self, home: Home) -> None:
        """A reader in production: 403 that names the role and the environment."""
        cli = GoCli(home.base, home.with_role("read"))
        for command in (
            lambda: cli.pulled(home.full_name, "production"),
            lambda: cli.pushed(home.full_name, "production", {"A": "1"}),
            lambda: cli.pushed(home.full_name, "development", {"A": "1"}),
        ):
            with pytest.raises(CommandError) as refused:
                command()
            assert (refused.value.status, "read" in refused.value.detail) == (403, True)
        assert cli.token != ""

    def test_a_session_that_ended_is_forgotten(self, home: Home) -> None:
        """401 on every command, and nothing but a credential that is none makes one."""
        token = home.with_role("triage")
        assert GoCli(home.base, token).raw("POST", "/v1/auth/logout").status == 204
        commands: list[Callable[[GoCli], object]] = [
            lambda cli: cli.pulled(home.full_name, "development"),
            lambda cli: cli.pushed(home.full_name, "development", {}),
            lambda cli: cli.vault(*home.full_name.split("/")),
            lambda cli: cli.check_installation(*home.full_name.split("/")),
            lambda cli: cli.doctor(),
        ]
        for command in commands:
            cli = GoCli(home.base, token)
            with pytest.raises(CommandError) as ended:
                command(cli)
            assert (ended.value.status, cli.token) == (401, "")

    def test_with_an_api_key(self, home: Home, cli: GoCli) -> None:
        """KEYWAY_TOKEN: the five routes of init, push, pull, set, run and diff, and a 403 that names the scope."""
        key = keys.give(home.stack, home.token, scopes={Scope.READ, Scope.WRITE})
        robot = GoCli(home.base, key.token)
        assert robot.init(*home.full_name.split("/")) == "ready"
        robot.set(home.full_name, "development", "A", "1")
        assert robot.held(home.full_name, "development") == {"A": "1"}
        narrow = GoCli(home.base, keys.give(home.stack, home.token, scopes={Scope.READ}).token)
        with pytest.raises(CommandError) as refused:
            narrow.pushed(home.full_name, "development", {"A": "2"})
        assert (refused.value.status, "write:secrets" in refused.value.detail) == (403, True)
        assert cli.held(home.full_name, "development") == {"A": "1"}


class TestBytes:
    """What other servers trip over."""

    def test_an_empty_body_that_says_it_is_json(self, home: Home, cli: GoCli) -> None:
        """GET, DELETE and POST with a content type and nothing behind it, each on the same connection."""
        assert cli.raw("GET", "/v1/users/me").status == 200
        assert cli.raw("POST", "/v1/auth/token/validate").status == 200
        assert cli.raw("POST", "/v1/auth/device/start", signed=False).status == 200
        assert cli.failed(cli.raw("POST", "/v1/github/check-installation")).title == "Validation Error"
        assert cli.raw("DELETE", f"/v1/integrations/connections/{home.vault_id}").status == 404
        assert cli.raw("DELETE", f"/v1/vaults/{home.full_name}/trash").status == 200
        assert cli.raw("GET", "/v1/integrations/connections").json()["data"] == {"connections": []}

    def test_a_body_that_is_no_json(self, cli: GoCli) -> None:
        """400, and the shape that it reads."""
        headers = [("Host", cli.sender.host), ("Content-Length", "1"), bearer(cli.token)]
        answer = cli.sender.send("POST", "/v1/secrets/push", [*headers, ("Content-Type", "application/json")], b"{")
        assert (answer.status, cli.failed(answer).title) == (400, "Bad Request")

    @pytest.mark.parametrize("slashed", ["/v1/health/", "/v1/vaults/", "/V1/health"])
    def test_other_paths_are_other_paths(self, cli: GoCli, slashed: str) -> None:
        """A slash at the end and another case are 404, with the shape that it reads."""
        answer = cli.raw("GET", slashed)
        assert (answer.status, cli.failed(answer).status) == (404, 404)

    def test_an_address_with_a_slash_too_many(self, stack: Stack) -> None:
        """KEYWAY_API_URL is used as it is: with `/` at its end every path has two; 404, and no redirect."""
        assert GoCli(stack.api_url).raw("GET", "//v1/health").status == 404

    def test_every_answer_has_an_id(self, cli: GoCli) -> None:
        """Ours, or the one that was sent; the error's trace is the same."""
        answer = cli.raw("GET", "/v1/nothing")
        assert answer.header("x-request-id") == answer.json()["traceId"]
        headers = [("Host", cli.sender.host), ("X-Request-ID", "my-id.1")]
        assert cli.sender.send("GET", "/v1/health", headers).header("x-request-id") == "my-id.1"

    def test_the_audit_knows_the_program(self, home: Home, cli: GoCli) -> None:
        """By its User-Agent."""
        cli.push(home.full_name, "development", {"A": "1"})
        cli.pulled(home.full_name, "development")
        rows = keys.sql(
            home.stack,
            "SELECT DISTINCT platform FROM audit_events WHERE vault_id = %s AND action LIKE 'secrets_pu%%'",
            home.vault_id,
        )
        assert rows == [("cli",)]

    def test_what_is_sent_is_what_a_go_program_sends(self, cli: GoCli) -> None:
        """Control of the replay itself: the order and the spelling of the headers, and the JSON."""
        names = [name for name, _ in cli.headers("POST", b"{}", signed=True)]
        assert names == ["Host", "User-Agent", "Content-Length", "Authorization", "Content-Type", "Accept-Encoding"]
        assert "Content-Length" not in dict(cli.headers("DELETE", None, signed=True))
        assert dict(cli.headers("POST", None, signed=True))["Content-Length"] == "0"
        assert json.loads(b'"\\u003c\\u0026"') == "<&"
