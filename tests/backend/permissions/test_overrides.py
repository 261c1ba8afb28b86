"""Overrides: refused, written, changed, removed, and what follows from them (contract.md 4.5)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from keyway_standalone.processes import Stack

from tests.backend.known_people import People
from tests.backend.permissions.desk import (
    MOMENT,
    OVERRIDE,
    alarms,
    ask,
    changes,
    create,
    pulled,
    role_override,
    sql,
    user_id,
    user_override,
)
from tests.oracle import stage
from tests.oracle.stage import Home
from tests.oracle.wire import Call, bearer, send

ROLE = role_override("read", "development")

NOBODYS = "0198c0de-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def shared(known: People) -> Home:
    """A vault in which nothing is changed."""
    return known.home("overrides")


@pytest.fixture(scope="module")
def other(stack: Stack) -> Home:
    """Somebody else's vault."""
    return stage.home(stack, "elsewhere")


@pytest.fixture
def home(known: People) -> Home:
    """A vault of the test's own."""
    return known.home("ruled")


class TestRefuses:
    """What changes nothing."""

    @pytest.mark.parametrize("role", ["read", "write", "maintain"])
    def test_who_does_not_manage(self, shared: Home, role: str) -> None:
        """403 on every route that changes; the row stays."""
        kept = create(shared, role_override("triage", "staging", write=False)) if role == "read" else None
        token = shared.with_role(role)
        for method, path, body in (
            ("POST", "/permissions/overrides", ROLE),
            ("PUT", f"/permissions/overrides/{uuid4()}", {"canRead": True}),
            ("DELETE", f"/permissions/overrides/{uuid4()}", None),
            ("DELETE", "/permissions/reset", None),
            ("PUT", "/permissions/development", {"permissions": {"read": "read", "write": "read"}}),
            ("DELETE", "/permissions/development", None),
            ("GET", "/collaborators", None),
            ("GET", "/contributors", None),
        ):
            assert ask(shared, method, path, body, token=token).status == 403, (method, path)
        if kept is not None:
            assert ask(shared, "DELETE", f"/permissions/overrides/{kept}").status == 200

    def test_a_stranger_finds_no_vault(self, shared: Home, known: People) -> None:
        """404, as for a vault that is not there."""
        _, token = known.person("stranger")
        for method, path in (
            ("GET", "/permissions/overrides"), ("POST", "/permissions/overrides"), ("GET", "/permissions"),
            ("DELETE", "/permissions/reset"), ("GET", "/permissions/effective"), ("GET", "/permissions/defaults"),
            ("GET", "/collaborators"),
        ):  # fmt: skip
            foreign = ask(shared, method, path, token=token)
            assert foreign.status == 404, (method, path)

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"environment": None}, "environment"), ({"environment": ""}, "environment"),
            ({"environment": 7}, "environment"), ({"environment": "x" * 51}, "environment"),
            ({"environment": "nowhere"}, "environment"), ({"targetType": "team"}, "targetType"),
            ({"targetRole": "owner"}, "targetRole"), ({"targetRole": None}, "body"), ({"targetRole": 1}, "targetRole"),
            ({"targetUserId": str(uuid4())}, "body"), ({"targetUserId": "me"}, "targetUserId"),
            ({"canRead": "yes"}, "canRead"), ({"canRead": 1}, "canRead"), ({"canWrite": None}, "canWrite"),
        ],
    )  # fmt: skip
    def test_a_body_of_the_wrong_form(self, shared: Home, change: dict[str, Any], field: str) -> None:
        """400 naming the field, and nothing that was sent."""
        answer = ask(shared, "POST", "/permissions/overrides", ROLE | change)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)

    def test_a_person_nobody_knows(self, shared: Home) -> None:
        """The target of an override must have signed in."""
        answer = ask(shared, "POST", "/permissions/overrides", user_override(str(uuid4())))
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "targetUserId")

    @pytest.mark.parametrize("body", [{}, {"canRead": "no"}, {"canRead": None, "canWrite": None}, {"canread": True}])
    def test_a_change_of_nothing(self, shared: Home, body: dict[str, Any]) -> None:
        """A change names at least one of both rights."""
        assert ask(shared, "PUT", f"/permissions/overrides/{uuid4()}", body).status == 400

    @pytest.mark.parametrize("number", ["x", "0", "null", "..%2f..", f"{NOBODYS}0", NOBODYS])
    def test_an_id_of_nothing(self, shared: Home, number: str) -> None:
        """404, well-formed or not."""
        assert ask(shared, "PUT", f"/permissions/overrides/{number}", {"canRead": True}).status == 404
        assert ask(shared, "DELETE", f"/permissions/overrides/{number}").status == 404

    def test_an_override_of_another_vault(self, shared: Home, other: Home) -> None:
        """An administrator elsewhere changes nothing here with an id that any reader here can list."""
        theirs = create(other, role_override("read", "production", read=False, write=False))
        foreign = ask(shared, "PUT", f"/permissions/overrides/{theirs}", {"canRead": True, "canWrite": True})
        missing = ask(shared, "PUT", f"/permissions/overrides/{uuid4()}", {"canRead": True, "canWrite": True})
        assert foreign.status == 404
        assert foreign.json()["detail"] == missing.json()["detail"]
        assert ask(shared, "DELETE", f"/permissions/overrides/{theirs}").status == 404
        ask(shared, "DELETE", "/permissions/reset")
        [kept] = ask(other, "GET", "/permissions/overrides").json()["data"]["overrides"]
        assert (kept["id"], kept["canRead"], kept["canWrite"]) == (theirs, False, False)

    @pytest.mark.parametrize("environment", ["development", "*"])
    def test_a_second_one_for_the_same(self, home: Home, environment: str) -> None:
        """409 for a role and for a person, also where `*` stands for every environment."""
        for body in (role_override("write", environment), user_override(user_id(home, home.token), environment)):
            create(home, body)
            assert ask(home, "POST", "/permissions/overrides", body | {"canRead": False}).status == 409

    def test_all_but_one_of_many_at_once(self, home: Home) -> None:
        """Of equal ones that arrive together one is written, the others are 409, none fails."""
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda _: ask(home, "POST", "/permissions/overrides", ROLE).status, range(8))
        assert sorted(answers) == [200] + [409] * 7
        assert len(ask(home, "GET", "/permissions/overrides").json()["data"]["overrides"]) == 1


