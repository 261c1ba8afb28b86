"""Who saw what: whose reports, in which shapes, and what is dealt with (contract.md 4.2, 4.10)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from keyway_backend.features.exposure import rules
from keyway_standalone.processes import Stack
from stack import sign_in

from tests.oracle import stage
from tests.oracle.keys import environment_ids, give
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send

SECRET = {
    "secretId", "key", "environment", "roleAtAccess", "firstAccess", "lastAccess", "accessCount", "firstRevision",
    "lastRevision", "status", "rotatedAt", "tickedAt", "mustRotate",
}  # fmt: skip
USER = {"id", "username", "avatarUrl"}
SUMMARY = {"totalSecretsAccessed", "totalVaultsAccessed", "secretsToRotate", "firstAccess", "lastAccess"}


@dataclass
class Case:
    """A vault that a reader read and a stranger did not."""

    home: Home
    reader: str
    login: str
    stranger: str

    def get(self, path: str, token: str | None = None, *more: tuple[str, str]) -> Answer:
        """A GET, as the administrator unless somebody else is named."""
        return send(self.home.base, Call("GET", path, (bearer(token or self.home.token), *more)))

    def of_vault(self, token: str | None = None, query: str = "") -> Answer:
        """The vault's report."""
        return self.get(f"/v1/vaults/{self.home.full_name}/exposure{query}", token)

    def secrets(self) -> dict[str, dict[str, Any]]:
        """What the reader saw, by key, as the administrator is told."""
        people = self.of_vault().json()["data"]
        return {s["key"]: s for p in people if p["user"]["username"] == self.login for s in p["secrets"]}

    def tick(self, method: str, token: str, user: str, secret: str) -> Answer:
        """Ticks or unticks."""
        path = f"/v1/vaults/{self.home.full_name}/exposure/{user}/ticks/{secret}"
        return send(self.home.base, Call(method, path, (bearer(token),)))


@pytest.fixture(scope="module")
def case(stack: Stack) -> Case:
    """KEPT and ROTATED in development were read; HIDDEN in production was not."""
    home = stage.home(stack, "exposure")
    home.push({"KEPT": "k1", "ROTATED": "r1"}, "development")
    home.push({"HIDDEN": "h1"}, "production")
    login = home.login_with("read")
    reader = sign_in(stack, login)
    for _ in range(2):
        stage.pull(stack, reader, home.full_name, "development")
    body = {
        "repoFullName": home.full_name, "environment": "development", "mode": "merge", "secrets": {"ROTATED": "r2"},
    }  # fmt: skip
    assert home.post("/v1/secrets/push", body).status == 200
    return Case(home, reader, login, stage.stranger(stack))


def beside(home: Home, roles: dict[str, str] | None = None) -> Home:
    """A further vault of the same administrator."""
    name = f"{home.full_name}-too"
    number = GitHub(home.stack).repo(name, {home.admin: "admin"} | (roles or {}))
    vault_id = stage.create_vault(home.stack, home.token, name)
    return Home(home.stack, name, number, home.owner_id, home.admin, home.token, vault_id)


