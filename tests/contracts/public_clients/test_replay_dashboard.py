"""The public dashboard, page by page: what each asks and every field that it reads (contract.md 14)."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import Any, Final
from urllib.parse import quote

import pytest
from browser import Browser
from keyway_standalone.processes import Stack

from tests.contracts.public_clients.next_dashboard import BlockedByBrowserError, Dashboard
from tests.contracts.public_clients.shapes import PERSON, Optional, Some, filled, moment, reads, url, uuid
from tests.oracle import keys, stage
from tests.oracle.stage import GitHub, Home

ROLE: Final = ("read", "triage", "write", "maintain", "admin")
PLAN: Final = ("free", "pro", "team", "business")
KIND: Final = ("protected", "standard", "development")
VAULT: Final = {
    "id": uuid,
    "repoOwner": filled,
    "repoName": filled,
    "repoAvatar": url,
    "secretCount": int,
    "environments": [filled],
    "environmentDetails": [{"name": filled, "type": KIND, "displayOrder": int}],
    "permission": (*ROLE, None),
    "warning": Optional("repo_inaccessible"),
    "isPrivate": bool,
    "isReadOnly": bool,
    "readonlyReason": ("plan_limit_exceeded", "org_free_plan", None),
    "syncs": Some({}),
    "updatedAt": moment,
}
VAULT_PAGE: Final = VAULT | {"repoFullName": filled, "createdAt": moment}
PAGE: Final = {"pagination": {"total": int, "limit": int, "offset": int, "hasMore": bool}, "requestId": filled}
SECRET: Final = {
    "id": uuid,
    "key": filled,
    "environment": filled,
    "createdAt": moment,
    "updatedAt": moment,
    "lastModifiedBy": (dict, None),
}
ENVIRONMENTS: Final = {"environments": [{"name": filled, "type": KIND, "displayOrder": int}]}
TRASHED: Final = {
    "id": uuid,
    "key": filled,
    "environment": filled,
    "deletedAt": moment,
    "expiresAt": moment,
    "daysRemaining": int,
}
ACTIVITY: Final = {
    "id": uuid,
    "action": filled,
    "vaultId": (uuid, None),
    "repoFullName": (filled, None),
    "actor": {"id": uuid} | PERSON,
    "platform": ("cli", "web", "api", "mcp"),
    "metadata": (dict, None),
    "timestamp": moment,
}
API_KEY: Final = {
    "id": uuid,
    "name": filled,
    "prefix": filled,
    "environment": ("live", "test"),
    "scopes": [filled],
    "expiresAt": (moment, None),
    "lastUsedAt": (moment, None),
    "usageCount": int,
    "createdAt": moment,
    "revokedAt": (moment, None),
    "revokedReason": (str, None),
    "isActive": bool,
}
TRIAL: Final = {
    "status": ("none", "active", "expired", "converted"),
    "startedAt": (moment, None),
    "endsAt": (moment, None),
    "convertedAt": (moment, None),
    "daysRemaining": (int, None),
}
ORG: Final = {
    "id": uuid,
    "login": filled,
    "displayName": (str, None),
    "avatarUrl": (url, None),
    "plan": ("free", "team", "business"),
    "role": ("owner", "member"),
    "memberCount": int,
    "vaultCount": int,
    "createdAt": moment,
}
ORG_PAGE: Final = ORG | {
    "updatedAt": moment,
    "defaultPermissions": dict,
    "stripeCustomerId": (str, None),
    "trial": TRIAL,
    "trialDurationDays": int,
    "effectivePlan": ("free", "team", "business"),
}


def opened(stack: Stack, login: str, path: str = "/") -> Dashboard:
    """A tab of somebody who came in over `/login`: to GitHub, back, with the cookies of the parent domain."""
    browser = Browser(stack)
    target = f"{stack.dashboard_url}{path}"
    answer = browser.sign_in(login, redirect_uri=target)
    assert (answer.status_code, answer.headers["location"]) == (302, target)
    return Dashboard(stack.api_url, stack.dashboard_url, dict(browser.jar))


@pytest.fixture(scope="module")
def home(board: Stack) -> Home:
    """A vault of an organisation, with something in two environments."""
    made = stage.home(board, "board", keep=False)
    assert made.push({"A": "1", "B": "2"}, "development").status == 200
    assert made.push({"P": "3"}, "production").status == 200
    return made


@pytest.fixture(scope="module")
def tab(home: Home) -> Dashboard:
    """The administrator's."""
    return opened(home.stack, home.admin, f"/vaults/{home.full_name}")


