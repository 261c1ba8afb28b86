"""Credentials, rules, installations and accounts forged in the database: ignored, and noticed where they would grant.

Whoever writes the tables is Mallory, who signed in and has no role where it matters. Each case first shows that the
genuine row would have let in.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID, uuid4

import pytest
from keyway_backend.access import api_keys
from keyway_backend.access.actor import Scope
from keyway_standalone.processes import Stack
from oracle import keys, stage
from oracle.crowd import claims
from oracle.keys import sql
from oracle.stage import GitHub, Home
from oracle.wire import Call, bearer, send
from stack import sign_in

from tests.backend.ci.test_exchange import Workshop
from tests.backend.known_people import People


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """What Mallory wants: a vault with a value."""
    return stage.home(stack, "wanted")


@pytest.fixture(scope="module")
def mallory(stack: Stack) -> str:
    """A session of somebody without any role there."""
    return stage.stranger(stack)


def alarms(stack: Stack, kind: str) -> int:
    """How often the backend alarmed about rows of a kind."""
    shown = send(stack.ops_url, Call("GET", "/metrics"), source="127.0.0.1").body.decode()
    counted = re.search(rf'^keyway_integrity_failures_total{{kind="{kind}"}} ([0-9.]+)', shown, re.MULTILINE)
    return int(float(counted[1])) if counted else 0


@contextmanager
def alarmed(stack: Stack, kind: str) -> Iterator[None]:
    """What happens inside raises an alarm of this kind."""
    before = alarms(stack, kind)
    yield
    assert alarms(stack, kind) > before


def pull(home: Home, token: str, environment: str = "development") -> int:
    """How a pull is answered."""
    path = f"/v1/secrets/pull?repo={home.full_name}&environment={environment}"
    return send(home.base, Call("GET", path, (bearer(token),))).status


class TestApiKeys:
    @pytest.mark.parametrize("code", ["random", "empty", "of a genuine key"])
    def test_a_row_of_somebody_elses_making(self, stack: Stack, home: Home, code: str) -> None:
        """A key of Mallory's own token in the administrator's name is no key."""
        genuine = keys.give(stack, home.token)
        assert pull(home, genuine.token) == 200
        mine = api_keys.mint("live").reveal()
        mac = {
            "random": secrets.token_bytes(32),
            "empty": b"",
            "of a genuine key": sql(stack, "SELECT mac FROM api_keys WHERE id = %s", genuine.id)[0][0],
        }[code]
        sql(
            stack,
            """INSERT INTO api_keys (id, user_id, name, environment, prefix, token_hash, scopes, vault_ids,
                   environment_ids, allowed_ips, created_at, expires_at, mac)
               SELECT %s, user_id, name, environment, prefix, %s, scopes, vault_ids, environment_ids, allowed_ips,
                   created_at, expires_at, %s FROM api_keys WHERE id = %s""",
            uuid4(),
            api_keys.hash_of(mine),
            mac,
            genuine.id,
        )
        with alarmed(stack, "api_key"):
            assert pull(home, mine) == 401

    @pytest.mark.parametrize(
        "change",
        [
            "scopes = '{read:secrets,write:secrets,delete:secrets,admin:api-keys}'",
            "vault_ids = NULL",
            "environment_ids = NULL",
            "allowed_ips = '{}'",
            "expires_at = expires_at + interval '1 day'",
            "id = gen_random_uuid()",
            "user_id = (SELECT u.id FROM users AS u WHERE u.id <> api_keys.user_id LIMIT 1)",
        ],
    )
    def test_a_row_that_was_widened(self, stack: Stack, home: Home, mallory: str, change: LiteralString) -> None:
        """More scopes, vaults, environments, addresses or time, or another owner: the key is none any more."""
        assert mallory
        inside = keys.environment_ids(stack, home.vault_id)["development"]
        limits: dict[str, Any] = {"vaults": [home.vault_id], "environments": [inside], "addresses": ["127.0.0.0/8"]}
        key = keys.give(stack, home.token, {Scope.READ}, **limits)
        assert pull(home, key.token) == 200
        sql(stack, "UPDATE api_keys SET " + change + " WHERE token_hash = %s", api_keys.hash_of(key.token))
        with alarmed(stack, "api_key"):
            assert pull(home, key.token) == 401

    @pytest.mark.parametrize("way", ["by its owner", "by a leak report"])
    def test_a_revocation_taken_back(self, stack: Stack, home: Home, way: str) -> None:
        """A revoked key stays revoked when `revoked_at` is taken away, and is listed no more."""
        key = keys.give(stack, home.token)
        assert pull(home, key.token) == 200
        report = Call("POST", "/v1/api-keys/leak-reports", (), {"token": key.token})
        own = Call("DELETE", f"/v1/api-keys/{key.id}", (bearer(home.token),))
        assert send(home.base, own if way == "by its owner" else report).status in {202, 204}
        assert pull(home, key.token) == 401
        assert self.listed(home, key.id) is False
        sql(stack, "UPDATE api_keys SET revoked_at = NULL, revoked_reason = NULL WHERE id = %s", key.id)
        with alarmed(stack, "api_key"):
            assert pull(home, key.token) == 401
        assert self.listed(home, key.id) is None

    def listed(self, home: Home, key_id: UUID) -> bool | None:
        """Whether its owner's list shows a key as active; None when it shows none."""
        found = home.get("/v1/api-keys").json()["data"]["keys"]
        return next((bool(one["isActive"]) for one in found if one["id"] == str(key_id)), None)


