"""Rules: who may write them, what they must say, and what they let in (policy.yaml `oidc.with_a_rule`)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import pytest
from keyway_backend.features.ci.rules import Conditions, Habits, Run, allowed, fits
from keyway_core.roles import EnvironmentType
from keyway_standalone.processes import Stack

from tests.backend.ci.test_exchange import Workshop
from tests.oracle import stage
from tests.oracle.keys import environment_ids, give, sql
from tests.oracle.stage import GitHub
from tests.oracle.wire import Answer, Call, bearer, send

RUN: Final = Run(
    "acme/app", 1, 2, "push", "refs/heads/main", "branch", "7", 3, "me", None, "acme/app/.github/x.yml@refs/heads/main",
    "github-hosted", "j", 2**31,
)  # fmt: skip
PUBLIC: Final = Habits("main", hosted_only=True)
OWN: Final = Habits("main", hosted_only=False)
PULL: Final[dict[str, Any]] = {"event": "pull_request", "ref": "refs/pull/1/merge"}


@pytest.fixture(scope="module")
def workshop(stack: Stack) -> Workshop:
    """A vault for these tests."""
    return Workshop(stage.home(stack, "rules"), GitHub(stack), stack.api_url)


def path(workshop: Workshop, rule: str = "") -> str:
    """The rules of the vault, or one of them."""
    return f"/v1/vaults/{workshop.home.full_name}/oidc-rules" + (f"/{rule}" if rule else "")


def call(workshop: Workshop, method: str, rule: str = "", body: Any = None, token: str = "") -> Answer:
    """A call as the administrator, or as somebody else."""
    headers = (bearer(token or workshop.home.token),)
    return send(workshop.home.base, Call(method, path(workshop, rule), headers, body))


class TestFits:
    """The pure decision."""

    @pytest.mark.parametrize(
        ("changed", "wanted", "habits"),
        [
            ({"runner": "self-hosted"}, Conditions(), PUBLIC),
            ({"runner": None}, Conditions(), PUBLIC),
            ({"runner": None}, Conditions(runner="github-hosted"), OWN),
            ({"runner": "github-hosted"}, Conditions(runner="self-hosted"), PUBLIC),
            ({"event": "pull_request_target"}, Conditions(), OWN),
            ({"event": "push"}, Conditions(events=("release",)), OWN),
            ({"ref": "refs/heads/main2"}, Conditions(), OWN),
            ({"ref": "refs/heads/main/x"}, Conditions(refs=("refs/heads/main",)), OWN),
            ({"ref": "refs/tags/v1", "ref_type": "tag"}, Conditions(refs=("refs/heads/*",)), OWN),
            ({"ref": "refs/heads/refs/tags/v1"}, Conditions(refs=("refs/tags/*",)), OWN),
            ({"ref": "refs/tags/v1", "ref_type": "branch"}, Conditions(refs=("refs/tags/*",)), OWN),
            (PULL, Conditions(events=("pull_request",), refs=("refs/heads/*",)), OWN),
            (PULL, Conditions(events=("pull_request",)), OWN),
            (PULL, Conditions(refs=("refs/pull/*",)), OWN),
            (PULL | {"ref_type": "tag"}, Conditions(events=("pull_request",), refs=("refs/pull/*",)), OWN),
            ({"github_environment": None}, Conditions(github_environment="prod"), OWN),
            ({"github_environment": "Prod"}, Conditions(github_environment="prod"), OWN),
            ({"job_workflow_ref": None}, Conditions(job_workflow_ref="a"), OWN),
            ({"ref": "refs/heads/"}, Conditions(), Habits("", hosted_only=False)),
        ],
    )
    def test_refused(self, changed: dict[str, Any], wanted: Conditions, habits: Habits) -> None:
        """One condition that does not hold is enough."""
        assert not fits(replace(RUN, **changed), wanted, habits)

    @pytest.mark.parametrize(
        ("changed", "wanted", "habits"),
        [
            ({}, Conditions(), PUBLIC),
            ({"runner": "self-hosted"}, Conditions(), OWN),
            ({"runner": None}, Conditions(runner="any"), PUBLIC),
            ({"runner": "self-hosted"}, Conditions(runner="self-hosted"), PUBLIC),
            ({"ref": "refs/tags/v1.2", "ref_type": "tag"}, Conditions(refs=("refs/tags/v*",)), OWN),
            ({"event": "pull_request_target"}, Conditions(events=("pull_request_target",)), OWN),
            (PULL, Conditions(events=("pull_request",), refs=("refs/pull/*",)), OWN),
            ({"github_environment": "prod"}, Conditions(github_environment="prod"), OWN),
        ],
    )
    def test_admitted(self, changed: dict[str, Any], wanted: Conditions, habits: Habits) -> None:
        """All of them hold."""
        assert fits(replace(RUN, **changed), wanted, habits)

    def test_rules_replace_the_defaults(self) -> None:
        """An environment with rules is ruled by them alone; a protected one by those that say enough."""
        narrow = Conditions(refs=("refs/heads/release",))
        assert allowed(RUN, EnvironmentType.STANDARD, [], PUBLIC) is not None
        assert allowed(RUN, EnvironmentType.STANDARD, [narrow], PUBLIC) is None
        assert allowed(RUN, EnvironmentType.PROTECTED, [], PUBLIC) is None
        assert allowed(RUN, EnvironmentType.PROTECTED, [Conditions(events=("push",))], PUBLIC) is None
        assert allowed(RUN, EnvironmentType.PROTECTED, [Conditions(refs=("refs/heads/main",))], PUBLIC) is not None


class TestRefused:
    """Who writes none, and what is none."""

    @pytest.mark.parametrize("role", ["read", "maintain"])
    def test_who_does_not_manage(self, workshop: Workshop, role: str) -> None:
        """They see rules and change none."""
        token = workshop.home.with_role(role)
        assert call(workshop, "GET", token=token).status == 200
        body = {"environment": "development"}
        assert call(workshop, "POST", body=body, token=token).status == 403
        some = str(uuid4())
        assert call(workshop, "PUT", some, body, token).status == 403
        assert call(workshop, "DELETE", some, token=token).status == 403

    def test_strangers_and_keys(self, workshop: Workshop) -> None:
        """Foreign is missing; a key changes nobody's rights."""
        stranger = stage.stranger(workshop.home.stack)
        assert call(workshop, "GET", token=stranger).status == 404
        assert call(workshop, "POST", body={"environment": "development"}, token=stranger).status == 404
        key = give(workshop.home.stack, workshop.home.token).token
        assert call(workshop, "GET", token=key).status == 200
        assert call(workshop, "POST", body={"environment": "development"}, token=key).status == 403

    @pytest.mark.parametrize(
        "conditions",
        [
            {}, {"environment": "nowhere"}, {"environment": "production"},
            {"environment": "production", "events": ["push"]}, {"environment": "development", "refs": []},
            {"environment": "development", "refs": ["main"]}, {"environment": "development", "refs": ["refs/*"]},
            {"environment": "development", "refs": ["refs/heads/a*b"]},
            {"environment": "development", "refs": ["refs/heads/a\n"]}, {"environment": "development", "events": ["*"]},
            {"environment": "development", "events": "push"},
            {"environment": "development", "runnerEnvironment": "mine"},
            {"environment": "development", "branch": "main"}, {"environment": 7},
            {"environment": "development", "githubEnvironment": ""},
        ],
    )  # fmt: skip
    def test_a_body_that_is_no_rule(self, workshop: Workshop, conditions: dict[str, Any]) -> None:
        """400, and nothing is kept."""
        assert call(workshop, "POST", body=conditions).status == 400

    @pytest.mark.parametrize("rule", ["x", "0198c0de-0000-7000-8000-000000000000", "%00"])
    def test_a_rule_that_is_not_there(self, workshop: Workshop, rule: str) -> None:
        """Missing, and malformed."""
        assert call(workshop, "GET", rule).status == 404
        assert call(workshop, "PUT", rule, {"environment": "development"}).status == 404
        assert call(workshop, "DELETE", rule).status == 404

    def test_a_rule_of_another_vault(self, workshop: Workshop, stack: Stack) -> None:
        """Missing here."""
        other = Workshop(stage.home(stack, "other"), workshop.github, workshop.audience)
        rule = other.rule("staging", refs=["refs/heads/main"]).json()["data"]["id"]
        assert {call(workshop, method, rule, {"environment": "staging"}).status for method in ("GET", "PUT")} == {404}
        assert call(workshop, "DELETE", rule).status == 404
        assert call(other, "GET", rule).status == 200

    def test_a_rule_that_somebody_else_wrote(self, stack: Stack) -> None:
        """In the database it stands; it counts as absent (policy.yaml `tamper`)."""
        own = Workshop(stage.home(stack, "forged"), GitHub(stack), stack.api_url)
        rule = own.rule("production", refs=["refs/heads/release"]).json()["data"]["id"]
        sql(
            stack,
            """UPDATE oidc_rules SET conditions = conditions || '{"refs": ["refs/heads/*"]}' WHERE id = %s""",
            rule,
        )
        assert own.exchange(own.token(), "production").status == 403
        assert call(own, "GET", rule).status == 404