@pytest.fixture
def vault(home: Home) -> str:
    """The vault's path."""
    return f"/v1/vaults/{home.full_name}"


def named(tab: Dashboard, vault: str, name: str, environment: str = "development") -> dict[str, Any]:
    """A secret as the table shows it."""
    rows = reads(tab.data("GET", f"{vault}/secrets?limit=100"), [SECRET])
    return next(one for one in rows if (one["key"], one["environment"]) == (name, environment))


class TestSignIn:
    def test_the_cookies_that_its_middleware_reads(self, tab: Dashboard) -> None:
        """The session, and a flag beside it."""
        assert set(tab.cookies) == {"keyway_session", "keyway_logged_in", "__Host-keyway_sign_in"}
        assert tab.signed_in

    @pytest.mark.parametrize("path", ["/", "/vaults/a/b", "/login?redirect=%2Factivity", "/auth/callback"])
    def test_the_login_button_leads_back_to_any_page(self, board: Stack, path: str) -> None:
        """`redirect_uri` is its origin with a path."""
        opened(board, GitHub(board).user("person"), path)

    def test_the_header_of_all_pages(self, tab: Dashboard, home: Home) -> None:
        """Who am I; which organisations."""
        me = reads(
            tab.data("GET", "/v1/users/me"),
            {"id": uuid, "username": home.admin, "email": (str, None), "avatarUrl": (url, None), "createdAt": moment,
             "plan": PLAN, "forgeType": "github", "forgeUserId": filled},
        )  # fmt: skip
        assert me["forgeUserId"].isdecimal()
        reads(tab.data("GET", "/v1/orgs"), Some(ORG))

    def test_an_ended_session_shows_as_one(self, board: Stack) -> None:
        """Any error there sends it to `/login`; 401 that a script may read."""
        tab = opened(board, GitHub(board).user("person"))
        answer = tab.call("POST", "/v1/auth/logout")
        assert answer.status == 204
        assert tab.refused("GET", "/v1/users/me")[0] == 401

    def test_its_own_log_out_is_not_undone(self, board: Stack) -> None:
        """It only forgets the flag; the session that scripts cannot reach goes on until it ends by itself."""
        tab = opened(board, GitHub(board).user("person"))
        del tab.cookies["keyway_logged_in"]
        assert not tab.signed_in
        assert tab.call("GET", "/v1/users/me").status == 200


class TestAnotherOrigin:
    """What a browser keeps from other sites, although it sends the cookies."""

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
    def test_reads_nothing_and_writes_nothing(self, tab: Dashboard, vault: str, origin: str) -> None:
        """No script reads the answer; a write without a question before it is 403; with one it is not sent."""
        other = Dashboard(tab.base, origin, dict(tab.cookies))
        for method, path, body in (
            ("GET", vault, None),
            ("POST", f"{vault}/secrets", {"key": "EVIL", "value": "1", "environment": "development"}),
            ("DELETE", vault, None),
        ):
            with pytest.raises(BlockedByBrowserError):
                other.call(method, path, *([body] if body else []))
        simple = other.sender.send("POST", "/v1/auth/logout", other._headers("POST", None))
        assert simple.status == 403
        assert tab.data("GET", vault)["secretCount"] == 3