class TestWrites:
    """What is there afterwards."""

    def test_one_for_a_role(self, home: Home) -> None:
        """The exact shape, at creation and in the list; one audit row beside it."""
        made = ask(home, "POST", "/permissions/overrides", role_override("triage", "production", write=False))
        data = made.json()["data"]
        assert set(data) == OVERRIDE
        assert (data["environment"], data["targetRole"], data["canRead"], data["canWrite"]) == (
            "production", "triage", True, False,
        )  # fmt: skip
        assert data["createdBy"] == {"id": user_id(home, home.token), "username": home.admin}
        assert MOMENT.fullmatch(data["createdAt"])
        listed = ask(home, "GET", "/permissions/overrides", token=home.with_role("read")).json()["data"]
        assert listed["overrides"] == [data]
        assert listed["defaults"]["write"] == {
            "development": {"read": True, "write": True},
            "standard": {"read": True, "write": True},
            "protected": {"read": True, "write": False},
        }
        [recorded] = changes(home)
        assert recorded["change"] == "override_created"
        assert (recorded["target"], recorded["environment"], recorded["canWrite"]) == ("triage", "production", False)

    def test_what_holds_without_them_is_what_the_organisation_says(self, home: Home) -> None:
        """The list and a reset tell its defaults above the matrix, which stays as it is."""
        org = home.full_name.partition("/")[0]
        assert home.post("/v1/orgs/connect", {"orgLogin": org}).status == 200
        said = {"defaultPermissions": {"write": {"standard": {"read": False}}}}
        call = Call("PUT", f"/v1/orgs/{org}", (bearer(home.token),), said)
        assert send(home.base, call).status == 200
        for method, path in (("GET", "/permissions/overrides"), ("DELETE", "/permissions/reset")):
            told = ask(home, method, path).json()["data"]["defaults"]["write"]
            assert (told["standard"], told["development"]["read"]) == ({"read": False, "write": True}, True)
        assert ask(home, "GET", "/permissions/defaults").json()["data"]["matrix"]["write"]["standard"]["read"] is True

    def test_one_for_a_person(self, home: Home) -> None:
        """It names the person with labels of now."""
        reader = home.with_role("read")
        data = ask(home, "POST", "/permissions/overrides", user_override(user_id(home, reader))).json()["data"]
        assert set(data) == OVERRIDE - {"targetRole"} | {"targetUser"}
        assert set(data["targetUser"]) == {"id", "username", "avatarUrl"}
        assert (data["targetUser"]["id"], data["environment"]) == (user_id(home, reader), "*")

    def test_a_change_and_a_removal(self, home: Home) -> None:
        """Each with its audit row; one right alone can be changed."""
        number = create(home, ROLE)
        changed = ask(home, "PUT", f"/permissions/overrides/{number}", {"canWrite": False}).json()["data"]
        assert (changed["canRead"], changed["canWrite"]) == (True, False)
        gone = ask(home, "DELETE", f"/permissions/overrides/{number}")
        assert (gone.status, gone.json()["data"]) == (200, {"deleted": True})
        assert ask(home, "DELETE", f"/permissions/overrides/{number}").status == 404
        assert [one["change"] for one in changes(home)] == ["override_created", "override_changed", "override_deleted"]
        assert changes(home)[1]["before"] == {"canRead": True, "canWrite": True}

    def test_a_reset(self, home: Home) -> None:
        """All are gone, and the answer says what holds now."""
        for role in ("read", "write"):
            create(home, role_override(role))
        data = ask(home, "DELETE", "/permissions/reset").json()["data"]
        assert set(data) == {"message", "defaults"}
        assert ask(home, "GET", "/permissions/overrides").json()["data"]["overrides"] == []
        assert changes(home)[-1] == {"change": "overrides_reset", "count": 2}

    def test_one_of_a_deleted_environment_is_not_shown(self, home: Home) -> None:
        """It is of nothing any more."""
        create(home, role_override("read", "staging"))
        sql(home.stack, "UPDATE environments SET deleted_at = now() WHERE vault_id = %s AND name = 'staging'",
            home.vault_id)  # fmt: skip
        assert ask(home, "GET", "/permissions/overrides").json()["data"]["overrides"] == []


