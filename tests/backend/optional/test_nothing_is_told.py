"""PostHog and Sentry are told that something happened, and never a value, a name, an address or a token: canaries go
through every route, while everything works and while the database refuses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

import psycopg
import pytest
from contracts.test_route_census import ROUTES
from keyway_backend.audit import Action
from oracle import canaries
from oracle.stage import Home
from oracle.wire import Call, bearer, send

from tests.backend.optional.everything import Everything, eventually, plain

PROPERTIES: Final = {
    "platform", "source", "credential_kind", "version", "$lib", "$lib_version", "$process_person_profile",
    "$geoip_disable", "$is_server",
}  # fmt: skip
OF_AN_ERROR: Final = {"event_id", "timestamp", "platform", "level", "release", "tags", "exception", "sdk"}
TAGS: Final = {"component", "event", "method", "route", "task", "sqlstate"}
# Its end would end the rest.
LAST: Final = {("POST", "/v1/auth/logout"), ("DELETE", "/v1/auth/sessions")}
# Every row that is written is refused, with a sentence that quotes all of it.
_REFUSE: Final[LiteralString] = """DO $$ DECLARE t text; BEGIN
    FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate%' LOOP
        EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT planted CHECK (false) NOT VALID', t);
    END LOOP; END $$"""
_ADMIT: Final[LiteralString] = """DO $$ DECLARE t text; BEGIN
    FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT IF EXISTS planted', t);
    END LOOP; END $$"""
# What is read has another name.
_HIDE: Final[LiteralString] = "ALTER TABLE sessions RENAME COLUMN revoked_at TO planted"
_SHOW: Final[LiteralString] = "ALTER TABLE sessions RENAME COLUMN planted TO revoked_at"


@dataclass
class Marked:
    """A vault in which everything has a name that occurs nowhere else, and what must be told nobody."""

    home: Home
    key: str
    secret_id: str
    marks: list[str] = field(default_factory=list)

    def mark(self, label: str) -> str:
        """A new string that must not be told."""
        self.marks.append(canaries.new(label))
        return self.marks[-1]

    def calls(self) -> Iterator[Call]:
        """A request of every route that gets as far as it can, full of marks."""
        owner, repo = self.home.full_name.split("/")
        token, key = bearer(self.home.token), ("User-Agent", self.mark("agent"))
        known = {"owner": owner, "repo": repo, "name": "development", "env": "development", "org": owner,
                 "secretId": self.secret_id, "provider": "netlify"}  # fmt: skip
        for method, template in sorted(ROUTES - LAST, key=_destructive):
            path = template
            for name in ("owner", "repo", "name", "env", "org", "secretId", "provider"):
                path = path.replace(f"{{{name}}}", known[name])
            while "{" in path:
                path = path[: path.index("{")] + self.mark("id") + path[path.index("}") + 1 :]
            query = f"repo={self.home.full_name}&environment=development&key={self.key}&code={self.mark('code')}"
            headers = (token, key, ("Content-Type", "application/json"), ("X-Request-ID", self.mark("request")))
            yield Call(method, f"{path}?{query}&state={self.mark('state')}", headers, self.body(method))

    def body(self, method: str) -> Any:
        """What any route reads, all at once."""
        if method in {"GET", "HEAD"}:
            return None
        return {
            "repoFullName": self.home.full_name, "environment": "development",
            "secrets": {self.mark("K"): self.mark("V")},
            "key": self.mark("K"), "value": self.mark("V"), "name": self.mark("name"), "token": self.mark("token"),
            "message": self.mark("message"), "code": self.mark("code"), "codeVerifier": self.mark("verifier") * 2,
            "deviceCode": self.mark("device"), "mode": "merge", "type": "standard", "scopes": ["read:secrets"],
        }  # fmt: skip


def _destructive(route: tuple[str, str]) -> tuple[int, int]:
    """What takes things away comes last, the vault after what is in it."""
    method, template = route
    return ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE").index(method), -len(template)


@pytest.fixture(scope="module")
def marked(all_on: Everything) -> Marked:
    """Made while everything is open."""
    home = all_on.home(canaries.new("stem")[:30])
    marked = Marked(home, canaries.new("KEY"), "")
    marked.marks += [home.token, home.full_name, home.admin, marked.key, home.vault_id, str(home.repo_id)]
    assert home.push({marked.key: marked.mark("value")}, "development").status == 200
    found = home.get(f"/v1/vaults/{home.full_name}/secrets").json()["data"]
    marked.secret_id = found[0]["id"]
    marked.marks.append(marked.secret_id)
    return marked


@contextmanager
def database(all_on: Everything, plant: LiteralString, heal: LiteralString) -> Iterator[None]:
    """Broken, as the schema's owner breaks it, and healed."""
    with psycopg.connect(all_on.stack.superuser_database_url, autocommit=True) as connection:
        connection.execute(plant)
        try:
            yield
        finally:
            connection.execute(heal)