class TestVaults:
    def test_the_first_page(self, tab: Dashboard, home: Home) -> None:
        """Cards: without a query all vaults come, and those of colleagues too."""
        answer = tab.call("GET", "/v1/vaults")
        rows = reads(answer.json()["data"], [VAULT])
        reads(answer.json()["meta"], PAGE)
        assert f"{rows[0]['repoOwner']}/{rows[0]['repoName']}" == home.full_name
        assert rows[0]["repoAvatar"].endswith(f"/{rows[0]['repoOwner']}.png")
        colleague = opened(home.stack, home.login_with("read"))
        assert [one["permission"] for one in reads(colleague.data("GET", "/v1/vaults"), [VAULT])] == ["read"]

    def test_a_vaults_page(self, tab: Dashboard, vault: str) -> None:
        """Vault, secrets, trash; `permission` decides what it offers."""
        found = reads(tab.data("GET", vault), VAULT_PAGE)
        assert (found["permission"], found["secretCount"], found["isReadOnly"]) == ("admin", 3, False)
        rows = reads(tab.data("GET", f"{vault}/secrets?limit=100"), [SECRET])
        assert {(one["key"], one["environment"]) for one in rows} >= {("A", "development"), ("P", "production")}
        reads(rows[0]["lastModifiedBy"], PERSON)
        reads(tab.data("GET", f"{vault}/trash?limit=100"), Some(TRASHED))

    def test_a_vault_that_is_not_there(self, tab: Dashboard, vault: str) -> None:
        """404 with words."""
        status, words = tab.refused("GET", f"{vault}-gone")
        assert (status, words != "") == (404, True)

    def test_the_words_that_it_looks_for_without_the_app(self, board: Stack) -> None:
        """It finds the repository and the address of the App in the sentence."""
        github = GitHub(board)
        login = github.user("owner")
        github.repo(f"{login}/bare", {})
        told = opened(board, login).refused("POST", "/v1/vaults", {"repoFullName": f"{login}/bare"})
        assert told[0] == 403
        assert re.findall(r"GitHub App not installed for ([^\s.]+)", told[1]) == [f"{login}/bare"]
        assert re.findall(rf"({board.github_url}/apps/[^\s]+)", told[1]) == [told[1].rpartition(" ")[2]]

    def test_deleting_a_vault(self, board: Stack) -> None:
        """From the card; 204."""
        home = stage.home(board, "gone")
        tab = opened(board, home.admin)
        tab.data("DELETE", f"/v1/vaults/{home.full_name}", status=204)
        assert tab.refused("GET", f"/v1/vaults/{home.full_name}")[0] == 404


