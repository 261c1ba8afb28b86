"""Who did what: one's own list, and that of a vault (contract.md 4.6, policy.yaml `roles.rows`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
from keyway_standalone.processes import Stack
from stack import sign_in

from tests.oracle import stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send

ITEM = {"id", "action", "vaultId", "repoFullName", "actor", "platform", "metadata", "timestamp"}
IN_VAULT = ITEM | {"source", "environment", "ip", "deviceId"}


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """A vault with a value in development and in production, and a reader who pulled."""
    made = stage.home(stack, "activity")
    assert made.push({"PROD_KEY": "x1", "OTHER": "x2"}, "production").status == 200
    stage.pull(stack, made.with_role("read"), made.full_name, "development")
    return made


def own(home: Home, token: str, query: str = "") -> Answer:
    """The caller's list."""
    return send(home.base, Call("GET", f"/v1/activity{query}", (bearer(token),)))


def of_vault(home: Home, token: str, query: str = "") -> Answer:
    """The vault's list."""
    return send(home.base, Call("GET", f"/v1/vaults/{home.full_name}/activity{query}", (bearer(token),)))


def data(answer: Answer) -> list[dict[str, Any]]:
    """The items."""
    assert answer.status == 200, answer.body
    return list(answer.json()["data"])


class TestRefuses:
    """What shows nothing."""

    def test_without_a_credential(self, home: Home) -> None:
        """401 on both."""
        for path in ("/v1/activity", f"/v1/vaults/{home.full_name}/activity"):
            assert send(home.base, Call("GET", path)).status == 401

    def test_a_stranger_sees_neither_vault_nor_rows(self, home: Home) -> None:
        """A foreign vault is missing; the own list holds the sign-in alone."""
        token = stage.stranger(home.stack)
        assert of_vault(home, token).status == 404
        assert [item["action"] for item in data(own(home, token))] == ["user_login"]

    @pytest.mark.parametrize(
        "query",
        ["limit=0", "limit=501", "offset=-1", "limit=x", "action=Rm%20-rf", "action=a%00", "person=a%00b", "person=a/b",
         "since=yesterday", "until=2026-01-01T00:00:00", "environment=", "source=A"],
    )  # fmt: skip
    def test_a_wrong_question_is_400(self, home: Home, query: str) -> None:
        """The answer names the parameter."""
        answer = of_vault(home, home.token, f"?{query}")
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, query.partition("=")[0])

    def test_an_environment_that_may_not_be_read_is_403_and_a_missing_one_404(self, home: Home) -> None:
        """A filter cannot ask for what the list would hide."""
        assert of_vault(home, home.with_role("read"), "?environment=production").status == 403
        assert of_vault(home, home.token, "?environment=nowhere").status == 404


class TestOwn:
    """GET /v1/activity."""

    def test_shows_what_the_caller_did(self, home: Home) -> None:
        """Newest first, in exactly the contract's shape, with what the public dashboard reads."""
        items = data(own(home, home.token))
        assert {frozenset(item) for item in items} == {frozenset(ITEM)}
        assert [item["action"] for item in items] == ["secrets_pushed", "secrets_pushed", "vault_created", "user_login"]
        pushed = items[0]
        assert set(pushed["actor"]) == {"id", "username", "avatarUrl"}
        assert (pushed["actor"]["username"], pushed["vaultId"]) == (home.admin, home.vault_id)
        assert (pushed["repoFullName"], pushed["platform"]) == (home.full_name, "api")
        assert (pushed["metadata"]["count"], pushed["metadata"]["environment"]) == (2, "production")
        assert pushed["timestamp"].endswith("Z")

    def test_a_single_key_has_both_names(self, home: Home) -> None:
        """The public dashboard reads `secretName`, its access log `key`."""
        token = home.with_role("maintain")
        path = f"/v1/secrets/view?repo={home.full_name}&environment=development&key=KEPT"
        assert send(home.base, Call("GET", path, (bearer(token),))).status == 200
        viewed = data(own(home, token))[0]
        assert viewed["action"] == "secret_value_accessed"
        assert (viewed["metadata"]["key"], viewed["metadata"]["secretName"]) == ("KEPT", "KEPT")

    def test_stays_when_access_is_lost(self, stack: Stack, home: Home) -> None:
        """What somebody did is theirs to see; the vault's list is closed to them."""
        login = home.login_with("write")
        token = sign_in(stack, login)
        stage.pull(stack, token, home.full_name, "development")
        GitHub(stack).do("set-role", repo=home.full_name, login=login, role=None)
        with psycopg.connect(stack.superuser_database_url) as connection:
            connection.execute("DELETE FROM role_cache")
        assert of_vault(home, token).status == 404
        assert [item["action"] for item in data(own(home, token))] == ["secrets_pulled", "user_login"]

    def test_pages_hold_every_row_once(self, home: Home) -> None:
        """Pages one by one are the whole list."""
        whole = data(own(home, home.token))
        parts = [own(home, home.token, f"?limit=1&offset={at}").json() for at in range(len(whole))]
        assert [part["data"][0]["id"] for part in parts] == [item["id"] for item in whole]
        assert [part["meta"]["pagination"]["hasMore"] for part in parts] == [True] * (len(whole) - 1) + [False]
        assert parts[0]["meta"]["pagination"]["total"] == len(whole)

    def test_filters_narrow_it(self, home: Home) -> None:
        """By action, source, program and time; other people stay out whatever is asked."""
        whole = data(own(home, home.token))
        assert data(own(home, home.token, "?action=vault_created")) == [
            item for item in whole if item["action"] == "vault_created"
        ]
        assert data(own(home, home.token, "?source=cli&platform=api")) == whole
        for query in ("source=mcp", "platform=web", "action=secrets_pulled", f"since={quote(_later())}"):
            assert data(own(home, home.token, f"?{query}")) == [], query
        until = quote(whole[1]["timestamp"])
        assert data(own(home, home.token, f"?until={until}")) == whole[2:]
        assert own(home, home.token, "?since=yesterday").status == 400


