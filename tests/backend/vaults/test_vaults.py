"""Making vaults, listing them, showing one (contract.md 4.4)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import pytest
from keyway_standalone.processes import Stack
from oracle import database
from stack import sign_in

from tests.oracle import stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send

ITEM = {
    "id", "repoOwner", "repoName", "repoAvatar", "secretCount", "environments", "environmentDetails", "permission",
    "isPrivate", "isReadOnly", "readonlyReason", "syncs", "updatedAt",
}  # fmt: skip
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """A vault with one value in development."""
    return stage.home(stack, "vaults")


@pytest.fixture
def github(stack: Stack) -> GitHub:
    """GitHub's side."""
    return GitHub(stack)


def create(stack: Stack, token: str, body: Any) -> Answer:
    """A request for a vault."""
    return send(stack.api_url, Call("POST", "/v1/vaults", (bearer(token),), body))


def listed(home: Home, token: str, query: str = "") -> Answer:
    """The caller's vaults."""
    return send(home.base, Call("GET", f"/v1/vaults{query}", (bearer(token),)))


def sql(stack: Stack, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
    """Rows, as the database's administrator."""
    return database.sql(stack, statement, *values)


class TestCreateRefuses:
    """What makes no vault."""

    @pytest.mark.parametrize(
        "body",
        [{}, {"repoFullName": None}, {"repoFullName": 7}, {"repoFullName": ""}, {"repoFullName": "acme"},
         {"repoFullName": "acme/app/x"}, {"repoFullName": "acme/.."}, {"repoFullName": "a b/c"},
         {"repoFullName": "acme/app\x00"}, {"repoFullName": ["acme/app"]}, {"repo": "acme/app"}],
    )  # fmt: skip
    def test_a_body_that_names_no_repository_is_400(self, home: Home, body: Any) -> None:
        """The answer names the field."""
        answer = create(home.stack, home.token, body)
        assert answer.status == 400
        assert [error["field"] for error in answer.json()["errors"]] == ["repoFullName"]

    @pytest.mark.parametrize("role", ["read", "triage", "write", "maintain"])
    def test_less_than_admin_is_403(self, stack: Stack, github: GitHub, role: str) -> None:
        """Who sees the repository is told what is lacking; nothing is stored."""
        boss, member = github.user("boss"), github.user("member")
        org, _ = github.org("small", boss)
        github.repo(f"{org}/app", {boss: "admin", member: role})
        github.do("install", login=org)
        answer = create(stack, sign_in(stack, member), {"repoFullName": f"{org}/app"})
        assert (answer.status, "admin" in answer.detail) == (403, True)
        assert sql(stack, "SELECT 1 FROM vaults WHERE owner_login = %s", org) == []

    def test_foreign_missing_and_not_installed_are_one_answer(self, home: Home, github: GitHub) -> None:
        """A stranger learns neither that a repository exists nor that it has a vault; the text says how to go on."""
        token = stage.stranger(home.stack)
        lonely = github.user("lonely")
        github.repo(f"{lonely}/app", {})
        names = [home.full_name, "nobody/nothing", f"{lonely}/app"]
        answers = [create(home.stack, token, {"repoFullName": name}) for name in names]
        assert {answer.status for answer in answers} == {403}
        assert len({answer.comparable(name) for answer, name in zip(answers, names, strict=True)}) == 1
        assert "GitHub App not installed for nobody/nothing " in answers[1].detail
        assert "/installations/new" in answers[1].detail

    def test_a_second_one_is_409(self, home: Home) -> None:
        """One vault per repository, in whatever case it is named."""
        for name in (home.full_name, home.full_name.upper()):
            assert create(home.stack, home.token, {"repoFullName": name}).status == 409

    def test_two_at_once_make_one(self, stack: Stack, github: GitHub) -> None:
        """Of many simultaneous requests one makes the vault, and all others are told that there is one."""
        boss = github.user("boss")
        github.repo(f"{boss}/app", {})
        github.do("install", login=boss)
        token = sign_in(stack, boss)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: create(stack, token, {"repoFullName": f"{boss}/app"}).status, range(8)))
        assert sorted(answers) == [201] + [409] * 7
        assert sql(stack, "SELECT count(*) FROM vaults WHERE owner_login = %s", boss) == [(1,)]
        assert sql(stack, "SELECT count(*) FROM audit_events WHERE repository = %s", f"{boss}/app") == [(1,)]