class TestSecrets:
    def test_the_life_of_one(self, tab: Dashboard, vault: str) -> None:
        """Created, shown, changed, its versions, an old one shown and brought back."""
        body = {"key": "LIFE", "value": "one", "environment": "development"}
        made = reads(tab.data("POST", f"{vault}/secrets", body, 201), {"id": uuid, "status": "created"})
        path = f"{vault}/secrets/{made['id']}"
        again = tab.data("POST", f"{vault}/secrets", body | {"value": "two"})
        assert (again["id"], again["status"]) == (made["id"], "updated")
        assert reads(tab.data("GET", f"{path}/value"), {"value": "two", "preview": filled})["preview"] == "•" * 8
        reads(tab.data("PATCH", path, {"key": "LIFE", "value": "three"}), SECRET)
        versions = reads(
            tab.data("GET", f"{path}/versions"),
            {"versions": [{"id": uuid, "versionNumber": int, "createdAt": moment, "createdBy": PERSON}]},
        )["versions"]
        assert [one["versionNumber"] for one in versions] == [2, 1]
        old = f"{path}/versions/{versions[-1]['id']}"
        assert tab.data("GET", f"{old}/value") == {"value": "one", "versionNumber": 1}
        told = reads(tab.data("POST", f"{old}/restore"), {"message": filled, "key": "LIFE", "versionNumber": 1})
        assert told["versionNumber"] == 1
        assert tab.data("GET", f"{path}/value")["value"] == "one"

    def test_renaming(self, tab: Dashboard, vault: str) -> None:
        """It sends `key`: the rename really happens, with a value and without; onto another it is a conflict."""
        tab.data("POST", f"{vault}/secrets", {"key": "OLD", "value": "v", "environment": "staging"}, 201)
        path = f"{vault}/secrets/{named(tab, vault, 'OLD', 'staging')['id']}"
        assert tab.data("PATCH", path, {"key": "NEW", "value": "w"})["key"] == "NEW"
        assert tab.data("PATCH", path, {"key": "NEWER"})["key"] == "NEWER"
        tab.data("POST", f"{vault}/secrets", {"key": "TAKEN", "value": "v", "environment": "staging"}, 201)
        assert tab.refused("PATCH", path, {"key": "TAKEN"})[0] == 409
        assert tab.data("GET", f"{path}/value")["value"] == "w"

    def test_copying_to_another_environment(self, tab: Dashboard, vault: str) -> None:
        """It shows the value and creates it there."""
        value = tab.data("GET", f"{vault}/secrets/{named(tab, vault, 'A')['id']}/value")["value"]
        tab.data("POST", f"{vault}/secrets", {"key": "A", "value": value, "environment": "staging"}, 201)
        assert named(tab, vault, "A", "staging")["id"] != named(tab, vault, "A")["id"]

    def test_what_it_may_not_write(self, tab: Dashboard, vault: str) -> None:
        """A name that is none, an environment that is none: 400 with words."""
        for body in ({"key": "no spaces", "value": "1"}, {"key": "A", "value": "1", "environment": "nowhere"}):
            assert tab.refused("POST", f"{vault}/secrets", {"environment": "development"} | body)[0] == 400

    def test_the_trash(self, tab: Dashboard, vault: str) -> None:
        """Away, back, away for good, and all at once; restore sends no body and no content type."""
        for name in ("T1", "T2", "T3"):
            tab.data("POST", f"{vault}/secrets", {"key": name, "value": "v", "environment": "staging"}, 201)
        ids = [named(tab, vault, name, "staging")["id"] for name in ("T1", "T2", "T3")]
        for id_ in ids:
            told = tab.data("DELETE", f"{vault}/secrets/{id_}")
            reads(told, {"id": id_, "key": filled, "environment": "staging", "deletedAt": moment, "expiresAt": moment,
                         "message": filled})  # fmt: skip
        rows = reads(tab.data("GET", f"{vault}/trash?limit=100"), [TRASHED])
        assert [one["key"] for one in rows[:3]] == ["T3", "T2", "T1"]
        assert rows[0]["daysRemaining"] in (29, 30)
        told = tab.data("POST", f"{vault}/trash/{ids[0]}/restore")
        reads(told, {"id": ids[0], "key": "T1", "environment": "staging", "message": filled})
        tab.data("DELETE", f"{vault}/trash/{ids[1]}", status=204)
        reads(tab.data("DELETE", f"{vault}/trash"), {"deleted": 1, "message": filled})
        assert tab.data("GET", f"{vault}/trash?limit=100") == []

    def test_a_reader_sees_no_names_of_production(self, home: Home, vault: str) -> None:
        """And is refused its values in words."""
        reader = opened(home.stack, home.login_with("read"))
        rows = reads(reader.data("GET", f"{vault}/secrets?limit=100"), [SECRET])
        assert "production" not in {one["environment"] for one in rows}
        id_ = next(one["id"] for one in home.get(f"{vault}/secrets").json()["data"] if one["key"] == "P")
        assert reader.refused("GET", f"{vault}/secrets/{id_}/value")[0] in (403, 404)


