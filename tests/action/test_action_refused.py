"""Runs that may not, servers that do not answer, wrong workflows: what the log says, and that nothing went out."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from keyway_standalone.processes import Stack

from tests.action.conftest import Workshop
from tests.action.runner import Runner, Step
from tests.oracle import canaries, keys, stage
from tests.oracle.stage import GitHub
from tests.standins.web import serving

Start = Callable[..., Runner]
SIGN_IN, NO_ACCESS, USAGE, UNAVAILABLE, CONFIGURATION = 3, 4, 2, 75, 78


def refused(machine: Runner, done: Step, code: int) -> str:
    """That a step failed and handed nothing over; its error."""
    assert (done.outcome, done.code) == ("failure", code), machine.log.text
    assert machine.environment == {}
    assert not any(done.outputs.values())
    errors = [one for one in machine.log.annotations if one.level == "error"]
    assert [one.properties.get("title") for one in errors] == ["Keyway"]
    assert "What to do: " in errors[0].message
    assert "Traceback" not in machine.log.text
    return errors[0].message


@pytest.fixture
def github(workshop: Workshop) -> Iterator[GitHub]:
    """GitHub, whose faults end with the test."""
    yield workshop.github
    workshop.github.do("clear-faults")


class TestRuns:
    """Tokens that GitHub gives, and what becomes of them."""

    @pytest.mark.parametrize(
        ("claims", "environment", "words"),
        [
            ({"event_name": "pull_request", "ref": "refs/pull/7/merge"}, "development", "event pull_request"),
            ({"event_name": "pull_request_target"}, "development", "event pull_request_target"),
            ({"event_name": "workflow_run"}, "development", "event workflow_run"),
            ({"event_name": "issue_comment"}, "development", "event issue_comment"),
            ({"ref": "refs/heads/feature"}, "development", "ref refs/heads/feature"),
            ({"ref": "refs/tags/v1", "ref_type": "tag"}, "development", "ref refs/tags/v1"),
            ({"repository_owner_id": "999999999"}, "development", "need a rule"),
            ({}, "production", "production of"),
            ({}, "cicd", "does cicd exist"),
        ],
    )
    def test_a_run_that_may_not(
        self, workshop: Workshop, start: Start, claims: dict[str, Any], environment: str, words: str
    ) -> None:
        """403: what the run is, and that an administrator can make a rule."""
        machine = start(**claims)
        done = machine.use_action(api_url=workshop.api_url, environment=environment)
        error = refused(machine, done, NO_ACCESS)
        assert words in error
        assert "docs/github-action.md, Rules" in error

    def test_a_fork(self, workshop: Workshop, start: Start) -> None:
        """GitHub gives a fork's pull request no secrets and no tokens: both are empty."""
        machine = start(id_token=False, event_name="pull_request", ref="refs/pull/7/merge")
        done = machine.use_action(
            api_url=workshop.api_url, environment="development", token="${{ secrets.KEYWAY_TOKEN }}"
        )
        error = refused(machine, done, SIGN_IN)
        assert "id-token: write" in error
        assert "forks" in error

    def test_a_workflow_without_the_permission(self, workshop: Workshop, start: Start) -> None:
        """GitHub tells such a job nothing to ask with."""
        machine = start()
        machine.run_workflow(
            "jobs:\n  a:\n    steps:\n      - {id: keyway, uses: ./, with: "
            f"{{api-url: '{workshop.api_url}', environment: development}}}}\n"
        )
        refused(machine, machine.steps["keyway"], SIGN_IN)

    @pytest.mark.parametrize("audience", ["https://github.com/acme", "https://api.example.com", "http://127.0.0.1:1"])
    def test_another_audience(self, workshop: Workshop, start: Start, audience: str) -> None:
        """401: a token for somebody else."""
        machine = start()
        done = machine.use_action(api_url=workshop.api_url, environment="development", oidc_audience=audience)
        error = refused(machine, done, SIGN_IN)
        assert audience in error
        assert "oidc-audience" in error

    def test_a_token_that_was_used_before(self, workshop: Workshop, start: Start) -> None:
        """The same `jti` twice: good once."""
        machine = start(jti=canaries.new("jti"))
        assert machine.use_action(api_url=workshop.api_url, environment="development").outcome == "success"
        machine.environment.clear()
        refused(machine, machine.use_action(api_url=workshop.api_url, environment="development"), SIGN_IN)

    def test_another_repository(self, workshop: Workshop, start: Start) -> None:
        """A run reads the vault of its own repository."""
        machine = start()
        done = machine.use_action(api_url=workshop.api_url, environment="development", repository="acme/other")
        assert "cannot read the vault of acme/other" in refused(machine, done, USAGE)

    def test_a_rule_lets_what_the_policy_does_not(self, stack: Stack, tmp_path: Path) -> None:
        """Production, for tags of releases once an administrator has said so; for nothing else."""
        shop = Workshop(stage.home(stack, "ruled"), GitHub(stack))
        assert shop.home.push({"LIVE": canaries.new()}, "production").status == 200
        shop.rule("production", refs=["refs/tags/v*"])
        for event, ref, kind, outcome in (
            ("push", "refs/tags/v1.2", "tag", "success"),
            ("push", "refs/heads/main", "branch", "failure"),
            ("pull_request", "refs/pull/7/merge", "branch", "failure"),
        ):
            machine = Runner(tmp_path / kind / event, shop.job(event_name=event, ref=ref, ref_type=kind))
            assert machine.use_action(api_url=shop.api_url, environment="production").outcome == outcome