class TestCreate:
    """What a new vault is."""

    def test_has_three_empty_environments_and_a_record(self, stack: Stack, github: GitHub) -> None:
        """201 with the id; development, staging and production at revision 0; one audit row."""
        boss = github.user("boss")
        number = github.repo(f"{boss}/fresh", {})
        github.do("install", login=boss)
        answer = create(stack, sign_in(stack, boss), {"repoFullName": f"{boss}/fresh"})
        data = answer.json()["data"]
        assert (answer.status, data["repoFullName"]) == (201, f"{boss}/fresh")
        vault = sql(stack, "SELECT github_repo_id, private FROM vaults WHERE id = %s", data["vaultId"])
        assert vault == [(number, True)]
        environments = sql(
            stack,
            """SELECT name, type, head_revision, octet_length(manifest), octet_length(type_mac) FROM environments
               WHERE vault_id = %s ORDER BY display_order""",
            data["vaultId"],
        )
        assert environments == [
            ("development", "development", 0, 0, 32),
            ("staging", "standard", 0, 0, 32),
            ("production", "protected", 0, 0, 32),
        ]
        recorded = sql(
            stack, "SELECT action, actor_login, details FROM audit_events WHERE vault_id = %s", data["vaultId"]
        )
        assert recorded == [("vault_created", boss, {"repoFullName": f"{boss}/fresh", "isPrivate": True})]