class TestEnvironments:
    def test_the_page(self, tab: Dashboard, vault: str) -> None:
        """Made, renamed, deleted; each answer has the list as it is then."""
        reads(tab.data("GET", f"{vault}/environments"), ENVIRONMENTS)
        made = reads(
            tab.data("POST", f"{vault}/environments", {"name": "qa"}, 201),
            ENVIRONMENTS | {"environment": {"name": "qa", "type": "standard", "displayOrder": int}},
        )
        assert made["environments"][-1]["name"] == "qa"
        assert tab.refused("POST", f"{vault}/environments", {"name": "qa"})[0] == 409
        told = tab.data("PATCH", f"{vault}/environments/qa", {"newName": "qa2"})
        reads(told, ENVIRONMENTS | {"oldName": "qa", "newName": "qa2"})
        told = reads(tab.data("DELETE", f"{vault}/environments/qa2"), ENVIRONMENTS | {"deleted": "qa2"})
        assert "qa2" not in [one["name"] for one in told["environments"]]

    def test_collaborators(self, tab: Dashboard, vault: str, home: Home) -> None:
        """The page asks the route that is marked old."""
        found = reads(
            tab.data("GET", f"{vault}/contributors"),
            {"contributors": [{"login": filled, "avatarUrl": (url, None), "htmlUrl": url, "permission": ROLE}]},
        )
        assert (home.admin, "admin") in [(one["login"], one["permission"]) for one in found["contributors"]]


class TestActivityAndSecurity:
    def test_activity(self, tab: Dashboard, home: Home) -> None:
        """Own events, newest first; metadata names what and where, and a push says how many."""
        home.push({"COUNTED": "1"}, "development")
        answer = tab.call("GET", "/v1/activity?limit=100")
        rows = reads(answer.json()["data"], [ACTIVITY])
        reads(answer.json()["meta"], PAGE)
        assert [one["timestamp"] for one in rows] == sorted((one["timestamp"] for one in rows), reverse=True)
        pushed = next(one for one in rows if one["action"] == "secrets_pushed")
        reads(pushed["metadata"], {"environment": "development", "count": 1})
        created = [one for one in rows if one["action"] == "secret_created"]
        assert all(one["metadata"].get("secretName") or one["metadata"].get("key") for one in created)

    def test_overview(self, tab: Dashboard, home: Home) -> None:
        """Counts, and who pulls most."""
        home.values("development")
        reads(
            tab.data("GET", "/v1/users/me/security/overview"),
            {
                "alerts": dict.fromkeys(("total", "critical", "warning", "last7Days", "last30Days"), int),
                "access": {
                    "uniqueUsers": int,
                    "totalPulls": int,
                    "last7Days": int,
                    "topVaults": [{"repoFullName": filled, "pullCount": int}],
                    "topUsers": [PERSON | {"pullCount": int}],
                },
                "exposure": {"usersWithAccess": int, "secretsAccessed": int, "lastAccessAt": (filled, None)},
            },
        )

    def test_alerts(self, tab: Dashboard) -> None:
        """A type that it does not know would break its page."""
        kinds = ("new_device", "new_location", "impossible_travel", "weird_user_agent", "rate_anomaly")
        event = {"ip": filled, "location": {"country": (str, None), "city": (str, None)}, "deviceId": str}
        shape = {"id": uuid, "type": kinds, "message": filled, "createdAt": moment, "vault": (dict, None)}
        for one in reads(tab.data("GET", "/v1/users/me/security/alerts?limit=100"), Some(shape)):
            if one["event"] is not None:
                reads(one["event"], event)

    def test_access_log(self, tab: Dashboard, home: Home, vault: str) -> None:
        """Pulls, values that were shown, and old versions; with the vault's filter and with more to load."""
        home.values("development")
        tab.data("GET", f"{vault}/secrets/{named(tab, vault, 'A')['id']}/value")
        shape = {
            "id": filled, "timestamp": moment, "action": ("pull", "view", "view_version"), "user": (dict, None),
            "vault": {"repoFullName": home.full_name}, "ip": (filled, None), "hasAlert": bool, "deviceId": str,
            "location": {"country": (str, None), "city": (str, None)}, "source": Optional(str),
            "metadata": Optional(dict),
        }  # fmt: skip
        path = f"/v1/users/me/security/access-log?limit=50&offset=0&vaultId={home.vault_id}"
        told = reads(tab.data("GET", path), {"events": [shape], "total": int})
        viewed = next(one for one in told["events"] if one["action"] == "view")
        reads(viewed["metadata"], {"secretKey": "A", "environment": "development", "platform": "web"})
        reads(viewed["user"], PERSON)
        assert {one["action"] for one in told["events"]} >= {"pull", "view"}
        more = tab.data("GET", path.replace("offset=0", "offset=1"))
        assert more["events"][0]["id"] == told["events"][1]["id"]

    def test_exposure(self, tab: Dashboard, home: Home) -> None:
        """Everybody has it while nothing is sold: the list, then one person for the export."""
        home.values("development")
        listed = {
            "user": PERSON | {"id": (uuid, None)},
            "secretsAccessed": int,
            "vaultsAccessed": int,
            "lastAccess": filled,
        }
        shape = {"summary": {"users": int, "secrets": int, "accesses": int}, "users": [listed]}
        reads(tab.data("GET", "/v1/users/me/exposure?limit=100"), shape)
        seen = {"secretId": (uuid, None), "key": filled, "environment": filled, "roleAtAccess": (*ROLE, None),
                "firstAccess": filled, "lastAccess": filled, "accessCount": int}  # fmt: skip
        person = {
            "user": PERSON | {"id": (uuid, None)},
            "summary": {"totalSecretsAccessed": int, "totalVaultsAccessed": int, "firstAccess": (filled, None),
                        "lastAccess": (filled, None)},
            "vaults": [{"vaultId": (uuid, None), "repoFullName": filled, "secrets": [seen]}],
        }  # fmt: skip
        reads(tab.data("GET", f"/v1/users/me/exposure/{quote(home.admin)}"), person)
        assert tab.data("GET", "/v1/users/me/exposure/nobody-at-all") is None
        dated = "/v1/users/me/exposure?startDate=2020-01-01&endDate=2020-12-31&limit=100&offset=0"
        assert tab.data("GET", dated)["users"] == []


