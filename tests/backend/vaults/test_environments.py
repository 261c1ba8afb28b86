"""Environments of a vault: made, renamed, typed and deleted (contract.md 4.4); and the end of a vault."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import psycopg
import pytest
from keyway_backend.access.macs import Macs
from keyway_backend.db.engine import Database
from keyway_backend.features.vaults.service import Vaults
from keyway_standalone.processes import Stack
from oracle import database
from stack import sign_in

from tests.backend.known_people import People
from tests.oracle import canaries, stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """A vault whose environments are looked at and refused."""
    return stage.home(stack, "environments")


@pytest.fixture
def own(known: People) -> Home:
    """A vault of the test's own."""
    return known.home("own")


def ask(home: Home, method: str, tail: str = "", body: Any = None, token: str | None = None) -> Answer:
    """A request about the vault, as its administrator unless another token is given."""
    path = f"/v1/vaults/{home.full_name}{tail}"
    return send(home.base, Call(method, path, (bearer(token or home.token),), body))


def sql(home: Home, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
    """Rows, as the database's administrator."""
    return database.sql(home.stack, statement, *values)


def names(answer: Answer) -> list[str]:
    """The environments of an answer."""
    return [one["name"] for one in answer.json()["data"]["environments"]]


def audited(home: Home, action: str) -> list[tuple[Any, ...]]:
    """Environment and details of the rows of an action."""
    return sql(
        home,
        "SELECT environment, details FROM audit_events WHERE vault_id = %s AND action = %s ORDER BY at",
        home.vault_id,
        action,
    )


class TestRefuses:
    """Who may not, and what cannot be."""

    @pytest.mark.parametrize(
        ("method", "tail", "body"),
        [
            ("POST", "/environments", {"name": "qa"}),
            ("PATCH", "/environments/staging", {"newName": "qa"}),
            ("PATCH", "/environments/staging/type", {"type": "development"}),
            ("DELETE", "/environments/staging", None),
            ("DELETE", "", None),
        ],
    )
    def test_less_than_admin_is_403_and_a_stranger_404(self, home: Home, method: str, tail: str, body: Any) -> None:
        """A maintainer writes values and changes no environment; to a stranger there is no vault."""
        assert ask(home, method, tail, body, home.with_role("maintain")).status == 403
        assert ask(home, method, tail, body, stage.stranger(home.stack)).status == 404
        assert names(ask(home, "GET", "/environments")) == ["development", "staging", "production"]

    @pytest.mark.parametrize("name", ["", "a", "Qa", "1a", "a" * 31, "a b", "a:b", "ä1", None, 7, ["qa"]])
    def test_a_name_of_the_wrong_form_is_400(self, home: Home, name: Any) -> None:
        """The answer names the field."""
        for method, tail, field in (("POST", "/environments", "name"), ("PATCH", "/environments/staging", "newName")):
            answer = ask(home, method, tail, {field: name})
            assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)

    def test_a_name_that_is_taken_is_409(self, home: Home) -> None:
        """For a new environment and for one that is renamed."""
        assert ask(home, "POST", "/environments", {"name": "staging"}).status == 409
        assert ask(home, "PATCH", "/environments/staging", {"newName": "production"}).status == 409

    @pytest.mark.parametrize("kind", [None, "", "Protected", "secret", 1, ["standard"]])
    def test_an_unknown_type_is_400(self, home: Home, kind: Any) -> None:
        """Types are three words."""
        answer = ask(home, "PATCH", "/environments/staging/type", {"type": kind})
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "type")

    def test_a_missing_environment_is_404(self, home: Home) -> None:
        """Before anything is said about the body."""
        assert ask(home, "PATCH", "/environments/nothing", {}).status == 404
        assert ask(home, "PATCH", "/environments/nothing/type", {}).status == 404
        assert ask(home, "DELETE", "/environments/nothing").status == 404

    def test_the_last_environment_stays(self, own: Home) -> None:
        """Also when all are deleted at once."""
        with ThreadPoolExecutor(3) as pool:
            tails = ["/environments/development", "/environments/staging", "/environments/production"]
            answers = list(pool.map(lambda tail: ask(own, "DELETE", tail).status, tails))
        assert sorted(answers) == [200, 200, 403]
        assert len(names(ask(own, "GET", "/environments"))) == 1