class TestWorkflows:
    @pytest.fixture
    def shop(self, stack: Stack, known: People) -> Workshop:
        """A vault of the test's own and the runs of its repository."""
        return Workshop(known.home("runs"), GitHub(stack), stack.api_url)

    def test_a_rule_of_somebody_elses_making(self, stack: Stack, shop: Workshop) -> None:
        """A rule that opens production, copied from a genuine one: no token, and an alarm."""
        made = shop.rule("staging", refs=["refs/heads/*"])
        assert made.status == 201
        environment = keys.environment_ids(stack, shop.home.vault_id)["production"]
        for mac in (secrets.token_bytes(32), b"", None):
            sql(
                stack,
                """INSERT INTO oidc_rules (id, vault_id, environment_id, conditions, fingerprint, created_at,
                       updated_at, mac)
                   SELECT %s, vault_id, %s, conditions, fingerprint, now(), now(), coalesce(%s, mac) FROM oidc_rules
                   WHERE id = %s""",
                uuid4(),
                environment,
                mac,
                made.json()["data"]["id"],
            )
            with alarmed(stack, "ci_rule"):
                assert shop.exchange(shop.token(), "production").status == 403
            sql(stack, "DELETE FROM oidc_rules WHERE environment_id = %s", environment)
        assert shop.rule("production", refs=["refs/heads/*"]).status == 201
        assert shop.exchange(shop.token(), "production").status == 200

    def test_a_rule_that_was_widened(self, stack: Stack, shop: Workshop) -> None:
        """A rule for one branch, edited to be for all: it is none any more, and its tokens end with it."""
        id_ = shop.rule("production", refs=["refs/heads/release"]).json()["data"]["id"]
        token = shop.exchange(shop.token(ref="refs/heads/release"), "production").json()["data"]["token"]
        assert shop.pull(token, "production").status in {200, 404}
        conditions = sql(stack, "SELECT conditions FROM oidc_rules WHERE id = %s", id_)[0][0]
        wider = json.dumps(conditions).replace("refs/heads/release", "refs/heads/*")
        assert wider != json.dumps(conditions)
        sql(stack, "UPDATE oidc_rules SET conditions = %s WHERE id = %s", wider, id_)
        with alarmed(stack, "ci_rule"):
            assert shop.exchange(shop.token(ref="refs/heads/other"), "production").status == 403
        assert shop.pull(token, "production").status == 403

    @pytest.mark.parametrize(
        "change",
        [
            "expires_at = expires_at + interval '1 hour'",
            "environment_id = (SELECT id FROM environments AS e WHERE e.vault_id = ci_tokens.vault_id"
            " AND e.name = 'production')",
            "actor_github_user_id = NULL, actor_login = NULL",
            "github_owner_id = github_owner_id + 1",
        ],
    )
    def test_a_token_that_was_widened(self, stack: Stack, shop: Workshop, change: LiteralString) -> None:
        """More time, another environment, nobody who could be removed: it is none any more."""
        token = shop.issued()
        assert shop.pull(token).status == 200
        sql(stack, "UPDATE ci_tokens SET " + change + " WHERE vault_id = %s", shop.home.vault_id)
        with alarmed(stack, "ci_token"):
            assert {shop.pull(token, name).status for name in ("development", "production")} == {401}

    def test_a_token_that_ended_begins_no_more(self, stack: Stack, shop: Workshop) -> None:
        """Signed out, and the mark taken away."""
        token = shop.issued()
        assert send(stack.api_url, Call("POST", "/v1/auth/logout", (bearer(token),))).status == 204
        assert shop.pull(token).status == 401
        sql(stack, "UPDATE ci_tokens SET revoked_at = NULL WHERE vault_id = %s", shop.home.vault_id)
        with alarmed(stack, "ci_token"):
            assert shop.pull(token).status == 401