class TestKeys:
    def test_the_page(self, tab: Dashboard) -> None:
        """Made with 200 and shown once, listed, ended; twice is 400."""
        body = {"name": "ci", "environment": "live", "scopes": ["read:secrets"], "expiresInDays": 90}
        made = reads(tab.data("POST", "/v1/api-keys", body), API_KEY | {"token": filled, "isActive": True})
        assert made["token"].startswith(made["prefix"])
        listed = reads(tab.data("GET", "/v1/api-keys"), {"keys": [API_KEY]})["keys"]
        assert listed[0]["id"] == made["id"]
        assert "token" not in listed[0]
        reads(tab.data("GET", f"/v1/api-keys/{made['id']}"), API_KEY | {"allowedIps": Some(str)})
        tab.data("DELETE", f"/v1/api-keys/{made['id']}", status=204)
        assert tab.refused("DELETE", f"/v1/api-keys/{made['id']}")[0] == 400
        ended = tab.data("GET", "/v1/api-keys")["keys"][0]
        assert (ended["isActive"], moment(ended["revokedAt"])) == (False, True)

    def test_with_addresses_and_wrong_bodies(self, tab: Dashboard) -> None:
        """Addresses are kept; no name, no scope, a scope that is none: 400."""
        body = {"name": "ci", "environment": "live", "scopes": ["read:secrets"], "allowedIps": ["203.0.113.0/24"]}
        made = tab.data("POST", "/v1/api-keys", body)
        assert tab.data("GET", f"/v1/api-keys/{made['id']}")["allowedIps"] == ["203.0.113.0/24"]
        for wrong in ({"name": ""}, {"scopes": []}, {"scopes": ["all"]}, {"expiresInDays": 0}):
            assert tab.refused("POST", "/v1/api-keys", body | wrong)[0] == 400