class TestHolds:
    """What an override is for."""

    def test_the_more_specific_one_wins(self, home: Home) -> None:
        """Person before role, environment before `*`."""
        token = home.with_role("write")
        assert pulled(home, token, "development") == 200
        everybody = create(home, role_override("write", read=False, write=False))
        assert pulled(home, token, "development") == 403
        create(home, role_override("write", "development", read=True, write=False))
        assert pulled(home, token, "development") == 200
        create(home, user_override(user_id(home, token), read=False, write=False))
        assert pulled(home, token, "development") == 403
        create(home, user_override(user_id(home, token), "development"))
        assert pulled(home, token, "development") == 200
        assert pulled(home, token, "staging") == 403
        assert ask(home, "DELETE", f"/permissions/overrides/{everybody}").status == 200
        assert pulled(home, home.with_role("maintain"), "production") == 404

    def test_an_admin_can_be_locked_out_of_values_and_still_manages(self, home: Home) -> None:
        """It is a brake and not a wall."""
        number = create(home, user_override(user_id(home, home.token), read=False, write=False))
        assert pulled(home, home.token, "development") == 403
        assert home.push({"A": "1"}, "development").status == 403
        effective = ask(home, "GET", "/permissions/effective").json()["data"]
        assert effective["role"] == "admin"
        assert set(map(str, effective["permissions"].values())) == {"{'read': False, 'write': False}"}
        assert ask(home, "PUT", f"/permissions/overrides/{number}", {"canRead": True}).status == 200
        assert pulled(home, home.token, "development") == 200

    def test_it_invites_nobody(self, home: Home, known: People) -> None:
        """Without a role from GitHub an override for a person is not even read."""
        _, token = known.person("stranger")
        create(home, user_override(user_id(home, token)))
        assert pulled(home, token, "development") == 403
        assert ask(home, "GET", "/permissions/effective", token=token).status == 404

    def test_effective_for_oneself_and_for_others(self, home: Home) -> None:
        """Everybody may ask about themselves, who manages about anybody; a person without a role may nothing."""
        reader = home.with_role("read")
        own = ask(home, "GET", "/permissions/effective", token=reader).json()["data"]
        assert own == {
            "role": "read",
            "permissions": {
                "development": {"read": True, "write": False},
                "staging": {"read": True, "write": False},
                "production": {"read": False, "write": False},
            },
        }
        create(home, user_override(user_id(home, reader), "production"))
        there = f"/permissions/effective?user={user_id(home, reader)}"
        assert ask(home, "GET", there, token=reader).status == 200
        told = ask(home, "GET", there).json()["data"]
        assert (told["role"], told["permissions"]["production"]) == ("read", {"read": True, "write": True})
        assert ask(home, "GET", f"/permissions/effective?user={home.admin}", token=reader).status == 403
        outsider = user_id(home, stage.stranger(home.stack))
        nobody = ask(home, "GET", f"/permissions/effective?user={outsider}").json()["data"]
        assert nobody["role"] is None
        assert nobody["permissions"]["development"] == {"read": False, "write": False}
        assert ask(home, "GET", "/permissions/effective?user=nobody-of-this-name").status == 404
        assert ask(home, "GET", "/permissions/effective?user=").status == 400

    def test_defaults_are_told_in_words_too(self, home: Home) -> None:
        """The matrix of policy.yaml, and a sentence for each role and type."""
        data = ask(home, "GET", "/permissions/defaults", token=home.with_role("read")).json()["data"]
        assert set(data) == {"matrix", "description"}
        assert set(data["description"]) == {"roles", "environmentTypes"}
        assert list(data["matrix"]) == ["read", "triage", "write", "maintain", "admin"]
        assert data["matrix"]["admin"]["protected"] == {"read": True, "write": True}