@pytest.fixture(scope="module")
def told(all_on: Everything, marked: Marked) -> dict[str, bytes]:
    """Everything that either was ever told, after every route was asked in every state of the database."""
    base, statuses = marked.home.base, []
    for plant, heal in ((_REFUSE, _ADMIT), (_HIDE, _SHOW)):
        with database(all_on, plant, heal):
            statuses += [send(base, call).status for call in marked.calls()]
    assert statuses.count(503) >= 100
    works = [send(base, call).status for call in marked.calls()]
    assert {200, 201, 204, 400, 404} <= set(works)
    # Both tell in order: when what came last is there, so is everything before it.
    with database(all_on, _REFUSE, _ADMIT):
        assert all_on.ask("POST", "/v1/auth/device/start", None, {}).status == 503
    assert all_on.ask("POST", "/v1/auth/logout", marked.home.token).status == 204
    eventually(lambda: any(event["event"] == "user_logout" for event in all_on.counted()))
    eventually(lambda: all_on.reported()[-1]["tags"].get("route") == "/v1/auth/device/start")
    return {
        name: b"".join(repr((one.path, one.query, one.headers)).encode() + plain(one) for one in standin.asked)
        for name, standin in (("posthog", all_on.posthog), ("sentry", all_on.sentry))
    }


@pytest.mark.parametrize("service", ["posthog", "sentry"])
def test_no_mark_is_told(told: dict[str, bytes], marked: Marked, service: str) -> None:
    """In no spelling."""
    assert len(marked.marks) > 1_000
    assert list(itertools.islice(canaries.hits(told[service], marked.marks), 5)) == []


@pytest.mark.usefixtures("told")
def test_what_is_counted(all_on: Everything) -> None:
    """Actions of the closed list, by a person who has no name, with properties of a closed list."""
    events = all_on.counted()
    assert {event["event"] for event in events} <= set(Action)
    assert {"secrets_pushed", "secrets_pulled", "vault_created", "user_login"} <= {event["event"] for event in events}
    assert {name for event in events for name in event["properties"]} <= PROPERTIES
    assert {name for event in events for name in event} <= {"event", "distinct_id", "timestamp", "uuid", "properties"}
    assert {one.path for one in all_on.posthog.asked} == {"/batch/"}


@pytest.mark.usefixtures("told")
def test_what_is_reported(all_on: Everything) -> None:
    """The kind of each error and the lines it went through: no sentence, no variable, no host."""
    events = all_on.reported()
    assert len(events) > 50
    assert {name for event in events for name in event} <= OF_AN_ERROR
    assert {name for event in events for name in event["tags"]} <= TAGS
    errors = [error for event in events for error in event["exception"]["values"]]
    assert {name for error in errors for name in error} <= {"type", "module", "stacktrace"}
    frames = [frame for error in errors for frame in error["stacktrace"]["frames"]]
    assert {name for frame in frames for name in frame} <= {"module", "function", "lineno", "in_app"}
    assert {"CheckViolation", "UndefinedColumn"} <= {error["type"] for error in errors}
    assert {event["tags"].get("route") for event in events} > {"/v1/secrets/push", "/v1/vaults/{owner}/{repo}/secrets"}
    assert {one.path for one in all_on.sentry.asked} == {"/api/1/envelope/"}