class TestKept:
    """What becomes of good ones."""

    def test_made_shown_changed_and_deleted(self, stack: Stack) -> None:
        """A protected environment, by its rule; a token ends with the rule's form, and with the rule."""
        own = Workshop(stage.home(stack, "kept"), GitHub(stack), stack.api_url)
        assert own.home.push({"P": "1"}, "production").status == 200
        wanted = {"refs": ["refs/heads/main"], "events": ["push"], "runnerEnvironment": "github-hosted"}
        made = own.rule("production", **wanted)
        rule = made.json()["data"]
        assert (made.status, {name: rule[name] for name in wanted}, rule["environment"]) == (201, wanted, "production")
        assert own.rule("production", **wanted).status == 409
        assert [one["id"] for one in call(own, "GET").json()["data"]] == [rule["id"]]

        token = own.exchange(own.token(), "production").json()["data"]["token"]
        assert own.pull(token, "production").status == 200
        assert own.exchange(own.token(runner_environment="self-hosted"), "production").status == 403
        changed = call(own, "PUT", rule["id"], {"environment": "production", "refs": ["refs/heads/*"]})
        assert (changed.status, changed.json()["data"]["events"]) == (200, None)
        assert own.pull(token, "production").status == 401

        token = own.exchange(own.token(ref="refs/heads/x"), "production").json()["data"]["token"]
        assert own.pull(token, "production").status == 200
        assert call(own, "DELETE", rule["id"]).status == 204
        assert own.pull(token, "production").status == 401
        recorded = sql(
            stack,
            "SELECT action FROM audit_events WHERE vault_id = %s AND action LIKE 'ci_rule%%' ORDER BY at",
            own.home.vault_id,
        )
        assert [action for (action,) in recorded] == ["ci_rule_created", "ci_rule_changed", "ci_rule_deleted"]

    def test_a_bound_key_sees_those_of_its_environments(self, stack: Stack) -> None:
        """The list is filtered; a rule of another environment is outside its binding."""
        own = Workshop(stage.home(stack, "seen"), GitHub(stack), stack.api_url)
        inside, outside = (own.rule(name).json()["data"]["id"] for name in ("development", "staging"))
        ids = environment_ids(stack, own.home.vault_id)
        key = give(stack, own.home.token, vaults=[own.home.vault_id], environments=[ids["development"]]).token
        assert [one["id"] for one in call(own, "GET", token=key).json()["data"]] == [inside]
        assert call(own, "GET", inside, token=key).status == 200
        assert call(own, "GET", outside, token=key).status == 403