class TestRefuses:
    """Whom nothing is told."""

    def test_a_stranger_learns_nothing(self, case: Case) -> None:
        """A foreign vault and a foreign organisation are missing; one's own lists are empty."""
        org = case.home.full_name.split("/")[0]
        secret = case.secrets()["KEPT"]["secretId"]
        assert case.of_vault(case.stranger).status == 404
        assert case.get(f"/v1/orgs/{org}/exposure", case.stranger).status == 404
        history = f"/v1/vaults/{case.home.full_name}/secrets/{secret}/access-history"
        assert case.get(history, case.stranger).status == 404
        assert case.get("/v1/users/me/exposure", case.stranger).json()["data"]["users"] == []
        assert case.get(f"/v1/users/me/exposure/{case.login}", case.stranger).json()["data"] is None
        assert case.tick("PUT", case.stranger, str(uuid4()), secret).status == 404

    def test_a_reader_sees_only_own_rows(self, case: Case) -> None:
        """Of the vault the own rows; of vaults managed none; ticking is for those who manage."""
        data = case.of_vault(case.reader).json()["data"]
        assert {person["user"]["username"] for person in data} == {case.login}
        assert case.get("/v1/users/me/exposure", case.reader).json()["data"]["users"] == []
        secret = case.secrets()["KEPT"]["secretId"]
        history = case.get(f"/v1/vaults/{case.home.full_name}/secrets/{secret}/access-history", case.reader)
        assert [row["user"]["username"] for row in history.json()["data"]["accesses"]] == [case.login]
        assert case.tick("PUT", case.reader, data[0]["user"]["id"], secret).status == 403

    def test_secrets_of_others_and_wrong_ids_are_missing(self, case: Case) -> None:
        """A secret of another vault, an unknown person, and what is no id at all: 404."""
        user = case.of_vault().json()["data"][0]["user"]["id"]
        secret = case.secrets()["KEPT"]["secretId"]
        for who, what in ((user, str(uuid4())), (str(uuid4()), secret), ("x", secret), (user, "x")):
            assert case.tick("PUT", case.home.token, who, what).status == 404
        other = stage.home(case.home.stack, "elsewhere")
        assert other.get(f"/v1/vaults/{other.full_name}/secrets/{secret}/access-history").status == 404

    def test_what_may_not_be_read_is_not_listed(self, case: Case) -> None:
        """A secret of production is not in the history of somebody who may not read there."""
        stage.pull(case.home.stack, case.home.token, case.home.full_name, "production")
        mine = case.home.get(f"/v1/vaults/{case.home.full_name}/exposure").json()["data"]
        [hidden] = [s["secretId"] for p in mine for s in p["secrets"] if s["key"] == "HIDDEN"]
        assert case.get(f"/v1/vaults/{case.home.full_name}/secrets/{hidden}/access-history", case.reader).status == 403

    def test_a_bound_key_counts_what_it_may_see(self, stack: Stack) -> None:
        """Its vaults and its environments alone, in numbers too."""
        home = stage.home(stack, "bound", keep=False)
        other = beside(home)
        for place, environment in ((home, "development"), (home, "staging"), (other, "development")):
            assert place.push({"A": "1"}, environment).status == 200
            stage.pull(stack, home.token, place.full_name, environment)
        inside = environment_ids(stack, home.vault_id)["staging"]
        keys = {
            3: give(stack, home.token),
            2: give(stack, home.token, vaults=[home.vault_id]),
            1: give(stack, home.token, vaults=[home.vault_id], environments=[inside]),
            0: give(stack, home.token, vaults=[]),
        }
        for seen, key in keys.items():
            data = send(home.base, Call("GET", "/v1/users/me/exposure", (bearer(key.token),))).json()["data"]
            assert (data["summary"]["secrets"], data["summary"]["accesses"]) == (seen, seen)
            exposure = send(home.base, Call("GET", "/v1/users/me/security/overview", (bearer(key.token),))).json()[
                "data"
            ]["exposure"]
            assert (exposure["secretsAccessed"], exposure["usersWithAccess"]) == (seen, min(seen, 1))

    def test_names_of_a_closed_environment_are_not_told_to_who_manages(self, stack: Stack) -> None:
        """A manager who may not read production is told how much was seen there, and no name of it."""
        home = stage.home(stack, "closed", keep=False)
        login, second = home.login_with("write"), home.login_with("admin")
        for environment, key in (("development", "OPEN_NAME"), ("production", "CLOSED_NAME")):
            assert home.push({key: "1"}, environment).status == 200
            stage.pull(stack, home.token, home.full_name, environment)
        stage.pull(stack, sign_in(stack, login), home.full_name, "development")
        token = sign_in(stack, second)
        me = send(home.base, Call("GET", "/v1/users/me", (bearer(token),))).json()["data"]["id"]
        override = {
            "environment": "production", "targetType": "user", "targetUserId": me, "canRead": False, "canWrite": False,
        }  # fmt: skip
        assert home.post(f"/v1/vaults/{home.full_name}/permissions/overrides", override).status == 200
        paths = [
            f"/v1/users/me/exposure/{home.admin}",
            f"/v1/vaults/{home.full_name}/exposure",
            "/v1/users/me/security/access-log",
        ]
        for path in paths:
            told = send(home.base, Call("GET", path, (bearer(token),)))
            assert (told.status, b"CLOSED_NAME" in told.body) == (200, False)
            assert b"CLOSED_NAME" in home.get(path).body or path.endswith("access-log")
        report = send(home.base, Call("GET", paths[0], (bearer(token),))).json()["data"]["summary"]
        assert report["totalSecretsAccessed"] == 1
        log = [
            send(home.base, Call("GET", paths[2], (bearer(one),))).json()["data"]["total"]
            for one in (token, home.token)
        ]
        assert log == [2, 3]
        listed = send(home.base, Call("GET", "/v1/users/me/exposure", (bearer(token),))).json()["data"]
        assert listed["summary"] == {"users": 2, "secrets": 2, "accesses": 3}

    @pytest.mark.parametrize("query", ["startDate=soon", "endDate=2026-13-01", "limit=0", "offset=-1", "limit=x"])
    def test_wrong_questions_are_400(self, case: Case, query: str) -> None:
        """The answer names the parameter."""
        answer = case.get(f"/v1/users/me/exposure?{query}")
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, query.partition("=")[0])