def _later() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


class TestOfAVault:
    """GET /v1/vaults/{owner}/{repo}/activity."""

    def test_who_manages_sees_everybody(self, home: Home) -> None:
        """An administrator sees the others' actions, and where they came from."""
        items = data(of_vault(home, home.token, "?limit=500"))
        assert {frozenset(item) for item in items} == {frozenset(IN_VAULT)}
        assert {"vault_created", "secrets_pushed", "secrets_pulled"} <= {item["action"] for item in items}
        assert len({item["actor"]["username"] for item in items}) > 1

    def test_an_owner_of_the_organisation_does_too(self, stack: Stack) -> None:
        """With `read` on the repository, an active owner of its organisation manages the vault; a member does not."""
        made = stage.home(stack, "owned")
        github, org = GitHub(stack), made.full_name.split("/")[0]
        for role, seen in (("member", set()), ("admin", {"vault_created", "secrets_pushed"})):
            login = made.login_with("read")
            github.do("set-member", org=org, login=login, role=role)
            token = sign_in(stack, login)
            assert {item["action"] for item in data(of_vault(made, token))} == seen, role

    def test_others_see_their_own(self, home: Home) -> None:
        """A reader sees what that reader did here, and nothing of production."""
        items = data(of_vault(home, home.with_role("read")))
        assert {item["action"] for item in items} == {"secrets_pulled"}
        assert len({item["actor"]["id"] for item in items}) == 1
        assert b"PROD_KEY" not in of_vault(home, home.with_role("read")).body

    def test_an_administrator_who_is_locked_out_of_an_environment_does_not_see_its_rows(self, stack: Stack) -> None:
        """An override takes reading away; with it the names in the log."""
        made = stage.home(stack, "locked")
        assert made.push({"HIDDEN_NAME": "x"}, "production").status == 200
        override = {
            "environment": "production", "targetType": "role", "targetRole": "admin",
            "canRead": False, "canWrite": False,
        }  # fmt: skip
        if made.post(f"/v1/vaults/{made.full_name}/permissions/overrides", override).status != 200:
            pytest.skip("overrides have no route yet")
        items = data(of_vault(made, made.token))
        assert "production" not in {item["environment"] for item in items}
        assert "development" in {item["environment"] for item in items}

    def test_filters_narrow(self, home: Home) -> None:
        """By action, environment, person, source and time; what does not match is not there."""
        reader = data(of_vault(home, home.with_role("read")))[0]["actor"]["username"]
        asked = {
            "action=secrets_pushed": lambda item: item["action"] == "secrets_pushed",
            "environment=production": lambda item: item["environment"] == "production",
            f"person={reader.upper()}": lambda item: item["actor"]["username"] == reader,
            "source=cli": lambda item: item["source"] == "cli",
        }
        everything = data(of_vault(home, home.token, "?limit=500"))
        for query, holds in asked.items():
            found = data(of_vault(home, home.token, f"?limit=500&{query}"))
            assert found, query
            assert [item["id"] for item in found] == [item["id"] for item in everything if holds(item)], query
        later = quote((datetime.now(UTC) + timedelta(hours=1)).isoformat())
        assert data(of_vault(home, home.token, f"?since={later}")) == []
        assert len(data(of_vault(home, home.token, f"?limit=500&until={later}"))) == len(everything)
        assert data(of_vault(home, home.token, f"?person=nobody-{uuid4().hex[:6]}")) == []
        assert data(of_vault(home, home.token, "?source=mcp")) == []

    def test_a_key_and_a_workflow_are_sources_of_their_own(self, home: Home) -> None:
        """What a key read is told apart from what its owner read with the same program."""
        token = home.with_role("maintain")
        asked = {"name": "robot", "environment": "live", "scopes": ["read:secrets"]}
        made = send(home.base, Call("POST", "/v1/api-keys", (bearer(token),), asked))
        stage.pull(home.stack, made.json()["data"]["token"], home.full_name, "development")
        (item,) = data(of_vault(home, home.token, "?source=api_key"))
        assert (item["action"], item["source"]) == ("secrets_pulled", "api_key")
        assert item["id"] not in {one["id"] for one in data(of_vault(home, home.token, "?limit=500&source=cli"))}