class TestList:
    """GET /v1/vaults."""

    @pytest.mark.parametrize(
        "query",
        ["limit=0", "limit=501", "limit=x", "limit=", "limit=1.5", "limit=-1", "offset=-1", "offset=x", "offset=1e3",
         "offset=99999999999999999999"],
    )  # fmt: skip
    def test_a_page_that_cannot_be_is_400(self, home: Home, query: str) -> None:
        """The answer names the parameter."""
        answer = listed(home, home.token, f"?{query}")
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, query.partition("=")[0])

    def test_a_stranger_has_none(self, home: Home) -> None:
        """Vaults of others are not even counted."""
        answer = listed(home, stage.stranger(home.stack)).json()
        assert (answer["data"], answer["meta"]["pagination"]["total"]) == ([], 0)

    def test_a_role_on_the_repository_that_took_the_name_shows_nothing(self, stack: Stack, github: GitHub) -> None:
        """A repository was deleted and its name taken by a new one: a role there does not show the old vault."""
        old = stage.home(stack, "retaken")
        github.do("delete-repo", repo=old.full_name)
        heir = github.user("heir")
        github.repo(old.full_name, {heir: "admin"})
        assert listed(old, sign_in(stack, heir)).json()["data"] == []

    def test_another_owners_wrong_set_up_closes_no_list(self, home: Home, github: GitHub) -> None:
        """An installation without the permissions that we need hides its own vaults and nobody else's."""
        broken = stage.home(home.stack, "broken")
        github.do("install", login=broken.full_name.split("/")[0], permissions={"members": "read"})
        member = home.login_with("read")
        assert [item["id"] for item in listed(home, sign_in(home.stack, member)).json()["data"]] == [home.vault_id]

    @pytest.mark.parametrize("role", ["read", "triage", "write", "maintain", "admin"])
    def test_everybody_with_a_role_sees_it(self, home: Home, role: str) -> None:
        """Not only who made it; each with the own role."""
        answer = listed(home, home.with_role(role)).json()
        [item] = answer["data"]
        assert set(item) == ITEM
        assert (item["permission"], item["secretCount"], item["syncs"]) == (role, 1, [])
        assert item["environments"] == ["development", "staging", "production"]
        last = item["environmentDetails"][2]
        assert last == {"id": last["id"], "name": "production", "type": "protected", "displayOrder": 2}
        assert item["repoAvatar"] == f"{home.stack.github_url}/{item['repoOwner']}.png"
        assert MOMENT.fullmatch(item["updatedAt"])

    def test_pages_do_not_overlap(self, stack: Stack, github: GitHub) -> None:
        """Without `limit` all come at once; with it, each vault comes once and `hasMore` says when to stop."""
        boss = github.user("many")
        github.do("install", login=boss)
        token = sign_in(stack, boss)
        for number in range(3):
            github.repo(f"{boss}/app{number}", {})
            assert create(stack, token, {"repoFullName": f"{boss}/app{number}"}).status == 201
        call = Call("GET", "/v1/vaults", (bearer(token),))
        whole = send(stack.api_url, call).json()
        assert [item["repoName"] for item in whole["data"]] == ["app2", "app1", "app0"]
        pages = [
            send(stack.api_url, Call("GET", f"/v1/vaults?limit=2&offset={at}", call.headers)).json() for at in (0, 2)
        ]
        assert [item["id"] for page in pages for item in page["data"]] == [item["id"] for item in whole["data"]]
        assert [page["meta"]["pagination"]["hasMore"] for page in pages] == [True, False]

    def test_words_are_looked_for_and_pages_follow_the_alphabet(self, stack: Stack, github: GitHub) -> None:
        """`q` narrows by names of vaults and environments; pages by name hold every vault once, and say how many."""
        boss = github.user("shelf")
        github.do("install", login=boss)
        token = sign_in(stack, boss)
        for name in ("Zeta", "alpha", "beta-web"):
            github.repo(f"{boss}/{name}", {})
            assert create(stack, token, {"repoFullName": f"{boss}/{name}"}).status == 201
        path = f"/v1/vaults/{boss}/alpha/environments"
        assert send(stack.api_url, Call("POST", path, (bearer(token),), {"name": "preview"})).status == 201

        def shown(query: str) -> tuple[list[str], int]:
            answer = send(stack.api_url, Call("GET", f"/v1/vaults?{query}", (bearer(token),))).json()
            return [item["repoName"] for item in answer["data"]], answer["meta"]["pagination"]["total"]

        assert shown("sort=name&limit=2") == (["alpha", "beta-web"], 3)
        assert shown("sort=name&limit=2&offset=2") == (["Zeta"], 3)
        assert shown("q=PREVIEW") == (["alpha"], 1)
        assert shown("sort=name&q=shelf+e&limit=1") == (["alpha"], 3)
        assert shown("q=beta+web") == (["beta-web"], 1)
        assert shown("q=beta+nothing") == ([], 0)
        assert send(stack.api_url, Call("GET", "/v1/vaults?sort=size", (bearer(token),))).status == 400

    def test_a_push_brings_its_vault_to_the_front(self, stack: Stack, github: GitHub) -> None:
        """The list is in the order of the last change of values, although no push touches the vault's row."""
        boss = github.user("busy")
        github.do("install", login=boss)
        token = sign_in(stack, boss)
        for name in ("old", "new"):
            github.repo(f"{boss}/{name}", {})
            assert create(stack, token, {"repoFullName": f"{boss}/{name}"}).status == 201
        sent = {"repoFullName": f"{boss}/old", "environment": "development", "mode": "merge", "secrets": {"A": "1"}}
        assert send(stack.api_url, Call("POST", "/v1/secrets/push", (bearer(token),), sent)).status == 200
        whole = send(stack.api_url, Call("GET", "/v1/vaults", (bearer(token),))).json()["data"]
        assert [item["repoName"] for item in whole] == ["old", "new"]
        assert whole[0]["updatedAt"] > whole[1]["updatedAt"]


class TestShow:
    """GET /v1/vaults/{owner}/{repo}."""

    def test_foreign_and_missing_are_one_404(self, home: Home) -> None:
        """404, and never 403: the public CLI takes every other status for fatal."""
        headers = (bearer(stage.stranger(home.stack)),)
        foreign, missing = (
            send(home.base, Call("GET", f"/v1/vaults/{name}", headers)) for name in (home.full_name, "nobody/nothing")
        )
        assert foreign.status == 404
        assert foreign.comparable(home.full_name) == missing.comparable("nobody/nothing")

    def test_says_what_the_cli_reads(self, home: Home) -> None:
        """The list's fields, the full name and the day it was made; no name and no value of a secret."""
        answer = home.get(f"/v1/vaults/{home.full_name}")
        data = answer.json()["data"]
        assert set(data) == ITEM | {"repoFullName", "createdAt"}
        assert (data["repoFullName"], data["secretCount"]) == (home.full_name, 1)
        assert MOMENT.fullmatch(data["createdAt"])
        assert b"KEPT" not in answer.body
