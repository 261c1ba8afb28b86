"""Alerts, and the security pages (contract.md 4.2, 4.4, 8.2)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from keyway_standalone.processes import Stack
from stack import sign_in

from tests.backend.alerts.watching import CLI, alerts, judged, read
from tests.oracle import stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send

OF_VAULT = {"id", "type", "message", "createdAt", "event"}
LOGGED = {
    "id", "timestamp", "action", "user", "vault", "ip", "location", "deviceId", "hasAlert", "source", "metadata",
}  # fmt: skip


@pytest.fixture(scope="module")
def first(stack: Stack) -> Home:
    """Somebody who administers repositories of an organisation."""
    return stage.home(stack, "alerts", keep=False)


@pytest.fixture
def home(first: Home) -> Home:
    """A vault that nobody read yet."""
    org, github = first.full_name.split("/")[0], GitHub(first.stack)
    full_name = f"{org}/alerts-{uuid4().hex[:8]}"
    number = github.repo(full_name, {first.admin: "admin"})
    vault = stage.create_vault(first.stack, first.token, full_name)
    made = Home(first.stack, full_name, number, first.owner_id, first.admin, first.token, vault)
    assert made.push({"KEPT": "k"}, "development").status == 200
    return made


@pytest.fixture
def alone(stack: Stack) -> Home:
    """The only vault of its administrator."""
    return stage.home(stack, "pages")


def get(home: Home, path: str, token: str | None = None) -> Answer:
    """A GET."""
    return send(home.base, Call("GET", path, (bearer(token or home.token),)))


def kinds(home: Home) -> Counter[str]:
    """How many alerts of each type, once everything was judged."""
    return Counter(alert["type"] for alert in judged(home))


class TestRefuses:
    """Whom nothing is told."""

    def test_strangers_and_the_curious(self, home: Home) -> None:
        """A foreign vault is missing, a reader has the own alerts alone, and overviews count managed vaults."""
        reader, stranger = home.with_role("read"), stage.stranger(home.stack)
        read(home, home.token)
        judged(home)
        assert get(home, f"/v1/vaults/{home.full_name}/security/alerts", stranger).status == 404
        assert alerts(home, reader) == []
        for token in (reader, stranger):
            assert get(home, "/v1/users/me/security/access-log", token).json()["data"] == {"events": [], "total": 0}
            overview = get(home, "/v1/users/me/security/overview", token).json()["data"]
            assert (overview["alerts"]["total"], overview["access"]["totalPulls"]) == (0, 0)
            foreign = get(home, f"/v1/users/me/security/access-log?vaultId={home.vault_id}", token)
            assert foreign.json()["data"]["events"] == []

    @pytest.mark.parametrize("query", ["limit=x", "limit=0", "offset=-1", "vaultId=x"])
    def test_wrong_questions(self, home: Home, query: str) -> None:
        """400, naming the parameter; a limit that is too high is cut, as the clients expect."""
        answer = get(home, f"/v1/users/me/security/access-log?{query}")
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, query.partition("=")[0])
        assert get(home, "/v1/users/me/security/access-log?limit=5000").status == 200


def last_days(count: int) -> set[str]:
    """Today in UTC, and the days before it."""
    today = datetime.now(UTC).date()
    return {str(today - timedelta(days=back)) for back in range(count)}


class TestRaises:
    """What raises an alert, and what does not."""

    def test_the_first_read_of_a_device_and_no_later_one(self, home: Home) -> None:
        """A new device is an alert, a known one is none; another one is again."""
        for _ in range(3):
            read(home, home.token)
        assert kinds(home) == {"new_device": 1}
        read(home, home.token, source="127.9.8.8")
        assert kinds(home) == {"new_device": 2}
        read(home, home.token)
        assert kinds(home) == {"new_device": 2}

    def test_a_program_that_is_none_of_ours(self, home: Home) -> None:
        """Once for the device, however often it comes; our programs are none."""
        for agent in (CLI, "keyway-mcp/1.0.0", "keyway-action/1.0.0"):
            read(home, home.token, agent)
        assert set(kinds(home)) == {"new_device"}
        for _ in range(2):
            read(home, home.token, "curl/8.5 <script>")
        assert kinds(home)["weird_user_agent"] == 1
        [weird] = [alert for alert in alerts(home) if alert["type"] == "weird_user_agent"]
        assert "curl/8.5" in weird["message"]

    def test_a_browser_that_pulls_but_not_one_that_reveals(self, home: Home) -> None:
        """The dashboard shows single values and never pulls."""
        browser = "Mozilla/5.0 (X11; Linux x86_64)"
        view = f"/v1/secrets/view?repo={home.full_name}&environment=development&key=KEPT"
        read(home, home.token, browser, path=view)
        assert kinds(home)["weird_user_agent"] == 0
        read(home, home.token, browser)
        assert kinds(home)["weird_user_agent"] == 1

    def test_more_than_twenty_in_five_minutes(self, home: Home) -> None:
        """Twenty are many; the next one is an alert, and the one after it none."""
        for _ in range(20):
            read(home, home.token)
        assert kinds(home)["rate_anomaly"] == 0
        for _ in range(2):
            read(home, home.token)
        assert kinds(home)["rate_anomaly"] == 1

    def test_for_every_source(self, home: Home) -> None:
        """Assistants and browsers are judged as the command line is."""
        read(home, home.token, "keyway-mcp/1.0.0", source="127.9.8.9")
        found = judged(home)
        assert [(alert["type"], alert["event"]["ip"]) for alert in found] == [("new_device", "127.9.8.9")]

    def test_an_unchanged_pull_is_no_read(self, home: Home) -> None:
        """Where no value leaves there is nothing to alarm about."""
        etag = read(home, home.token).header("etag")
        before = kinds(home)
        told = (("User-Agent", "curl/8"), ("If-None-Match", etag), ("Accept", stage.SECRETS_JSON))
        path = f"/v1/secrets/pull?repo={home.full_name}&environment=development"
        assert send(home.base, Call("GET", path, (bearer(home.token), *told))).status == 304
        assert kinds(home) == before


class TestPages:
    """What the pages show."""

    def test_alerts_of_a_vault_and_of_oneself(self, alone: Home) -> None:
        """Exactly the fields of the contract; newest first."""
        read(alone, alone.token)
        judged(alone)
        [alert] = alerts(alone)
        assert set(alert) == OF_VAULT
        assert set(alert["event"]) == {"ip", "location", "deviceId"}
        assert alert["event"]["location"] == {"country": None, "city": None}
        own = get(alone, "/v1/users/me/security/alerts?limit=100").json()["data"]
        assert [set(one) for one in own] == [OF_VAULT | {"vault"}]
        assert own[0]["vault"] == {"repoFullName": alone.full_name}

    def test_the_access_log_loses_no_row_between_pages(self, alone: Home) -> None:
        """Pulls and views in one list, each once, with a total that is right; the read with an alert is marked."""
        view = f"/v1/secrets/view?repo={alone.full_name}&environment=development&key=KEPT"
        for number in range(7):
            read(alone, alone.token, path="" if number % 2 else view)
        judged(alone)
        path = "/v1/users/me/security/access-log"
        whole = get(alone, path).json()["data"]
        assert whole["total"] == 7
        assert {frozenset(event) for event in whole["events"]} == {frozenset(LOGGED)}
        assert [event["action"] for event in whole["events"]] == ["view", "pull"] * 3 + ["view"]
        assert [event["hasAlert"] for event in whole["events"]] == [False] * 6 + [True]
        assert whole["events"][0]["metadata"] == {
            "secretKey": "KEPT", "environment": "development", "platform": "cli",
        }  # fmt: skip
        pages = [get(alone, f"{path}?limit=3&offset={at}").json()["data"] for at in (0, 3, 6, 9)]
        assert [event["id"] for page in pages for event in page["events"]] == [event["id"] for event in whole["events"]]
        assert {page["total"] for page in pages} == {7}
        of_one = get(alone, f"{path}?vaultId={alone.vault_id}").json()["data"]
        assert of_one == whole
        assert get(alone, f"{path}?vaultId={uuid4()}").json()["data"] == {"events": [], "total": 0}

    def test_the_overview_counts(self, alone: Home) -> None:
        """Alerts, pulls and exposure of the managed vaults, in exactly the contract's shape."""
        reader = sign_in(alone.stack, alone.login_with("read"))
        read(alone, alone.token)
        for _ in range(2):
            read(alone, reader, "curl/8")
        judged(alone)
        data = get(alone, "/v1/users/me/security/overview").json()["data"]
        assert data["alerts"] == {"total": 3, "critical": 1, "warning": 2, "last7Days": 3, "last30Days": 3}
        assert {name: data["access"][name] for name in ("uniqueUsers", "totalPulls", "last7Days")} == {
            "uniqueUsers": 2, "totalPulls": 3, "last7Days": 3,
        }  # fmt: skip
        assert data["access"]["topVaults"] == [{"repoFullName": alone.full_name, "pullCount": 3}]
        assert [user["pullCount"] for user in data["access"]["topUsers"]] == [2, 1]
        assert set(data["access"]["topUsers"][0]) == {"username", "avatarUrl", "pullCount"}
        assert data["access"]["pullsBySource"] == [{"source": "cli", "pullCount": 3}]
        # They may fall on two days, around midnight.
        assert sum(day["pullCount"] for day in data["access"]["pullsByDay"]) == 3
        assert {day["day"] for day in data["access"]["pullsByDay"]} <= last_days(2)
        exposure = data["exposure"]
        assert (exposure["usersWithAccess"], exposure["secretsAccessed"]) == (2, 1)
        assert exposure["lastAccessAt"].endswith("Z")
