"""Connections and syncs with Vercel, Netlify and Railway (contract.md 4.12), against stand-ins of the three."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, LiteralString
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import uuid4

import psycopg
import pytest
from keyway_standalone.processes import Stack
from oracle import stage
from oracle.stage import Home
from oracle.wire import Answer, Call, Header, bearer, send
from stack import running_stack

from tests.standins.providers import TOKEN, Providers, providers

BASE = "/v1/integrations"
MISSING = "/v1/integrations/connections/00000000-0000-4000-8000-000000000000"


@dataclass
class Desk:
    """A vault, its administrator, and the three providers."""

    home: Home
    there: Providers

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Answer:
        """A request, as the administrator unless said otherwise."""
        headers: tuple[Header, ...] = (bearer(token or self.home.token), ("Content-Type", "application/json"))
        return send(self.home.base, Call(method, path, headers, body))

    def data(self, method: str, path: str, body: Any = None) -> Any:
        """The data of an answer that must be 200."""
        answer = self.ask(method, path, body)
        assert answer.status == 200, (path, answer.body)
        return answer.json()["data"]

    def authorize(self, provider: str, query: str = "") -> tuple[str, Header]:
        """A browser leaves: the state that it carries and the cookie that it must bring back."""
        path = f"{BASE}/{provider}/authorize?token={self.home.token}{query}"
        answer = send(self.home.base, Call("GET", path))
        assert answer.status == 302, answer.body
        state = parse_qs(urlsplit(answer.header("location")).query)["state"][0]
        return state, ("Cookie", answer.header("set-cookie").split(";")[0])

    def callback(self, provider: str, state: str, cookie: Header | None, code: str = "good") -> Answer:
        """It comes back."""
        path = f"{BASE}/{provider}/callback?code={code}&state={state}"
        return send(self.home.base, Call("GET", path, (cookie,) if cookie else ()))

    def connect(self, provider: str) -> str:
        """A connection's id."""
        if provider == "railway":
            assert self.ask("POST", f"{BASE}/railway/connect", {"token": TOKEN}).status == 200
        else:
            assert self.callback(provider, *self.authorize(provider)).status == 200
        found = self.data("GET", f"{BASE}/connections")["connections"]
        return str(next(one["id"] for one in found if one["provider"] == provider))

    def sync_path(self, action: str) -> str:
        """Below the vault."""
        return f"{BASE}/vaults/{self.home.full_name}/sync{action}"


PROJECTS: dict[str, dict[str, str]] = {
    "vercel": {"projectId": "prj"},
    "netlify": {"projectId": "site1"},
    "railway": {"projectId": "rp", "serviceId": "svc"},
}


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """One stack that knows where the stand-ins are."""
    with providers() as there, running_stack(backend_env=there.environment()) as stack:
        yield Desk(stage.home(stack, "synced", keep=False), there)


