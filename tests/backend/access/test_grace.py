"""Reads go on while GitHub is out, where the operator allows it (policy.yaml `github.grace`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from stack import running_stack, sign_in

from tests.oracle import stage
from tests.oracle.keys import sql
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A vault where a role that was told is too old at once, and believed for a quarter of an hour of outage."""
    with running_stack(backend_env={"GITHUB_GRACE_SECONDS": "900", "ROLE_CACHE_SECONDS": "0"}) as stack:
        yield stage.home(stack, "grace")


@pytest.fixture
def github(home: Home) -> Iterator[GitHub]:
    """GitHub's side; a role of the administrator was told before."""
    github = GitHub(home.stack)
    assert pull(home, home.token).status == 200
    yield github
    github.do("clear-faults")


def pull(home: Home, token: str) -> Answer:
    """A pull of development."""
    path = f"/v1/secrets/pull?repo={home.full_name}&environment=development"
    return send(home.base, Call("GET", path, (bearer(token),)))


def out(github: GitHub, **fault: Any) -> None:
    """Nothing that GitHub is asked about repositories is answered."""
    github.do("fault", **({"kind": "status", "status": 502, "pattern": "GET /repos/*", "times": 200} | fault))


class TestRefused:
    """What no grace covers: 503."""

    def test_writes_and_whatever_is_no_read_of_values(self, home: Home, github: GitHub) -> None:
        """A push, the vault's page, a new environment, a rule of a workflow, the vault's end."""
        out(github)
        assert home.push({"A": "1"}, "development").status == 503
        path = f"/v1/vaults/{home.full_name}"
        for page in ("", "/secrets", "/trash", "/environments", "/permissions", "/activity", "/exposure"):
            assert home.get(path + page).status == 503, page
        assert home.post(f"{path}/environments", {"name": "another"}).status == 503
        assert home.post(f"{path}/oidc-rules", {"environment": "staging"}).status == 503
        assert send(home.base, Call("DELETE", path, (bearer(home.token),))).status == 503

    @pytest.mark.parametrize(
        "fault",
        [{"kind": "rate_limit"}, {"kind": "secondary_limit"}, {"kind": "status", "status": 401}, {"kind": "reset"},
         {"kind": "not_json"}, {"kind": "status", "status": 429}],
    )  # fmt: skip
    def test_what_is_no_outage(self, home: Home, github: GitHub, fault: dict[str, Any]) -> None:
        """GitHub is there and does not say, or the way to it is not to be trusted."""
        out(github, **fault)
        assert pull(home, home.token).status == 503

    def test_whose_role_was_never_told(self, home: Home, github: GitHub) -> None:
        """Somebody new, and a stranger."""
        member = sign_in(home.stack, home.login_with("write"))
        out(github)
        assert pull(home, member).status == 503
        assert pull(home, stage.stranger(home.stack)).status == 503

    def test_after_a_removal(self, home: Home, github: GitHub) -> None:
        """GitHub told of one, for the person or the repository, since the role was told."""
        member = sign_in(home.stack, home.login_with("write"))
        assert pull(home, member).status == 200
        sql(
            home.stack,
            """INSERT INTO access_generations
               SELECT 'user', github_user_id, 1, clock_timestamp() FROM users ORDER BY created_at DESC LIMIT 1""",
        )
        out(github)
        assert pull(home, member).status == 503
        assert pull(home, home.token).status == 200

    def test_a_forged_role(self, home: Home, github: GitHub) -> None:
        """A role that somebody else wrote was never told."""
        token = stage.stranger(home.stack)
        sql(
            home.stack,
            """INSERT INTO role_cache (github_user_id, github_repo_id, role, installation_id, asked_at, expires_at, mac)
               SELECT github_user_id, %s, 'admin', 1, now(), now() - interval '1 second', ''
               FROM users ORDER BY created_at DESC LIMIT 1""",
            home.repo_id,
        )
        out(github)
        assert pull(home, token).status == 503


class TestServed:
    """Reads of values, each marked."""

    @pytest.mark.parametrize("fault", [{}, {"kind": "hang"}])
    def test_a_pull_goes_on_and_its_record_says_why(self, home: Home, github: GitHub, fault: dict[str, Any]) -> None:
        """GitHub says 502, or nothing."""
        out(github, **fault)
        before = marked(home)
        assert pull(home, home.token).status == 200
        assert marked(home) == before + 1

    def test_every_read_of_an_environment_goes_on(self, home: Home, github: GitHub) -> None:
        """Secret by secret, its history, a comparison (policy.yaml: right env:read); what shows a value is marked."""
        path, secret = f"/v1/vaults/{home.full_name}", kept(home)
        out(github)
        before = marked(home, "secret_value_accessed")
        for page in (
            f"/secrets/{secret}/value",
            f"/secrets/{secret}/versions",
            "/environments/development/revision",
            "/environments/development/revisions",
            "/compare?left=development&right=staging",
        ):
            assert home.get(path + page).status == 200, page
        assert marked(home, "secret_value_accessed") == before + 1

    def test_reading_is_all(self, home: Home, github: GitHub) -> None:
        """By the same secret: no write, and nothing that an administrator sees and a reader does not."""
        path, secret = f"/v1/vaults/{home.full_name}", kept(home)
        out(github)
        assert home.get(f"{path}/secrets/{secret}/access-history").status == 503
        for method, page, body in (
            ("PATCH", f"/secrets/{secret}", {"value": "other"}),
            ("DELETE", f"/secrets/{secret}", None),
            ("POST", f"/secrets/{secret}/copy", {"environment": "staging"}),
        ):
            answer = send(home.base, Call(method, path + page, (bearer(home.token),), body))
            assert answer.status == 503, page


def kept(home: Home) -> str:
    """The id of the secret in development."""
    return str(home.get(f"/v1/vaults/{home.full_name}/secrets").json()["data"][0]["id"])


def marked(home: Home, action: str = "secrets_pulled") -> int:
    """Records of that kind that say that GitHub was out."""
    [(count,)] = sql(
        home.stack,
        """SELECT count(*)::int FROM audit_events
           WHERE action = %s AND vault_id = %s AND details ->> 'githubGrace' = 'true'""",
        action,
        home.vault_id,
    )
    return int(count)
