"""The older rules: written as overrides that hold, shown in their older form (contract.md 4.4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.backend.known_people import People
from tests.backend.permissions.desk import MOMENT, ask, changes, create, pulled, role_override
from tests.oracle.stage import GitHub, Home


@pytest.fixture
def home(known: People) -> Home:
    """A vault of the test's own."""
    return known.home("minimum")


def rule(read: str, write: str) -> dict[str, Any]:
    """A body."""
    return {"permissions": {"read": read, "write": write}}


class TestRefuses:
    @pytest.mark.parametrize(
        "body", [{}, {"permissions": {}}, {"permissions": {"read": "read"}}, rule("owner", "admin"), rule("read", ""),
                 {"permissions": "admin"}, {"permissions": {"read": 1, "write": "admin"}}]
    )  # fmt: skip
    def test_a_body_of_the_wrong_form(self, home: Home, body: dict[str, Any]) -> None:
        """400, and no rule."""
        assert ask(home, "PUT", "/permissions/development", body).status == 400
        assert ask(home, "GET", "/permissions").json()["data"]["custom"] == []

    @pytest.mark.parametrize("name", ["nowhere", "Production", "*"])
    def test_an_environment_that_is_not_there(self, home: Home, name: str) -> None:
        """404."""
        assert ask(home, "PUT", f"/permissions/{name}", rule("read", "write")).status == 404
        assert ask(home, "DELETE", f"/permissions/{name}").status == 404


class TestHolds:
    def test_a_rule_locks_and_opens(self, home: Home) -> None:
        """Who is below the lowest role is out, who is at it is in, until the rule goes."""
        reader, writer = home.with_role("read"), home.with_role("write")
        assert (pulled(home, reader, "development"), pulled(home, writer, "production")) == (200, 404)
        set_ = ask(home, "PUT", "/permissions/development", rule("maintain", "admin"))
        assert set_.json()["data"]["permissions"] == {"read": "maintain", "write": "admin"}
        assert (pulled(home, reader, "development"), pulled(home, writer, "development")) == (403, 403)
        assert pulled(home, home.with_role("maintain"), "development") == 200
        ask(home, "PUT", "/permissions/production", rule("read", "write"))
        assert pulled(home, reader, "production") == 404
        dropped = ask(home, "DELETE", "/permissions/development").json()["data"]
        assert (dropped["success"], dropped["defaults"]) == (True, {"read": "read", "write": "write"})
        assert pulled(home, reader, "development") == 200
        assert [one["change"] for one in changes(home)] == [
            "minimum_roles_set", "minimum_roles_set", "minimum_roles_dropped",
        ]  # fmt: skip

    def test_it_is_shown_in_both_forms(self, home: Home) -> None:
        """One rule, five overrides; a change by the newer routes that no minimum says takes it off the older list."""
        ask(home, "PUT", "/permissions/production", rule("write", "admin"))
        data = ask(home, "GET", "/permissions", token=home.with_role("read")).json()["data"]
        assert set(data) == {"repoFullName", "vaultId", "custom", "defaults", "roleDefaults"}
        [custom] = data["custom"]
        assert MOMENT.fullmatch(custom.pop("createdAt"))
        assert MOMENT.fullmatch(custom.pop("updatedAt"))
        assert custom == {
            "environment": "production", "environmentType": "protected", "isCustom": True,
            "permissions": {"read": "write", "write": "admin"},
        }  # fmt: skip
        assert data["defaults"]["development"] == {"read": "read", "write": "write"}
        assert data["defaults"]["protected"] == {"read": "write", "write": "admin"}
        overrides = ask(home, "GET", "/permissions/overrides").json()["data"]["overrides"]
        assert {one["targetRole"]: (one["canRead"], one["canWrite"]) for one in overrides} == {
            "read": (False, False), "triage": (False, False), "write": (True, False), "maintain": (True, False),
            "admin": (True, True),
        }  # fmt: skip
        lowest = next(one["id"] for one in overrides if one["targetRole"] == "read")
        ask(home, "PUT", f"/permissions/overrides/{lowest}", {"canRead": True})
        assert ask(home, "GET", "/permissions").json()["data"]["custom"] == []

    def test_it_takes_the_place_of_what_was_said_of_roles_there(self, home: Home) -> None:
        """And leaves other environments and persons alone."""
        create(home, role_override("read", "development", read=False))
        kept = create(home, role_override("read", "staging"))
        ask(home, "PUT", "/permissions/development", rule("read", "read"))
        overrides = ask(home, "GET", "/permissions/overrides").json()["data"]["overrides"]
        assert len(overrides) == 6
        assert kept in {one["id"] for one in overrides}
        assert pulled(home, home.with_role("read"), "development") == 200


class TestCollaborators:
    def test_all_pages_of_them_with_their_reach(self, home: Home) -> None:
        """Everybody whom GitHub names, and what each can do somewhere in the vault."""
        github = GitHub(home.stack)
        readers = [home.login_with("read") for _ in range(100)]
        create(home, role_override("read", read=False, write=False))
        data = ask(home, "GET", "/collaborators").json()["data"]
        assert (data["repoFullName"], data["provider"]) == (home.full_name, "github")
        found = {one["login"]: one for one in data["collaborators"]}
        assert set(found) == {home.admin, *readers}
        assert set(found[home.admin]) == {
            "login", "userId", "avatarUrl", "htmlUrl", "githubPermission", "keywayPermissions", "type",
        }  # fmt: skip
        assert found[home.admin]["userId"] == home.get("/v1/users/me").json()["data"]["id"]
        assert found[readers[0]]["userId"] is None
        assert found[home.admin]["keywayPermissions"] == {"canRead": True, "canWrite": True, "canManage": True}
        assert found[readers[0]]["keywayPermissions"] == {"canRead": False, "canWrite": False, "canManage": False}
        short = ask(home, "GET", "/contributors").json()["data"]
        assert (short["repoId"], short["provider"], len(short["contributors"])) == (home.full_name, "github", 101)
        assert set(short["contributors"][0]) == {"login", "avatarUrl", "htmlUrl", "permission"}
        github.do("fault", kind="status", pattern="GET /repos/*/collaborators", times=1)
        assert ask(home, "GET", "/contributors").status == 503
        github.do("clear-faults")