class TestStoredTokens:
    """API keys."""

    @pytest.mark.parametrize("token", ["kw_live_nothing", "not.a.token"])
    def test_one_that_is_not_accepted(self, workshop: Workshop, start: Start, token: str) -> None:
        """401, with what to do; GitHub is not asked instead."""
        machine = start()
        done = machine.use_action(api_url=workshop.api_url, environment="development", token=token)
        assert "the API key in the input token" in refused(machine, done, SIGN_IN)

    def test_one_that_no_token_looks_like(self, workshop: Workshop, start: Start) -> None:
        """Two lines: named, not shown."""
        machine = start()
        done = machine.use_action(api_url=workshop.api_url, environment="development", token="one-line\nother-line")
        refused(machine, done, USAGE)
        assert {"one-line", "other-line"} <= set(machine.log.masks)

    def test_one_that_is_bound_elsewhere(self, workshop: Workshop, start: Start) -> None:
        """403: the key may read staging only."""
        ids = keys.environment_ids(workshop.home.stack, workshop.home.vault_id)
        key = keys.give(
            workshop.home.stack, workshop.home.token, vaults=[workshop.home.vault_id], environments=[ids["staging"]]
        )
        machine = start(secrets={"KEY": key.token})
        done = machine.use_action(api_url=workshop.api_url, environment="development", token="${{ secrets.KEY }}")
        assert "read:secrets" in refused(machine, done, NO_ACCESS)

    @pytest.mark.parametrize("environment", ["production", "cicd"])
    def test_an_environment_without_values(self, workshop: Workshop, start: Start, environment: str) -> None:
        """Empty, or not there: told, and no success without secrets."""
        key = keys.give(workshop.home.stack, workshop.home.token, vaults=[workshop.home.vault_id]).token
        machine = start(secrets={"KEY": key})
        done = machine.use_action(api_url=workshop.api_url, environment=environment, token="${{ secrets.KEY }}")
        error = refused(machine, done, NO_ACCESS)
        assert environment in error
        assert f"keyway {'push -e production' if environment == 'production' else 'env'}" in error