class TestCreate:
    """POST …/environments."""

    def test_stands_behind_the_others_with_the_type_of_its_name(self, own: Home) -> None:
        """Empty, usable at once, recorded."""
        answer = ask(own, "POST", "/environments", {"name": "local"})
        made = answer.json()["data"]["environment"]
        about = {"id": made["id"], "name": "local", "type": "development", "displayOrder": 3}
        assert (answer.status, made) == (201, about)
        assert names(answer) == ["development", "staging", "production", "local"]
        assert names(ask(own, "GET", "/environments")) == names(answer)
        assert own.push({"A": "1"}, "local").status == 200
        assert own.values("local") == {"A": "1"}
        assert audited(own, "environment_created") == [("local", {"environment": "local", "type": "development"})]

    def test_a_deleted_name_is_free_again(self, own: Home) -> None:
        """The new one is another environment and holds nothing of the old one."""
        assert ask(own, "DELETE", "/environments/development").status == 200
        assert ask(own, "POST", "/environments", {"name": "development"}).status == 201
        assert own.values("development") == {}


class TestRename:
    """PATCH …/environments/{name}."""

    def test_type_values_and_revision_follow_the_id(self, own: Home) -> None:
        """A rename is audit only: no revision, and the old name is nothing any more."""
        value = canaries.new()
        assert own.push({"A": value}, "production").status == 200
        answer = ask(own, "PATCH", "/environments/production", {"newName": "live"})
        data = answer.json()["data"]
        assert (data["oldName"], data["newName"]) == ("production", "live")
        [[id_]] = sql(own, "SELECT id::text FROM environments WHERE vault_id = %s AND name = 'live'", own.vault_id)
        assert data["environments"][2] == {"id": id_, "name": "live", "type": "protected", "displayOrder": 2}
        assert (own.values("live"), own.values("production")) == ({"A": value}, {})
        found = sql(own, "SELECT head_revision FROM environments WHERE vault_id = %s AND name = 'live'", own.vault_id)
        assert found == [(1,)]
        details = {"oldName": "production", "newName": "live", "environment": "live"}
        assert audited(own, "environment_renamed") == [("live", details)]

    def test_protection_and_overrides_follow_the_id(self, own: Home) -> None:
        """A protected environment does not open by being called otherwise; whoever was admitted to it still is."""
        assert own.push({"A": "1"}, "production").status == 200
        login = own.login_with("read")
        tokens = [own.with_role("read"), sign_in(own.stack, login)]
        person = sql(own, "SELECT id::text FROM users WHERE login = %s", login)[0][0]
        override = {"environment": "production", "targetType": "user", "targetUserId": person, "canRead": True}
        assert ask(own, "POST", "/permissions/overrides", override | {"canWrite": False}).status == 200
        assert ask(own, "PATCH", "/environments/production", {"newName": "local"}).status == 200
        path = f"/v1/secrets/pull?repo={own.full_name}&environment=local"
        assert [send(own.base, Call("GET", path, (bearer(token),))).status for token in tokens] == [403, 200]


class TestType:
    """PATCH …/environments/{name}/type."""

    def test_decides_at_once_who_may_read(self, own: Home) -> None:
        """The row carries the code of this backend, so that it counts."""
        reader = own.with_role("read")
        call = Call("GET", f"/v1/secrets/pull?repo={own.full_name}&environment=development", (bearer(reader),))
        assert send(own.base, call).status == 200
        answer = ask(own, "PATCH", "/environments/development/type", {"type": "protected"})
        assert answer.json()["data"] == {"environment": "development", "oldType": "development", "newType": "protected"}
        assert send(own.base, call).status == 403
        assert ask(own, "PATCH", "/environments/development/type", {"type": "standard"}).status == 200
        assert send(own.base, call).status == 200
        kinds = [row[1]["newType"] for row in audited(own, "environment_type_changed")]
        assert kinds == ["protected", "standard"]

    def test_a_type_written_by_somebody_else_counts_as_protected(self, own: Home) -> None:
        """The code of one type fits no other."""
        sql(
            own,
            "UPDATE environments SET type = 'development' WHERE vault_id = %s AND name = 'production'",
            own.vault_id,
        )
        kinds = {one["name"]: one["type"] for one in ask(own, "GET", "/environments").json()["data"]["environments"]}
        assert kinds["production"] == "protected"