class TestTells:
    """What is told."""

    def test_what_was_seen_and_what_was_rotated_since(self, case: Case) -> None:
        """Exactly the fields; the value that is newer than the one seen need not be rotated."""
        secrets = case.secrets()
        assert set(secrets) == {"KEPT", "ROTATED"}
        assert {frozenset(secret) for secret in secrets.values()} == {frozenset(SECRET)}
        kept, rotated = secrets["KEPT"], secrets["ROTATED"]
        assert (kept["status"], kept["mustRotate"], kept["rotatedAt"]) == ("current", True, None)
        assert (rotated["status"], rotated["mustRotate"]) == ("rotated", False)
        assert rotated["rotatedAt"] > rotated["lastAccess"]
        assert (kept["accessCount"], kept["roleAtAccess"]) == (2, "read")
        assert (kept["firstRevision"], kept["lastRevision"]) == (2, 2)

    def test_of_managed_vaults(self, case: Case) -> None:
        """The list and a person's report have the contract's shapes; nobody unknown has one."""
        data = case.get("/v1/users/me/exposure").json()["data"]
        assert set(data) == {"summary", "users"}
        assert set(data["summary"]) == {"users", "secrets", "accesses"}
        [found] = [one for one in data["users"] if one["user"]["username"] == case.login]
        assert set(found) == {"user", "secretsAccessed", "vaultsAccessed", "lastAccess"}
        assert (set(found["user"]), found["secretsAccessed"], found["vaultsAccessed"]) == (USER, 2, 1)
        report = case.get(f"/v1/users/me/exposure/{case.login.upper()}").json()["data"]
        assert set(report) == {"user", "summary", "vaults"}
        assert report["summary"]["totalSecretsAccessed"] == 2
        assert set(report["summary"]) == SUMMARY
        [vault] = report["vaults"]
        assert set(vault) == {"vaultId", "repoFullName", "totalSecrets", "secretsToRotate", "secrets"}
        assert (vault["vaultId"], vault["repoFullName"]) == (case.home.vault_id, case.home.full_name)
        assert case.get(f"/v1/users/me/exposure/nobody-{uuid4().hex[:8]}").json()["data"] is None

    def test_a_report_in_parts(self, stack: Stack) -> None:
        """Parts are the whole, cut; each has the numbers of the whole, one after the end too."""
        home = stage.home(stack, "parts", keep=False)
        login = home.login_with("write")
        other = beside(home, {login: "write"})
        for place in (home, other):
            assert place.push({"A": "1", "B": "2", "C": "3"}, "development").status == 200
            stage.pull(stack, sign_in(stack, login), place.full_name, "development")
        assert home.push({"A": "new"}, "development").status == 200
        path = f"/v1/users/me/exposure/{login}"
        whole = home.get(path).json()["data"]
        pairs = [(vault["repoFullName"], one) for vault in whole["vaults"] for one in vault["secrets"]]
        assert [(one["key"], one["mustRotate"]) for name, one in pairs if name == home.full_name] == [
            ("B", True), ("C", True), ("A", False),
        ]  # fmt: skip
        numbers = {
            vault["repoFullName"]: (vault["totalSecrets"], vault["secretsToRotate"]) for vault in whole["vaults"]
        }
        assert numbers == {home.full_name: (3, 2), other.full_name: (3, 3)}
        assert (whole["summary"]["totalSecretsAccessed"], whole["summary"]["secretsToRotate"]) == (6, 5)
        for size in (1, 2, 4, 6):
            parts = [home.get(f"{path}?limit={size}&offset={at}").json()["data"] for at in range(0, 6, size)]
            assert [(v["repoFullName"], one) for part in parts for v in part["vaults"] for one in v["secrets"]] == pairs
            for part in parts:
                assert part["summary"] == whole["summary"]
                for vault in part["vaults"]:
                    assert (vault["totalSecrets"], vault["secretsToRotate"]) == numbers[vault["repoFullName"]]
        after = home.get(f"{path}?limit=2&offset=6").json()["data"]
        assert (after["summary"], after["vaults"]) == (whole["summary"], [])

    def test_between_two_days(self, case: Case) -> None:
        """Reads outside of them do not count."""
        before = case.get("/v1/users/me/exposure?endDate=2020-01-01").json()["data"]
        assert before == {"summary": {"users": 0, "secrets": 0, "accesses": 0}, "users": []}
        since = case.get("/v1/users/me/exposure?startDate=2020-01-01").json()["data"]
        assert since == case.get("/v1/users/me/exposure").json()["data"]

    def test_of_an_organisation(self, stack: Stack, case: Case) -> None:
        """For its owners, by its number; members are refused; an unknown person is 404."""
        org = case.home.full_name.split("/")[0]
        if case.get("/v1/orgs", case.home.token).status == 404:
            pytest.skip("organisations have no routes yet")
        case.home.post("/v1/orgs/connect", {"orgLogin": org})
        answer = case.get(f"/v1/orgs/{org}/exposure")
        if answer.status == 404:
            pytest.skip("the organisation is not connected")
        found = {one["user"]["username"] for one in answer.json()["data"]["users"]}
        assert case.login in found
        assert case.get(f"/v1/orgs/{org}/exposure?vaultId={uuid4()}").json()["data"]["users"] == []
        report = case.get(f"/v1/orgs/{org}/exposure/{case.login}").json()["data"]
        assert report["summary"]["totalSecretsAccessed"] == 2
        assert case.get(f"/v1/orgs/{org}/exposure/nobody-{uuid4().hex[:8]}").status == 404
        member = case.home.login_with("admin")
        GitHub(stack).do("set-member", org=org, login=member, role="member")
        assert case.get(f"/v1/orgs/{org}/exposure", sign_in(stack, member)).status == 403

    def test_the_history_of_a_secret(self, case: Case) -> None:
        """Who saw it, with the contract's fields."""
        secret = case.secrets()["KEPT"]["secretId"]
        data = case.get(f"/v1/vaults/{case.home.full_name}/secrets/{secret}/access-history").json()["data"]
        assert set(data) == {"accesses", "total"}
        [row] = [row for row in data["accesses"] if row["user"]["username"] == case.login]
        assert set(row) == {"user", "roleAtAccess", "platform", "firstAccess", "lastAccess", "accessCount"}
        assert (row["accessCount"], row["roleAtAccess"], row["platform"]) == (2, "read", "api")

    def test_as_csv_without_formulas(self, stack: Stack) -> None:
        """A line for each person and secret; a name that begins like a formula is text to a spreadsheet."""
        home = stage.home(stack, "table", keep=False)
        assert home.push({"_A": "1", "B": "2"}, "development").status == 200
        stage.pull(stack, home.token, home.full_name, "development")
        path = f"/v1/vaults/{home.full_name}/exposure"
        answer = send(home.base, Call("GET", path, (bearer(home.token), ("Accept", "text/csv"))))
        assert (answer.status, answer.header("content-type").partition(";")[0]) == (200, "text/csv")
        lines = list(csv.DictReader(io.StringIO(answer.body.decode())))
        assert [(line["username"], line["key"], line["mustRotate"]) for line in lines] == [
            (home.admin, "B", "yes"),
            (home.admin, "_A", "yes"),
        ]
        both = send(home.base, Call("GET", path, (bearer(home.token), ("Accept", "application/json, text/csv"))))
        assert both.header("content-type").startswith("application/json")

    def test_pages_of_people(self, case: Case) -> None:
        """Each person once, and the total with every page."""
        whole = case.of_vault().json()
        people = [person["user"]["username"] for person in whole["data"]]
        pages = [case.of_vault(None, f"?limit=1&offset={at}").json() for at in range(len(people))]
        assert [page["data"][0]["user"]["username"] for page in pages] == people
        assert {page["meta"]["pagination"]["total"] for page in pages} == {len(people)}