def sql(stack: Stack, statement: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
    """Rows, as the database's administrator."""
    with psycopg.connect(stack.superuser_database_url) as connection:
        return connection.execute(statement, values).fetchall()


def change(stack: Stack, statement: LiteralString, *values: Any) -> None:
    """What somebody writes who has the database."""
    with psycopg.connect(stack.superuser_database_url) as connection:
        assert connection.execute(statement, values).rowcount == 1


def seed(there: Providers, provider: str, readable: dict[str, str], hidden: str) -> None:
    """Variables of production at a provider, one of which cannot be read."""
    there.entries.clear(), there.accounts.clear(), there.variables.clear()
    match provider:
        case "vercel":
            for name, value in readable.items():
                there.entries.append(
                    {"id": f"e{name}", "key": name, "value": value, "type": "encrypted", "target": ["production"]}
                )
            there.entries.append(
                {"id": "eh", "key": hidden, "value": "", "type": "sensitive", "target": ["production"]}
            )
        case "netlify":
            for name, value in readable.items():
                values = [{"id": f"i{name}", "context": "production", "value": value}]
                there.accounts.append({"key": name, "values": values})
            values = [{"id": "ih", "context": "production", "value": ""}]
            there.accounts.append({"key": hidden, "values": values, "is_secret": True})
        case "railway":
            there.variables |= {**readable, hidden: None}


def held(there: Providers, provider: str) -> dict[str, str | None]:
    """What a provider holds for production."""
    match provider:
        case "vercel":
            return {one["key"]: one["value"] for one in there.entries if "production" in one["target"]}
        case "netlify":
            found = {}
            for one in there.accounts:
                for value in one["values"]:
                    if value["context"] == "production":
                        found[one["key"]] = value["value"]
            return found
    return dict(there.variables)


class TestRefused:
    def test_a_foreign_connection_is_missing(self, desk: Desk) -> None:
        """For every route that names one: the same 404 as for one that nobody has."""
        theirs = desk.connect("railway")
        other = desk.home.with_role("admin")
        where = f"connectionId={theirs}&projectId=rp&serviceId=svc"
        body = {"connectionId": theirs, **PROJECTS["railway"]}
        for method, path, sent in [
            ("GET", f"{BASE}/connections/{theirs}/projects", None),
            ("DELETE", f"{BASE}/connections/{theirs}", None),
            ("GET", f"{desk.sync_path('/status')}?{where}", None),
            ("GET", f"{desk.sync_path('/diff')}?{where}", None),
            ("GET", f"{desk.sync_path('/preview')}?{where}", None),
            ("POST", desk.sync_path("/link"), body),
            ("POST", desk.sync_path(""), body),
        ]:
            assert desk.ask(method, path, sent, other).status == 404, path
        assert desk.ask("GET", f"{BASE}/connections/not-an-id/projects").status == 404
        assert desk.ask("DELETE", MISSING).status == 404

    @pytest.mark.parametrize("kind", ["no cookie", "another browser", "used", "made up", "another provider"])
    def test_a_callback_without_a_good_state_connects_nothing(self, desk: Desk, kind: str) -> None:
        """400, a page, and no connection; a state works once, for one browser and one provider."""
        before = sql(desk.home.stack, "SELECT count(*) FROM provider_connections")
        state, cookie = desk.authorize("netlify")
        _, other = desk.authorize("netlify")
        match kind:
            case "no cookie":
                answer = desk.callback("netlify", state, None)
            case "another browser":
                answer = desk.callback("netlify", state, other)
            case "used":
                assert desk.callback("netlify", state, cookie, code="bad").status == 200
                answer = desk.callback("netlify", state, cookie)
            case "made up":
                answer = desk.callback("netlify", "made-up", cookie)
            case _:
                answer = desk.callback("vercel", state, cookie)
        assert answer.status == 400
        assert answer.header("content-type").startswith("text/html")
        assert sql(desk.home.stack, "SELECT count(*) FROM provider_connections") == before

    def test_a_session_that_ended_meanwhile_connects_nothing(self, desk: Desk) -> None:
        """The state is bound to the session that asked for it."""
        token = desk.home.with_role("maintain")
        answer = send(desk.home.base, Call("GET", f"{BASE}/netlify/authorize", (bearer(token),)))
        state = parse_qs(urlsplit(answer.header("location")).query)["state"][0]
        cookie = ("Cookie", answer.header("set-cookie").split(";")[0])
        assert send(desk.home.base, Call("POST", "/v1/auth/logout", (bearer(token),))).status == 204
        assert desk.callback("netlify", state, cookie).status == 400

    def test_redirects_lead_to_listed_origins_only(self, desk: Desk) -> None:
        """403 for a foreign one; to our dashboard it goes."""
        path = f"{BASE}/vercel/authorize?redirect_uri="
        assert desk.ask("GET", path + quote("https://evil.example/", safe="")).status == 403
        target = f"{desk.home.stack.dashboard_url}/settings"
        state, cookie = desk.authorize("vercel", f"&redirect_uri={quote(target, safe='')}")
        answer = desk.callback("vercel", state, cookie)
        assert (answer.status, answer.header("location")) == (302, target)

    def test_a_bad_token_and_unknown_providers(self, desk: Desk) -> None:
        """400 for what Railway does not know, for no token, and for a provider of the browser; 404 for no provider."""
        for provider, body, status in [
            ("railway", {"token": "wrong"}, 400),
            ("railway", {}, 400),
            ("railway", {"token": "a\nb"}, 400),
            ("vercel", {"token": TOKEN}, 400),
            ("nobody", {"token": TOKEN}, 404),
        ]:
            assert desk.ask("POST", f"{BASE}/{provider}/connect", body).status == status, (provider, body)
        assert desk.ask("GET", f"{BASE}/nobody/authorize").status == 404
        assert desk.ask("GET", f"{BASE}/providers/nobody/all-projects").status == 404

    def test_a_more_protected_target_needs_an_admin(self, desk: Desk) -> None:
        """Development into production: 403 for a writer in either direction; the same environment is fine."""
        writer = desk.home.with_role("write")
        assert desk.ask("POST", f"{BASE}/railway/connect", {"token": TOKEN}, writer).status == 200
        found = desk.ask("GET", f"{BASE}/connections", token=writer).json()["data"]["connections"]
        body = {"connectionId": found[0]["id"], **PROJECTS["railway"], "keywayEnvironment": "development"}
        assert desk.ask("POST", desk.sync_path(""), body, writer).status == 403
        up = {**body, "keywayEnvironment": "production", "providerEnvironment": "dev", "direction": "pull"}
        assert desk.ask("POST", desk.sync_path(""), up, writer).status == 403
        assert desk.ask("POST", desk.sync_path(""), {**body, "keywayEnvironment": "nothing"}, writer).status == 400


class TestConnections:
    def test_providers_in_the_order_of_the_wire(self, desk: Desk) -> None:
        """All configured here; without client ids only Railway is."""
        found = desk.data("GET", BASE)["providers"]
        assert [(one["name"], one["displayName"], one["configured"]) for one in found] == [
            ("vercel", "Vercel", True), ("railway", "Railway", True), ("netlify", "Netlify", True),
        ]  # fmt: skip

    def test_nothing_configured_is_off(self, stack: Stack, tokens: dict[str, str]) -> None:
        """`configured: false`, and nobody is sent anywhere."""
        found = send(stack.api_url, Call("GET", BASE)).json()["data"]["providers"]
        assert [one["configured"] for one in found] == [False, True, False]
        answer = send(stack.api_url, Call("GET", f"{BASE}/vercel/authorize", (bearer(tokens["founder"]),)))
        assert answer.status == 400

    @pytest.mark.parametrize("provider", sorted(PROJECTS))
    def test_connect_again_and_disconnect(self, desk: Desk, provider: str) -> None:
        """Connected again it is one connection, new as of now; disconnected it is gone, with an empty JSON body too."""
        first = desk.connect(provider)
        shown = desk.data("GET", f"{BASE}/connections")["connections"]
        before = next(one for one in shown if one["id"] == first)
        assert set(before) == {"id", "provider", "providerUserId", "providerTeamId", "createdAt", "updatedAt"}
        assert desk.connect(provider) == first
        after = next(one for one in desk.data("GET", f"{BASE}/connections")["connections"] if one["id"] == first)
        assert after["createdAt"] > before["createdAt"]
        assert desk.data("GET", f"{BASE}/connections/{first}/projects")["projects"]
        everything = desk.data("GET", f"{BASE}/providers/{provider}/all-projects")
        [project] = everything["projects"]
        assert {"id", "name", "connectionId", "teamId", "teamName", "environments"} <= set(project)
        assert project["connectionId"] == first
        assert desk.ask("DELETE", f"{BASE}/connections/{first}").status == 204
        assert desk.ask("DELETE", f"{BASE}/connections/{first}").status == 404

    def test_a_failing_connection_is_left_out(self, desk: Desk) -> None:
        """The list of projects does not fail with one of them."""
        desk.connect("vercel")
        desk.there.down = True
        try:
            found = desk.data("GET", f"{BASE}/providers/vercel/all-projects")
        finally:
            desk.there.down = False
        assert (found["projects"], len(found["connections"])) == ([], 1)

    def test_a_connection_given_to_somebody_else_opens_nothing(self, desk: Desk) -> None:
        """Whoever writes another owner, or another team, into the row gets no project and no variable by it."""
        mine = desk.connect("netlify")
        stack, other = desk.home.stack, desk.home.with_role("write")
        path = f"{BASE}/connections/{mine}/projects"
        assert desk.data("GET", path)["projects"]
        row = sql(stack, "SELECT user_id FROM provider_connections WHERE id = %s", mine)[0]
        their_id = desk.ask("GET", "/v1/users/me", token=other).json()["data"]["id"]
        change(stack, "UPDATE provider_connections SET user_id = %s WHERE id = %s", their_id, mine)
        assert desk.ask("GET", path).status == 404
        assert desk.ask("GET", path, token=other).status == 503
        change(stack, "UPDATE provider_connections SET user_id = %s WHERE id = %s", row[0], mine)
        change(stack, "UPDATE provider_connections SET provider_team_id = 'theirs' WHERE id = %s", mine)
        assert desk.ask("GET", path).status == 503
        change(stack, "UPDATE provider_connections SET provider_team_id = NULL WHERE id = %s", mine)
        assert desk.data("GET", path)["projects"]

    def test_tokens_are_sealed(self, desk: Desk) -> None:
        """No row of the database holds one."""
        desk.connect("netlify")
        assert all(
            TOKEN.encode() not in bytes(row[0])
            for row in sql(desk.home.stack, "SELECT token_sealed FROM provider_connections")
        )


@pytest.mark.parametrize("provider", sorted(PROJECTS))
class TestSync:
    def test_push_with_deletion_spares_what_cannot_be_read(self, desk: Desk, provider: str) -> None:
        """What cannot be read, or is the provider's own, stays; and it is a pull by that person."""
        ours = {"SAME": "1", "OTHER": "ours", "NEW": "n\"e'w", "EMPTY": ""}
        assert desk.home.push({**ours, f"ONLY_{provider.upper()}": "x"}, "production").status == 200
        own = {"vercel": "VERCEL_URL", "netlify": "NETLIFY_URL", "railway": "RAILWAY_URL"}[provider]
        seed(desk.there, provider, {"SAME": "1", "OTHER": "theirs", "GONE": "g", own: "o"}, "HIDDEN")
        wanted = {"connectionId": desk.connect(provider), **PROJECTS[provider]}
        link = desk.data("POST", desk.sync_path("/link"), wanted)["link"]
        name = "backend" if provider == "railway" else "site"
        assert link | {"isNew": True, "projectName": name, "lastSyncedAt": None, "provider": provider} == link
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        status = desk.data("GET", f"{desk.sync_path('/status')}?{query}&environment=production")
        assert status == {
            "isFirstSync": True, "vaultIsEmpty": False, "providerHasSecrets": True, "providerSecretCount": 4,
        }  # fmt: skip
        diff = desk.data("GET", f"{desk.sync_path('/diff')}?{query}")
        assert (diff["different"], diff["same"], diff["onlyInProvider"]) == (["OTHER"], ["SAME"], ["GONE", "HIDDEN"])
        plan = desk.data("GET", f"{desk.sync_path('/preview')}?{query}&direction=push&allowDelete=true")
        assert (plan["toUpdate"], plan["toDelete"]) == (["OTHER"], ["GONE"])
        assert {"NEW", "EMPTY"} <= set(plan["toCreate"])
        assert {"SAME", "HIDDEN"} <= set(plan["toSkip"])
        before = self.pulls(desk)
        done = desk.data("POST", desk.sync_path(""), {**wanted, "direction": "push", "allowDelete": True})
        assert (done["success"], done["status"], done["stats"]["deleted"], done["deleted"]) == (True, "success", 1, 1)
        assert self.pulls(desk) == before + 1
        there = held(desk.there, provider)
        assert {name: there.get(name) for name in ours} == ours
        assert "GONE" not in there
        assert {"HIDDEN", own} <= set(there)
        again = desk.data("POST", desk.sync_path("/link"), wanted)["link"]
        assert (again["isNew"], again["projectName"], again["lastSyncedAt"] is None) == (False, name, False)
        syncs = desk.data("GET", f"/v1/vaults/{desk.home.full_name}")["syncs"]
        shown = [one["keywayEnvironment"] for one in syncs if one["connectionId"] == wanted["connectionId"]]
        assert shown == ["production"]

    def pulls(self, desk: Desk) -> int:
        """How often values of the vault's production left."""
        found = sql(
            desk.home.stack,
            """SELECT count(*) FROM audit_events WHERE action = 'secrets_pulled' AND repository = %s
               AND environment = 'production'""",
            desk.home.full_name,
        )
        return int(found[0][0])

    def test_pull_only_adds(self, desk: Desk, provider: str) -> None:
        """What is there stays; empty, unreadable and impossible names do not come."""
        name = f"FROM_{provider.upper()}"
        assert desk.home.push({"KEPT": "mine"}, "production").status == 200
        seed(desk.there, provider, {name: "v", "KEPT": "theirs", "EMPTY_ONE": "", "PATH": "/bin"}, "HIDDEN")
        wanted = {"connectionId": desk.connect(provider), **PROJECTS[provider], "direction": "pull"}
        done = desk.data("POST", desk.sync_path(""), wanted)
        assert (done["success"], done["created"], done["stats"]["updated"]) == (True, 1, 0)
        values = desk.home.values("production")
        assert (values[name], values["KEPT"]) == ("v", "mine")
        assert not {"PATH", "HIDDEN", "EMPTY_ONE"} & set(values)

    @pytest.mark.parametrize("field", ["projectId", "serviceId", "providerEnvironment", "keywayEnvironment"])
    def test_a_name_that_no_column_holds_is_400(self, desk: Desk, provider: str, field: str) -> None:
        """NUL and its like, in query and body: refused as any wrong field, not a failure of ours."""
        wanted = {"connectionId": desk.connect(provider), **PROJECTS[provider], field: "a\0b"}
        for page in ("/status", "/diff", "/preview"):
            assert desk.ask("GET", f"{desk.sync_path(page)}?{urlencode(wanted)}").status == 400, page
        for action in ("", "/link"):
            assert desk.ask("POST", desk.sync_path(action), wanted).status == 400, action

    def test_what_the_provider_has_not_is_missing(self, desk: Desk, provider: str) -> None:
        """A project that is none is 404, and no step to elsewhere; a token that was taken back is 400: no outage."""
        wanted = {"connectionId": desk.connect(provider), **PROJECTS[provider]}
        for name in ("nothing", "..", ".", "a/../../v2/user", "%2e%2e", "ü ?#"):
            query = urlencode(wanted | {"projectId": name})
            for page in ("/status", "/diff", "/preview"):
                assert desk.ask("GET", f"{desk.sync_path(page)}?{query}").status == 404, (name, page)
        desk.there.revoked = True
        try:
            for page in ("/status", "/diff", "/preview"):
                answer = desk.ask("GET", f"{desk.sync_path(page)}?{urlencode(wanted)}")
                assert (answer.status, "Disconnect" in answer.detail) == (400, True)
            assert desk.ask("GET", f"{BASE}/connections/{wanted['connectionId']}/projects").status == 400
        finally:
            desk.there.revoked = False

    def test_a_failing_provider_is_told_in_the_answer(self, desk: Desk, provider: str) -> None:
        """200 with success false; nothing was pulled for it."""
        wanted = {"connectionId": desk.connect(provider), **PROJECTS[provider]}
        before = self.pulls(desk)
        desk.there.down = True
        try:
            done = desk.data("POST", desk.sync_path(""), wanted)
            query = "&".join(f"{name}={value}" for name, value in wanted.items())
            assert desk.ask("GET", f"{desk.sync_path('/diff')}?{query}").status == 503
        finally:
            desk.there.down = False
        assert (done["success"], done["status"]) == (False, "error")
        assert done["error"]
        assert self.pulls(desk) == before


class TestPartial:
    def test_what_was_not_accepted_is_counted_and_nothing_is_deleted(self, desk: Desk) -> None:
        """One variable is refused: partial, and the deletion that was asked for waits."""
        assert desk.home.push({"REFUSED": "r", "TAKEN": "t"}, "staging").status == 200
        seed(desk.there, "vercel", {}, "HIDDEN")
        desk.there.entries.append(
            {"id": "ex", "key": "EXTRA", "value": "e", "type": "encrypted", "target": ["preview", "production"]}
        )
        desk.there.refuses.add("REFUSED")
        wanted = {"connectionId": desk.connect("vercel"), "projectId": "prj", "keywayEnvironment": "staging"}
        body = {**wanted, "providerEnvironment": "preview", "allowDelete": True}
        done = desk.data("POST", desk.sync_path(""), body)
        assert (done["success"], done["status"], done["deleted"]) == (False, "partial", 0)
        assert any(one["key"] == "EXTRA" and "preview" in one["target"] for one in desk.there.entries)
        desk.there.refuses.clear()
        assert desk.data("POST", desk.sync_path(""), body)["status"] == "success"
        assert [one["target"] for one in desk.there.entries if one["key"] == "EXTRA"] == [["production"]]

    def test_an_empty_environment_pushes_and_deletes_nothing(self, desk: Desk) -> None:
        """Whoever empties an environment by mistake keeps what is deployed."""
        seed(desk.there, "railway", {"LIVE": "1"}, "HIDDEN")
        home = stage.home(desk.home.stack, "bare", keep=False)
        other = Desk(home, desk.there)
        body = {"connectionId": other.connect("railway"), **PROJECTS["railway"], "allowDelete": True}
        done = other.data("POST", other.sync_path(""), body)
        assert (done["success"], desk.there.variables["LIVE"]) == (False, "1")

    @pytest.mark.parametrize(
        ("provider", "environment"),
        [("railway", "env-p"), ("netlify", "all"), ("netlify", "branch"), ("vercel", "env_custom"), ("vercel", "")],
    )
    def test_a_target_is_named_as_its_provider_names_it(self, desk: Desk, provider: str, environment: str) -> None:
        """Its id, or a word that stands for several, would hide how protected it is: nothing is read or sent."""
        writer = desk.home.with_role("write")
        assert desk.home.push({"MINE": "1"}, "staging").status == 200
        seed(desk.there, provider, {"MINE": "theirs"}, "HIDDEN")
        before, calls = held(desk.there, provider), self.written(desk)
        wanted = {"connectionId": self.connection_of(desk, provider, writer), **PROJECTS[provider]}
        body = {**wanted, "keywayEnvironment": "staging", "providerEnvironment": environment, "allowDelete": True}
        answer = desk.ask("POST", desk.sync_path(""), body, writer)
        assert answer.status in {200, 400}
        assert answer.status == 400 or answer.json()["data"]["success"] is False
        assert (held(desk.there, provider), self.written(desk)) == (before, calls)

    def connection_of(self, desk: Desk, provider: str, token: str) -> str:
        """A connection of somebody else."""
        other = Desk(replace(desk.home, token=token), desk.there)
        return other.connect(provider)

    def written(self, desk: Desk) -> int:
        """How many requests may have changed something at a provider."""
        changing = [one for one in desk.there.web.asked if one.method in {"PATCH", "DELETE"} or b"mutation" in one.raw]
        return len([*changing, *(one for one in desk.there.web.asked if one.path.startswith("/v10/projects"))]) - len(
            [one for one in desk.there.web.asked if one.method == "GET" and one.path.startswith("/v10/projects")]
        )

    def test_vercel_keeps_what_serves_more_than_the_target(self, desk: Desk) -> None:
        """Other targets, a team's own environments and single branches keep their value; hidden ones stay hidden."""
        assert desk.home.push({"SHARED": "ours", "SECRET": "ours", "BRANCH": "ours"}, "staging").status == 200
        desk.there.entries[:] = [
            {"id": "e1", "key": "SHARED", "value": "t", "type": "encrypted", "target": ["preview"],
             "customEnvironmentIds": ["env_1"]},
            {"id": "e2", "key": "SECRET", "value": "", "type": "sensitive", "target": ["production", "preview"]},
            {"id": "e3", "key": "BRANCH", "value": "b", "type": "encrypted", "target": [], "gitBranch": "x"},
            {"id": "e4", "key": "ONLY", "value": "b", "type": "encrypted", "target": ["preview"], "gitBranch": "x"},
            {"id": "e5", "key": "GONE", "value": "g", "type": "encrypted", "target": ["preview"],
             "customEnvironmentIds": ["env_1"]},
        ]  # fmt: skip
        wanted = {"connectionId": desk.connect("vercel"), "projectId": "prj", "keywayEnvironment": "staging"}
        body = {**wanted, "providerEnvironment": "preview", "allowDelete": True}
        assert desk.data("POST", desk.sync_path(""), body)["status"] == "success"
        left = {one["id"]: one for one in desk.there.entries}
        assert [(left[id_]["value"], left[id_]["target"]) for id_ in ("e1", "e2", "e3", "e4", "e5")] == [
            ("t", []), ("", ["production"]), ("b", []), ("b", ["preview"]), ("g", []),
        ]  # fmt: skip
        added = {one["key"]: (one["type"], one["target"]) for one in desk.there.entries[5:]}
        assert added["SHARED"] == ("encrypted", ["preview"])
        assert added["SECRET"] == ("sensitive", ["preview"])

    def test_netlify_keeps_what_serves_every_context(self, desk: Desk) -> None:
        """The preview says so, and the sync is no failure for it."""
        assert desk.home.push({"MINE": "1"}, "staging").status == 200
        everywhere = [{"id": "va", "context": "all", "value": "everywhere"}]
        desk.there.accounts[:] = [{"key": "EVERYWHERE", "values": everywhere}]
        wanted = {"connectionId": desk.connect("netlify"), "projectId": "site1"}
        wanted |= {"keywayEnvironment": "staging", "providerEnvironment": "deploy-preview"}
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        plan = desk.data("GET", f"{desk.sync_path('/preview')}?{query}&allowDelete=true")
        assert (plan["toDelete"], plan["toSkip"]) == ([], ["EVERYWHERE"])
        assert desk.data("POST", desk.sync_path(""), {**wanted, "allowDelete": True})["status"] == "success"
        assert desk.there.accounts[0]["values"] == everywhere

    def test_half_a_character_does_not_come(self, desk: Desk) -> None:
        """What cannot be stored is left there, and the rest comes."""
        assert desk.home.push({"KEPT": "mine"}, "production").status == 200
        seed(desk.there, "railway", {"HALF": "\ud83d", "WHOLE": "\U0001f511"}, "HIDDEN")
        wanted = {"connectionId": desk.connect("railway"), **PROJECTS["railway"], "direction": "pull"}
        assert desk.data("POST", desk.sync_path(""), wanted)["success"] is True
        values = desk.home.values("production")
        assert values["WHOLE"] == "\U0001f511"
        assert "HALF" not in values

    def test_connected_providers_are_counted(self, desk: Desk) -> None:
        """Providers, not accounts at them; each person their own."""
        other = Desk(replace(desk.home, token=desk.home.with_role("triage")), desk.there)
        for provider in ("vercel", "vercel", "railway"):
            other.connect(provider)
        assert other.data("GET", "/v1/users/me/usage")["usage"]["providers"] == 2

    def test_no_value_of_another_environment_ever_left(self, desk: Desk) -> None:
        """Only what was synced was sent."""
        mark = f"canary-{uuid4().hex}"
        assert desk.home.push({"CANARY": mark}, "development").status == 200
        assert mark not in desk.there.seen()
