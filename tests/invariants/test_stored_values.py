"""Nothing that is stored opens anything (assurance.md N-05): every column of every table, as every proof."""

from __future__ import annotations

import secrets
from typing import Final

import pytest
from browser import NONCE, Browser, consented, query
from keyway_backend.db.tables import metadata
from keyway_standalone.processes import Stack
from oracle import keys, stage
from oracle.report import Record
from oracle.stored import PKCE, accepted, hunt, paired, tried
from oracle.wire import Call, bearer, send

from tests.backend.ci.test_exchange import Workshop

# Everything that a table could hold a proof in: credentials, sign-ins, tokens of others, rows that grant.
HERE: Final = {
    "api_keys", "audit_events", "ci_tokens", "crypto_keys", "device_logins", "environments", "github_tokens",
    "idempotency_keys", "installation_tokens", "installations", "instance", "oidc_rules", "oidc_token_uses",
    "organizations", "permission_overrides", "revisions", "role_cache", "secret_values", "secrets", "sessions", "users",
    "vaults", "web_sign_ins", "webhook_deliveries",
}  # fmt: skip
# Filled only where everything is on: contracts/public_clients/test_replay_plans_and_syncs.py tries these.
WITH_EVERYTHING_ON: Final = {
    "billing_customers", "provider_connections", "provider_states", "stripe_events", "subscriptions", "vault_syncs",
}  # fmt: skip
# Counts, places and names: there is nothing in them that was ever secret. They are tried when they are filled.
NO_PROOFS: Final = {
    "access_generations", "alert_places", "alert_sightings", "alerts", "audit_positions", "audit_retention",
    "exposure_lives", "exposure_reads", "exposure_ticks", "installation_repositories", "ip_locations",
    "organization_members", "organization_trials",
}  # fmt: skip


def test_every_table_is_in_one_of_the_lists() -> None:
    """A table that is added must say where it is tried."""
    assert set(metadata.tables) == HERE | WITH_EVERYTHING_ON | NO_PROOFS
    assert len(HERE) + len(WITH_EVERYTHING_ON) + len(NO_PROOFS) == len(metadata.tables)


@pytest.fixture(scope="module")
def home(stack: Stack) -> stage.Home:
    """A vault in an installation with a bit of everything: keys, tokens of workflows, rules, sign-ins under way."""
    made, github = stage.home(stack, "stored"), stage.GitHub(stack)
    keys.give(stack, made.token)
    workshop = Workshop(made, github, stack.api_url)
    workshop.issued()
    assert workshop.rule("production", refs=["refs/heads/main"]).status == 201
    override = {
        "environment": "staging",
        "targetType": "role",
        "targetRole": "read",
        "canRead": True,
        "canWrite": False,
    }
    assert made.post(f"/v1/vaults/{made.full_name}/permissions/overrides", override).status == 200
    body = {"repoFullName": made.full_name, "environment": "staging", "secrets": {"A": secrets.token_hex(8)}}
    once = (bearer(made.token), ("Idempotency-Key", secrets.token_hex(8)))
    assert send(stack.api_url, Call("POST", "/v1/secrets/push", once, body)).status == 200
    assert send(stack.api_url, Call("POST", "/v1/auth/device/start", body={})).status == 200
    github.do("install", login=github.user("teller"), webhook=True)
    Browser(stack).start()
    one_time_code(stack)
    return made


def one_time_code(stack: Stack) -> str:
    """A code that the dashboard did not exchange yet, for the verifier that is tried."""
    target = f"{stack.dashboard_url}/in"
    answer = Browser(stack).sign_in(stage.GitHub(stack).user("coded"), redirect_uri=target, **PKCE.params)
    return query(answer.headers["location"])["code"]


@pytest.mark.usefixtures("home")
def test_no_column_of_any_table_opens_anything(stack: Stack, record_property: Record) -> None:
    """As bearer, key, workflow's token, cookie, device code, one-time code, state, and in reports: 0 accepted."""
    tried_all = hunt(stack)
    assert tried_all.taken == ()
    assert tried_all.failed == ()
    assert tried_all.tables >= HERE
    assert len(tried_all.filled) > 80
    record_property("stored values as credentials (N-05)", tried_all.figures())


def test_the_judge_sees_what_is_accepted(stack: Stack, home: stage.Home) -> None:
    """Control: the real proof of every kind is taken at its place, and seen to be."""
    github = stage.GitHub(stack)
    device = send(stack.api_url, Call("POST", "/v1/auth/device/start", body={})).json()
    stack.control.approve_device(device["userCode"], github.user("typed"))
    real = {
        "session": (home.token, 2),  # as bearer and as cookie
        "key": (keys.give(stack, home.token).token, 2),  # as bearer, and its report
        "device code": (device["deviceCode"], 1),
        "one-time code": (one_time_code(stack), 1),
        "run's token": (Workshop(home, github, stack.api_url).token(), 1),
    }
    seen = {
        name: sum(accepted(call, send(stack.api_url, call)) for call in tried(stack, value))
        for name, (value, _) in real.items()
    }
    assert seen == {name: count for name, (_, count) in real.items()}


def test_the_judge_sees_a_state_that_is_accepted(stack: Stack) -> None:
    """Control: the state and the nonce of a browser under way."""
    browser = Browser(stack)
    state = query(consented(stack, browser.start(), stage.GitHub(stack).user("away")))["state"]
    call = paired(state, browser.jar[NONCE])[0]
    assert accepted(call, send(stack.api_url, Call("GET", f"{call.path.partition('&')[0]}&error=no", call.headers)))