class TestDelete:
    """DELETE …/environments/{name}."""

    def test_is_gone_for_everybody_and_kept_for_exposure(self, own: Home) -> None:
        """Rows stay, with their ciphertext for 30 days."""
        assert own.push({"A": "1"}, "staging").status == 200
        answer = ask(own, "DELETE", "/environments/staging")
        assert answer.json()["data"]["deleted"] == "staging"
        assert names(answer) == ["development", "production"]
        assert own.values("staging") == {}
        assert own.push({"A": "1"}, "staging").status == 400
        assert audited(own, "environment_deleted") == [("staging", {"environment": "staging"})]
        assert sealed(own) == [("A", True), ("KEPT", True)]

    def test_ciphertext_is_purged_after_30_days(self, own: Home) -> None:
        """Names and times stay; environments that live are not touched; a second run finds nothing."""
        assert own.push({"A": "1", "B": "2"}, "staging").status == 200
        assert ask(own, "DELETE", "/environments/staging").status == 200
        purge(own.stack)
        assert sealed(own) == [("A", True), ("B", True), ("KEPT", True)]
        sql(
            own,
            "UPDATE environments SET deleted_at = deleted_at - interval '31 days' WHERE vault_id = %s"
            " AND deleted_at IS NOT NULL",
            own.vault_id,
        )
        for _ in range(2):
            purge(own.stack)
            assert sealed(own) == [("A", False), ("B", False), ("KEPT", True)]
        marked = sql(own, "SELECT name FROM environments WHERE vault_id = %s AND purged_at IS NOT NULL", own.vault_id)
        assert marked == [("staging",)]


def sealed(home: Home) -> list[tuple[Any, ...]]:
    """Keys of the vault, and whether their ciphertext is there."""
    return sql(
        home,
        "SELECT v.key, v.sealed IS NOT NULL FROM secret_values v JOIN environments e ON e.id = v.environment_id"
        " WHERE e.vault_id = %s ORDER BY v.key",
        home.vault_id,
    )


def purge(stack: Stack) -> None:
    """What the job does, as the application's role."""

    async def run() -> None:
        database = Database(stack.app_database_url, size=2)
        await database.open()
        try:
            await Vaults(database, None, Macs("x" * 32)).purge_deleted()  # type: ignore[arg-type]
        finally:
            await database.close()

    asyncio.run(run())


class TestDeleteVault:
    """DELETE /v1/vaults/{owner}/{repo}."""

    def test_is_gone_and_can_be_made_again(self, own: Home) -> None:
        """204, then 404; a new vault of the same repository is another one and empty."""
        assert ask(own, "DELETE").status == 204
        assert ask(own, "GET").status == 404
        assert ask(own, "DELETE").status == 404
        assert own.push({"A": "1"}, "development").status == 403
        assert audited(own, "vault_deleted") == [(None, {"repoFullName": own.full_name})]
        again = stage.create_vault(own.stack, own.token, own.full_name)
        assert again != own.vault_id
        assert own.values("development") == {}

    def test_its_creator_deletes_it_when_the_app_is_gone(self, stack: Stack) -> None:
        """An administrator who did not make it cannot even see it."""
        github = GitHub(stack)
        creator, colleague = github.user("creator"), github.user("colleague")
        org, _ = github.org(f"gone-{secrets.token_hex(2)}", creator)
        full_name = f"{org}/app"
        number = github.repo(full_name, {creator: "admin", colleague: "admin"})
        github.do("install", login=org)
        token = sign_in(stack, creator)
        stage.create_vault(stack, token, full_name)
        github.do("uninstall", login=org)
        with psycopg.connect(stack.superuser_database_url) as connection:
            connection.execute("DELETE FROM role_cache WHERE github_repo_id = %s", (number,))
        call = Call("DELETE", f"/v1/vaults/{full_name}", (bearer(sign_in(stack, colleague)),))
        assert send(stack.api_url, call).status == 404
        rename = Call("PATCH", f"/v1/vaults/{full_name}/environments/staging", (bearer(token),), {"newName": "qa"})
        assert send(stack.api_url, rename).status == 403
        assert send(stack.api_url, Call("DELETE", f"/v1/vaults/{full_name}", (bearer(token),))).status == 204