class TestForged:
    """Rows that somebody else wrote into the database."""

    def test_a_forged_row_is_absent_and_alarms(self, home: Home) -> None:
        """Not listed, not followed, not changeable, and in nobody's way."""
        number = create(home, role_override("read", "production", read=False, write=False))
        sql(home.stack, "UPDATE permission_overrides SET can_read = true, can_write = true WHERE id = %s", number)
        before = alarms(home.stack, "permission_override")
        assert ask(home, "GET", "/permissions/overrides").json()["data"]["overrides"] == []
        assert pulled(home, home.with_role("read"), "production") == 403
        assert ask(home, "PUT", f"/permissions/overrides/{number}", {"canRead": True}).status == 404
        assert ask(home, "DELETE", f"/permissions/overrides/{number}").status == 404
        assert alarms(home.stack, "permission_override") > before
        assert create(home, role_override("read", "production")) != number

    def test_a_genuine_row_moved_to_another_vault_is_absent(self, home: Home, other: Home) -> None:
        """Its code is of the vault that it was written for."""
        number = create(other, role_override("maintain"))
        sql(home.stack, "UPDATE permission_overrides SET vault_id = %s WHERE id = %s", home.vault_id, number)
        assert ask(home, "GET", "/permissions/overrides").json()["data"]["overrides"] == []
        assert ask(home, "PUT", f"/permissions/overrides/{number}", {"canRead": True}).status == 404


class TestKeys:
    """API keys: what they may look at, and that they change nothing."""

    def test_a_key_changes_nothing(self, home: Home) -> None:
        """Who may do what is changed with a session alone, whatever the key's owner may."""
        key = _key(home, ["read:secrets", "write:secrets", "delete:secrets", "admin:api-keys"])
        number = create(home, ROLE)
        for method, path, body in (
            ("POST", "/permissions/overrides", role_override("write")),
            ("PUT", f"/permissions/overrides/{number}", {"canRead": False}),
            ("DELETE", f"/permissions/overrides/{number}", None),
            ("DELETE", "/permissions/reset", None),
            ("PUT", "/permissions/staging", {"permissions": {"read": "read", "write": "read"}}),
            ("DELETE", "/permissions/staging", None),
        ):
            assert ask(home, method, path, body, token=key).status == 403, (method, path)
        assert [one["id"] for one in _listed(home, key)] == [number]

    def test_a_bound_key_sees_what_concerns_its_environments(self, home: Home) -> None:
        """Overrides, rules and effective rights of others are left out; what holds everywhere is shown."""
        ask(home, "PUT", "/permissions/staging", {"permissions": {"read": "read", "write": "admin"}})
        ask(home, "PUT", "/permissions/development", {"permissions": {"read": "read", "write": "write"}})
        everywhere = create(home, role_override("triage"))
        [(staging,)] = sql(
            home.stack, "SELECT id::text FROM environments WHERE vault_id = %s AND name = 'staging'", home.vault_id
        )
        key = _key(home, ["read:secrets"], vaultIds=[home.vault_id], environmentIds=[staging])
        assert {one["environment"] for one in _listed(home, key)} == {"staging", "*"}
        assert everywhere in {one["id"] for one in _listed(home, key)}
        effective = ask(home, "GET", "/permissions/effective", token=key).json()["data"]
        assert set(effective["permissions"]) == {"staging"}
        rules = ask(home, "GET", "/permissions", token=key).json()["data"]["custom"]
        assert [rule["environment"] for rule in rules] == ["staging"]
        assert ask(home, "GET", "/collaborators", token=key).status == 403
        assert ask(home, "GET", "/contributors", token=key).status == 403
        assert ask(home, "GET", "/permissions/defaults", token=key).status == 200


def _key(home: Home, scopes: list[str], **binding: Any) -> str:
    body = {"name": "k", "environment": "live", "scopes": scopes, **binding}
    answer = send(home.base, Call("POST", "/v1/api-keys", (bearer(home.token),), body))
    assert answer.status == 200, answer.body
    return str(answer.json()["data"]["token"])


def _listed(home: Home, token: str) -> list[dict[str, Any]]:
    return list(ask(home, "GET", "/permissions/overrides", token=token).json()["data"]["overrides"])
