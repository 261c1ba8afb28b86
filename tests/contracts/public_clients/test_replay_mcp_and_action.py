"""Every tool of the MCP server and every ending of the GitHub Action (contract.md 12 and 13)."""

from __future__ import annotations

import pytest
from keyway_backend.access.actor import Scope
from keyway_standalone.processes import Stack

from tests.backend.ci.test_exchange import Workshop
from tests.contracts.public_clients.node_clients import Action, ActionFailed, McpServer, ToolError
from tests.oracle import keys, stage
from tests.oracle.stage import GitHub, Home

HELD = {"A": "1", "B": "two words", "JSON": '{"q": "\'"}', "EMPTY": ""}


@pytest.fixture
def home(stack: Stack) -> Home:
    """A vault with four keys in development."""
    made = stage.home(stack, "node", keep=False)
    assert made.push(HELD, "development").status == 200
    return made


@pytest.fixture
def mcp(home: Home) -> McpServer:
    """The administrator's assistant."""
    return McpServer(home.base, home.token, home.full_name)


class TestTools:
    def test_list_secrets(self, mcp: McpServer) -> None:
        """Names, sorted."""
        told = mcp.list_secrets()
        assert (told["count"], told["secrets"]) == (4, sorted(HELD))

    def test_set_secret_empties_nothing(self, home: Home, mcp: McpServer) -> None:
        """It pushes one key; the other four stay, whether it was pulled before or not, for a new key and an old one."""
        assert mcp.set_secret("NEW", "n")["action"] == "created"
        assert mcp.list_secrets()["count"] == 5
        assert mcp.set_secret("A", "2")["action"] == "updated"
        assert mcp.set_secret("NEWER", "n")["action"] == "created"
        assert home.values("development") == HELD | {"A": "2", "NEW": "n", "NEWER": "n"}
        assert home.get(f"/v1/vaults/{home.full_name}/trash").json()["data"] == []

    def test_generate_after_a_pull_that_failed_empties_nothing(self, home: Home, mcp: McpServer) -> None:
        """It takes any error for an empty environment, and pushes what it made alone."""
        home.stack.control.fault("status", "GET /repos/*", status=502)
        keys.sql(home.stack, "DELETE FROM role_cache WHERE github_repo_id = %s", home.repo_id)
        assert mcp.generate("MADE", "x") == "created"
        assert home.stack.control.clear_faults() == [1]
        assert home.values("development") == HELD | {"MADE": "x"}

    def test_generate(self, home: Home, mcp: McpServer) -> None:
        """A pull and a push of everything; in an empty environment the pull is 404."""
        assert mcp.generate("TOKEN", "t") == "created"
        assert mcp.generate("TOKEN", "u") == "updated"
        assert home.values("development") == HELD | {"TOKEN": "u"}
        assert mcp.generate("TOKEN", "t", "staging") == "created"
        assert home.values("staging") == {"TOKEN": "t"}

    def test_inject_run(self, mcp: McpServer) -> None:
        """The values, exactly."""
        assert mcp.inject_run() == HELD

    def test_list_environments(self, mcp: McpServer) -> None:
        """Without a content type; in their order."""
        assert mcp.list_environments()["environments"] == ["development", "staging", "production"]

    def test_scan(self, mcp: McpServer) -> None:
        """Asks nobody."""
        assert (mcp.scan(), mcp.sender.asked) == (0, [])

    def test_diff(self, home: Home, mcp: McpServer) -> None:
        """Two pulls, under the short names too."""
        assert home.push({"A": "1", "B": "other", "C": "3"}, "staging").status == 200
        told = mcp.diff("dev", "staging")
        assert told == {"onlyInEnv1": ["EMPTY", "JSON"], "onlyInEnv2": ["C"], "different": ["B"], "same": ["A"]}

    def test_validate(self, mcp: McpServer) -> None:
        """What is missing; an empty environment misses all."""
        assert mcp.validate("development", ["A", "Z"]) == {"valid": False, "missing": ["Z"], "present": ["A"]}
        assert mcp.validate("staging", ["A"])["missing"] == ["A"]

    def test_errors_are_read_as_json(self, home: Home) -> None:
        """Of 401, 403 and 404: the detail, from a content type that says JSON."""
        for token, repository, words in (
            ("nonsense", home.full_name, "token"),
            (home.token, f"{home.full_name}-gone", "vault"),
            (home.with_role("read"), home.full_name, "read"),
        ):
            with pytest.raises(ToolError) as failed:
                McpServer(home.base, token, repository).set_secret("A", "1", "production")
            assert words in str(failed.value).lower()

    def test_the_audit_knows_the_assistant(self, home: Home, mcp: McpServer) -> None:
        """By its User-Agent; the push says that it was additive by deleting nothing."""
        mcp.set_secret("A", "9")
        mcp.list_secrets()
        rows = keys.sql(
            home.stack,
            "SELECT DISTINCT action, platform FROM audit_events WHERE vault_id = %s AND platform = 'mcp' ORDER BY 1",
            home.vault_id,
        )
        assert rows == [("secrets_pulled", "mcp"), ("secrets_pushed", "mcp")]


class TestAction:
    def test_exports(self, home: Home) -> None:
        """With an API key: the values, and the raw text for its file."""
        key = keys.give(home.stack, home.token, scopes={Scope.READ}).token
        variables, raw = Action(home.base, key, home.full_name, "development").run()
        assert variables == HELD
        assert raw.splitlines()[0] == "A=1"

    def test_with_the_token_of_a_run(self, home: Home) -> None:
        """What an exchange gave is a bearer like any other."""
        token = Workshop(home, GitHub(home.stack), home.base).issued()
        assert Action(home.base, token, home.full_name, "development").run()[0] == HELD

    def test_with_a_token_of_github(self, open_stack: Stack) -> None:
        """Where that is allowed, as its readme says."""
        home = stage.home(open_stack, "action")
        token = GitHub(open_stack).do("mint-token", login=home.admin, kind="ghp")["token"]
        assert list(Action(home.base, token, home.full_name, "development").run()[0]) == ["KEPT"]

    def test_its_default_environment(self, home: Home) -> None:
        """`cicd` is not there unless somebody makes it: 404, which it explains."""
        action = Action(home.base, home.token, home.full_name)
        with pytest.raises(ActionFailed, match="vault not found"):
            action.run()
        assert home.post(f"/v1/vaults/{home.full_name}/environments", {"name": "cicd"}).status == 201
        assert home.push({"CI": "1"}, "cicd").status == 200
        assert action.run()[0] == {"CI": "1"}

    def test_an_empty_name_means_production(self, home: Home) -> None:
        """A reader may not."""
        action = Action(home.base, home.with_role("read"), home.full_name, "")
        with pytest.raises(ActionFailed, match="production"):
            action.run()

    def test_its_other_endings(self, home: Home) -> None:
        """401 and 403."""
        with pytest.raises(ActionFailed, match="expired"):
            Action(home.base, "nonsense", home.full_name, "development").run()
        with pytest.raises(ActionFailed, match="vault"):
            Action(home.base, home.token, f"{home.full_name}-gone", "development").run()

    def test_the_audit_calls_it_api(self, home: Home) -> None:
        """Its User-Agent is nobody's that we know."""
        Action(home.base, home.token, home.full_name, "development").run()
        rows = keys.sql(
            home.stack,
            "SELECT platform FROM audit_events WHERE vault_id = %s AND action = 'secrets_pulled'",
            home.vault_id,
        )
        assert rows == [("api",)]