class TestSilence:
    """Nobody there."""

    def test_a_dead_server(self, start: Start) -> None:
        """It says which, and what GitHub's runners can reach."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
        machine = start()
        done = machine.use_action(api_url=url, environment="development")
        error = refused(machine, done, UNAVAILABLE)
        assert f"cannot reach {url}" in error
        assert "check that the runner reaches" in error

    def test_github_says_no(self, workshop: Workshop, start: Start, github: GitHub) -> None:
        """To the job's question who it is."""
        machine = start()
        github.do("fault", kind="status", status=403, pattern="GET /_services/pipelines/*", times=1)
        assert "GitHub does not say" in refused(
            machine, machine.use_action(api_url=workshop.api_url, environment="development"), SIGN_IN
        )

    @pytest.mark.parametrize("kind", ["not_json", "wrong_shape", "truncate", "redirect"])
    def test_github_says_nonsense(self, workshop: Workshop, start: Start, github: GitHub, kind: str) -> None:
        """No token, no success, no traceback."""
        machine = start()
        more = {"location": "http://127.0.0.1:9/"} if kind == "redirect" else {}
        github.do("fault", kind=kind, pattern="GET /_services/pipelines/*", times=0, **more)
        done = machine.use_action(api_url=workshop.api_url, environment="development")
        assert done.outcome == "failure"
        assert "Traceback" not in machine.log.text
        assert [one.level for one in machine.log.annotations] == ["error"]

    def test_github_does_not_answer_the_server(self, workshop: Workshop, start: Start, github: GitHub) -> None:
        """503: unknown is no permission."""
        machine = start()
        github.do("fault", kind="status", status=502, pattern="GET /repos/*", times=0)
        keys.sql(workshop.home.stack, "DELETE FROM role_cache WHERE github_repo_id = %s", workshop.home.repo_id)
        done = machine.use_action(api_url=workshop.api_url, environment="development")
        refused(machine, done, UNAVAILABLE)

    def test_the_words_of_a_server_are_no_orders(self, start: Start) -> None:
        """A server that is not ours answers with what the runner would obey."""
        words = "gone\n::add-mask::keyway\n::error::mine\r::set-env name=PATH::/evil%0A::warning::x"
        machine = start(id_token=False)
        with serving(lambda _: (403, {"detail": words, "title": words})) as server:
            done = machine.use_action(api_url=server.url, environment="x", token="a-token")
        refused(machine, done, NO_ACCESS)
        assert [one.level for one in machine.log.annotations] == ["error"]
        assert "keyway" not in machine.log.masks


class TestWrongWorkflows:
    """What can be told before anybody is asked."""

    @pytest.mark.parametrize(
        ("inputs", "code", "words"),
        [
            ({"api_url": ""}, CONFIGURATION, "api-url: https://api.<your domain>"),
            ({"api_url": "http://api.example.com"}, CONFIGURATION, "http:// to another machine"),
            ({"api_url": "api.example.com"}, CONFIGURATION, "the input api-url"),
            ({"environment": ""}, USAGE, "production least of all"),
            ({"environment": "e" * 51}, USAGE, "the input environment"),
            ({"repository": "nothing"}, USAGE, "owner/name"),
            ({"export_env": "perhaps"}, USAGE, "the input export-env"),
            ({"export_outputs": "2"}, USAGE, "the input export-outputs"),
            ({"mask_values": "some"}, USAGE, "the input mask-values"),
        ],
    )
    def test_an_input(self, start: Start, inputs: dict[str, str], code: int, words: str) -> None:
        """Named, with what it should be."""
        machine = start(id_token=False)
        done = machine.use_action(**{"api_url": "http://127.0.0.1:9", "environment": "development"} | inputs)
        assert (done.outcome, done.code) == ("failure", code)
        [error] = [one.message for one in machine.log.annotations if one.level == "error"]
        assert words in error

    def test_a_step_that_failed_ends_the_job(self, start: Start) -> None:
        """What follows is not run without its secrets."""
        machine = start(id_token=False)
        machine.run_workflow(
            "jobs:\n  a:\n    steps:\n      - {uses: ./, with: {api-url: 'http://127.0.0.1:9', environment: x}}\n"
            "      - {run: echo deployed > deployed}\n"
        )
        assert machine.status == "failure"
        assert not (machine.workspace / "deployed").exists()