class TestTicks:
    """What was dealt with."""

    def test_a_tick_holds_until_it_is_seen_again(self, stack: Stack, case: Case) -> None:
        """Ticked, it need not be rotated; seen again, it must; unticked, too."""
        before = case.secrets()["KEPT"]
        user = next(p["user"]["id"] for p in case.of_vault().json()["data"] if p["user"]["username"] == case.login)
        assert case.tick("PUT", case.home.token, user, before["secretId"]).status == 204
        assert (case.secrets()["KEPT"]["mustRotate"], case.secrets()["KEPT"]["tickedAt"] is None) == (False, False)
        assert case.tick("DELETE", case.home.token, user, before["secretId"]).status == 204
        assert case.secrets()["KEPT"]["mustRotate"] is True
        assert case.tick("PUT", case.home.token, user, before["secretId"]).status == 204
        stage.pull(stack, case.reader, case.home.full_name, "development")
        assert case.secrets()["KEPT"]["mustRotate"] is True
        activity = case.get(f"/v1/vaults/{case.home.full_name}/activity").json()["data"]
        assert {"exposure_ticked", "exposure_unticked"} <= {item["action"] for item in activity}


def test_a_cell_is_never_a_formula() -> None:
    """Whatever a person is called, the spreadsheet shows it and computes nothing."""
    at = datetime.now(UTC)
    row = {
        "user_id": None, "secret_id": uuid4(), "repository": "a/b", "environment": "+dev", "key": "A",
        "role": "@admin", "first_at": at, "last_at": at, "reads": 1, "first_revision": 1, "last_revision": 1,
        "status": "current", "rotated_at": None, "ticked_at": None,
    }  # fmt: skip
    for login in ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1"):
        [line] = csv.DictReader(io.StringIO(rules.table([row | {"login": login}]), newline=""))
        assert (line["username"], line["environment"], line["roleAtAccess"]) == ("'" + login, "'+dev", "'@admin")