class TestWhatGitHubDecides:
    """Rows that carry no code, because they grant nothing: GitHub is asked."""

    def test_an_installation_that_is_none(self, stack: Stack, known: People) -> None:
        """A suspended installation, made active in the database, lets nobody in."""
        home, github = known.home("asleep"), GitHub(stack)
        owner = home.full_name.split("/")[0]
        github.do("suspend", login=owner, webhook=True)
        assert pull(home, home.token) == 403
        sql(stack, "UPDATE installations SET status = 'active' WHERE account_login = %s", owner)
        cool(stack, home)
        assert pull(home, home.token) in {403, 503}

    def test_a_repository_under_ones_own_installation(self, stack: Stack, known: People, mallory: str) -> None:
        """Mallory's installation is said to cover the repository: GitHub does not show it to that installation."""
        home, github = known.home("covered"), GitHub(stack)
        person = stage.GitHub(stack).user("mallory")
        number = github.do("install", login=person)["id"]
        sql(
            stack,
            "UPDATE installation_repositories SET installation_id = %s WHERE github_repo_id = %s",
            number,
            home.repo_id,
        )
        cool(stack, home)
        for token in (mallory, sign_in(stack, person)):
            assert pull(home, token) == 403

    def test_a_vault_that_was_given_to_another_repository(self, stack: Stack, known: People) -> None:
        """The vault's row names a repository of Mallory's, and an owner: no value opens there."""
        home, mine = known.home("moved"), stage.home(stack, "taker", keep=False)
        sql(stack, "UPDATE vaults SET deleted_at = now() WHERE id = %s", mine.vault_id)
        owner, repo = mine.full_name.split("/")
        sql(
            stack,
            """UPDATE vaults SET github_repo_id = %s, github_owner_id = %s, owner_login = %s, repo_name = %s,
                   created_by_github_user_id = %s WHERE id = %s""",
            mine.repo_id,
            mine.owner_id,
            owner,
            repo,
            int(claims(mine.token)["forgeUserId"]),
            home.vault_id,
        )
        answer = mine.get(f"/v1/secrets/pull?repo={mine.full_name}&environment=development")
        assert (answer.status, b"integrity" in answer.body) == (503, True)

    def test_a_roster_that_somebody_else_wrote(self, stack: Stack, known: People, mallory: str) -> None:
        """An owner of an organisation by its row alone sees and changes nothing of it."""
        home = known.home("roster")
        org = home.full_name.split("/")[0]
        assert home.post("/v1/orgs/connect", {"orgLogin": org}).status == 200
        sql(
            stack,
            """INSERT INTO organization_members (organization_id, github_user_id, login, role, joined_at)
               SELECT id, %s, 'mallory', 'owner', now() FROM organizations WHERE login = %s""",
            int(claims(mallory)["forgeUserId"]),
            org,
        )
        for path in (f"/v1/orgs/{org}", f"/v1/orgs/{org}/members", f"/v1/orgs/{org}/exposure"):
            assert send(stack.api_url, Call("GET", path, (bearer(mallory),))).status == 404
            assert send(stack.api_url, Call("GET", path, (bearer(home.token),))).status == 200

    def test_somebody_elses_token_of_github(self, stack: Stack) -> None:
        """The administrator's sealed token in Mallory's row, and the administrator's number too: it opens for nobody
        but the administrator's own sessions."""
        home, mine = stage.home(stack, "sealed"), stage.stranger(stack)
        own, theirs = claims(mine), claims(home.token)
        path = "/v1/github/repositories"
        assert home.full_name.encode() in home.get(path).body
        sql(stack, "DELETE FROM github_tokens WHERE user_id = %s", own["sub"])
        sql(stack, "UPDATE github_tokens SET user_id = %s WHERE user_id = %s", own["sub"], theirs["sub"])
        sql(stack, "UPDATE users SET github_user_id = -1 - github_user_id WHERE id = %s", theirs["sub"])
        sql(stack, "UPDATE users SET github_user_id = %s WHERE id = %s", int(theirs["forgeUserId"]), own["sub"])
        answer = send(stack.api_url, Call("GET", path, (bearer(mine),)))
        assert answer.status >= 400
        assert home.full_name.encode() not in answer.body


def cool(stack: Stack, home: Home) -> None:
    """Nothing is remembered of roles on the repository."""
    sql(stack, "DELETE FROM role_cache WHERE github_repo_id = %s", home.repo_id)