class TestOrganizations:
    def test_the_pages(self, tab: Dashboard, home: Home) -> None:
        """What can be connected, connected, its summary, its people, its name."""
        login = home.full_name.partition("/")[0]
        listed = {"login": filled, "display_name": (str, None), "avatar_url": (url, None), "status": "ready",
                  "user_role": ("admin", "member"), "already_connected": bool}  # fmt: skip
        there = reads(tab.data("GET", "/v1/github/available-orgs"), {"organizations": [listed], "install_url": url})
        assert login in [one["login"] for one in there["organizations"]]
        told = reads(
            tab.data("POST", "/v1/orgs/connect", {"orgLogin": login}), {"organization": ORG_PAGE, "message": filled}
        )
        assert told["organization"]["role"] == "owner"
        assert login in [one["login"] for one in reads(tab.data("GET", "/v1/orgs"), [ORG])]
        page = reads(tab.data("GET", f"/v1/orgs/{login}"), ORG_PAGE)
        assert (page["vaultCount"], page["trialDurationDays"]) == (1, 15)
        member = {"id": filled, "username": filled, "avatarUrl": (url, None), "role": ("owner", "member"),
                  "joinedAt": (moment, None), "onKeyway": bool}  # fmt: skip
        people = reads(tab.data("GET", f"/v1/orgs/{login}/members"), [member])
        assert (people[0]["username"], people[0]["role"], people[0]["onKeyway"]) == (home.admin, "owner", True)
        counts = {"message": filled, "added": int, "updated": int, "removed": int}
        reads(tab.data("POST", f"/v1/orgs/{login}/members/sync"), counts)
        told = tab.data("PUT", f"/v1/orgs/{login}", {"displayName": "The Board"})
        reads(
            told,
            {"id": uuid, "login": login, "displayName": "The Board", "defaultPermissions": dict, "updatedAt": moment},
        )
        reads(tab.data("GET", f"/v1/orgs/{login}/exposure?limit=100"), {"summary": dict, "users": Some(dict)})
        assert tab.refused("GET", f"/v1/orgs/{login}/exposure/nobody-at-all")[0] == 404


class TestNothingForSale:
    """Pages that ask about money, while there is none: what they are ready for."""

    def test_settings(self, tab: Dashboard) -> None:
        """Subscription null, unlimited everything."""
        told = tab.data("GET", "/v1/billing/subscription")
        reads(
            told, {"subscription": None, "plan": PLAN, "billingStatus": ("active", "past_due", "canceled", "trialing")}
        )
        names = (
            "maxPublicRepos",
            "maxPrivateRepos",
            "maxProviders",
            "maxEnvironmentsPerVault",
            "maxSecretsPerPrivateVault",
        )
        limits = dict.fromkeys(names, "unlimited")
        usage = {"public": int, "private": int, "providers": int}
        reads(tab.data("GET", "/v1/users/me/usage"), {"plan": PLAN, "limits": limits, "usage": usage})

    def test_upgrade_and_billing(self, tab: Dashboard, home: Home) -> None:
        """Prices 503, an organisation's billing 400 "Billing is not enabled"."""
        login = home.full_name.partition("/")[0]
        tab.data("POST", "/v1/orgs/connect", {"orgLogin": login})
        assert tab.refused("GET", "/v1/billing/prices")[0] == 503
        status, words = tab.refused("GET", f"/v1/orgs/{login}/billing")
        assert (status, "Billing is not enabled" in words) == (400, True)
        back = {"returnUrl": f"{tab.origin}/settings"}
        assert tab.refused("POST", "/v1/billing/manage", back)[0] == 503


def test_a_session_that_a_script_made_up_is_none(board: Stack) -> None:
    """Both cookies by hand."""
    head = b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    tab = Dashboard(board.api_url, board.dashboard_url, {"keyway_session": f"{head}.e30.", "keyway_logged_in": "true"})
    assert tab.refused("GET", "/v1/users/me")[0] == 401
    assert keys.sql(board, "SELECT 1") == [(1,)]
